"""The archive's front door: put bytes in for life, read them back, verify them.

One OCFL object per delivery (docs/archive-format.md). When `put` or `add_version` returns, the
bytes are safe on disk; a process that dies at any point before leaves the object as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from inbox.archive import ocfl
from inbox.archive.fixity import checked, problems, read_small
from inbox.archive.ocfl import INVENTORY, SIDECAR, BadPath, Inventory, Meter
from inbox.archive.storage import Disk, Missing, Occupied, Staged, Storage

__all__ = [
    "AlreadyThere",
    "BadPath",
    "Damaged",
    "Missing",
    "Stored",
    "StoredFile",
    "add_version",
    "describe",
    "exists",
    "put",
    "read_bytes",
    "read_chunks",
    "remove",
    "sweep",
    "verify",
]

STALE_SECONDS = 24 * 3600

Files = Mapping[str, bytes | Iterable[bytes]]


class AlreadyThere(Exception):
    """The object is stored already, with other content."""


class Damaged(Exception):
    """What is stored is not what was put there."""


@dataclass(frozen=True)
class StoredFile:
    """One file of a stored version."""

    path: str
    """Logical path."""
    sha256: str
    """Hex digest of the plaintext."""
    size: int
    """Bytes of plaintext."""


@dataclass(frozen=True)
class Stored:
    """One version of an object, safe on disk."""

    object_id: UUID
    version: int
    inventory_sha512: str
    """Hex digest of the version's inventory.json."""
    files: dict[str, StoredFile]
    """Everything in the version, by logical path."""


def put(object_id: UUID, files: Files, note: str = "") -> Stored:
    """Store a new object.

    `files` maps logical paths (`original/sbd.jwt`, `files/0001.pdf`: letters, digits, `. _ - /`)
    to bytes, or to an iterable of chunks that is streamed. `note` is kept in the inventory: it
    must tell nothing about a person.

    Putting the same content again does nothing and returns what is stored. Raises AlreadyThere
    for other content, BadPath for a name not allowed, OSError when the disk fails; what a chunk
    iterable raises passes through, and then nothing is stored.
    """
    ocfl.check_paths(files)
    storage = _storage()
    folder = _folder(object_id)
    inventory = Inventory(ocfl.object_name(object_id))
    with storage.stage(_label(folder)) as staged:
        state = _stage_files(staged, inventory, files, "v1/", "v1")
        if not storage.names(folder):
            inventory.add_version(state, note, _user())
            raw = inventory.to_json()
            staged.write(ocfl.OBJECT_DECLARATION, [ocfl.OBJECT_DECLARATION_TEXT])
            for place in ("", "v1/"):
                staged.write(f"{place}{INVENTORY}", [raw])
                staged.write(f"{place}{SIDECAR}", [ocfl.sidecar(raw)])
            try:
                storage.publish(staged, folder)
            except Occupied:
                pass  # Another process was faster: settled below.
            else:
                return _stored(storage, object_id, inventory, 1)
    return _same_or_raise(storage, object_id, state)


def add_version(object_id: UUID, files: Files, note: str = "") -> Stored:
    """Add or replace files of a stored object, as a new version; older ones stay as they are.

    Content that the object holds already is referred to, not written again. When nothing would
    change, nothing is written and the latest version is returned. Raises Missing when there is
    no such object, Damaged when its inventory cannot be read, BadPath as `put` does.
    """
    ocfl.check_paths(files)
    storage = _storage()
    folder = _folder(object_id)
    with storage.locked(folder):
        _mend(storage, folder)
        inventory = _inventory(storage, folder)
        before, version = inventory.state(inventory.head), inventory.head + 1
        with storage.stage(_label(folder)) as staged:
            state = before | _stage_files(staged, inventory, files, "", f"v{version}")
            ocfl.check_paths(state)
            if state == before:
                return _stored(storage, object_id, inventory, inventory.head)
            inventory.add_version(state, note, _user())
            raw = inventory.to_json()
            staged.write(INVENTORY, [raw])
            staged.write(SIDECAR, [ocfl.sidecar(raw)])
            storage.publish(staged, f"{folder}/v{version}")
            # From here on the next writer or sweep finishes the version if this process dies.
            storage.replace(folder, INVENTORY, raw)
            storage.replace(folder, SIDECAR, ocfl.sidecar(raw))
    return _stored(storage, object_id, inventory, version)


def read_chunks(object_id: UUID, path: str, version: int | None = None) -> Iterator[bytes]:
    """Yield a file in chunks of at most 64 KiB, from the latest version unless one is named.

    Raises Missing at once when object, version or path is not there. Raises Damaged before the
    last chunk when the bytes are not those that were put: a reader never gets the whole of a
    damaged file.
    """
    storage = _storage()
    folder = _folder(object_id)
    inventory = _inventory(storage, folder)
    version = inventory.head if version is None else version
    try:
        name = inventory.content_path(version, path)
        digest = inventory.state(version)[path]
    except KeyError:
        raise Missing(f"{object_id} v{version} has no {path!r}") from None
    storage.size(folder, name)
    return _whole(storage.chunks(folder, name), digest, f"{path} of {object_id}")


def read_bytes(object_id: UUID, path: str, version: int | None = None) -> bytes:
    """Return a whole file; raises as `read_chunks` does."""
    return b"".join(read_chunks(object_id, path, version))


def describe(object_id: UUID, version: int | None = None) -> Stored:
    """Return what a version holds by its inventory, without reading the files.

    Raises Missing when the object, the version or a file is not there, Damaged when the
    inventory cannot be read.
    """
    storage = _storage()
    inventory = _inventory(storage, _folder(object_id))
    version = inventory.head if version is None else version
    if f"v{version}" not in inventory.versions:
        raise Missing(f"{object_id} has no v{version}")
    return _stored(storage, object_id, inventory, version)


