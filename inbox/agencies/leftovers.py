"""What lies in the archive and nothing refers to, since a process died before it wrote the rows.

Bytes are archived before their rows, and what is fetched again after a crash is archived anew: the
first attempt stays, unseen by anybody, until it is looked for here. This floor is the lowest one
that knows all who keep something in the archive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Model, Q
from django.utils import timezone

from inbox.agencies.models import Answer, Dispatch
from inbox.archive import store
from inbox.archive.models import Holding, ObjectKey, Package
from inbox.letters.models import Tombstone
from inbox.sync.models import Quarantined

BATCH = 500
REFERRING: tuple[type[Model], ...] = (Package, Tombstone, Quarantined, Dispatch, Answer)
"""Every table whose `id` is the id of an object. A tombstone sees to the removal of its own."""

Leftover = tuple[UUID, UUID]
"""The owner and the object."""


def leftovers(older_than: timedelta) -> Iterator[Leftover]:
    """Yield the objects that nothing refers to, written longer ago than that.

    Reads every key in order, a batch at a time. Rows come at most minutes after their bytes; a
    span of days leaves nothing to chance.
    """
    before = timezone.now() - older_than
    last: Leftover | None = None
    while batch := _after(last):
        last = batch[-1]
        yield from _unreferenced(batch, before)


def remove(found: Sequence[Leftover]) -> None:
    """Remove such objects, key first; the log says of each that it was destroyed."""
    for owner_id, object_id in found:
        store.remove(owner_id, object_id)


def _after(last: Leftover | None) -> list[Leftover]:
    rows = ObjectKey.objects.order_by("owner_id", "object_id")
    if last:
        owner_id, object_id = last
        later = Q(owner_id=owner_id, object_id__gt=object_id) | Q(owner_id__gt=owner_id)
        rows = rows.filter(later, owner_id__gte=owner_id)
    return list(rows.values_list("owner_id", "object_id")[:BATCH])


def _unreferenced(batch: Sequence[Leftover], before: datetime) -> Iterator[Leftover]:
    ids = {object_id for _, object_id in batch}
    old = Holding.objects.filter(object_id__in=ids, stored_at__lt=before, removed_at=None)
    left = set(old.values_list("object_id", flat=True))
    for table in REFERRING:
        if left:
            rows = table._default_manager.filter(id__in=left)
            left -= set(rows.values_list("id", flat=True))
    yield from (each for each in batch if each[1] in left)
