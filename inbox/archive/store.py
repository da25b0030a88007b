"""The archive's front door: put bytes in for life, read them back, verify them.

One OCFL object per delivery (docs/archive-format.md). When `put` or `add_version` returns, the
bytes are safe on disk; a process that dies at any point before leaves the object as it was.
Bytes are encrypted before they reach the disk, with a key of the object's own (`keys.py`), and
each version is sealed (`seal.py`); how one is written is in `writing.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Protocol, Unpack
from uuid import UUID

from django.conf import settings
from django.db import transaction

from inbox.archive import holdings, keys, lost_keys, ocfl, places, proof
from inbox.archive.fixity import problems, read_small
from inbox.archive.ocfl import INVENTORY, SIDECAR, BadPath
from inbox.archive.reading import (
    Damaged,
    Opened,
    Stored,
    StoredFile,
    inventory_of,
    open_object,
)
from inbox.archive.seal import SEAL, Happened, Seal, commitment, moment
from inbox.archive.storage import Missing, Storage
from inbox.archive.writing import About, Files, Held, Told, Write

__all__ = [
    "SYSTEM",
    "AlreadyThere",
    "BadPath",
    "Damaged",
    "Happened",
    "Missing",
    "Opened",
    "Stored",
    "StoredFile",
    "Writer",
    "add_version",
    "describe",
    "exists",
    "finish",
    "forget_owner",
    "group",
    "inventories",
    "moment",
    "note_again",
    "opened",
    "put",
    "read_bytes",
    "read_chunks",
    "remove",
    "seal_of",
    "sweep",
    "verify",
]

log = logging.getLogger("samlepost.archive")

STALE_SECONDS = 24 * 3600

SYSTEM = UUID(int=0)
"""Owns what is nobody's yet: letters that could not be read or placed."""


class AlreadyThere(Exception):
    """The object is stored already, with other content."""


class Writer(Protocol):
    """`put`, a group's `put`, or `add_version`."""

    def __call__(
        self, owner_id: UUID, object_id: UUID, files: Files, note: str = "", **told: Unpack[Told]
    ) -> Stored:
        """Write an object's first version, or its next."""


class Group:
    """New objects that become safe together: a fraction of the syncs that one by one costs."""

    def __init__(self, stack: ExitStack, ready: Mapping[keys.Pair, bytes]) -> None:
        self._stack = stack
        self._keys = ready
        self._writes: dict[str, Write] = {}
        self._pairs: dict[str, keys.Pair] = {}
        self._storage = _storage()

    def put(
        self, owner_id: UUID, object_id: UUID, files: Files, note: str = "", **told: Unpack[Told]
    ) -> Stored:
        """As `store.put`; what it returns holds once the group has ended without an error."""
        ocfl.check_paths([*files, SEAL])
        pair, folder = (owner_id, object_id), _folder(object_id)
        key = self._keys.get(pair) or _make_keys([pair])[pair]
        staged = self._stack.enter_context(self._storage.stage(_label(folder)))
        write = Write(object_id, key, staged, prefix="v1/")
        write.files(files, About(note, **told))
        if self._storage.names(folder):
            return _same_or_raise(self._storage, owner_id, write)
        raw = write.close(_user())
        staged.write(ocfl.OBJECT_DECLARATION, [ocfl.OBJECT_DECLARATION_TEXT])
        side = ocfl.sidecar(raw)
        for place in ("", "v1/"):
            staged.write(f"{place}{INVENTORY}", [raw])
            staged.write(f"{place}{SIDECAR}", [side])
        self._writes[folder], self._pairs[folder] = write, pair
        return _written(write)

    def finish(self) -> dict[UUID, Stored]:
        """Make everything safe and visible; then the log is given what is to stand in it.

        Returns the objects that another process has put in the meantime, with the same content.
        Raises AlreadyThere for one with other content, and NoKey, taking all back, where a key was
        destroyed in the meantime.
        """
        staged = [(write.staged, folder) for folder, write in self._writes.items()]
        try:
            occupied = self._storage.publish(staged) if staged else []
        except OSError:
            self._take_back()
            raise
        theirs = [(self._pairs[folder][0], self._writes.pop(folder)) for folder in occupied]
        with transaction.atomic():
            has_keys = keys.hold(self._pairs[folder] for folder in self._writes)
            if has_keys:
                _record((self._pairs[folder][0], each) for folder, each in self._writes.items())
        if not has_keys:
            # Recorded now, it would be missed for ever.
            self._take_back()
            raise keys.NoKey("a key was destroyed while objects were put under it")
        return {
            write.object_id: _same_or_raise(self._storage, owner_id, write)
            for owner_id, write in theirs
        }

    def _take_back(self) -> None:
        """Remove what was published before it failed: the next attempt gives it other names."""
        for folder, write in self._writes.items():
            # Where that fails as well, something is left to which nothing refers.
            with suppress(OSError, Missing), self._storage.locked(folder):
                is_ours = read_small(self._storage, folder, INVENTORY) == write.raw
                if is_ours and not holdings.is_held(write.object_id):
                    self._storage.remove(folder)


