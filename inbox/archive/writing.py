"""One version of an object on its way to the disk: encrypted, listed, sealed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict
from uuid import UUID

from inbox.archive import frames, ocfl
from inbox.archive.ocfl import Inventory, Meter
from inbox.archive.seal import SEAL, Happened, Seal, SealedFile, moment
from inbox.archive.storage import Staged

UNKNOWN_TYPE = "application/octet-stream"

Files = Mapping[str, bytes | Iterable[bytes]]


class Told(TypedDict, total=False):
    """What may be told of a version, sealed with it."""

    media_types: Mapping[str, str]
    """By logical path."""
    source: str
    events: Sequence[Happened]


@dataclass(frozen=True)
class About:
    """What is told of a version beside its files: a note, which is kept in clear, and `Told`."""

    note: str = ""
    media_types: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    events: Sequence[Happened] = ()


@dataclass(frozen=True)
class Held:
    """What an object holds already: its inventory, and the seals of its versions from v1 on."""

    inventory: Inventory
    seals: Sequence[Seal]


def stored_name(path: str) -> str:
    """Return what the encrypted file of a logical path is called."""
    return f"{path}.enc"


def place_of(object_id: UUID, content_path: str) -> str:
    """Return how a stored file is bound to its place (`frames.py`)."""
    return f"{object_id}/{content_path}"


class Write:
    """The next version of an object: v1, unless something is `held` already."""

    def __init__(
        self,
        object_id: UUID,
        key: bytes,
        staged: Staged,
        *,
        prefix: str = "",
        held: Held | None = None,
    ) -> None:
        self.object_id = object_id
        self.key = key
        self.staged = staged
        self.inventory = held.inventory if held else Inventory(ocfl.object_name(object_id))
        self.version = self.inventory.head + 1
        self.sealed: dict[str, SealedFile] = {}
        """What the version is to hold, by logical path."""
        self.seal = self.raw = b""
        """The bytes of its seal and of its inventory, once it is closed."""
        self._prefix = prefix
        self._state: dict[str, str] = {}
        self._known: dict[str, str] = {}
        self._about = About()
        if held:
            self._learn(held)

    def files(self, files: Files, about: About) -> None:
        """Write the content that the object does not hold yet."""
        self._about = About(
            about.note, about.media_types, about.source or self._about.source, about.events
        )
        for path, data in files.items():
            plain = Meter("sha256")
            sha512 = self._write(path, plain.through([data] if isinstance(data, bytes) else data))
            if plain.digest in self._known:
                self.staged.discard(f"{self._prefix}content/{stored_name(path)}")
                sha512 = self._known[plain.digest]
            else:
                self.inventory.add_content(sha512, self._content_path(path))
                self._known[plain.digest] = sha512
            before = self.sealed.get(path)
            media_type = about.media_types.get(path) or (before and before.media_type)
            self.sealed[path] = SealedFile(
                path, plain.digest, plain.size, media_type or UNKNOWN_TYPE
            )
            self._state[stored_name(path)] = sha512

    def digests(self) -> dict[str, str]:
        """Return logical path → sha256 of the plaintext."""
        return {path: file.sha256 for path, file in self.sealed.items()}

    def close(self, user: dict[str, str]) -> bytes:
        """Seal the version; returns the bytes of its inventory, which are for the caller to write.

        `user` is who is said to have made it.
        """
        self.seal = Seal(
            object=str(self.object_id),
            version=self.version,
            source=self._about.source,
            files=[self.sealed[path] for path in sorted(self.sealed)],
            events=[*self._about.events, Happened("ingestion", moment())],
        ).to_json()
        sha512 = self._write(SEAL, [self.seal])
        self.inventory.add_content(sha512, self._content_path(SEAL))
        self._state[stored_name(SEAL)] = sha512
        self.inventory.add_version(self._state, self._about.note, user)
        self.raw = self.inventory.to_json()
        return self.raw

    def _learn(self, held: Held) -> None:
        for number, seal in enumerate(held.seals, 1):
            self._state = held.inventory.state(number)
            for file in seal.files:
                self._known.setdefault(file.sha256, self._state[stored_name(file.path)])
        latest = held.seals[-1]
        self.sealed = {file.path: file for file in latest.files}
        self._about = About(source=latest.source)

    def _write(self, path: str, chunks: Iterable[bytes]) -> str:
        """Write a file encrypted; returns the sha512 of what is stored."""
        meter = Meter("sha512")
        place = place_of(self.object_id, self._content_path(path))
        stored = meter.through(frames.encrypt(chunks, self.key, place))
        self.staged.write(f"{self._prefix}content/{stored_name(path)}", stored)
        return meter.digest

    def _content_path(self, path: str) -> str:
        return f"v{self.version}/content/{stored_name(path)}"
