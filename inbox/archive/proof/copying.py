"""The log's second copy, beside that of the objects: brought up, and held against the log.

Tiles are written first and the signed head last, so that what is there is always a whole log. One
that was cut or made anew here does not reach the copy, as its head does not continue the copy's.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from connectors.tlog import checkpoint as checkpoints
from connectors.tlog import merkle, tiles
from connectors.tlog.checkpoint import Checkpoint
from connectors.tlog.merkle import BadProof
from connectors.tlog.note import BadNote
from connectors.tlog.tiles import HEIGHT, WIDTH, Broken, Tiles
from inbox.archive import places
from inbox.archive.models import Damage
from inbox.archive.proof import log
from inbox.archive.proof.failures import COMPARISON, COPY, STATE, noted
from inbox.archive.proof.log import CHECKPOINT, COSIGNED, STAMPS, LogBroken, folder
from inbox.archive.proof.witness import HISTORY
from inbox.archive.storage import Missing, Storage

THE_LOG = UUID(int=0)
"""Stands for the log among objects that were damaged."""
BUNDLES = 200
"""Parts of 256 leaves that one run compares."""
REST = timedelta(days=1)
"""No part is compared again before so much time has passed."""
PLACE = "compared"
"""A file of the log's state: where the comparison goes on, and since when it rests."""

logger = logging.getLogger("samlepost.archive.proof")


class Copied(Tiles):
    """The tree as the second copy has it."""

    def __init__(self, second: Storage, size: int) -> None:
        super().__init__(Path(), size)
        self._second = second

    def _read(self, name: str, full: str) -> tuple[bytes, str]:
        for each in dict.fromkeys([name, full]):
            data = _bytes(self._second, each)
            if data is not None:
                return data, each
        raise Broken(f"{name} is missing in the second copy")


def run() -> None:
    """Bring the second copy up to the log. What fails is noted for operators.

    Raises LogBroken when the log does not continue its copy, OSError when a place fails.
    """
    if settings.ARCHIVE_PROOF == "off" or not places.has_second():
        return
    with noted(COPY):
        second = places.second_log()
        assert second is not None
        if log.checkpoint() is not None:
            _catch_up(second)
        elif leaves := _head_of(second).size:
            raise LogBroken(f"the log has no head, its second copy one of {leaves} leaves")


