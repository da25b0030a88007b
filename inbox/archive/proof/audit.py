"""Is the log what was signed, and does it tell the same as the database and the outside?

Everything is read again: leaves, tiles, the signed head, every head that the witness or a
time-stamping authority has vouched for, and the rows. `objects.py` holds the archive against it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings

from connectors.contract import ConnectorError
from connectors.tlog import checkpoint as checkpoints
from connectors.tlog import merkle, tiles
from connectors.tlog.checkpoint import Checkpoint
from connectors.tlog.merkle import HASH_SIZE, leaf_hash
from connectors.tlog.note import BadNote
from connectors.tlog.tiles import WIDTH, Broken, Tiles
from inbox.archive.proof import log, timestamps, witness
from inbox.archive.proof.failures import Untrusted
from inbox.archive.proof.leaves import Entry, object_of, read_leaf
from inbox.archive.proof.log import LogBroken, folder
from inbox.archive.proof.models import LogEntry

WAIT = timedelta(hours=1)
"""How long a leaf may wait for its place before that is told."""
NAMED = 20
"""Objects that are named of a part of the log that was changed."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and the object that it is wrong with where one can be named."""

    object_id: UUID | None
    text: str

    def __str__(self) -> str:
        return f"{self.object_id}: {self.text}" if self.object_id else f"the log: {self.text}"


def findings() -> Iterator[Finding]:
    """Yield all that is wrong with the log. Nothing with ARCHIVE_PROOF=off."""
    if settings.ARCHIVE_PROOF == "off":
        return
    try:
        head = log.signed_head()
    except LogBroken as error:
        yield Finding(None, str(error))
        head = Checkpoint(settings.ARCHIVE_LOG_ORIGIN, _size_unsigned(), b"")
    broken = yield from _files(head)
    yield from _rows(head)
    if not broken:
        yield from _vouched(head)


def _size_unsigned() -> int:
    """Return the size that a checkpoint says which is not signed: what else is wrong is told."""
    try:
        return checkpoints.read(log.checkpoint() or "")[0].size
    except BadNote:
        return 0


