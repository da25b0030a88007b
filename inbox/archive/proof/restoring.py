"""Rows made anew from the log's files, when the database is older than the log or lost."""

from __future__ import annotations

from django.db import transaction

from connectors.tlog.merkle import leaf_hash
from connectors.tlog.tiles import WIDTH, Broken
from inbox.archive.proof.leaves import read_leaf, row_of
from inbox.archive.proof.log import LogBroken
from inbox.archive.proof.models import LogEntry
from inbox.archive.proof.sequencer import locked, signed_tree


def rebuild() -> int:
    """Write the row of every leaf that the signed log has and the database has not.

    Returns how many were written. Meant for an operator who has restored a database from before, or
    begins with an empty one: it asks nobody why the rows are gone. Raises LogBroken when the log is
    not what was signed, when a row contradicts it, or while somebody else writes the log.
    """
    written = 0
    with locked() as is_ours:
        if not is_ours:
            raise LogBroken("somebody else is writing the log; try again")
        head, tree = signed_tree()
        try:
            for number in range(-(-head.size // WIDTH)):
                written += _bundle(tree.checked_entries(number), number * WIDTH)
        except Broken as error:
            raise LogBroken(str(error)) from error
    return written


def _bundle(entries: list[bytes], first: int) -> int:
    hashes = [leaf_hash(entry) for entry in entries]
    there = {bytes(row.leaf_hash): row for row in LogEntry.objects.filter(leaf_hash__in=hashes)}
    missing, unplaced = [], []
    for index, (entry, hashed) in enumerate(zip(entries, hashes, strict=True), first):
        row = there.get(hashed)
        if row is None:
            missing.append(row_of(read_leaf(entry), index))
        elif row.index is None:
            row.index = index
            unplaced.append(row)
        elif row.index != index:
            raise LogBroken(f"{row.object_id}: leaf {index} has the place {row.index} in its row")
    with transaction.atomic():
        LogEntry.objects.bulk_create(missing)
        LogEntry.objects.bulk_update(unplaced, ["index"])
    return len(missing)
