"""How old our knowledge of each source is, as the citizen is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from inbox.sync.models import Mailbox
from inbox.sync.sources import labels

__all__ = ["SourceState", "freshness", "labels"]


@dataclass(frozen=True, slots=True)
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
    mailboxes = Mailbox.objects.select_related("source").filter(citizen_id=citizen_id)
    return [_state(mailbox) for mailbox in mailboxes.order_by("source__label")]


def _state(mailbox: Mailbox) -> SourceState:
    source = mailbox.source
    polled = source if source.shared_queue else mailbox
    active = mailbox.active and source.active
    return SourceState(
        slug=source.slug,
        label=source.label,
        ok=not polled.failure,
        failure=polled.failure,
        last_success_at=polled.last_success_at,
        active=active,
    )
