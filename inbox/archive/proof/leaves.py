"""What the store says of an object, and the leaf that it becomes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from connectors.tlog.merkle import leaf_hash
from inbox.archive.proof.models import LogEntry

LEAF_VERSION = 1
_SHA512 = re.compile(r"[0-9a-f]{128}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_OBJECT = re.compile(rb'"object":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')
Event = LogEntry.Event


@dataclass(frozen=True)
class Entry:
    """One thing that happened to an object. Made by `put` and `destroyed`, which check it."""

    event: Event
    object_id: UUID
    version: int = 0
    inventory_sha512: str = ""
    commitment: str = ""

    @classmethod
    def put(cls, object_id: UUID, version: int, inventory_sha512: str, commitment: str) -> Entry:
        """Say that a version, from 1, is kept.

        `inventory_sha512` is the SHA-512 of its inventory.json, `commitment` the SHA-256 of its
        seal.json: it has a random salt, so that nothing can be guessed from it. Both are lower-case
        hex; raises ValueError for anything else.
        """
        if version < 1 or not _SHA512.fullmatch(inventory_sha512):
            raise ValueError("not a version with its inventory's SHA-512")
        if not _SHA256.fullmatch(commitment):
            raise ValueError("not a commitment: it is a SHA-256 in lower-case hex")
        return cls(Event.PUT, object_id, version, inventory_sha512, commitment)

    @classmethod
    def destroyed(cls, object_id: UUID) -> Entry:
        """Say that the object's key was destroyed: no version of it can be read any more."""
        return cls(Event.DESTROYED, object_id)

    def leaf(self) -> str:
        """Return what stands in the log: canonical JSON (sorted keys, no spaces, ASCII)."""
        said: dict[str, Any] = {
            "event": self.event.value,
            "object": str(self.object_id),
            "v": LEAF_VERSION,
        }
        if self.event is Event.PUT:
            said["commitment"] = self.commitment
            said["inventory"] = self.inventory_sha512
            said["version"] = self.version
        return json.dumps(said, sort_keys=True, separators=(",", ":"))


def read_leaf(leaf: bytes) -> Entry:
    """Return what a leaf says. Raises ValueError unless it is exactly as `Entry.leaf` writes it."""
    said = json.loads(leaf.decode("ascii"))
    if not isinstance(said, dict) or said.get("v") != LEAF_VERSION:
        raise ValueError("a leaf of another kind")
    try:
        if said["event"] == Event.PUT:
            parts = said["version"], said["inventory"], said["commitment"]
            entry = Entry.put(UUID(said["object"]), *parts)
        else:
            entry = Entry.destroyed(UUID(said["object"]))
    except (KeyError, TypeError, AttributeError):
        raise ValueError("a leaf of another kind") from None
    if entry.leaf().encode() != leaf:
        raise ValueError("a leaf that is not written as it must be")
    return entry


def object_of(leaf: bytes) -> UUID | None:
    """Return the object that a leaf names, also one that is damaged elsewhere; None without one."""
    found = _OBJECT.search(leaf)
    return UUID(found.group(1).decode()) if found else None


def row_of(entry: Entry, index: int | None = None) -> LogEntry:
    """Return the unsaved row of an entry."""
    leaf = entry.leaf()
    return LogEntry(
        object_id=entry.object_id,
        version=entry.version,
        event=entry.event,
        leaf=leaf,
        leaf_hash=leaf_hash(leaf.encode()),
        index=index,
    )
