"""The second copy: every version that is stored is owed to it, every removal as well.

The rows that owe (`Holding.is_owed`) are the queue. While the copy does not answer, nothing else
waits for it: the rows stay, are tried again, and the operator sees how far behind it is.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from inbox.archive import holdings, mending, ocfl, places
from inbox.archive.models import Damage, Holding
from inbox.archive.ocfl import INVENTORY, SIDECAR, Inventory, sidecar
from inbox.archive.storage import Missing, Storage

log = logging.getLogger("samlepost.archive.copying")

BATCH = 100
RUN_SECONDS = 60.0
WAIT_MAX = 3600
"""Seconds, at most, until a failed copy is tried again."""
REMOVAL_WAIT = timedelta(minutes=10)
"""After so long, what a process has not removed itself is removed for it."""


def run(seconds: float = RUN_SECONDS) -> int:
    """Copy what is owed, the longest due first, for at most so long; returns how many objects.

    Stops at the first that a storage refuses: the others would fare no better.
    """
    try:
        primary, second = places.primary(), places.second()
    except OSError as error:
        log.warning("no place to copy from or to: %s", type(error).__name__)
        _note_failure(_owed().first(), error)
        return 0
    rows = _owed()
    if second is None:
        rows = rows.filter(removed_at__lt=timezone.now() - REMOVAL_WAIT)
    done, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        batch = list(rows[:BATCH])
        for holding in batch:
            try:
                if holding.removed_at:
                    _remove(holding, primary, second)
                elif second:
                    _copy(holding, primary, second)
            except OSError as error:
                log.warning("copying stops: %s", error.strerror)
                _note_failure(holding, error)
                return done
            done += 1
            if time.monotonic() > until:
                break
        if len(batch) < BATCH:
            break
    return done


def sweep(older_than: float) -> int:
    """Clear away what copying left behind that died; returns how many leftovers went.

    Raises OSError when the second copy fails.
    """
    second = places.second()
    if second is None:
        return 0
    return sum(
        second.clear(label, older_than, ocfl.folder_of_digest(label) if len(label) == 64 else "")
        for label in second.stale(older_than)
    )


def _owed() -> QuerySet[Holding]:
    due = Holding.objects.filter(is_owed=True, copy_due_at__lte=timezone.now())
    return due.order_by("copy_due_at")


def _note_failure(holding: Holding | None, error: Exception) -> None:
    if holding is None:
        return
    wait = timedelta(seconds=min(5 * 2 ** min(holding.copy_attempts, 10), WAIT_MAX))
    said = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    Holding.objects.filter(pk=holding.pk).update(
        copy_attempts=min(holding.copy_attempts + 1, 32_767),
        copy_due_at=timezone.now() + wait,
        copy_error=said[:120],
    )


def _remove(holding: Holding, primary: Storage, second: Storage | None) -> None:
    folder = holdings.folder_of(holding.object_id)
    for storage in filter(None, (primary, second)):
        with suppress(Missing), storage.locked(folder):
            if holdings.is_held(holding.object_id):
                return  # It has been put anew since the row was read.
            storage.remove(folder)
    holdings.forget(holding.object_id)


def _copy(holding: Holding, primary: Storage, second: Storage) -> None:
    folder = holdings.folder_of(holding.object_id)
    try:
        if second.names(folder):
            _catch_up(holding, primary, second, folder)
        else:
            mending.copy_whole(primary, second, holding)
    except (Missing, ValueError) as error:
        # Not the copy's fault: the scan finds out, and has the older copy to repair from.
        if found := mending.check(primary, holding):
            holdings.note_damage(holding.object_id, found, by="copy")
        _note_failure(holding, error)
        return
    except mending.CannotMend as error:
        _note_failure(holding, error)
        return
    now = timezone.now()
    same = Holding.objects.filter(pk=holding.pk, inventory_sha512=holding.inventory_sha512)
    same.filter(removed_at=None).update(
        is_owed=False, copy_checked_at=now, copy_attempts=0, copy_error=""
    )


def _catch_up(holding: Holding, primary: Storage, second: Storage, folder: str) -> None:
    """Add the versions that the copy lacks; whatever else is different there is put right."""
    with primary.locked(folder, shared=True), second.locked(folder):
        inventory, raw = mending.inventory_of(primary, folder)
        behind = _head_of(second, folder, inventory)
        if behind is not None:
            for number in range(behind + 1, inventory.head + 1):
                _add(primary, second, folder, number, inventory)
            second.replace(folder, INVENTORY, raw)
            second.replace(folder, SIDECAR, sidecar(raw))
            return
    found = mending.check(second, holding)
    if found:
        holdings.note_damage(holding.object_id, found, place=Damage.Place.COPY, by="copy")
        mending.mend(second, primary, holding, first=primary)


def _head_of(second: Storage, folder: str, inventory: Inventory) -> int | None:
    """Return the copy's latest version if it is an earlier state of this object, else None."""
    try:
        there, _ = mending.inventory_of(second, folder)
    except ValueError:
        return None
    is_earlier = there.id == inventory.id and there.head < inventory.head
    same = all(inventory.versions.get(each) == said for each, said in there.versions.items())
    return there.head if is_earlier and same else None


def _add(primary: Storage, second: Storage, folder: str, number: int, inventory: Inventory) -> None:
    inside = f"v{number}/"
    names = [name for name in primary.names(folder) if name.startswith(inside)]
    with second.stage(folder.rpartition("/")[2], marked=True) as staged:
        for name in names:
            chunks = mending.sound(primary, folder, name, inventory)
            staged.write(name.removeprefix(inside), chunks)
        # Where a run that died has put it, it is there already, and was as sound.
        second.publish([(staged, f"{folder}/v{number}")])
