"""A copy of the archive in a folder, and the way back: objects, log and rows, without the keys.

The folder is an archive like the one that it is of (`ocfl/`, `log/`), beside it `state/` with what
the database alone knows (`inbox/sync/state.py`). All of it is ciphertext under owners' keys, which
are backed up to another place (`archive_keys backup`): who destroys an owner's key destroys what
is hers here as well.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from inbox.archive import holdings, mending, ocfl, places
from inbox.archive.models import Holding, ObjectKey
from inbox.archive.ocfl import INVENTORY
from inbox.archive.proof.log import folder as log_folder
from inbox.archive.proof.sequencer import locked
from inbox.archive.storage import Disk, Missing, Storage

BATCH = 500
LOG_WAIT_SECONDS = 60.0
NOT_THE_LOG = ("lock", "staging")

Tell = Callable[[UUID, str], None]


class NoBackup(ValueError):
    """The folder is no backup of an archive."""


@dataclass
class Copied:
    """What was done with objects."""

    new: int = 0
    same: int = 0
    removed: int = 0
    keyless: int = 0
    """Left where they are, as there is no key of theirs."""
    problems: int = 0


def write_objects(target: Path, tell: Tell) -> Copied:
    """Bring the folder's objects up to what the archive holds: what is new alone is copied.

    Each file is held against its inventory on the way. What is removed from the archive is removed
    there. `tell` is given what cannot be copied.
    """
    archive, copy = places.primary(), _disk(target)
    copied = Copied()
    last: UUID | None = None
    while True:
        rows = Holding.objects.filter(removed_at=None).order_by("object_id")
        batch = list((rows.filter(object_id__gt=last) if last else rows)[:BATCH])
        for holding in batch:
            _copy(archive, copy, holding, copied, tell)
        if len(batch) < BATCH:
            break
        last = batch[-1].object_id
    for object_id, folder in objects_in(target):
        if not holdings.is_held(object_id):
            _remove(copy, folder)
            copied.removed += 1
    return copied


def check(source: Path) -> None:
    """Raise NoBackup for a folder that is no backup of an archive."""
    if not (source / "ocfl" / ocfl.ROOT_DECLARATION).is_file():
        raise NoBackup(f"{source} holds no ocfl/{ocfl.ROOT_DECLARATION}")


def restore_objects(source: Path, tell: Tell) -> Copied:
    """Put the folder's objects into the archive where they are not, and their rows beside them.

    The keys must be here: what has none, because it was destroyed since, does not come back.
    Raises NoBackup. What is damaged in the folder is named and left out.
    """
    check(source)
    archive, copy = places.primary(), _disk(source)
    copied = Copied()
    for object_id, folder, owner_id in _with_owner(source):
        if owner_id is None and object_id.int:
            copied.keyless += 1
            continue
        try:
            inventory, _ = mending.inventory_of(copy, folder)
            raw = b"".join(copy.chunks(folder, f"v{inventory.head}/{INVENTORY}"))
        except (Missing, ValueError, OSError) as error:
            copied.problems += 1
            tell(object_id, str(error))
            continue
        kept = (object_id, inventory.head, ocfl.inventory_digest(raw))
        if _copy(copy, archive, _holding(*kept), copied, tell) and owner_id is not None:
            with transaction.atomic():
                holdings.note([(*kept, owner_id)], is_new=False)
    return copied


def write_log(target: Path) -> None:
    """Copy the log as it stands; nobody writes it meanwhile. Raises OSError."""
    if not log_folder().is_dir():
        return
    until = time.monotonic() + LOG_WAIT_SECONDS
    while True:
        with locked() as is_ours:
            if is_ours:
                _mirror(log_folder(), target / "log")
                return
        if time.monotonic() > until:
            raise OSError("the log is being written all the time")
        time.sleep(0.1)


def restore_log(source: Path) -> None:
    """Put the folder's log in the place of the archive's. Raises OSError."""
    if (source / "log").is_dir():
        with locked():
            _mirror(source / "log", log_folder())


def objects_in(home: Path) -> Iterator[tuple[UUID, str]]:
    """Yield each object below a folder's `ocfl/`: its id, and where it lies from there.

    One whose inventory cannot be read has no id, and is yielded as of UUID(int=0).
    """
    root = home / "ocfl"
    for first in _folders(root) if root.is_dir() else ():
        if first.name == "extensions":
            continue
        for second in _folders(first):
            for place in _folders(second):
                yield _id_of(place), place.relative_to(root).as_posix()


def without_key() -> Iterator[UUID]:
    """Yield the objects of the archive's folder that have no key here; nothing of a bucket."""
    if not settings.ARCHIVE_S3:
        for object_id, _, owner_id in _with_owner(Path(settings.ARCHIVE_DIR)):
            if owner_id is None:
                yield object_id


