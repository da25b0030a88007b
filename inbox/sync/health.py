"""What does not work right now, over all citizens: for those who run Samlepost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Value
from django.db.models.fields import IntegerField
from django.utils import timezone

from inbox.citizens.models import ContactDetails
from inbox.sync.models import Mailbox, Register, Source
from inbox.sync.pauses import RATE_LIMITED


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


@dataclass(frozen=True, slots=True)
class Waiting:
    """A source that has asked us to wait."""

    source: str
    """The source's label."""
    until: datetime
    """Real time."""


@dataclass(frozen=True, slots=True)
class FailingRegister:
    """A register that does not answer, or persons of whom it says nothing that can be read."""

    failure: str
    """The contract's word, or "unreadable" or "unanswered" for single persons."""
    persons: int
    """How many citizens it hits; 0: all of them."""
    runs: int
    last_success_at: datetime | None
    detail: str


def failing_contacts() -> list[FailingRegister]:
    """Return what fails at the contact register, in two queries by index."""
    registers = Register.objects.exclude(failure="").order_by("name")
    persons = (
        ContactDetails.objects.exclude(failure="")
        .values_list("failure")
        .annotate(of=Count("citizen_id"), success=Max("answered_at"), said=Max("failure_detail"))
    )
    return [
        FailingRegister(row.failure, 0, row.failures, row.last_success_at, row.failure_detail)
        for row in registers
    ] + [
        FailingRegister(failure, of, 0, success, said)
        for failure, of, success, said in persons.order_by("failure")
    ]


def waiting() -> list[Waiting]:
    """Return the sources that have asked us to wait, in one query."""
    found = Source.objects.filter(active=True, paused_until__gt=timezone.now())
    rows = found.order_by("label").values_list("label", "paused_until")
    return [Waiting(label, until) for label, until in rows if until]


def failing() -> list[Failing]:
    """Return what fails, by source and kind of failure, in one query.

    To be asked to wait is no failure: see `waiting`.
    """
    mailboxes = (
        Mailbox.objects.filter(active=True, source__active=True, source__shared_queue=False)
        .exclude(failure__in=("", RATE_LIMITED))
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
        .exclude(failure__in=("", RATE_LIMITED))
        .annotate(of=Value(0, output_field=IntegerField()))
        .values_list("label", "failure", "of", "failures", "last_success_at", "failure_detail")
    )
    return sorted(
        (Failing(*row) for row in mailboxes.union(queues, all=True)),
        key=lambda found: (found.source, found.failure),
    )
