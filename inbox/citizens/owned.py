"""The base of every table on the letter side: each row belongs to one citizen.

The primary key is (citizen_id, id) and joins carry both columns, so that the tables can be
hash-partitioned or distributed by citizen as they are: PostgreSQL's partitions and Citus both
refuse a unique key without the partition column.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models
from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a fresh UUIDv7 (RFC 9562): random enough not to be guessed, sorted by time."""
    return uuid7()


class CitizenOwned(models.Model):
    """A row that belongs to one citizen."""

    pk = models.CompositePrimaryKey("citizen_id", "id")
    citizen = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    id = models.UUIDField(default=new_id)

    class Meta:
        abstract = True


class OwnedForeignKey(models.ForeignObject):  # type: ignore[type-arg]
    """A reference to another row of the same citizen, joined on both columns.

    `OwnedForeignKey(Letter, "letter_id")` goes beside `letter_id = models.UUIDField()`. The
    database holds no constraint for it; Django cascades deletions.
    """

    def __init__(self, to: Any, id_field: str = "", **kwargs: Any) -> None:
        if id_field:
            kwargs["from_fields"] = ("citizen_id", id_field)
        kwargs.setdefault("to_fields", ("citizen_id", "id"))
        kwargs.setdefault("on_delete", models.CASCADE)
        super().__init__(to, **kwargs)
