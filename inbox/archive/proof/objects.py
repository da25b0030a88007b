"""Does the archive hold what the log says it holds, and nothing that the log does not know?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from django.conf import settings

from inbox.archive import holdings, keys, store
from inbox.archive.models import ObjectKey
from inbox.archive.proof.audit import Finding
from inbox.archive.proof.leaves import read_leaf
from inbox.archive.proof.models import LogEntry

BATCH = 500


def findings(chosen: Iterable[UUID] | None = None) -> Iterator[Finding]:
    """Yield what is wrong with every object, or with those chosen; nothing with ARCHIVE_PROOF=off.

    The rows stand for the log here: `audit.findings` holds them against its files.
    """
    if settings.ARCHIVE_PROOF == "off":
        return
    if chosen is not None:
        for batch in _batches(chosen):
            yield from _batch(batch, _with_key(batch))
        return
    for batch in _batches(keys.objects()):
        yield from _batch(batch, set(batch))
    logged = LogEntry.objects.order_by("object_id").values_list("object_id", flat=True).distinct()
    for batch in _batches(logged.iterator(chunk_size=BATCH)):
        with_key_too = _with_key(batch)
        yield from _batch([each for each in batch if each not in with_key_too], set())


def _batch(objects: Sequence[UUID], with_key: set[UUID]) -> Iterator[Finding]:
    history: dict[UUID, list[LogEntry]] = defaultdict(list)
    for row in LogEntry.objects.filter(object_id__in=objects).order_by("id"):
        history[row.object_id].append(row)
    for object_id in objects:
        for text in _object(object_id, history[object_id], object_id in with_key):
            yield Finding(object_id, text)


def _object(object_id: UUID, history: Sequence[LogEntry], has_key: bool) -> Iterator[str]:
    """Yield what is wrong with one object, by the events of its life from the oldest."""
    expected: dict[int, str] = {}
    is_destroyed = False
    # What has no place yet came last.
    for row in sorted(history, key=lambda row: (row.index is None, row.index or 0)):
        is_destroyed = row.event == LogEntry.Event.DESTROYED
        if is_destroyed:
            expected = {}
        else:
            expected[row.version] = _inventory_of(row)
    if is_destroyed:
        if has_key:
            yield "its key was destroyed, says the log, and is there"
        return
    if not has_key:
        yield "its key is gone, and the log knows of no destruction"
    try:
        found = store.inventories(object_id)
    except store.Damaged as error:
        yield f"its inventory cannot be read: {error}"
        return
    if not found:
        if not history and not holdings.is_held(object_id):
            return  # Its key was made, and then it could not be put: nothing was ever there.
        yield "it is not in the archive, and the log knows of no destruction"
        return
    for version in sorted(found.keys() | expected.keys()):
        if version not in expected:
            yield f"the log knows no version {version} of it: its leaf was dropped, or never there"
        elif version not in found:
            yield f"version {version}, which the log knows, is not in the archive"
        elif found[version] != expected[version]:
            yield f"the inventory of version {version} is not the one that was logged"


def _inventory_of(row: LogEntry) -> str:
    try:
        return read_leaf(row.leaf.encode()).inventory_sha512
    except ValueError:
        return ""  # `audit.findings` tells of the row.


def _with_key(objects: Sequence[UUID]) -> set[UUID]:
    found = ObjectKey.objects.filter(object_id__in=objects)
    return set(found.values_list("object_id", flat=True))


def _batches(objects: Iterable[UUID]) -> Iterator[list[UUID]]:
    batch: list[UUID] = []
    for each in objects:
        batch.append(each)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
