"""Who is due: mailboxes and shared queues whose time has come, each handed to a worker once.

Sources take turns, and of each the mailbox that has waited longest comes first. A source is asked
for so many mailboxes a minute and no more; one that asks us to wait is left alone, and one that
does not answer keeps so many workers and no more: neither holds up another. All of it is rows,
locks and conditional UPDATEs: any number of schedulers and workers may run.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, zip_longest
from typing import Any
from uuid import UUID
from zlib import crc32

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from inbox.sync import lease
from inbox.sync.models import Mailbox, Source
from inbox.sync.pauses import not_paused

BATCH = 500
BURST_SECONDS = 5.0
"""How much of what a source's limit left unused may be caught up with at once."""


def due_mailboxes() -> Iterator[tuple[str, str]]:
    """Yield (citizen id, mailbox id) of those that are due, the sources taking turns.

    Each is put off by one interval before it is handed out: a wake-up that is lost on its way
    is made again then. One query for all sources, and five for each that has mailboxes due.
    No more are handed out of a source than it may keep workers; `go_on` hands out the next.
    """
    now = timezone.now()
    sources = Source.objects.filter(not_paused(now), active=True, shared_queue=False)
    taken = [_hand_out(source, now) for source in sources.order_by("slug")]
    for each in chain.from_iterable(zip_longest(*taken)):
        if each is not None:
            yield each


def go_on(citizen_id: UUID | str, mailbox_id: UUID | str) -> list[tuple[str, str]]:
    """Return the next mailbox of this one's source, if one waits there: its worker is free."""
    now = timezone.now()
    own = Mailbox.objects.filter(citizen_id=citizen_id, id=mailbox_id).values("source_id")
    sources = Source.objects.filter(not_paused(now), active=True, shared_queue=False, slug__in=own)
    return [found for source in sources for found in _hand_out(source, now, at_most=1)]


def take(mailbox: QuerySet[Mailbox]) -> UUID | None:
    """Take the lease of one mailbox, unless its source keeps as many workers as it may.

    In that case it is due at once, and has its turn when one of them is done. None then, when
    somebody has it, and when its source has asked us to wait.
    """
    with transaction.atomic():
        # Whoever else takes one of this source's waits here, so that nobody counts too few.
        own = Source.objects.filter(slug__in=mailbox.values("source_id"))
        source = own.select_for_update(no_key=True).first()
        now = timezone.now()
        if source is None or (source.paused_until and source.paused_until > now):
            return None
        if _room(source, now) < 1:
            mailbox.filter(lease.free(now), due_at__gt=now).update(due_at=now)
            return None
        return lease.take_polling(mailbox)


def has_room(slug: str, work: QuerySet[Any]) -> bool:
    """Say whether one more worker may do a kind of work at a source, `work` being all of it there.

    What it may not is due still, and looked for again in seconds. Nobody is locked out while we
    count: two who begin in one moment may be one too many.
    """
    in_hand = work.filter(state="waiting", lease_until__gte=timezone.now()).count()
    own = Source.objects.filter(slug=slug).values_list("busy_max", flat=True).first()
    return in_hand < _busy_max(own)


def due_sources() -> Iterator[str]:
    """Yield the slugs of the shared queues that are due."""
    now = timezone.now()
    rows = Source.objects.filter(
        lease.free(now), not_paused(now), active=True, shared_queue=True, due_at__lte=now
    )
    for slug, due_at in rows.order_by("due_at").values_list("slug", "due_at"):
        source = Source.objects.filter(slug=slug, due_at=due_at)
        if source.update(due_at=_put_off(now), last_attempt_at=now):
            yield slug


def make_due(row: Q, model: type[Mailbox] | type[Source]) -> int:
    """Let the matching mailboxes or sources be fetched at once; returns how many.

    What was fetched or handed out a moment ago has its turn when SYNC_PING_FLOOR_SECONDS have
    passed since, and what is due already is left as it is.
    """
    now = timezone.now()
    floor = now + ping_floor()
    rows = model.objects.filter(row, active=True)
    in_hand = Q(due_at__lte=F("last_attempt_at"))
    recent = Q(last_attempt_at__gt=now - ping_floor())
    rows.filter(Q(due_at__gt=floor) | in_hand, recent).update(due_at=floor)
    rested = Q(last_attempt_at=None) | Q(last_attempt_at__lte=now - ping_floor())
    return rows.filter(Q(due_at__gt=now) | in_hand, rested).update(due_at=now)


def next_turn(key: object, now: datetime) -> datetime:
    """Return when to fetch the mailbox or source with this primary key again.

    Each has a moment of its own in the interval, so that those who connected in one second, or
    waited for the same outage to end, do not come back in one. It is between a half and one and
    a half intervals away, and one interval after the last from then on.
    """
    interval = float(settings.SYNC_INTERVAL_SECONDS)
    own = crc32(str(key).encode()) / 2**32 * interval
    earliest = now.timestamp() + interval / 2
    return datetime.fromtimestamp(earliest + (own - earliest) % interval, UTC)


def ping_floor() -> timedelta:
    """Return how long after a fetch a ping can bring about another at the earliest."""
    return timedelta(seconds=settings.SYNC_PING_FLOOR_SECONDS)


def _room(source: Source, now: datetime) -> int:
    """Return how many more of a source's mailboxes may be in hand."""
    mailboxes = Mailbox.objects.filter(source_id=source.slug)
    return _busy_max(source.busy_max) - mailboxes.filter(lease_until__gte=now).count()


def _busy_max(own: int | None) -> int:
    return own or int(settings.SYNC_SOURCE_BUSY_MAX)


def _hand_out(source: Source, now: datetime, at_most: int = BATCH) -> list[tuple[str, str]]:
    """Take as many of a source's due mailboxes as its limits allow.

    `next_slot_at` moves by one step for each. It moves in the transaction that puts the mailboxes
    off, and only from where we saw it: of two schedulers at once one gets them.
    """
    step = 60 / (source.per_minute or settings.SYNC_SOURCE_PER_MINUTE)
    unused = now - timedelta(seconds=max(BURST_SECONDS, step))
    seen = source.next_slot_at
    slot = unused if seen is None else max(seen, unused)
    allowed = min(at_most, int((now - slot).total_seconds() / step + 1e-6))
    if allowed < 1:
        return []
    due: Any = Mailbox.objects.filter(
        lease.free(now), active=True, due_at__lte=now, source_id=source.slug
    )
    found = list(due.order_by("due_at").values_list("citizen_id", "id")[:allowed])
    found = found[: max(_room(source, now), 0)] if found else []
    if not found:
        return []
    with transaction.atomic():
        moved = Source.objects.filter(slug=source.slug, next_slot_at=seen).update(
            next_slot_at=slot + timedelta(seconds=step * len(found))
        )
        if not moved:
            return []
        citizens, mailboxes = zip(*found, strict=True)
        Mailbox.objects.filter(citizen_id__in=citizens, id__in=mailboxes, active=True).update(
            due_at=_put_off(now), last_attempt_at=now
        )
    return [(str(citizen), str(mailbox)) for citizen, mailbox in found]


def _put_off(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.SYNC_INTERVAL_SECONDS)