@contextmanager
def group(pairs: Iterable[keys.Pair] = ()) -> Iterator[Group]:
    """Put many new objects, which are all safe when the block ends without an error.

    `pairs` (owner, object) lets their keys be made at one stroke. Should the block fail, none of
    them is there, or, when the process dies, some are, to which nothing refers. Raises
    AlreadyThere when another process puts one of them at the same time.
    """
    pairs = list(pairs)
    with ExitStack() as stack:
        made = Group(stack, _make_keys(pairs) if pairs else {})
        yield made
        if theirs := made.finish():
            raise AlreadyThere(f"another process has put {next(iter(theirs))}")


def put(
    owner_id: UUID, object_id: UUID, files: Files, note: str = "", **told: Unpack[Told]
) -> Stored:
    """Store a new object of that owner's: a citizen, an agency, or SYSTEM.

    `files` maps logical paths (`original/sbd.jwt`, `files/0001.pdf`: letters, digits, `. _ - /`)
    to bytes, or to an iterable of chunks that is streamed. `note` is kept in the inventory, which
    is not encrypted: it must tell nothing about a person. `media_types` by path, `source` and
    `events` stand in the seal, which is.

    Putting the same content again does nothing and returns what is stored. Raises AlreadyThere
    for other content, BadPath for a name not allowed, OSError when the disk fails, NoKey where the
    owner gets none (`keys.make`); what a chunk iterable raises passes through, and then nothing is
    stored.
    """
    with ExitStack() as stack:
        one = Group(stack, {})
        stored = one.put(owner_id, object_id, files, note, **told)
        return one.finish().get(object_id, stored)


def add_version(
    owner_id: UUID, object_id: UUID, files: Files, note: str = "", **told: Unpack[Told]
) -> Stored:
    """Add or replace files of a stored object, as a new version; older ones stay as they are.

    Content that the object holds already is referred to, not written again. When nothing would
    change, nothing is written and the latest version is returned. Raises Missing when there is
    no such object (any more), Damaged when its inventory, its seals or its key cannot be read,
    BadPath as `put` does.
    """
    ocfl.check_paths([*files, SEAL])
    storage, folder = _storage(), _folder(object_id)
    with storage.locked(folder):
        _mend(storage, folder)
        held = Opened(storage, object_id, inventory_of(storage, object_id), owner_id=owner_id)
        head = held.head
        seals = [held.seal(number) for number in range(1, head + 1)]
        with storage.stage(_label(folder), marked=True) as staged:
            write = Write(object_id, held.key(), staged, held=Held(held.inventory, seals))
            write.files(files, About(note, **told))
            ocfl.check_paths(write.sealed)
            if write.digests() == seals[-1].digests():
                return _there_already(owner_id, held, head, seals[-1])
            raw = write.close(_user())
            staged.write(INVENTORY, [raw])
            staged.write(SIDECAR, [ocfl.sidecar(raw)])
            if storage.publish([(staged, f"{folder}/v{head + 1}")]):
                raise Damaged(f"v{head + 1} of {object_id} lies there and is not whole")
            # From here on the next writer or sweep finishes the version if this process dies.
            storage.replace(folder, INVENTORY, raw)
            storage.replace(folder, SIDECAR, ocfl.sidecar(raw))
    with transaction.atomic():
        if not keys.hold([(owner_id, object_id)]):
            # Recorded now, it would be missed for ever.
            raise Missing(f"{object_id} was removed while a version was added to it")
        _record([(owner_id, write)])
    return _written(write)


