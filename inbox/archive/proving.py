"""Is a version of an object what it was when it came? Everything is read again and held together.

From the stored bytes to the log, each link of the chain of docs/archive-proofs.md: bytes as in the
inventory, files as in the seal, inventory and seal as in the leaf, the leaf in the log, the log's
head signed by us and, where there is one, by the witness.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from connectors.tlog import checkpoint, cosignature, note
from connectors.tlog import proof as tlog_proof
from connectors.tlog.merkle import BadProof
from connectors.tlog.note import BadNote
from inbox.archive import proof, store
from inbox.archive.seal import Seal, SealedFile, commitment, read_seal
from inbox.archive.store import Damaged, Missing, Opened

FAULTS = (Damaged, Missing, OSError)


class Standing(StrEnum):
    """How a version stands."""

    PROVED = "proved"
    """Unchanged, and the log says so."""
    WAITING = "waiting"
    """Unchanged as far as the archive itself can tell; the log has not taken it up yet."""
    CHANGED = "changed"
    """Something is not as it was. Operators are told what."""


@dataclass(frozen=True)
class Proved:
    """One version, as it was found."""

    version: int
    standing: Standing
    faults: Sequence[str] = ()
    """What is wrong, for operators."""
    sealed_at: datetime | None = None
    files: Sequence[SealedFile] = ()
    seal: bytes = field(default=b"", repr=False)
    inventory: bytes = field(default=b"", repr=False)
    text: str = field(default="", repr=False)
    """The proof, as c2sp.org/tlog-proof@v1."""
    index: int | None = None
    """The leaf's place in the log, from 0."""
    size: int = 0
    """How many leaves the signed head covers."""
    witnessed_at: datetime | None = None


def prove(owner_id: UUID, object_id: UUID) -> list[Proved]:
    """Read an object again, and return how each of its versions stands, the oldest first.

    One version that is changed where the object cannot be read at all.
    """
    found = store.verify(object_id)
    try:
        held = store.opened(owner_id, object_id)
        held.key()
    except FAULTS as error:
        return [Proved(1, Standing.CHANGED, [*found, str(error)])]
    read: dict[str, str] = {}
    return [_version(held, each, found, read) for each in range(1, held.head + 1)]


def _version(held: Opened, version: int, found: Sequence[str], read: dict[str, str]) -> Proved:
    faults = list(found)
    try:
        raw = held.seal_bytes(version)
        seal = read_seal(raw, held.object_id, version)
        inventory = held.inventory_bytes(version)
    except (*FAULTS, ValueError) as error:
        return Proved(version, Standing.CHANGED, [*faults, str(error)])
    faults += _changed(held, seal, read)
    made = Proved(
        version,
        Standing.CHANGED if faults else Standing.WAITING,
        faults,
        datetime.fromisoformat(seal.sealed_at),
        tuple(seal.files),
        raw,
        inventory,
    )
    try:
        text = proof.of(held.object_id, version)
        return _logged(made, held.object_id, text) if text else made
    except (BadProof, BadNote, proof.LogBroken, ValueError) as error:
        return replace(made, standing=Standing.CHANGED, faults=[*faults, str(error)])


def _changed(held: Opened, seal: Seal, read: dict[str, str]) -> Iterator[str]:
    """Hold the files against their seal; `read` remembers by digest what was read before."""
    for file in seal.files:
        if read.get(file.path) == file.sha256:
            continue
        digest = hashlib.sha256()
        try:
            for chunk in held.chunks(file.path, seal.version):
                digest.update(chunk)
        except FAULTS as error:
            yield str(error)
            continue
        if digest.hexdigest() != file.sha256:
            yield f"{file.path} is not what its seal says"
        read[file.path] = digest.hexdigest()


def _logged(made: Proved, object_id: UUID, text: str) -> Proved:
    """Add what a proof says, once it is checked. Raises BadProof, BadNote or ValueError."""
    keys = proof.public_keys()
    read = tlog_proof.read(text)
    if read.extra is None:
        raise BadProof("the proof has no leaf")
    head = read.verify(read.extra, note.read_vkey(keys.log))
    leaf = json.loads(read.extra)
    expected = {
        "commitment": commitment(made.seal),
        "event": "put",
        "inventory": hashlib.sha512(made.inventory).hexdigest(),
        "object": str(object_id),
        "v": 1,
        "version": made.version,
    }
    for name, value in expected.items():
        if leaf.get(name) != value:
            raise BadProof(f"{name} is not what the log says")
    return replace(
        made,
        standing=Standing.CHANGED if made.faults else Standing.PROVED,
        text=text,
        index=read.index,
        size=head.size,
        witnessed_at=_witnessed(read.checkpoint, keys.witnesses),
    )


def _witnessed(signed: str, witnesses: Sequence[str]) -> datetime | None:
    """Return when a witness that we know signed the head; None where none has."""
    _, read = checkpoint.read(signed)
    known = [cosignature.read_vkey(each) for each in witnesses]
    theirs = [each for each in known if any(map(each.is_of, read.signatures))]
    if not theirs:
        return None
    times = [cosignature.timestamp(each) for each in note.opened(read, theirs)]
    return datetime.fromtimestamp(max(times), UTC)
