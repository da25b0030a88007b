"""What does not work right now, over all citizens: for those who run Samlepost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Value
from django.db.models.fields import IntegerField

from inbox.sync.models import Mailbox, Source


@dataclass(frozen=True, slots=True)
class Failing:
    """One kind of failure at one source."""

    source: str
    """The source's label."""
    failure: str
    """The contract's word: "temporary", "notpermitted", "misconfigured", …"""
    mailboxes: int
    """How many citizens' mailboxes it hits; 0 for a queue that all of them share."""
    runs: int
    """Most failed runs in a row."""
    last_success_at: datetime | None
    """By the shared clock: the latest success among what fails now."""
    detail: str
    """What one of the failures said."""


def failing() -> list[Failing]:
    """Return what fails, by source and kind of failure, in one query."""
    mailboxes = (
        Mailbox.objects.filter(active=True, source__active=True, source__shared_queue=False)
        .exclude(failure="")
        .values_list("source__label", "failure")
        .annotate(
            of=Count("citizen_id"),
            runs=Max("failures"),
            success=Max("last_success_at"),
            said=Max("failure_detail"),
        )
    )
    queues = (
        Source.objects.filter(active=True, shared_queue=True)
        .exclude(failure="")
        .annotate(of=Value(0, output_field=IntegerField()))
        .values_list("label", "failure", "of", "failures", "last_success_at", "failure_detail")
    )
    return sorted(
        (Failing(*row) for row in mailboxes.union(queues, all=True)),
        key=lambda found: (found.source, found.failure),
    )