def read_chunks(
    owner_id: UUID, object_id: UUID, path: str, version: int | None = None
) -> Iterator[bytes]:
    """Yield a file in chunks of at most 1 MiB, from the latest version unless one is named.

    Raises Missing at once when object, version or path is not there, Damaged when its key is
    not. Raises Damaged before the last chunk when the bytes are not those that were put: a reader
    never gets the whole of a damaged file, nor a changed byte.
    """
    found = opened(owner_id, object_id)
    return found.chunks(path, found.head if version is None else version)


def read_bytes(owner_id: UUID, object_id: UUID, path: str, version: int | None = None) -> bytes:
    """Return a whole file; raises as `read_chunks` does."""
    return b"".join(read_chunks(owner_id, object_id, path, version))


def describe(owner_id: UUID, object_id: UUID, version: int | None = None) -> Stored:
    """Return what a version holds by its seal, without reading the files.

    Raises Missing when the object or the version is not there, Damaged when inventory, seal or
    key cannot be read.
    """
    found = opened(owner_id, object_id)
    return found.describe(found.head if version is None else version)


def note_again(owner_id: UUID, object_id: UUID) -> Stored:
    """Let an object be checked, copied and proved, of which the database may know nothing.

    For a database that is made anew. What is noted already stays. Returns the latest version;
    raises as `describe` does.
    """
    found = opened(owner_id, object_id)
    for version in range(1, found.head + 1):
        stored = _there_already(owner_id, found, version, found.seal(version))
    return stored


def seal_of(owner_id: UUID, object_id: UUID, version: int | None = None) -> bytes:
    """Return the exact bytes of a version's seal; raises as `read_chunks` does."""
    return read_bytes(owner_id, object_id, SEAL, version)


def opened(owner_id: UUID, object_id: UUID) -> Opened:
    """Open an object to read several of its files. Raises Missing, or Damaged."""
    return open_object(_storage(), owner_id, object_id)


def exists(object_id: UUID) -> bool:
    """Say whether the object is stored."""
    return bool(_storage().names(_folder(object_id)))


def finish(object_id: UUID) -> None:
    """Finish a version whose writer died after it was safe on disk, before it was in force.

    Raises Missing, or Damaged when the inventory cannot be read.
    """
    storage, folder = _storage(), _folder(object_id)
    with storage.locked(folder):
        _mend(storage, folder)


def verify(object_id: UUID) -> list[str]:
    """Read everything of an object again; return what is wrong in plain words, or nothing.

    Takes no key: what lies there is held against its inventory.
    """
    storage = _storage()
    folder = _folder(object_id)
    try:
        with storage.locked(folder, shared=True):
            return problems(storage, folder, ocfl.object_name(object_id))
    except Missing:
        return ["the object is not in the archive"]


def inventories(object_id: UUID) -> dict[int, str]:
    """Return the SHA-512 of each version's inventory.json as it lies there; takes no key.

    Of a version whose inventory is missing it is empty; nothing at all is there for an object that
    is not in the archive. Raises Damaged when the inventory in force cannot be read.
    """
    storage, folder = _storage(), _folder(object_id)
    try:
        head = inventory_of(storage, object_id).head
    except Missing:
        return {}
    found = {}
    for number in range(1, head + 1):
        raw = read_small(storage, folder, f"v{number}/{INVENTORY}")
        found[number] = ocfl.inventory_digest(raw) if raw else ""
    return found


def remove(owner_id: UUID, object_id: UUID) -> None:
    """Remove an object with all its versions, its key first; nothing happens when it is not there.

    Without the key no copy of it, wherever, can be read again.
    """
    with transaction.atomic():
        had_key = keys.destroy(owner_id, object_id)
        holdings.note_removal([object_id])
        if had_key:
            proof.record([proof.Entry.destroyed(object_id)])
    _remove_bytes(object_id)


