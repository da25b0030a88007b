"""The seal of a version: what it holds, digest by digest, and what was done with it at receipt.

A file of the version like the others (`seal.json`), encrypted with them and taken along in an
export. Its SHA-256 is the commitment that stands in the log (docs/archive-format.md): the salt
keeps it from telling anything to whoever does not have the seal.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

SEAL = "seal.json"
FORMAT = "samlepost-seal/1"


@dataclass(frozen=True)
class SealedFile:
    """One file of a version: logical path, hex digest and bytes of the plaintext, media type."""

    path: str
    sha256: str
    size: int
    media_type: str


@dataclass(frozen=True)
class Happened:
    """What was done with what arrived, in the words of PREMIS (preservation event types).

    `type` is e.g. `ingestion` or `digital signature validation`, `outcome` `success` or
    `failure`, `at` UTC, ISO 8601 with milliseconds. Nothing in it may tell more of a person
    than the letter does: it is encrypted with the letter, and goes with it.
    """

    type: str
    at: str
    outcome: str = "success"
    detail: str = ""


@dataclass(frozen=True)
class Seal:
    """What stands in a version's seal."""

    object: str
    version: int
    source: str
    files: Sequence[SealedFile]
    events: Sequence[Happened] = ()
    sealed_at: str = field(default_factory=lambda: moment())
    salt: str = field(default_factory=lambda: os.urandom(32).hex())

    def to_json(self) -> bytes:
        """Return the exact bytes that are kept and committed to: canonical JSON."""
        # `asdict`, which copies as deep as it goes, takes ten times as long.
        said = vars(self) | {
            "files": [vars(file) for file in self.files],
            "events": [vars(event) for event in self.events],
            "format": FORMAT,
        }
        return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    def digests(self) -> dict[str, str]:
        """Return logical path → sha256 of the plaintext."""
        return {file.path: file.sha256 for file in self.files}


def moment(at: datetime | None = None) -> str:
    """Return a moment as seals write it: UTC, in milliseconds. Now, by the machine's own clock."""
    at = (at or datetime.now(UTC)).astimezone(UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def commitment(seal: bytes) -> str:
    """Return the hex digest by which the log knows this seal."""
    return hashlib.sha256(seal).hexdigest()


def read_seal(raw: bytes, object_id: UUID, version: int) -> Seal:
    """Read a seal. Raises ValueError when it is none, or that of another version or object."""
    try:
        said = json.loads(raw)
        seal = Seal(
            object=said["object"],
            version=said["version"],
            source=said["source"],
            files=[SealedFile(**file) for file in said["files"]],
            events=[Happened(**event) for event in said["events"]],
            sealed_at=said["sealed_at"],
            salt=said["salt"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a seal: {error}") from error
    if (seal.object, seal.version) != (str(object_id), version):
        raise ValueError("the seal is that of something else")
    return seal
