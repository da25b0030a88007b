"""Checkpoints, c2sp.org/tlog-checkpoint: which log, how many leaves, which root."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.tlog import note
from connectors.tlog.encoding import from_base64, from_decimal, to_base64
from connectors.tlog.merkle import HASH_SIZE
from connectors.tlog.note import BadNote, Note, VerifierKey


@dataclass(frozen=True)
class Checkpoint:
    """The head of a log at one size."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the text that is signed."""
        lines = (self.origin, str(self.size), to_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def read_text(text: str) -> Checkpoint:
    """Return the checkpoint of a note's text. Raises BadNote for another text."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise BadNote("not a checkpoint")
    try:
        size, root = from_decimal(lines[1]), from_base64(lines[2])
    except ValueError:
        raise BadNote("not a checkpoint") from None
    if len(root) != HASH_SIZE:
        raise BadNote("the root of a checkpoint is no hash")
    return Checkpoint(lines[0], size, root, tuple(lines[3:-1]))


def read(encoded: str) -> tuple[Checkpoint, Note]:
    """Return an unverified checkpoint and its note. Raises BadNote."""
    signed = note.read(encoded)
    return read_text(signed.text), signed


def verified(encoded: str, log_key: VerifierKey) -> Checkpoint:
    """Return the checkpoint of the log whose key this is, once its signature is checked.

    Raises BadNote.
    """
    head, signed = read(encoded)
    if head.origin != log_key.name:
        raise BadNote("a checkpoint of another log")
    note.opened(signed, [log_key])
    return head