def forget_owner(owner_id: UUID) -> None:
    """Destroy an owner's key and her objects' keys for good, then remove her objects' bytes.

    She gets no other key. May be called again; bytes that cannot be removed now are unreadable, and
    removed with what is owed to the second copy (`copying.py`). That the key of her rows in backups
    is destroyed stands in the log in any case: where it does, all of hers is (`key_backup.py`).
    """
    state_id = keys.state_id(owner_id)
    with transaction.atomic():
        # Also those whose keys were lost before.
        hers = {*keys.destroy_owner(owner_id), *holdings.of(owner_id)}
        objects = sorted(hers - {state_id})
        holdings.note_removal(objects)
        proof.record(proof.Entry.destroyed(each) for each in [*objects, state_id])
    try:
        for object_id in objects:
            _remove_bytes(object_id)
    except OSError as error:
        log.warning("bytes without a key stay for now: %s", error.strerror)


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
            except Damaged as error:
                # The scan tells of it; the others are cleared away none the less.
                log.warning("archive: leftovers of %s stay: %s", label, error)
                continue
        count += storage.clear(label, older_than, folder)
    return count


def _storage() -> Storage:
    return places.primary()


def _folder(object_id: UUID) -> str:
    return ocfl.object_folder(ocfl.object_name(object_id))


def _label(folder: str) -> str:
    return folder.rpartition("/")[2]


def _is_digest(label: str) -> bool:
    return len(label) == 64 and set(label) <= set("0123456789abcdef")


def _user() -> dict[str, str]:
    return {"name": "Samlepost", "address": settings.WEB_PUBLIC_URL}


def _make_keys(pairs: Iterable[keys.Pair]) -> dict[keys.Pair, bytes]:
    """As `keys.make`; whose key turns out to be lost is written down."""
    try:
        return keys.make(pairs)
    except keys.Lost as error:
        lost_keys.note(error.owner_id)
        raise


def _record(writes: Iterable[tuple[UUID, Write]]) -> None:
    """Let what was written, each by its owner, be checked, copied and proved from now on."""
    kept, entries = [], []
    for owner_id, write in writes:
        one = (write.object_id, write.version, ocfl.inventory_digest(write.raw))
        kept.append((*one, owner_id))
        entries.append(proof.Entry.put(*one, commitment(write.seal)))
    with transaction.atomic():
        holdings.note(kept)
        proof.record(entries)


def _remove_bytes(object_id: UUID) -> None:
    storage = _storage()
    folder = _folder(object_id)
    try:
        with storage.locked(folder):
            storage.remove(folder)
    except Missing:
        pass
    if not places.has_second():
        holdings.forget(object_id)


def _written(write: Write) -> Stored:
    files = {
        path: StoredFile(path, file.sha256, file.size)
        for path, file in sorted(write.sealed.items())
    }
    return Stored(write.object_id, write.version, ocfl.inventory_digest(write.raw), files)


def _there_already(owner_id: UUID, found: Opened, version: int, seal: Seal) -> Stored:
    """Return what is stored; whoever stored it may have died before it was recorded."""
    stored = found.describe(version, seal)
    with transaction.atomic():
        kept = (found.object_id, version, stored.inventory_sha512, owner_id)
        holdings.note([kept], is_new=False)
        sealed = commitment(seal.to_json())
        proof.record([proof.Entry.put(found.object_id, version, stored.inventory_sha512, sealed)])
    return stored


def _same_or_raise(storage: Storage, owner_id: UUID, write: Write) -> Stored:
    """Return the newest stored version that is exactly what was to be written."""
    inventory = inventory_of(storage, write.object_id)
    found = Opened(storage, write.object_id, inventory, key=write.key)
    for version in range(found.head, 0, -1):
        seal = found.seal(version)
        if seal.digests() == write.digests():
            return _there_already(owner_id, found, version, seal)
    raise AlreadyThere(f"{write.object_id} is stored with other content")


def _mend(storage: Storage, folder: str) -> None:
    """Finish an `add_version` that died after its version was safe on disk.

    Two states can come of that, and no other is touched, so that damage is never papered over:
    a whole object beside a whole next version, or the new inventory beside the old sidecar.
    """
    raw = read_small(storage, folder, INVENTORY)
    side = read_small(storage, folder, SIDECAR)
    try:
        inventory = ocfl.read_inventory(raw)
    except ValueError as error:
        raise Damaged(str(error)) from error
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