def _with_owner(home: Path) -> Iterator[tuple[UUID, str, UUID | None]]:
    """Yield each object with whose it is by its key; None: it has none."""
    objects = objects_in(home)
    while batch := list(islice(objects, BATCH)):
        ids = [object_id for object_id, _ in batch]
        found = ObjectKey.objects.filter(object_id__in=ids)
        owners = dict(found.values_list("object_id", "owner_id"))
        for object_id, folder in batch:
            yield object_id, folder, owners.get(object_id)


def _disk(home: Path) -> Disk:
    disk = Disk(home)
    disk.lay_out(ocfl.ROOT_FILES)
    return disk


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _id_of(place: Path) -> UUID:
    for name in (INVENTORY, f"v1/{INVENTORY}"):
        try:
            return UUID(ocfl.read_inventory((place / name).read_bytes()).id)
        except (OSError, ValueError):
            continue
    return UUID(int=0)


def _holding(object_id: UUID, version: int, sha512: str) -> Holding:
    now = timezone.now()
    return Holding(
        object_id=object_id,
        version=version,
        inventory_sha512=sha512,
        stored_at=now,
        checked_at=now,
        copy_due_at=now,
    )


def _copy(source: Storage, target: Storage, holding: Holding, copied: Copied, tell: Tell) -> bool:
    """Copy an object that is not there, or not in this version; say whether it is there then."""
    folder = holdings.folder_of(holding.object_id)
    try:
        if target.names(folder):
            if _is_same(target, folder, holding):
                copied.same += 1
                return True
            _remove(target, folder)
        mending.copy_whole(source, target, holding)
    except (Missing, ValueError, OSError) as error:
        copied.problems += 1
        tell(holding.object_id, str(error) or type(error).__name__)
        return False
    copied.new += 1
    return True


def _is_same(target: Storage, folder: str, holding: Holding) -> bool:
    try:
        inventory, raw = mending.inventory_of(target, folder)
    except (Missing, ValueError):
        return False
    return (inventory.head, ocfl.inventory_digest(raw)) == (
        holding.version,
        holding.inventory_sha512,
    )


def _remove(storage: Storage, folder: str) -> None:
    with storage.locked(folder):
        storage.remove(folder)


def _mirror(source: Path, target: Path) -> None:
    """Make `target` hold what `source` does: what differs is copied, what is more goes."""
    wanted = {
        path.relative_to(source)
        for path in source.rglob("*")
        if path.is_file() and path.relative_to(source).parts[0] not in NOT_THE_LOG
    }
    for name in sorted(wanted):
        new, old = source / name, target / name
        if not old.is_file() or old.read_bytes() != new.read_bytes():
            old.parent.mkdir(parents=True, exist_ok=True)
            fresh = old.with_name(f"{old.name}.{os.getpid()}.tmp")
            shutil.copyfile(new, fresh)
            with fresh.open("rb") as written:
                os.fsync(written.fileno())
            fresh.replace(old)
    for path in target.rglob("*") if target.is_dir() else ():
        name = path.relative_to(target)
        if path.is_file() and name not in wanted and name.parts[0] not in NOT_THE_LOG:
            path.unlink()
