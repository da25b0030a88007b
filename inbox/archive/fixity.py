"""Is an object still what was put there? Reads every byte and compares it with the inventory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from inbox.archive import ocfl
from inbox.archive.ocfl import INVENTORY, OBJECT_DECLARATION, SIDECAR, Inventory
from inbox.archive.storage import Missing, Storage, Unavailable


def read_small(storage: Storage, folder: str, name: str) -> bytes:
    """Return the bytes of an inventory or a sidecar, or nothing when it is not there."""
    try:
        return b"".join(storage.chunks(folder, name))
    except Missing:
        return b""


def problems(storage: Storage, folder: str, name: str) -> list[str]:
    """Return what is wrong with the object in `folder` whose OCFL id is `name`, in plain words.

    Raises Unavailable when the storage's server does not answer, and OSError when an inventory
    cannot be read.
    """
    raw = read_small(storage, folder, INVENTORY)
    if not raw:
        return [f"{INVENTORY} is missing"]
    found = _inventory_problems(storage, folder, "", raw)
    try:
        inventory = ocfl.read_inventory(raw)
    except ValueError as error:
        return [*found, f"{INVENTORY} cannot be read: {error}"]
    if inventory.id != name:
        found.append(f"{INVENTORY} is that of another object")
    if read_small(storage, folder, OBJECT_DECLARATION) != ocfl.OBJECT_DECLARATION_TEXT:
        found.append(f"{OBJECT_DECLARATION} is missing or changed")
    found += _version_problems(storage, folder, inventory, raw)
    found += _content_problems(storage, folder, inventory)
    found += _stray(storage, folder, inventory)
    return found


def _inventory_problems(storage: Storage, folder: str, place: str, raw: bytes) -> list[str]:
    if read_small(storage, folder, f"{place}{SIDECAR}") != ocfl.sidecar(raw):
        return [f"{place}{INVENTORY} does not match its {SIDECAR}"]
    return []


def _version_problems(
    storage: Storage, folder: str, inventory: Inventory, newest: bytes
) -> Iterator[str]:
    """Check the inventory kept with each version against the one in force."""
    for number in range(1, inventory.head + 1):
        place = f"v{number}/"
        raw = read_small(storage, folder, f"{place}{INVENTORY}")
        yield from _inventory_problems(storage, folder, place, raw)
        try:
            then = ocfl.read_inventory(raw)
        except ValueError:
            yield f"{place}{INVENTORY} is missing or cannot be read"
            continue
        if number == inventory.head and raw != newest:
            yield f"{place}{INVENTORY} differs from {INVENTORY}"
        if then.head != number or any(
            inventory.versions.get(version) != then.versions[version] for version in then.versions
        ):
            yield f"{place}{INVENTORY} tells another history than {INVENTORY}"


def _content_problems(storage: Storage, folder: str, inventory: Inventory) -> Iterator[str]:
    for digest, paths in inventory.manifest.items():
        for path in paths:
            meter = ocfl.Meter("sha512")
            try:
                for _ in meter.through(storage.chunks(folder, path)):
                    pass
            except Missing:
                yield f"{path} is missing"
                continue
            except Unavailable:
                raise
            except OSError as error:
                yield f"{path} cannot be read: {error.strerror}"
                continue
            if meter.digest != digest:
                yield f"{path} has changed: its sha512 is not that of the inventory"


def _stray(storage: Storage, folder: str, inventory: Inventory) -> list[str]:
    expected = {OBJECT_DECLARATION, INVENTORY, SIDECAR}
    for version in inventory.versions:
        expected |= {f"{version}/{INVENTORY}", f"{version}/{SIDECAR}"}
    for paths in inventory.manifest.values():
        expected.update(paths)
    return [
        f"{name} does not belong to the object"
        for name in storage.names(folder)
        if name not in expected
    ]


def checked(chunks: Iterator[bytes], sha512: str) -> Iterator[bytes]:
    """Yield chunks, the last one only when all of them together have this digest.

    Raises ValueError when they have not.
    """
    digest = hashlib.sha512()
    held: bytes | None = None
    for chunk in chunks:
        digest.update(chunk)
        if held is not None:
            yield held
        held = chunk
    if digest.hexdigest() != sha512:
        raise ValueError("the bytes are not those that were stored")
    if held is not None:
        yield held
