"""Pages of a list, newest first: how long they are, and where the next begins.

A cursor names the last row by its moment and its id, so that it holds when that row is gone, and
every one that is of the pattern can be followed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from ninja import Query

PAGE_MAX = 100
PAGE_DEFAULT = 50
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
PRINTABLE = "^[^\\x00-\\x1f\\x7f]+$"
"""What a text to search for consists of: the database takes no NUL."""
NEXT = "The `cursor` of the next page; null: this is the last"

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Cursor = Annotated[
    str | None, Query(description="`next` of the page before", pattern="^[0-9a-f]{46}$")
]

Row = TypeVar("Row", bound=Model)


def page(
    rows: QuerySet[Row], moment: str, limit: int, cursor: str | None
) -> tuple[list[Row], str | None]:
    """Return a page of rows by the field `moment` and their id, and the cursor of the next."""
    if cursor is not None:
        at, last_id = EPOCH + int(cursor[:14], 16) * MICROSECOND, UUID(cursor[14:])
        older = Q(**{f"{moment}__lt": at}) | Q(id__lt=last_id)
        rows = rows.filter(older, **{f"{moment}__lte": at})
    found = list(rows.order_by(f"-{moment}", "-id")[: limit + 1])
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    passed = (getattr(last, moment) - EPOCH) // MICROSECOND
    return found[:limit], f"{passed:014x}{last.pk.hex}"