def exists(object_id: UUID) -> bool:
    """Say whether the object is stored."""
    return bool(_storage().names(_folder(object_id)))


def verify(object_id: UUID) -> list[str]:
    """Read everything of an object again; return what is wrong in plain words, or nothing."""
    storage = _storage()
    folder = _folder(object_id)
    try:
        with storage.locked(folder, shared=True):
            return problems(storage, folder, ocfl.object_name(object_id))
    except Missing:
        return ["the object is not in the archive"]


def remove(object_id: UUID) -> None:
    """Remove an object with all its versions; nothing happens when it is not there."""
    storage = _storage()
    folder = _folder(object_id)
    try:
        with storage.locked(folder):
            storage.remove(folder)
    except Missing:
        return


def sweep(older_than: float = STALE_SECONDS) -> int:
    """Clear away what processes that died left behind more than `older_than` seconds ago.

    Finishes or takes back versions that were being added. Returns how many leftovers went.
    """
    storage = _storage()
    count = 0
    for label in storage.stale(older_than):
        folder = ocfl.folder_of_digest(label) if _is_digest(label) else ""
        if folder:
            try:
                with storage.locked(folder):
                    _mend(storage, folder)
            except Missing:
                pass  # It died before its object was there.
        count += storage.clear(label, older_than, folder)
    return count


def _storage() -> Storage:
    storage = Disk(settings.ARCHIVE_DIR)
    storage.lay_out(ocfl.ROOT_FILES)
    return storage


def _folder(object_id: UUID) -> str:
    return ocfl.object_folder(ocfl.object_name(object_id))


def _label(folder: str) -> str:
    return folder.rpartition("/")[2]


def _is_digest(label: str) -> bool:
    return len(label) == 64 and set(label) <= set("0123456789abcdef")


def _user() -> dict[str, str]:
    return {"name": "Samlepost", "address": settings.WEB_PUBLIC_URL}


def _stage_files(
    staged: Staged, inventory: Inventory, files: Files, prefix: str, version: str
) -> dict[str, str]:
    """Write the content that the object does not hold yet; return logical path → sha512."""
    state: dict[str, str] = {}
    for path, data in files.items():
        meter = Meter()
        staged.write(
            f"{prefix}content/{path}",
            meter.through([data] if isinstance(data, bytes) else data),
        )
        content = meter.content()
        if inventory.holds(content.sha512):
            staged.discard(f"{prefix}content/{path}")
        else:
            inventory.add_content(content, f"{version}/content/{path}")
        state[path] = content.sha512
    return state


def _inventory(storage: Storage, folder: str) -> Inventory:
    raw = read_small(storage, folder, INVENTORY)
    if not raw and not storage.names(folder):
        raise Missing("the object is not in the archive")
    try:
        return ocfl.read_inventory(raw)
    except ValueError as error:
        raise Damaged(str(error)) from error


def _stored(storage: Storage, object_id: UUID, inventory: Inventory, version: int) -> Stored:
    folder = _folder(object_id)
    sha256 = inventory.fixity()
    files = {}
    for path in sorted(inventory.state(version)):
        name = inventory.content_path(version, path)
        files[path] = StoredFile(path, sha256[name], storage.size(folder, name))
    digest = ocfl.inventory_digest(read_small(storage, folder, f"v{version}/{INVENTORY}"))
    return Stored(object_id, version, digest, files)


def _same_or_raise(storage: Storage, object_id: UUID, state: dict[str, str]) -> Stored:
    """Return the newest version that is exactly this content."""
    inventory = _inventory(storage, _folder(object_id))
    for version in range(inventory.head, 0, -1):
        if inventory.state(version) == state:
            return _stored(storage, object_id, inventory, version)
    raise AlreadyThere(f"{object_id} is stored with other content")


def _whole(chunks: Iterator[bytes], sha512: str, what: str) -> Iterator[bytes]:
    try:
        yield from checked(chunks, sha512)
    except ValueError as error:
        raise Damaged(f"{what}: {error}") from error


def _mend(storage: Storage, folder: str) -> None:
    """Finish an `add_version` that died after its version was safe on disk.

    Two states can come of that, and no other is touched, so that damage is never papered over:
    a whole object beside a whole next version, or the new inventory beside the old sidecar.
    """
    raw = read_small(storage, folder, INVENTORY)
    side = read_small(storage, folder, SIDECAR)
    inventory = _inventory(storage, folder)
    if side == ocfl.sidecar(raw):
        new = _version_inventory(storage, folder, inventory.head + 1)
        if not new or ocfl.read_inventory(new).id != inventory.id:
            return
        storage.replace(folder, INVENTORY, new)
        storage.replace(folder, SIDECAR, ocfl.sidecar(new))
    elif inventory.head > 1:
        old = _version_inventory(storage, folder, inventory.head - 1)
        if raw == _version_inventory(storage, folder, inventory.head) and side == ocfl.sidecar(old):
            storage.replace(folder, SIDECAR, ocfl.sidecar(raw))


def _version_inventory(storage: Storage, folder: str, version: int) -> bytes:
    """Return the bytes of a version's own inventory if it matches its sidecar, else nothing."""
    raw = read_small(storage, folder, f"v{version}/{INVENTORY}")
    side = read_small(storage, folder, f"v{version}/{SIDECAR}")
    return raw if raw and side == ocfl.sidecar(raw) else b""
