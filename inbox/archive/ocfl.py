"""The Oxford Common File Layout, version 1.1: names, digests and inventories. No disk here.

Rules are from https://ocfl.io/1.1/spec/ (sections named below) and the layout extension
0004-hashed-n-tuple-storage-layout of the OCFL community.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

INVENTORY = "inventory.json"
SIDECAR = "inventory.json.sha512"
OBJECT_DECLARATION = "0=ocfl_object_1.1"
OBJECT_DECLARATION_TEXT = b"ocfl_object_1.1\n"
ROOT_DECLARATION = "0=ocfl_1.1"
LAYOUT = "0004-hashed-n-tuple-storage-layout"

# Two folders of three digits hold 16.7 million leaves: one new folder for most objects until
# there are millions of them, and a few hundred objects a leaf when there are billions.
TUPLE_SIZE = 3
TUPLES = 2

ROOT_FILES: dict[str, bytes] = {
    f"extensions/{LAYOUT}/config.json": json.dumps(
        {
            "extensionName": LAYOUT,
            "digestAlgorithm": "sha256",
            "tupleSize": TUPLE_SIZE,
            "numberOfTuples": TUPLES,
            "shortObjectRoot": False,
        },
        indent=2,
    ).encode(),
    "ocfl_layout.json": json.dumps(
        {
            "extension": LAYOUT,
            "description": "An object lies in <abc>/<def>/<sha256 of its id in hex>, where abc "
            "and def are the first and second three digits of that sha256.",
        },
        indent=2,
    ).encode(),
    # Last, as it says that the rest is there.
    ROOT_DECLARATION: b"ocfl_1.1\n",
}

_PLAIN_PATH = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*", re.ASCII)
_MAX_PATH = 200


class BadPath(ValueError):
    """A logical path that may not be used; the text names the path and the rule."""


class Meter:
    """Passes chunks through, taking a digest and their size on the way."""

    def __init__(self, algorithm: str) -> None:
        self._digest = hashlib.new(algorithm)
        self.size = 0
        """Bytes that have passed so far."""

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield each chunk unchanged."""
        for chunk in chunks:
            self._digest.update(chunk)
            self.size += len(chunk)
            yield chunk

    @property
    def digest(self) -> str:
        """The lower-case hex digest of what has passed so far."""
        return self._digest.hexdigest()


def object_name(object_id: UUID) -> str:
    """Return the OCFL id of an object, e.g. `urn:uuid:0193…` (spec: a URI is recommended)."""
    return object_id.urn


def object_folder(name: str) -> str:
    """Return where the object with this OCFL id lies, relative to the storage root."""
    return folder_of_digest(hashlib.sha256(name.encode()).hexdigest())


def folder_of_digest(digest: str) -> str:
    """Return the object folder for the sha256 (hex) of an OCFL id."""
    tuples = [digest[i * TUPLE_SIZE : (i + 1) * TUPLE_SIZE] for i in range(TUPLES)]
    return "/".join([*tuples, digest])


def check_paths(paths: Iterable[str]) -> None:
    """Check the logical paths of one version together.

    Raises BadPath for a path with anything but letters, digits, `. _ - /`, a path that climbs,
    is absolute or longer than 200 characters, two paths that differ by case only (they would
    meet on a case-insensitive file system), and a path that is also a folder of another
    (spec 3.5.3.2: logical paths must not conflict).
    """
    seen: dict[str, str] = {}
    for path in paths:
        if not _is_plain(path) or len(path) > _MAX_PATH:
            raise BadPath(f"not a path that the archive takes: {path!r}")
        if path.lower() in seen:
            raise BadPath(f"{path!r} differs from {seen[path.lower()]!r} by case only")
        seen[path.lower()] = path
    if not seen:
        raise BadPath("an object needs at least one file")
    for path in seen:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if "/".join(parts[:depth]) in seen:
                raise BadPath(f"{seen[path]!r} lies inside another file")


def _is_plain(path: str) -> bool:
    """Say whether a path has plain characters only and cannot climb."""
    return bool(_PLAIN_PATH.fullmatch(path)) and not {".", ".."} & set(path.split("/"))


@dataclass
class Inventory:
    """The inventory of an object (spec 3.5)."""

    id: str
    head: int = 0
    manifest: dict[str, list[str]] = field(default_factory=dict)
    """sha512 → content paths."""
    versions: dict[str, Any] = field(default_factory=dict)

    def state(self, version: int) -> dict[str, str]:
        """Return logical path → sha512 of a version. Raises KeyError for a version not there."""
        state: dict[str, list[str]] = self.versions[f"v{version}"]["state"]
        return {path: digest for digest, paths in state.items() for path in paths}

    def content_path(self, version: int, path: str) -> str:
        """Return the content path of a logical path. Raises KeyError when it is not there."""
        return self.manifest[self.state(version)[path]][0]

    def digest_of(self, content_path: str) -> str:
        """Return the sha512 of a content path. Raises ValueError when it is not listed."""
        for digest, paths in self.manifest.items():
            if content_path in paths:
                return digest
        raise ValueError(f"{content_path} is not in the inventory")

    def add_content(self, sha512: str, content_path: str) -> None:
        """List a content file."""
        self.manifest.setdefault(sha512, []).append(content_path)

    def add_version(self, state: dict[str, str], note: str, user: dict[str, str]) -> None:
        """Close a new version: logical path → sha512 of everything in it."""
        by_digest: dict[str, list[str]] = {}
        for path in sorted(state):
            by_digest.setdefault(state[path], []).append(path)
        self.head += 1
        self.versions[f"v{self.head}"] = {
            "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "message": note or "Deposited",
            "user": user,
            "state": by_digest,
        }

    def to_json(self) -> bytes:
        """Return the bytes of inventory.json."""
        said = {
            "id": self.id,
            "type": "https://ocfl.io/1.1/spec/#inventory",
            "digestAlgorithm": "sha512",
            "head": f"v{self.head}",
            "contentDirectory": "content",
            "manifest": self.manifest,
            "versions": self.versions,
        }
        # A line for each key: fit to be read, and ten times as fast as with `indent`.
        lines = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in said.items())
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def read_inventory(raw: bytes) -> Inventory:
    """Read the bytes of an inventory.json that this module wrote.

    Raises ValueError when they are not such an inventory.
    """
    try:
        data = json.loads(raw)
        inventory = Inventory(
            id=str(data["id"]),
            head=int(data["head"].removeprefix("v")),
            manifest=data["manifest"],
            versions=data["versions"],
        )
        # What follows these paths must never leave the object, whoever wrote the inventory.
        if not all(_is_plain(path) for paths in inventory.manifest.values() for path in paths):
            raise ValueError("a content path is not plain")
        for number in range(1, inventory.head + 1):
            for path in inventory.state(number):
                inventory.content_path(number, path)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not an inventory: {error}") from error
    return inventory


def sidecar(inventory: bytes) -> bytes:
    """Return the bytes of inventory.json.sha512 (spec 3.7)."""
    return f"{inventory_digest(inventory)} {INVENTORY}\n".encode()


def inventory_digest(inventory: bytes) -> str:
    """Return the sha512 (hex) of the bytes of an inventory."""
    return hashlib.sha512(inventory).hexdigest()
