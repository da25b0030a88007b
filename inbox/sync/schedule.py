"""Who is due: mailboxes and shared queues whose time has come, each handed to a worker once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from inbox.sync import lease
from inbox.sync.models import Mailbox, Source

BATCH = 500


def due_mailboxes() -> Iterator[tuple[str, str]]:
    """Yield (citizen id, mailbox id) of those that are due, longest waiting first.

    Each is put off by one interval before it is handed out: a wake-up that is lost on its way
    is made again then.
    """
    now = timezone.now()
    rows = Mailbox.objects.filter(
        lease.free(now), active=True, due_at__lte=now, source__active=True
    ).order_by("due_at")
    for citizen_id, mailbox_id, due_at in rows.values_list("citizen_id", "id", "due_at")[:BATCH]:
        if _claim(Q(citizen_id=citizen_id, id=mailbox_id), due_at, Mailbox):
            yield str(citizen_id), str(mailbox_id)


def due_sources() -> Iterator[str]:
    """Yield the slugs of the shared queues that are due."""
    now = timezone.now()
    rows = Source.objects.filter(lease.free(now), active=True, shared_queue=True, due_at__lte=now)
    for slug, due_at in rows.order_by("due_at").values_list("slug", "due_at"):
        if _claim(Q(slug=slug), due_at, Source):
            yield slug


def make_due(row: Q, model: type[Mailbox] | type[Source]) -> int:
    """Let the matching mailboxes or sources be fetched at once; returns how many."""
    return model.objects.filter(row, active=True).update(due_at=timezone.now())


def _claim(row: Q, due_at: datetime | None, model: type[Mailbox] | type[Source]) -> bool:
    later = timezone.now() + timedelta(seconds=settings.SYNC_INTERVAL_SECONDS)
    return bool(model.objects.filter(row, due_at=due_at).update(due_at=later))
