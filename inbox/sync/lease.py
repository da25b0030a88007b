"""Who has a mailbox or a piece of work in hand: leases, by conditional UPDATE, in real time.

A worker that dies leaves its lease behind; when that has run out the next one takes over.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import F, Model, Q, QuerySet
from django.utils import timezone

from connectors.contract import Misconfigured, RateLimited
from inbox.letters.receive import clean
from inbox.sync import pauses

ATTEMPTS_MAX = 50
"""After so many a receipt is given up."""

log = logging.getLogger("samlepost.sync.lease")


class LeaseLost(Exception):
    """Another worker has taken over; what this one was about to write must not be written."""


def free(now: datetime) -> Q:
    """Match rows that nobody has in hand."""
    return Q(lease_until=None) | Q(lease_until__lt=now)


def take_polling(row: QuerySet[Model]) -> UUID | None:
    """Take the lease of the one mailbox, source or register in `row`; None when somebody has it."""
    now, token = timezone.now(), uuid4()
    taken = row.filter(free(now)).update(
        lease_token=token, lease_until=now + lease_time(), last_attempt_at=now
    )
    return token if taken else None


def keep(row: QuerySet[Model], token: UUID, **changes: object) -> None:
    """Renew the lease and write `changes` with it. Raises LeaseLost."""
    held = row.filter(lease_token=token).update(
        lease_until=timezone.now() + lease_time(), **changes
    )
    if not held:
        raise LeaseLost


def give_back(row: QuerySet[Model], token: UUID, **changes: object) -> None:
    """Let go of the lease and write the outcome; nothing when another worker has taken over."""
    row.filter(lease_token=token).update(lease_until=None, lease_token=None, **changes)


def claim_work(row: QuerySet[Model]) -> bool:
    """Claim the one piece of work in `row` for a while, counting the attempt before it is made."""
    now = timezone.now()
    claimed = row.filter(free(now), state="waiting").update(
        lease_until=now + lease_time(), attempts=F("attempts") + 1
    )
    return bool(claimed)


@contextmanager
def unless_called_off(row: QuerySet[Model]) -> Iterator[None]:
    """Let the block fail in silence when the work in `row` has been deleted meanwhile."""
    try:
        yield
    except Exception as error:
        if row.exists():
            raise
        log.info("work was called off: %s", type(error).__name__)


def after_failure(
    source: str, attempts: int, error: Exception, attempts_max: int | None = None
) -> dict[str, object]:
    """Return the changes of a piece of work whose attempt failed: later, or given up.

    `source` is the slug of the source that was asked. Where it asks us to wait it is paused, and
    the attempt does not count. With `attempts_max` it is given up after so many; without it after
    ATTEMPTS_MAX, but never while it waits for a person to mend our settings.
    """
    changes: dict[str, object] = {
        "state": "waiting",
        "lease_until": None,
        "last_error": clean(str(error), 255),
    }
    if isinstance(error, RateLimited):
        until = pauses.note(source, error)
        return changes | {"attempts": max(attempts - 1, 0), "due_at": until}
    waits_for_us = attempts_max is None and isinstance(error, Misconfigured)
    if attempts >= (attempts_max or ATTEMPTS_MAX) and not waits_for_us:
        changes["state"] = "failed"
    return changes | {"due_at": back_off(attempts)}


def lease_time() -> timedelta:
    """Return how long a lease lasts unless it is renewed."""
    return timedelta(seconds=settings.SYNC_LEASE_SECONDS)


def back_off(failures: int, at_least: float = 0) -> datetime:
    """Return the real time of the next attempt after so many failures in a row."""
    seconds = settings.SYNC_INTERVAL_SECONDS * 2 ** min(failures, 10)
    seconds = max(min(seconds, settings.SYNC_BACKOFF_MAX_SECONDS), at_least)
    return timezone.now() + timedelta(seconds=seconds)
