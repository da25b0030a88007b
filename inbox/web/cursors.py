"""Where a page of a list goes on: after the row that the address names."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def row_of(rows: QuerySet[Row], wanted: str) -> Row | None:
    """Return the row whose id is `wanted`, or None for anything else."""
    try:
        row_id = UUID(wanted)
    except ValueError:
        return None
    return rows.filter(id=row_id).first()
