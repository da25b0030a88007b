"""What proves a delivery, as it leaves the archive: each version's seal, proof and own files.

Bytes that lie elsewhere in the letter's folder are not taken along a second time: `laid_out` says
where each path of a version lies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings

from inbox.archive import proof, store
from inbox.archive.proof import LogBroken
from inbox.archive.store import Damaged, Missing

SEAL = "seal.json"
PROOF = "proof.tlog-proof"
FAULTS = (Missing, Damaged, OSError)


@dataclass(slots=True)
class Evidence:
    """What is kept of one delivery, and where it lies in the letter's folder."""

    owner_id: UUID
    object_id: UUID
    folder: str
    """Inside the letter's, e.g. `evidence/1`."""
    here: Mapping[str, str]
    """Where the letter's folder has bytes already: their SHA-256 (hex) and the file's name."""
    laid_out: list[dict[str, Any]] = field(default_factory=list)
    """Each version: {"version", "seal", "proof", "files": [{"path", "file", "sha256", "size"}]};
    `file` is None for what could not be read."""
    seals: list[bytes] = field(default_factory=list)
    heads: set[str] = field(default_factory=set)
    """The checkpoints that its proofs lead to."""
    fault: str = ""
    """Why not all of it could be read."""

    def files(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield (name in the letter's folder, chunks), and fill in `laid_out` on the way."""
        placed = dict(self.here)
        try:
            latest = store.describe(self.owner_id, self.object_id).version
        except FAULTS as error:
            self.fault = type(error).__name__
            return
        for number in range(1, latest + 1):
            try:
                stored = store.describe(self.owner_id, self.object_id, number)
            except FAULTS as error:
                self.fault = type(error).__name__
                continue
            version: dict[str, Any] = {
                "version": number,
                "seal": None,
                "proof": None,
                "inventory_sha512": stored.inventory_sha512,
                "files": [],
            }
            folder = f"{self.folder}/v{number}"
            for path, file in stored.files.items():
                if file.sha256 not in placed:
                    name = f"{folder}/{path}"
                    chunks = self._chunks(path, number)
                    if chunks is None:
                        continue
                    yield name, self._whole(chunks)
                    placed[file.sha256] = name
                version["files"].append(
                    {
                        "path": path,
                        "file": placed[file.sha256],
                        "sha256": file.sha256,
                        "size": file.size,
                    }
                )
            yield from self._sealed(number, version, folder)
            self.laid_out.append(version)

    def _sealed(
        self, number: int, version: dict[str, Any], folder: str
    ) -> Iterator[tuple[str, Iterator[bytes]]]:
        try:
            seal = store.seal_of(self.owner_id, self.object_id, number)
        except FAULTS as error:
            self.fault = type(error).__name__
            return
        self.seals.append(seal)
        version["seal"] = f"{folder}/{SEAL}"
        yield version["seal"], iter([seal])
        try:
            proved = proof.of(self.object_id, number)
        except LogBroken as error:
            self.fault = type(error).__name__
            return
        if proved is not None:
            version["proof"] = f"{folder}/{PROOF}"
            self.heads.add(proved.partition("\n\n")[2])
            yield version["proof"], iter([proved.encode()])

    def _chunks(self, path: str, number: int) -> Iterator[bytes] | None:
        try:
            chunks = store.read_chunks(self.owner_id, self.object_id, path, number)
            first = next(chunks, b"")
        except FAULTS as error:
            self.fault = type(error).__name__
            return None
        return _chain(first, chunks)

    def _whole(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """One damaged file must not cost her the others: it ends early, and is said to."""
        try:
            yield from chunks
        except (Damaged, OSError) as error:
            self.fault = type(error).__name__


def log_files(heads: Iterable[str] = ()) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of what the log itself says: its latest checkpoint and its keys.

    And the time stamps on those `heads` to which proofs lead.
    """
    checkpoint = proof.checkpoint() if settings.ARCHIVE_PROOF != "off" else None
    if checkpoint is not None:
        keys = proof.public_keys()
        yield "checkpoint", checkpoint.encode()
        yield "keys.txt", "".join(f"{key}\n" for key in (keys.log, *keys.witnesses)).encode()
        for head in sorted(heads):
            yield from proof.stamp_files(head)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
