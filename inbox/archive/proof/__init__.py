"""The archive's transparency log: what was kept, and that nothing of it was changed since.

The store calls `record` within the transaction that makes an object's key; everything else here
serves the proof. docs/archive-proofs.md has the formats, `connectors/tlog` the mathematics.
ARCHIVE_PROOF=off|log|full: nothing; the log; the log with a witness and timestamps.
"""

from __future__ import annotations

from inbox.archive.proof.leaves import Entry
from inbox.archive.proof.log import LogBroken, PublicKeys, checkpoint, of, public_keys, stamp_files
from inbox.archive.proof.recording import destroyed, record
from inbox.archive.proof.sequencer import sequence

__all__ = [
    "Entry",
    "LogBroken",
    "PublicKeys",
    "checkpoint",
    "destroyed",
    "of",
    "public_keys",
    "record",
    "sequence",
    "stamp_files",
]
