"""The archive's log: what is recorded, sequenced and proved, and a process that dies on the way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction

from connectors.tlog import merkle, note
from connectors.tlog import proof as tlog_proof
from connectors.tlog.merkle import leaf_hash
from connectors.tlog.tiles import Tiles
from inbox.archive import proof
from inbox.archive.proof import log, sequencer
from inbox.archive.proof.leaves import read_leaf, row_of
from inbox.archive.proof.models import LogEntry
from tests.archive.proved import entry, home, record, superuser

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home")]
__all__ = ["home"]


def verified(text: str | None) -> tuple[tlog_proof.Proof, int]:
    """Check a proof as a stranger does, with the text and the public key alone."""
    assert text is not None
    read = tlog_proof.read(text)
    assert read.extra is not None
    head = read.verify(read.extra, note.read_vkey(proof.public_keys().log))
    return read, head.size


def leaves() -> list[bytes]:
    """Return every entry of the log as its files have them, after a check against the head."""
    head = log.signed_head()
    found = Tiles(log.folder(), head.size)
    entries = [each for number in range(-(-head.size // 256)) for each in found.entries(number)]
    frontier = merkle.Frontier()
    for each in entries:
        frontier.append(leaf_hash(each))
    assert (frontier.size, frontier.root()) == (head.size, head.root)
    return entries


def test_a_leaf_is_canonical_json_and_names_nobody():
    made = proof.Entry.put(UUID(int=1), 2, "ab" * 64, "cd" * 32)
    assert made.leaf() == (
        '{"commitment":"' + "cd" * 32 + '","event":"put","inventory":"' + "ab" * 64 + '",'
        '"object":"00000000-0000-0000-0000-000000000001","v":1,"version":2}'
    )
    assert read_leaf(made.leaf().encode()) == made
    gone = proof.Entry.destroyed(UUID(int=1))
    assert gone.leaf() == (
        '{"event":"destroyed","object":"00000000-0000-0000-0000-000000000001","v":1}'
    )
    assert read_leaf(gone.leaf().encode()) == gone
    for wrong in (made.leaf().replace(",", ", "), '{"v":2}', "[]", "{", '{"v":1,"event":"put"}'):
        with pytest.raises(ValueError):
            read_leaf(wrong.encode())
    for arguments in ((0, "ab" * 64, "cd" * 32), (1, "AB" * 64, "cd" * 32), (1, "ab" * 64, "")):
        with pytest.raises(ValueError):
            proof.Entry.put(UUID(int=1), *arguments)


def test_what_is_recorded_gets_its_place_and_a_proof_that_anybody_can_check():
    assert proof.checkpoint() is None
    record(1, 2, 3)
    assert proof.of(UUID(int=2), 1) is None
    assert proof.sequence() == 3
    assert proof.sequence() == 0
    read, size = verified(proof.of(UUID(int=2), 1))
    assert (read.index, size) == (1, 3)
    assert read.extra == entry(2).leaf().encode()
    record(4)
    proof.record([proof.Entry.destroyed(UUID(int=2))])
    assert proof.sequence() == 2
    read, size = verified(proof.of(UUID(int=2), 1))
    assert (read.index, size) == (1, 5)
    assert proof.of(UUID(int=2), 2) is None
    assert proof.of(uuid4(), 1) is None
    assert leaves()[-1] == proof.Entry.destroyed(UUID(int=2)).leaf().encode()


def test_the_log_grows_over_many_tiles_and_each_head_continues_the_one_before():
    heads = []
    for first, count in ((0, 1), (1, 254), (255, 1), (256, 1), (257, 600)):
        record(*range(first, first + count))
        assert proof.sequence() == count
        heads.append(log.signed_head())
    assert leaves() == [entry(number).leaf().encode() for number in range(857)]
    now = Tiles(log.folder(), 857)
    for old in heads:
        path = merkle.consistency_proof(old.size, 857, now)
        merkle.verify_consistency(old.size, 857, path, old.root, heads[-1].root)
    for number in (0, 254, 255, 256, 856):
        assert verified(proof.of(UUID(int=number), 1))[0].index == number


def test_the_same_again_is_logged_once_and_nothing_of_what_was_rolled_back():
    record(1)
    record(1, 2)
    with pytest.raises(RuntimeError), transaction.atomic():
        record(3)
        raise RuntimeError
    proof.sequence()
    record(2)
    assert proof.sequence() == 0
    assert leaves() == [entry(1).leaf().encode(), entry(2).leaf().encode()]


def test_with_the_proofs_off_nothing_is_written(settings, home: Path):
    settings.ARCHIVE_PROOF = "off"
    record(1)
    assert proof.sequence() == 0
    assert not LogEntry.objects.exists()
    assert not home.exists()


def test_a_transaction_wakes_the_sequencer_once_however_often_it_records(
    django_capture_on_commit_callbacks,
):
    with django_capture_on_commit_callbacks() as callbacks:
        record(1)
        record(2)
    assert len(callbacks) == 1


def test_the_key_is_made_in_the_demo_and_asked_for_elsewhere(settings):
    record(1)
    settings.DEMO = False
    with pytest.raises(ImproperlyConfigured, match="ARCHIVE_LOG_KEY_FILE must name"):
        proof.sequence()
    settings.DEMO = True
    proof.sequence()
    assert Path(settings.ARCHIVE_LOG_KEY_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["a log", "a+log", "a\nlog"])
def test_nothing_is_signed_under_a_name_that_no_note_can_have(settings, name: str):
    settings.ARCHIVE_LOG_ORIGIN = name
    record(1)
    with pytest.raises(ImproperlyConfigured, match="ARCHIVE_LOG_ORIGIN"):
        sequencer.sequence()
    assert log.checkpoint() is None


def test_one_process_sequences_at_a_time():
    record(1)
    with sequencer.locked() as is_ours:
        assert is_ours
        assert proof.sequence() == 0
    assert proof.sequence() == 1


def test_no_head_is_signed_on_a_log_that_was_changed():
    record(1, 2)
    proof.sequence()
    signed = proof.checkpoint()
    record(3)
    tile = log.folder() / "tile/0/000.p/2"
    tile.write_bytes(tile.read_bytes()[:32] + bytes(32))
    with pytest.raises(proof.LogBroken, match="do not lead to the root signed at 2"):
        proof.sequence()
    tile.unlink()
    with pytest.raises(proof.LogBroken, match=r"tile/0/000\.p/2 is missing"):
        proof.sequence()
    assert proof.checkpoint() == signed


def test_no_head_is_signed_on_a_head_that_is_not_ours(home: Path):
    record(1)
    proof.sequence()
    record(2)
    path = log.folder() / "checkpoint"
    path.write_text(path.read_text("utf-8").replace("\n1\n", "\n2\n", 1), "utf-8")
    with pytest.raises(proof.LogBroken, match="not ours"):
        proof.sequence()


def test_no_head_is_signed_when_the_log_or_the_database_is_older_than_the_other():
    record(1, 2)
    proof.sequence()
    old = proof.checkpoint()
    record(3)
    proof.sequence()
    new = proof.checkpoint()
    assert old and new
    (log.folder() / "checkpoint").write_text(old, "utf-8")
    with pytest.raises(proof.LogBroken, match="older than the database"):
        proof.sequence()
    (log.folder() / "checkpoint").write_text(new, "utf-8")
    with superuser():
        LogEntry.objects.filter(object_id=UUID(int=3)).delete()
    with pytest.raises(proof.LogBroken, match=f"{UUID(int=3)}: leaf 2 is in the log and not in"):
        proof.sequence()
    assert proof.checkpoint() == new


DIED = 9
EARLIER = 254


def died_at(step: int) -> bool:
    """Sequence in a child that exits hard before its step number `step`; say if it did.

    A step is what the disk is told to do for good, or the saving of places. On SQLite the child has
    a copy of the test's database: what it commits is as lost as if it had died just before.
    """
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, DIED)
        return code == DIED
    left = step

    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            if left == 0:
                os._exit(DIED)
            left -= 1
            return function(*arguments, **named)

        return stepped

    if connection.vendor == "postgresql":
        connection.connection = None  # the parent's; this process opens one of its own
    os.fsync, Path.replace, Path.mkdir = map(counting, (os.fsync, Path.replace, Path.mkdir))
    shutil.rmtree = counting(shutil.rmtree)
    sequencer._place = counting(sequencer._place)
    LogEntry.objects.bulk_update = counting(LogEntry.objects.bulk_update)
    try:
        proof.sequence()
        os._exit(0)
    except BaseException:
        os._exit(1)


def wait(*numbers: int) -> None:
    """Record without waking anybody."""
    LogEntry.objects.bulk_create([row_of(entry(number)) for number in numbers])


@pytest.mark.django_db(transaction=True)
def test_a_kill_at_any_step_loses_no_leaf_and_doubles_none():
    wait(*range(EARLIER))  # the next ones fill a tile and begin another
    proof.sequence()
    kept = shutil.copytree(log.folder(), log.folder().with_name("kept"))
    step = after = 0
    killed = True
    while killed:
        wait(*range(EARLIER, EARLIER + 4))
        killed = died_at(step)
        after += log.signed_head().size > EARLIER
        # The next to sequence finds another leaf beside those that were being logged.
        wait(EARLIER + 4)
        proof.sequence()
        logged = leaves()
        assert len(logged) == len(set(logged)) == EARLIER + 5
        rows = list(LogEntry.objects.order_by("index"))
        assert [row.index for row in rows] == list(range(EARLIER + 5))
        assert [row.leaf.encode() for row in rows] == logged
        with superuser():
            LogEntry.objects.filter(index__gte=EARLIER).delete()
        shutil.rmtree(log.folder())
        shutil.copytree(kept, log.folder())
        step += 1
    assert step > 25
    assert after > 3
