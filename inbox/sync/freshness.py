"""How old our knowledge of each source is, as the citizen is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet, UUIDField

from inbox.citizens.prepared import Prepared, Slot
from inbox.sync.models import Mailbox
from inbox.sync.sources import labels

__all__ = ["SourceState", "freshness", "labels"]

FIELDS = (
    "source_id",
    "active",
    "failure",
    "last_success_at",
    "keeps_since",
    "source__connector",
    "source__label",
    "source__active",
    "source__shared_queue",
    "source__failure",
    "source__last_success_at",
)


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
    """She has it connected, and we still ask it."""
    connected: bool
    """She has not disconnected it."""
    keeps_since: datetime | None
    """By the shared clock: since when she lets us keep copies by ourselves."""
    connector: str
    shared: bool
    """A supplier's queue that holds many citizens' letters."""


def freshness(citizen_id: UUID) -> list[SourceState]:
    """Return the state of each of the citizen's sources, in one query."""
    return [_state(*values) for values in _MAILBOXES.run(citizen=citizen_id)]


def disconnected(citizen_id: UUID, slugs: Iterable[str]) -> list[str]:
    """Return which of these sources she has disconnected (1 query)."""
    hers = Mailbox.objects.filter(citizen_id=citizen_id, source_id__in=set(slugs), active=False)
    return sorted(hers.values_list("source_id", flat=True))


def _mailboxes() -> QuerySet[Mailbox, Any]:
    hers = Mailbox.objects.filter(citizen_id=Slot("citizen", UUIDField()))
    return hers.order_by("source__label").values_list(*FIELDS)


_MAILBOXES = Prepared(_mailboxes)


def _state(
    slug: str,
    active: bool,
    failure: str,
    last_success_at: datetime | None,
    keeps_since: datetime | None,
    connector: str,
    label: str,
    source_active: bool,
    shared_queue: bool,
    source_failure: str,
    source_last_success_at: datetime | None,
) -> SourceState:
    """Make a state of what FIELDS names, in that order."""
    if shared_queue:
        failure, last_success_at = source_failure, source_last_success_at
    return SourceState(
        slug=slug,
        label=label,
        ok=not failure,
        failure=failure,
        last_success_at=last_success_at,
        active=active and source_active,
        connected=active,
        keeps_since=keeps_since,
        connector=connector,
        shared=shared_queue,
    )
