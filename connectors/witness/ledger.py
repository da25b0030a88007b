"""What a witness has signed, and the checks that it makes before it signs more.

c2sp.org/tlog-witness, section add-checkpoint; sentences of it are quoted where they are kept.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from connectors.tlog import checkpoint, merkle, note
from connectors.tlog.checkpoint import Checkpoint
from connectors.tlog.cosignature import Cosigner
from connectors.tlog.encoding import from_base64, from_decimal
from connectors.tlog.merkle import EMPTY_ROOT, BadProof
from connectors.tlog.note import BadNote, Note, VerifierKey


class Refusal(Exception):
    """Nothing is signed: the HTTP status that says why, and for 409 the size that was signed."""

    def __init__(self, status: int, why: str, size: int | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.size = size


class Ledger:
    """A witness with its key: every checkpoint that it has signed lies in a SQLite file."""

    def __init__(
        self,
        directory: Path,
        signer: Cosigner,
        logs: Sequence[VerifierKey],
        now: Callable[[], float] = time.time,
    ) -> None:
        """`logs` are the keys of the logs that are witnessed; their names are the origins."""
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / "signed.sqlite3"
        self._signer = signer
        self._logs = {key.name: key for key in logs}
        self._now = now
        with self._transaction() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS signed "
                "(origin TEXT, size INTEGER, note TEXT NOT NULL, PRIMARY KEY (origin, size))"
            )

    def add_checkpoint(self, body: str) -> str:
        """Return the signature line for a checkpoint that continues what was signed last.

        `body` is that of the request. Raises Refusal.
        """
        old, path, encoded = _read_request(body)
        try:
            head, signed = checkpoint.read(encoded)
        except BadNote as error:
            raise Refusal(400, str(error)) from None
        self._check_signature(head, signed)
        if old > head.size:
            raise Refusal(400, "the old size is larger than the checkpoint's")
        # "checking the old size against the latest checkpoint and persisting the new checkpoint
        # must be performed atomically"
        with self._transaction() as db:
            latest = self._latest(db, head.origin)
            known = latest.size if latest else 0
            if old != known:
                raise Refusal(409, "another size was signed last", known)
            _check_growth(latest, head, old, path)
            line = self._signer.sign(signed.text, int(self._now()))
            ours = [each for each in signed.signatures if self._logs[head.origin].is_of(each)]
            kept = Note(signed.text, (*ours, line)).encode()
            db.execute(
                "INSERT OR REPLACE INTO signed VALUES (?, ?, ?)", (head.origin, head.size, kept)
            )
        return line.line()

    def signed(self, origin_hash: str, at_most: int | None = None) -> str | None:
        """Return the newest signed checkpoint of a log, or the newest that is no larger.

        `origin_hash` is the SHA-256 of the origin in hex. None when there is none.
        """
        for origin in self._logs:
            if hashlib.sha256(origin.encode()).hexdigest() == origin_hash:
                with self._transaction() as db:
                    row = db.execute(
                        "SELECT note FROM signed WHERE origin = ? AND size <= ? "
                        "ORDER BY size DESC LIMIT 1",
                        (origin, 2**63 - 1 if at_most is None else at_most),
                    ).fetchone()
                return str(row[0]) if row else None
        return None

    def _check_signature(self, head: Checkpoint, signed: Note) -> None:
        key = self._logs.get(head.origin)
        if key is None:
            raise Refusal(404, "a log that is not witnessed here")
        try:
            note.opened(signed, [key])
        except BadNote as error:
            raise Refusal(403, str(error)) from None

    def _latest(self, db: sqlite3.Connection, origin: str) -> Checkpoint | None:
        row = db.execute(
            "SELECT note FROM signed WHERE origin = ? ORDER BY size DESC LIMIT 1", (origin,)
        ).fetchone()
        return checkpoint.read(row[0])[0] if row else None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self._path, timeout=20, isolation_level=None)
        try:
            db.execute("PRAGMA synchronous=FULL")  # what was signed must outlive a power cut
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
        finally:
            db.close()


def _read_request(body: str) -> tuple[int, list[bytes], str]:
    """Return old size, proof and checkpoint. Raises Refusal with 400."""
    top, blank, encoded = body.partition("\n\n")
    lines = top.split("\n")
    first = lines.pop(0)
    if not blank or not first.startswith("old ") or len(lines) > merkle.PROOF_MAX:
        raise Refusal(400, "not an old size, a proof and a checkpoint")
    try:
        old = from_decimal(first.removeprefix("old "))
        path = [from_base64(line) for line in lines]
    except ValueError:
        raise Refusal(400, "a line of the request cannot be read") from None
    if any(len(each) != merkle.HASH_SIZE for each in path):
        raise Refusal(400, "a line of the proof is no hash")
    return old, path, encoded


def _check_growth(latest: Checkpoint | None, head: Checkpoint, old: int, path: list[bytes]) -> None:
    """Raise Refusal with 422 unless the new tree begins with the old one."""
    if head.size == 0 and head.root != EMPTY_ROOT:
        raise Refusal(422, "the root of an empty tree is another")
    if old == 0 or latest is None:
        if path:
            raise Refusal(422, "nothing was signed before: the proof must be empty")
        return
    try:
        merkle.verify_consistency(old, head.size, path, latest.root, head.root)
    except BadProof as error:
        raise Refusal(422, f"inconsistent with what was signed: {error}") from None
