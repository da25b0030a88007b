"""Reading a stored object: each byte is held against the inventory and proved by its key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from inbox.archive import frames, holdings, keys, ocfl
from inbox.archive.fixity import checked, read_small
from inbox.archive.ocfl import INVENTORY, Inventory
from inbox.archive.seal import SEAL, Seal, read_seal
from inbox.archive.storage import Missing, Storage
from inbox.archive.writing import place_of, stored_name


class Damaged(Exception):
    """What is stored is not what was put there, or its key is not here."""


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
    """Everything in the version but its seal, by logical path."""


class Opened:
    """A stored object with its key: many of its files are read at the cost of one query.

    Made with an inventory that was read, and with the object's key or whose it is.
    """

    def __init__(
        self,
        storage: Storage,
        object_id: UUID,
        inventory: Inventory,
        *,
        key: bytes = b"",
        owner_id: UUID | None = None,
    ) -> None:
        self.object_id = object_id
        self.inventory = inventory
        self._storage = storage
        self._folder = ocfl.object_folder(inventory.id)
        self._key = key
        self._owner_id = owner_id

    @property
    def head(self) -> int:
        """The latest version, from 1."""
        return self.inventory.head

    def key(self) -> bytes:
        """Return the object's key, asked for once. Raises Damaged when it is not here."""
        if not self._key:
            if self._owner_id is None:
                raise Damaged(f"there is no key for {self.object_id}")
            try:
                self._key = keys.find(self._owner_id, self.object_id)
            except keys.NoKey as error:
                raise Damaged(str(error)) from error
        return self._key

    def chunks(self, path: str, version: int) -> Iterator[bytes]:
        """Yield a file in chunks of at most 1 MiB.

        Raises Missing at once for what is not there, Damaged when the key is not, and before the
        last chunk when the bytes are not those that were put.
        """
        try:
            name = self.inventory.content_path(version, stored_name(path))
        except KeyError:
            raise Missing(f"{self.object_id} v{version} has no {path!r}") from None
        try:
            self._storage.size(self._folder, name)
        except Missing:
            holdings.note_damage(self.object_id, [f"{name} is missing"], by="read")
            raise
        return self._whole(name, self.key())

    def seal_bytes(self, version: int) -> bytes:
        """Return the exact bytes of a version's seal; raises as `chunks` does."""
        return b"".join(self.chunks(SEAL, version))

    def seal(self, version: int) -> Seal:
        """Return a version's seal. Raises Missing for a version not there, else Damaged."""
        if f"v{version}" not in self.inventory.versions:
            raise Missing(f"{self.object_id} has no v{version}")
        try:
            return read_seal(self.seal_bytes(version), self.object_id, version)
        except Missing:
            raise Damaged(f"v{version} of {self.object_id} has no seal") from None
        except ValueError as error:
            raise Damaged(f"v{version} of {self.object_id}: {error}") from error

    def inventory_bytes(self, version: int) -> bytes:
        """Return the exact bytes of a version's inventory. Raises Missing."""
        raw = read_small(self._storage, self._folder, f"v{version}/{INVENTORY}")
        if not raw:
            raise Missing(f"{self.object_id} has no v{version}")
        return raw

    def describe(self, version: int, seal: Seal | None = None) -> Stored:
        """Return what a version holds by its seal, which is read where it is not given."""
        seal = seal or self.seal(version)
        raw = read_small(self._storage, self._folder, f"v{version}/{INVENTORY}")
        files = {file.path: StoredFile(file.path, file.sha256, file.size) for file in seal.files}
        return Stored(self.object_id, version, ocfl.inventory_digest(raw), files)

    def _whole(self, name: str, key: bytes) -> Iterator[bytes]:
        try:
            sha512 = self.inventory.digest_of(name)
            stored = checked(self._storage.chunks(self._folder, name), sha512)
            yield from frames.decrypt(stored, key, place_of(self.object_id, name))
        except ValueError as error:
            holdings.note_damage(self.object_id, [f"{name}: {error}"], by="read")
            raise Damaged(f"{name} of {self.object_id}: {error}") from error


def inventory_of(storage: Storage, object_id: UUID) -> Inventory:
    """Return the inventory in force. Raises Missing, or Damaged when it cannot be read."""
    folder = ocfl.object_folder(ocfl.object_name(object_id))
    raw = read_small(storage, folder, INVENTORY)
    if not raw and not storage.names(folder):
        raise Missing("the object is not in the archive")
    try:
        return ocfl.read_inventory(raw)
    except ValueError as error:
        raise Damaged(str(error)) from error


def open_object(storage: Storage, owner_id: UUID, object_id: UUID) -> Opened:
    """Open an object for a reader: that it is damaged or gone is written down.

    Raises Missing or Damaged.
    """
    try:
        inventory = inventory_of(storage, object_id)
    except Damaged as error:
        holdings.note_damage(object_id, [f"{INVENTORY}: {error}"], by="read")
        raise
    except Missing:
        if holdings.is_held(object_id):
            holdings.note_damage(object_id, ["the object is not there"], by="read")
        raise
    return Opened(storage, object_id, inventory, owner_id=owner_id)
