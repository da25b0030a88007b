"""One object in two places: is it whole in one, and can the other be made whole from it?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress

from inbox.archive import ocfl
from inbox.archive.fixity import checked, problems, read_small
from inbox.archive.holdings import folder_of
from inbox.archive.models import Holding
from inbox.archive.ocfl import INVENTORY, Inventory
from inbox.archive.storage import Missing, Storage, Unavailable

GONE = "the object is not there"


class CannotMend(Exception):
    """It cannot be repaired now; the text says why."""


def check(storage: Storage, holding: Holding) -> list[str]:
    """Read an object as a whole; return what is wrong with it, or nothing.

    Needs no key. The row says which inventory it must have: one that was made anew is found
    however well it fits. Raises Unavailable when the storage's server does not answer.
    """
    folder = folder_of(holding.object_id)
    try:
        with storage.locked(folder, shared=True):
            return _wrong(storage, holding, folder)
    except Missing:
        return [GONE]


def _wrong(storage: Storage, holding: Holding, folder: str) -> list[str]:
    try:
        found = problems(storage, folder, ocfl.object_name(holding.object_id))
        raw = read_small(storage, folder, f"v{holding.version}/{INVENTORY}")
    except Unavailable:
        raise
    except OSError as error:
        return [f"it cannot be read: {error.strerror}"]
    if not raw or ocfl.inventory_digest(raw) != holding.inventory_sha512:
        found.append(f"the inventory of v{holding.version} is not the one that was stored")
    return found


def mend(damaged: Storage, whole: Storage, holding: Holding, *, first: Storage) -> None:
    """Put back what is damaged in one place from the other, file by file, readable throughout.

    Nothing is taken from a place that is not whole itself: raises CannotMend, also when what was
    put back is not whole then. `first` of the two is locked first, by all who lock both.
    Raises OSError when a storage fails.
    """
    folder = folder_of(holding.object_id)
    try:
        with whole.locked(folder, shared=True):
            found = _wrong(whole, holding, folder)
    except Missing:
        found = [GONE]
    if found:
        raise CannotMend(f"the other copy is no better: {found[0]}")
    if not damaged.names(folder):
        copy_whole(whole, damaged, holding)
    else:
        second = whole if first is damaged else damaged
        with (
            first.locked(folder, shared=first is whole),
            second.locked(folder, shared=second is whole),
        ):
            _put_back(damaged, whole, folder)
    if still := check(damaged, holding):
        raise CannotMend(f"it is still damaged: {still[0]}")


def copy_whole(source: Storage, target: Storage, holding: Holding) -> None:
    """Make an object where there is nothing of it, held against its inventory on the way.

    Raises ValueError when the source is damaged, Missing when something is missing there.
    """
    folder = folder_of(holding.object_id)
    with source.locked(folder, shared=True):
        inventory, _ = inventory_of(source, folder)
        with target.stage(folder.rpartition("/")[2], marked=True) as staged:
            for name in _in_order(source.names(folder)):
                staged.write(name, sound(source, folder, name, inventory))
            target.publish([(staged, folder)])


def inventory_of(storage: Storage, folder: str) -> tuple[Inventory, bytes]:
    """Return the inventory in force, and its bytes. Raises ValueError where it is damaged."""
    raw = read_small(storage, folder, INVENTORY)
    if read_small(storage, folder, ocfl.SIDECAR) != ocfl.sidecar(raw):
        raise ValueError(f"{INVENTORY} does not match its {ocfl.SIDECAR}")
    return ocfl.read_inventory(raw), raw


def _put_back(damaged: Storage, whole: Storage, folder: str) -> None:
    inventory, _ = inventory_of(whole, folder)
    with suppress(ValueError):
        there, _ = inventory_of(damaged, folder)
        if there.head > inventory.head:
            raise CannotMend("the other copy has not its latest version yet")
    names = whole.names(folder)
    for name in _in_order(names):
        if _digest(damaged, folder, name) != _digest(whole, folder, name):
            damaged.put_back(folder, name, sound(whole, folder, name, inventory))
    for name in set(damaged.names(folder)) - set(names):
        damaged.take_away(folder, name)


def sound(storage: Storage, folder: str, name: str, inventory: Inventory) -> Iterator[bytes]:
    """Yield a file, its last piece only when it is what the inventory says. Raises ValueError."""
    chunks = storage.chunks(folder, name)
    sha512 = {path: digest for digest, paths in inventory.manifest.items() for path in paths}
    return checked(chunks, sha512[name]) if name in sha512 else chunks


def _in_order(names: list[str]) -> list[str]:
    """Put what says that an object is there last, and what a version holds before that."""
    return sorted(names, key=lambda name: (name == INVENTORY, "/content/" not in name, name))


def _digest(storage: Storage, folder: str, name: str) -> bytes:
    digest = hashlib.sha512()
    try:
        for chunk in storage.chunks(folder, name):
            digest.update(chunk)
    except Unavailable:
        raise
    except (Missing, OSError):
        return b""
    return digest.digest()
