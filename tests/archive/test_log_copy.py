"""The log's second copy: whole at every moment, never cut, and each repaired from the other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from connectors.tlog import merkle
from connectors.tlog.tiles import Tiles, entries_path, tile_path
from inbox.archive import proof
from inbox.archive.models import Damage
from inbox.archive.proof import audit, copying
from inbox.archive.proof.failures import failures
from inbox.archive.proof.log import LogBroken, signed_head
from tests.archive.proved import home, record

__all__ = ["home"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def second(settings, home: Path) -> Path:
    """A log of 300 leaves, and the folder of its copy."""
    settings.ARCHIVE_COPY_DIR = str(home.parent / "copy")
    grow(1, 301)
    copying.run()
    return home.parent / "copy/log"


def grow(first: int, end: int) -> None:
    record(*range(first, end))
    proof.sequence()


def is_whole(folder: Path) -> bool:
    head = signed_head()
    same = (folder / "checkpoint").read_text() == proof.checkpoint()
    return same and merkle.root(head.size, Tiles(folder, head.size)) == head.root


def test_the_copy_is_a_whole_log_and_grows_with_it(home: Path, second: Path):
    assert is_whole(second)
    grow(301, 514)
    copying.run()
    assert is_whole(second)
    assert not (second / f"{tile_path(0, 1)}.p").exists()
    assert not (second / f"{entries_path(1)}.p").exists()
    (home / "log/timestamps").mkdir()
    (home / "log/timestamps/513.tsr").write_bytes(b"stamp")
    copying.run()
    assert (second / "timestamps/513.tsr").read_bytes() == b"stamp"
    assert not failures()


def test_a_log_that_was_cut_does_not_reach_the_copy(home: Path, second: Path):
    before = home.parent / "before"
    shutil.copytree(home / "log", before)
    grow(301, 303)
    copying.run()
    shutil.rmtree(home / "log")
    shutil.copytree(before, home / "log")
    for _ in range(2):
        with pytest.raises(LogBroken, match="another log of 302 leaves, ours has 300"):
            copying.run()
    assert [each.what for each in failures()] == ["copy"]
    assert "302" in (second / "checkpoint").read_text()


def test_what_is_damaged_here_does_not_reach_the_copy(home: Path, second: Path):
    (second / "checkpoint").unlink()
    damage(home / "log" / tile_path(0, 0))
    copying.run()
    assert is_whole(home / "log")
    assert is_whole(second)
    grow(301, 303)
    damage(home / "log" / entries_path(1, 46))
    with pytest.raises(LogBroken, match="no better"):
        copying.run()
    assert "300" in (second / "checkpoint").read_text()
    assert not (second / entries_path(1, 46)).exists()


def damage(file: Path) -> None:
    damaged = bytearray(file.read_bytes())
    damaged[7] ^= 1
    file.write_bytes(damaged)


@pytest.mark.parametrize("what", [entries_path(0), tile_path(0, 0), tile_path(1, 0, 1)])
def test_what_is_damaged_in_one_place_is_put_back_from_the_other(
    home: Path, second: Path, what: str
):
    for place, folder in (("primary", home / "log"), ("copy", second)):
        damaged = bytearray((folder / what).read_bytes())
        damaged[7] ^= 1
        (folder / what).write_bytes(damaged)
        (home / "log/state/compared").unlink(missing_ok=True)
        assert copying.compare() == 2
        assert copying.compare() == 0  # not before tomorrow
        assert is_whole(home / "log")
        assert is_whole(second)
        assert list(audit.findings()) == []
        assert place in Damage.objects.values_list("place", flat=True)
    for folder in (home / "log", second):
        (folder / what).write_bytes(damaged)
    (home / "log/state/compared").unlink()
    with pytest.raises(LogBroken, match="the second copy is no better"):
        copying.compare()
    assert [each.what for each in failures()] == ["comparison"]


def test_what_the_copy_does_not_have_yet_is_not_taken_for_repaired(home: Path, second: Path):
    grow(301, 600)
    damage(home / "log" / tile_path(0, 1))
    with pytest.raises(LogBroken, match="does not reach so far"):
        copying.compare()
    assert not Damage.objects.exists()
    assert [each.what for each in failures()] == ["comparison"]


def test_a_log_that_has_lost_its_head_is_told_of(home: Path, second: Path):
    (home / "log/checkpoint").unlink()
    with pytest.raises(LogBroken, match="one of 300 leaves"):
        copying.run()
    assert [each.what for each in failures()] == ["copy"]
