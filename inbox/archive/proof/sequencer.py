"""Gives leaves their places: reads the rows that wait, grows the tree, signs its head.

The order makes a kill harmless: files that reach beyond the signed head mean nothing, the head is
replaced at once, and a row whose leaf the head covers already gets the place that it has there.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from connectors.tlog import merkle, tiles
from connectors.tlog.checkpoint import Checkpoint
from connectors.tlog.merkle import BadProof, leaf_hash
from connectors.tlog.note import Note
from connectors.tlog.tiles import WIDTH, Broken, Tiles
from inbox.archive.proof.leaves import object_of
from inbox.archive.proof.log import CHECKPOINT, LogBroken, folder, signed_head, signer
from inbox.archive.proof.models import LogEntry

ROUND = 5_000
"""Leaves that get their places under one signature."""
ROWS = 500
"""Rows in one statement."""


def sequence() -> int:
    """Give every leaf that waits its place; returns how many got one.

    Returns 0 at once while another process is at it, and with ARCHIVE_PROOF=off. Raises LogBroken,
    having signed nothing, when the log is not what was signed last, or not what the database knows;
    ImproperlyConfigured without the log's key.
    """
    if settings.ARCHIVE_PROOF == "off":
        return 0
    with locked() as is_ours:
        if not is_ours:
            return 0
        tiles.clear_staging(folder())
        total = settle()
        while placed := _round():
            total += placed
        return total


@contextmanager
def locked() -> Iterator[bool]:
    """Be the only one to write the log, or say that somebody else is; a killed one lets go."""
    folder().mkdir(parents=True, exist_ok=True)
    handle = os.open(folder() / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def signed_tree() -> tuple[Checkpoint, Tiles]:
    """Return the signed head and the tree below it, whose files lead to its root.

    Raises LogBroken when they do not.
    """
    head = signed_head()
    found = Tiles(folder(), head.size)
    try:
        if merkle.root(head.size, found) != head.root:
            raise LogBroken(f"the log's tiles do not lead to the root signed at {head.size}")
    except Broken as error:
        raise LogBroken(str(error)) from error
    return head, found


def settle() -> int:
    """Give rows the places that their leaves have below the signed head; returns how many.

    There are such rows when a process died after it had signed. Raises LogBroken when the log and
    the database do not tell the same: one of the two is older than the other, or was changed.
    """
    head, in_log = signed_tree()
    highest = LogEntry.objects.aggregate(highest=Max("index"))["highest"]
    known = 0 if highest is None else highest + 1
    if known > head.size:
        raise LogBroken(
            f"the database knows {known} leaves, the signed log has {head.size}: "
            "the log's folder is older than the database"
        )
    placed = 0
    try:
        if known:
            _check_last(in_log, known)
        for number in range(known // WIDTH, -(-head.size // WIDTH)):
            entries = in_log.checked_entries(number)
            first = max(known - number * WIDTH, 0)
            placed += _place_again(entries[first:], number * WIDTH + first)
    except Broken as error:
        raise LogBroken(str(error)) from error
    return placed


def _round() -> int:
    rows = list(LogEntry.objects.filter(index__isnull=True).order_by("id")[:ROUND])
    if not rows:
        return 0
    head, before = signed_tree()
    entries = [row.leaf.encode() for row in rows]
    edge = before.edge()
    for row, entry in zip(rows, entries, strict=True):
        hashed = leaf_hash(entry)
        if hashed != bytes(row.leaf_hash):
            raise LogBroken(f"the row of {row.object_id} was changed before it was logged")
        edge.append(hashed)
    tiles.write(folder(), tiles.grow(before, entries))
    _sign(head, Checkpoint(head.origin, edge.size, edge.root()))
    _place(rows, head.size)
    tiles.clear_away(folder(), head.size, edge.size)
    return len(rows)


def _sign(old: Checkpoint, new: Checkpoint) -> None:
    """Sign a head and put it in force, after a proof, from the files, that it continues the old."""
    written = Tiles(folder(), new.size)
    try:
        if old.size:
            path = merkle.consistency_proof(old.size, new.size, written)
            merkle.verify_consistency(old.size, new.size, path, old.root, new.root)
        if merkle.root(new.size, written) != new.root:
            raise BadProof("the files lead to another root")
    except (Broken, BadProof) as error:
        raise LogBroken(f"the new head does not continue the signed one: {error}") from error
    text = new.text()
    signed = Note(text, (signer().sign(text),)).encode()
    tiles.replace(folder(), CHECKPOINT, signed.encode())
    tiles.sync(folder())


def _place(rows: Sequence[LogEntry], first: int) -> None:
    for index, row in enumerate(rows, first):
        row.index = index
    with transaction.atomic():
        LogEntry.objects.bulk_update(rows, ["index"], batch_size=ROWS)


def _place_again(entries: Sequence[bytes], first: int) -> int:
    """Give the rows of logged leaves their places."""
    hashes = [leaf_hash(entry) for entry in entries]
    rows = {bytes(row.leaf_hash): row for row in LogEntry.objects.filter(leaf_hash__in=hashes)}
    found = []
    for index, hashed in enumerate(hashes, first):
        row = rows.get(hashed)
        if row is None or row.index is not None:
            raise LogBroken(
                f"{object_of(entries[index - first])}: leaf {index} is in the log and not in the "
                "database, which is older than the log or has lost it"
            )
        row.index = index
        found.append(row)
    with transaction.atomic():
        LogEntry.objects.bulk_update(found, ["index"], batch_size=ROWS)
    return len(found)


def _check_last(in_log: Tiles, known: int) -> None:
    """Compare the last leaf that has a place with the log; the audit compares all of them."""
    row = LogEntry.objects.get(index=known - 1)
    number, at = divmod(known - 1, WIDTH)
    if in_log.entries(number)[at] != row.leaf.encode():
        raise LogBroken(f"{row.object_id}: leaf {known - 1} is another in the log")
