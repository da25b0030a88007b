"""How old our knowledge of each source is, as the citizen is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from inbox.sync.models import Mailbox
from inbox.sync.sources import labels

__all__ = ["SourceState", "freshness", "labels"]

FIELDS = (
    "source_id",
    "active",
    "failure",
    "last_success_at",
    "source__label",
    "source__active",
    "source__shared_queue",
    "source__failure",
    "source__last_success_at",
)
ROWS = Mailbox.objects.order_by("source__label").values(*FIELDS)
"""Made ready once, as this takes longer than the query."""


@dataclass(slots=True)
class SourceState:
    """One source as it stands for one citizen."""

    slug: str
    label: str
    ok: bool
    failure: str
    """The contract's word for what is wrong ("temporary", "notpermitted", …); empty when ok."""
    last_success_at: datetime | None
    """By the shared clock; None before the first successful fetch."""
    active: bool


def freshness(citizen_id: UUID) -> list[SourceState]:
    """Return the state of each of the citizen's sources, in one query."""
    return [_state(values) for values in ROWS.filter(citizen_id=citizen_id)]


def _state(values: dict[str, Any]) -> SourceState:
    polled = "source__" if values["source__shared_queue"] else ""
    failure = values[f"{polled}failure"]
    return SourceState(
        slug=values["source_id"],
        label=values["source__label"],
        ok=not failure,
        failure=failure,
        last_success_at=values[f"{polled}last_success_at"],
        active=values["active"] and values["source__active"],
    )
