"""One file that proves that an entry is in a log, c2sp.org/tlog-proof@v1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.tlog import checkpoint, merkle, note
from connectors.tlog.checkpoint import Checkpoint
from connectors.tlog.cosignature import CosignerKey
from connectors.tlog.encoding import from_base64, from_decimal, to_base64
from connectors.tlog.merkle import BadProof
from connectors.tlog.note import BadNote, VerifierKey

HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class Proof:
    """A checkpoint, the path to its root, and data that the path says nothing about."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    """The whole signed note."""
    extra: bytes | None = None
    """Ours is the entry itself: it is believed once its hash leads to the root."""

    def encode(self) -> str:
        """Return the file's text."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {to_base64(self.extra)}")
        lines.append(f"index {self.index}")
        lines += map(to_base64, self.path)
        return "".join(f"{line}\n" for line in lines) + f"\n{self.checkpoint}"

    def verify(
        self,
        entry: bytes,
        log_key: VerifierKey,
        witnesses: Sequence[CosignerKey] = (),
        quorum: int = 0,
    ) -> Checkpoint:
        """Check that the entry is in the log, by its key and by so many of these witnesses.

        Returns the checkpoint. Raises BadProof, and BadNote for a signature.
        """
        head = checkpoint.verified(self.checkpoint, log_key)
        if quorum:
            _, signed = checkpoint.read(self.checkpoint)
            seen = {each.name for each in note.opened(signed, witnesses)}
            if len(seen) < quorum:
                raise BadNote(f"{len(seen)} of {quorum} witnesses have signed")
        merkle.verify_inclusion(
            merkle.leaf_hash(entry), self.index, head.size, self.path, head.root
        )
        return head


def read(encoded: str) -> Proof:
    """Return an unverified proof. Raises BadProof for what is none."""
    top, blank, signed = encoded.partition("\n\n")
    lines = top.split("\n")
    if not blank or lines.pop(0) != HEADER:
        raise BadProof("not a tlog-proof")
    try:
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = from_base64(lines.pop(0).removeprefix("extra "))
        if not lines or not lines[0].startswith("index "):
            raise BadProof("the proof has no index")
        index = from_decimal(lines.pop(0).removeprefix("index "))
        path = tuple(map(from_base64, lines))
    except BadProof:
        raise
    except ValueError:
        raise BadProof("not a tlog-proof") from None
    if len(path) > merkle.PROOF_MAX or any(len(each) != merkle.HASH_SIZE for each in path):
        raise BadProof("the proof is not a list of hashes")
    return Proof(index, path, signed, extra)