def compare() -> int:
    """Hold some of the log against its copy, and both against what was signed.

    What is damaged in one is put back from the other. Returns how many parts of 256 leaves were
    compared. Raises LogBroken for what is whole in neither, OSError when a place fails.
    """
    since, begin = _place()
    if settings.ARCHIVE_PROOF == "off" or not places.has_second():
        return 0
    if not begin and since and since > datetime.now(UTC) - REST:
        return 0
    second = places.second_log()
    assert second is not None
    head = _head_of(second)
    count = -(-head.size // WIDTH)
    end = min(begin + BUNDLES, count)
    # The last part first: the way from each other to the root leads past it.
    parts = dict.fromkeys([count - 1, *range(begin, end)] if count else [])
    with noted(COMPARISON):
        lost = [said for number in parts if (said := _compare(number, second, head))]
        if lost:
            raise LogBroken(lost[0])
    _go_on_at(end if end < count else 0)
    return max(0, end - begin)


def _catch_up(second: Storage) -> None:
    # In this order: a head that the witness has signed is never ahead of the newest.
    ends = {COSIGNED: log.cosigned(), CHECKPOINT: log.checkpoint()}
    behind = {name: text for name, text in ends.items() if text and _text(second, name) != text}
    stamp = max(_ours(STAMPS), key=_size_of, default="")
    if not behind and (not stamp or _bytes(second, stamp) is not None):
        return
    head, there = log.signed_head(), _head_of(second)
    _check_continues(there, head)
    grown = list(tiles.grown(there.size, head.size))
    _check_whole([number for level, number, _ in grown if not level], second, head)
    for level, number, width in grown:
        _put(second, tiles.tile_path(level, number, width), tiles.tile_path(level, number))
        if not level:
            _put(second, tiles.entries_path(number, width), tiles.entries_path(number))
    for place in (HISTORY, STAMPS):
        known = set(second.names(place))
        for name in _ours(place):
            if name.removeprefix(f"{place}/") not in known:
                _put(second, name)
    for name, text in reversed(behind.items()):
        assert text
        second.put_back("", name, [text.encode()])
    for level, number, width in grown:
        if width == WIDTH and tiles.width_of(level, number, there.size):
            second.remove(f"{tiles.tile_path(level, number)}.p")
            if not level:
                second.remove(f"{tiles.entries_path(number)}.p")


def _check_continues(there: Checkpoint, head: Checkpoint) -> None:
    try:
        continues = there.size <= head.size and (
            not there.size or merkle.root(there.size, Tiles(folder(), there.size)) == there.root
        )
    except Broken as error:
        raise LogBroken(str(error)) from error
    if not continues:
        raise LogBroken(
            f"the second copy has another log of {there.size} leaves, ours has {head.size}: it "
            "was cut, put back or written anew"
        )


def _check_whole(bundles: Iterable[int], second: Storage, head: Checkpoint) -> None:
    """Raise LogBroken for what is damaged here: it would take the place of what is whole there.

    A copy that has lost its head may hold it none the less; then it is put back from there.
    """
    for number in bundles:
        if _wrong(Tiles(folder(), head.size), number, head) and (
            said := _compare(number, second, head)
        ):
            raise LogBroken(said)


def _compare(number: int, second: Storage, head: Checkpoint) -> str:
    """Compare one part and repair it; say what is wrong that cannot be repaired."""
    ours, theirs = Tiles(folder(), head.size), Copied(second, head.size)
    wrong_here, wrong_there = (_wrong(each, number, head) for each in (ours, theirs))
    if wrong_here and wrong_there:
        return f"{wrong_here}; the second copy is no better: {wrong_there}"
    if wrong_here:
        tiles.write(folder(), list(_branch(theirs, number)))
        for each in (head, log.signed_head()):
            if still_wrong := _wrong(Tiles(folder(), each.size), number, each):
                return f"{still_wrong}; the second copy does not reach so far"
        _note(Damage.Place.PRIMARY, wrong_here)
    elif wrong_there:
        for name, data in _branch(ours, number):
            second.put_back("", name, [data])
        _note(Damage.Place.COPY, wrong_there)
    return ""


def _wrong(tree: Tiles, number: int, head: Checkpoint) -> str:
    """Say what is wrong with 256 leaves and all that leads from them to the signed root.

    The proof of the first leaf is made of every other hash of its tile.
    """
    first = number * WIDTH
    try:
        tree.checked_entries(number)
        path = merkle.inclusion_proof(first, head.size, tree)
        merkle.verify_inclusion(tree.node(0, first), first, head.size, path, head.root)
    except (Broken, BadProof) as error:
        return f"log, leaves from {first} on: {error}"
    return ""


def _branch(tree: Tiles, number: int) -> Iterator[tuple[str, bytes]]:
    """Yield the files, by path, that hold a bundle and lead from it to the root."""
    width = tiles.width_of(0, number, tree.size)
    yield tiles.entries_path(number, width), tiles.pack(tree.entries(number))
    level = 0
    while width := tiles.width_of(level, number >> HEIGHT * level, tree.size):
        above = number >> HEIGHT * level
        yield tiles.tile_path(level, above, width), tree.tile(level, above)
        level += 1


def _note(place: Damage.Place, problem: str) -> None:
    logger.error("archive: %s of the log was damaged and is put back: %s", place, problem)
    now = timezone.now()
    Damage.objects.create(
        object_id=THE_LOG,
        place=place,
        problems=[problem],
        found_at=now,
        found_by="scan",
        checked_at=now,
        outcome=Damage.Outcome.REPAIRED,
        ended_at=now,
    )


def _head_of(second: Storage) -> Checkpoint:
    """Return the copy's head; the empty tree while it has none that was signed with our key."""
    key = log.log_key()
    try:
        return checkpoints.verified(_text(second, CHECKPOINT), key)
    except BadNote:
        return Checkpoint(key.name, 0, merkle.EMPTY_ROOT)


def _put(second: Storage, *names: str) -> None:
    """Copy the first of these files that is there: a full tile has taken a narrower one's place."""
    for name in names:
        if (folder() / name).is_file():
            second.put_back("", name, [(folder() / name).read_bytes()])
            return
    raise LogBroken(f"{names[0]} is missing")


def _ours(place: str) -> list[str]:
    return sorted(f"{place}/{path.name}" for path in (folder() / place).glob("*") if path.is_file())


def _size_of(name: str) -> tuple[int, str]:
    stem = Path(name).stem
    return (int(stem) if stem.isdecimal() else -1, name)


def _bytes(second: Storage, name: str) -> bytes | None:
    try:
        return b"".join(second.chunks("", name))
    except Missing:
        return None


def _text(second: Storage, name: str) -> str:
    return (_bytes(second, name) or b"").decode("utf-8", "replace")


def _place() -> tuple[datetime | None, int]:
    try:
        said = json.loads((folder() / STATE / PLACE).read_text("utf-8"))
        return datetime.fromisoformat(said["since"]), int(said["bundle"])
    except (FileNotFoundError, ValueError, KeyError):
        return None, 0


def _go_on_at(bundle: int) -> None:
    (folder() / STATE).mkdir(parents=True, exist_ok=True)
    said = json.dumps({"since": datetime.now(UTC).isoformat(), "bundle": bundle})
    tiles.replace(folder(), f"{STATE}/{PLACE}", said.encode())