def _files(head: Checkpoint) -> Generator[Finding, None, bool]:
    """Make every tile anew from the leaves, and compare. Returns whether the tree is broken."""
    tree = Tiles(folder(), head.size)
    frontier = merkle.Frontier()

    def leaves() -> Iterator[bytes]:
        for number in range(-(-head.size // WIDTH)):
            for entry in tree.entries(number):
                frontier.append(leaf_hash(entry))
                yield entry

    broken = False
    try:
        for name, expected in tiles.grow(Tiles(folder(), 0), leaves()):
            for finding in _tile(tree, name, expected):
                broken = True
                yield finding
    except Broken as error:
        yield Finding(None, str(error))
        yield from _below(frontier.size, frontier.size + WIDTH)
        return True
    if head.root and frontier.root() != head.root:
        yield Finding(None, f"the {head.size} leaves do not lead to the root that was signed")
        broken = True
    return broken


def _tile(tree: Tiles, name: str, expected: bytes) -> Iterator[Finding]:
    """Compare one tile with what its leaves make of it; name the objects of leaves that differ."""
    if name.startswith("tile/entries/"):
        return
    try:
        found = (tree.folder / name).read_bytes()
    except FileNotFoundError:
        yield Finding(None, f"{name} is missing")
        return
    if found == expected:
        return
    level, first = _place(name)
    if level or len(found) != len(expected):
        yield Finding(None, f"{name} is not what its leaves make of it")
        return
    entries = tree.entries(first // WIDTH)
    for at in range(0, len(expected), HASH_SIZE):
        if found[at : at + HASH_SIZE] != expected[at : at + HASH_SIZE]:
            index = first + at // HASH_SIZE
            said = f"leaf {index} and its hash in {name} do not go together"
            yield Finding(object_of(entries[index - first]), said)


def _place(name: str) -> tuple[int, int]:
    """Return a tile's level and its first leaf (of level 0)."""
    level, *parts = name.removeprefix("tile/").partition(".p/")[0].split("/")
    number = int("".join(part.removeprefix("x") for part in parts))
    return int(level), number * WIDTH


def _rows(head: Checkpoint) -> Iterator[Finding]:
    """Compare every row with its leaf, both ways."""
    tree = Tiles(folder(), head.size)
    for number in range(-(-head.size // WIDTH)):
        first = number * WIDTH
        try:
            entries = tree.entries(number)
        except Broken:
            continue
        inside = LogEntry.objects.filter(index__gte=first, index__lt=first + len(entries))
        rows = {row.index: row for row in inside}
        for index, entry in enumerate(entries, first):
            yield from _row(index, entry, rows.get(index))
    for row in LogEntry.objects.filter(index__gte=head.size).order_by("index").iterator():
        said = f"its leaf {row.index} was dropped: the log ends at {head.size}"
        yield Finding(row.object_id, said)
    for row in LogEntry.objects.filter(index__isnull=True).iterator():
        if not _is_whole(row):
            yield Finding(row.object_id, "its row was changed before it was logged")
        elif row.at < datetime.now(UTC) - WAIT:
            said = f"its leaf has waited for its place in the log since {row.at:%F %T}"
            yield Finding(row.object_id, said)


def _row(index: int, entry: bytes, row: LogEntry | None) -> Iterator[Finding]:
    if row is None:
        said = f"leaf {index} is in the log and its row is not in the database"
        yield Finding(object_of(entry), said)
    elif row.leaf.encode() != entry or not _is_whole(row):
        said = f"the row of leaf {index} is not as the log has it: it was changed"
        yield Finding(object_of(entry), said)
        if row.object_id != object_of(entry):
            yield Finding(row.object_id, said)


def _is_whole(row: LogEntry) -> bool:
    """Say whether a row's columns say what its leaf says."""
    leaf = row.leaf.encode()
    try:
        said: Entry = read_leaf(leaf)
    except ValueError:
        return False
    columns = (row.event, row.object_id, row.version, bytes(row.leaf_hash))
    return columns == (said.event, said.object_id, said.version, leaf_hash(leaf))


def _vouched(head: Checkpoint) -> Iterator[Finding]:
    """Hold our tree against every head that others have signed."""
    tree = Tiles(folder(), head.size)
    for name, text in _kept():
        try:
            other = checkpoints.verified(text, log.log_key())
        except BadNote as error:
            yield Finding(None, f"{name}: {error}")
            continue
        yield from _holds(tree, other, name)
    for path in sorted((folder() / log.STAMPS).glob("*.tsr")):
        try:
            timestamps.verified(int(path.stem))
        except (Untrusted, ValueError, OSError) as error:
            yield Finding(None, f"{log.STAMPS}/{path.name}: {error}")
    if settings.ARCHIVE_PROOF == "full":
        yield from _witnessed(tree)


def _kept() -> Iterator[tuple[str, str]]:
    """Yield the heads that lie beside the log, by name."""
    for pattern in (log.COSIGNED, f"{witness.HISTORY}/*.note", f"{log.STAMPS}/*.note"):
        for path in sorted(folder().glob(pattern)):
            yield path.relative_to(folder()).as_posix(), path.read_text("utf-8", "replace")


def _witnessed(tree: Tiles) -> Iterator[Finding]:
    """Ask the witness itself, and look for where we part from it."""
    try:
        newest = witness.newest()
        if newest is None:
            if tree.size:
                yield Finding(None, "the witness has signed nothing")
            return
        if newest.size > tree.size:
            yield from _holds(tree, newest, "the witness")
            newest = witness.newest(tree.size)
        if newest and not _agrees(tree, newest):
            yield from _holds(tree, newest, "the witness")
            yield from _parting(tree, newest)
    except (ConnectorError, Untrusted) as error:
        yield Finding(None, f"the witness cannot be asked: {error}")


def _holds(tree: Tiles, other: Checkpoint, who: str) -> Iterator[Finding]:
    if other.size > tree.size:
        said = f"{who} has a signed head of {other.size} leaves, the log ends at {tree.size}: "
        yield Finding(None, said + "it was cut, or put back to what it was before")
    elif not _agrees(tree, other):
        said = f"{who} has another root of the first {other.size} leaves: the log was written anew"
        yield Finding(None, f"{said} and signed with its own key")


def _agrees(tree: Tiles, other: Checkpoint) -> bool:
    return other.size <= tree.size and merkle.root(other.size, tree) == other.root


def _parting(tree: Tiles, bad: Checkpoint) -> Iterator[Finding]:
    """Find the two heads that the witness signed between which our log parts from it."""
    good, settled, parted = 0, 0, bad.size
    while parted - settled > 1:
        middle = (settled + parted) // 2
        other = witness.newest(middle)
        if other is None or other.size <= good:
            settled = middle
        elif _agrees(tree, other):
            good, settled = other.size, middle
        else:
            parted = other.size
    end = min(parted, tree.size)
    yield Finding(None, f"it parts from what the witness signed at leaf {good} to {parted - 1}")
    yield from _below(good, end)


def _below(first: int, end: int) -> Iterator[Finding]:
    """Name the objects of leaves of a part that was changed: as the log has them, and the rows."""
    tree = Tiles(folder(), end)
    inside = LogEntry.objects.filter(index__gte=first, index__lt=end)
    rows = inside.order_by("index").values_list("object_id", flat=True)[:NAMED]
    in_log: list[UUID] = []
    for number in range(first // WIDTH, -(-end // WIDTH)):
        try:
            entries = tree.entries(number)
        except Broken:
            break
        begin = max(first - number * WIDTH, 0)
        in_log += filter(None, map(object_of, entries[begin : begin + NAMED]))
        if len(in_log) >= NAMED:
            break
    for object_id in dict.fromkeys([*in_log[:NAMED], *rows]):
        yield Finding(object_id, f"lies among the leaves {first} to {end - 1}, which were changed")
