"""A process that dies at any step of a write."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from inbox.archive import keys, storage, store
from inbox.archive.models import Holding
from tests.archive.test_store import FIRST, OWNER, home, objects_found_by_ocfl_py

__all__ = ["home"]

pytestmark = pytest.mark.django_db

DIED = 9
OBJECT = UUID(int=7)
SECOND = {"files/0001.pdf": b"second", "files/0002.pdf": b"third"}
STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}


def die_at(step: int, write: Callable[[], object]) -> bool:
    """Run `write` in a child that exits hard before its step number `step`; say if it did.

    A step is a change to the disk: making, opening, syncing, renaming or removing something.
    """
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, DIED)
        return code == DIED
    left = step

    def count() -> None:
        nonlocal left
        if left == 0:
            os._exit(DIED)
        left -= 1

    real_fsync = os.fsync

    def fsync(handle: int) -> None:
        count()
        real_fsync(handle)

    real_stroke = storage.sync_file_system

    def stroke(handle: int) -> bool:
        count()
        return real_stroke(handle)

    os.fsync = fsync
    storage.sync_file_system = stroke
    sys.addaudithook(lambda event, _: count() if event in STEPS else None)
    try:
        write()
        os._exit(0)
    except BaseException:
        os._exit(1)


@pytest.fixture(autouse=True)
def key(db) -> None:
    """Made before: what a child does to the database is its own copy's."""
    keys.make([(OWNER, OBJECT)])


def died_at_every_step(write: Callable[[], object], check: Callable[[], None]) -> int:
    step = 0
    while die_at(step, write):
        check()
        step += 1
    return step


@pytest.mark.parametrize("remedy", ["sweep", "again"])
def test_a_put_that_dies_leaves_the_object_whole_or_not_there(home: Path, remedy: str):
    before, after = 0, 0

    def check() -> None:
        nonlocal before, after
        there = store.exists(OBJECT)
        if there:
            after += 1
            assert store.verify(OBJECT) == []
            assert store.read_bytes(OWNER, OBJECT, "files/0001.pdf") == FIRST["files/0001.pdf"]
        else:
            before += 1
        if remedy == "again":
            assert store.put(OWNER, OBJECT, FIRST).version == 1
        store.sweep(older_than=-1)
        assert list((home / "staging").iterdir()) == []
        assert objects_found_by_ocfl_py(home) == (1 if there or remedy == "again" else 0)
        store.remove(OWNER, OBJECT)
        keys.make([(OWNER, OBJECT)])

    assert died_at_every_step(lambda: store.put(OWNER, OBJECT, FIRST), check) > 20
    assert before > 15
    assert after >= 3


@pytest.mark.parametrize("remedy", ["sweep", "again"])
def test_a_new_version_that_dies_leaves_the_old_object_or_the_new(home: Path, remedy: str):
    store.put(OWNER, OBJECT, FIRST)
    seen = set()

    def check() -> None:
        old_or_new = store.read_bytes(OWNER, OBJECT, "files/0001.pdf")
        assert old_or_new in (FIRST["files/0001.pdf"], SECOND["files/0001.pdf"])
        seen.add(old_or_new)
        if remedy == "again":
            assert store.add_version(OWNER, OBJECT, SECOND).version == 2
            assert store.verify(OBJECT) == []
        store.sweep(older_than=-1)
        assert list((home / "staging").iterdir()) == []
        assert store.verify(OBJECT) == []
        assert objects_found_by_ocfl_py(home) == 1
        first = store.read_bytes(OWNER, OBJECT, "files/0001.pdf", version=1)
        assert first == FIRST["files/0001.pdf"]
        store.remove(OWNER, OBJECT)
        store.put(OWNER, OBJECT, FIRST)

    assert died_at_every_step(lambda: store.add_version(OWNER, OBJECT, SECOND), check) > 30
    assert len(seen) == 2


def test_a_removal_that_dies_leaves_the_object_whole_or_gone(home: Path):
    store.put(OWNER, OBJECT, FIRST)

    def check() -> None:
        assert store.verify(OBJECT) in ([], ["the object is not in the archive"])
        store.sweep(older_than=-1)
        assert objects_found_by_ocfl_py(home) in (0, 1)
        store.put(OWNER, OBJECT, FIRST)

    assert died_at_every_step(lambda: store.remove(OWNER, OBJECT), check) > 5


def test_a_first_put_that_dies_while_making_the_root_can_be_repeated(home: Path):
    step = 0
    while die_at(step, lambda: store.put(OWNER, OBJECT, FIRST)) and not store.exists(OBJECT):
        assert store.put(OWNER, OBJECT, FIRST).version == 1
        assert objects_found_by_ocfl_py(home) == 1
        home.rename(home.with_name(f"archive-{step}"))
        Holding.objects.all().delete()  # the next one is an archive of its own
        step += 1
    assert step > 40


def test_sweeping_leaves_what_is_being_written(home: Path):
    def files():
        assert store.sweep() == 0
        yield b"still here"

    store.put(OWNER, OBJECT, {"files/0001.pdf": files()})
    assert store.read_bytes(OWNER, OBJECT, "files/0001.pdf") == b"still here"
