"""A process that dies while she corrects a paper: archive and rows agree again by themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.db.utils import load_backend
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from inbox.archive import copying, store
from inbox.archive.models import Blob, Holding, Package
from inbox.citizens.models import Citizen, InboxState
from inbox.citizens.viewer import Viewer
from inbox.letters import counters, own, record
from inbox.letters.models import Correction, Delivery, Event, Letter
from tests import beforehand
from tests.archive.test_crashes import DIED
from tests.incoming import PDF
from tests.make import make_citizen, make_letter

pytestmark = pytest.mark.usefixtures("frozen_clock")

STEPS = {"os.rename", "os.mkdir", "os.remove"}


@pytest.fixture(autouse=True)
def places(settings: Any, tmp_path: Path) -> None:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    settings.ARCHIVE_COPY_DIR = str(tmp_path / "copy")


@pytest.fixture
def kept_in_a_file(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> Iterator[None]:
    """SQLite in a file: what a process has committed before it dies is there for others."""
    memory, file = connections["default"], tmp_path / "samlepost.sqlite3"
    beforehand.copy_of_migrated(file)
    said = {**memory.settings_dict, "NAME": str(file)}
    connections["default"] = load_backend("django.db.backends.sqlite3").DatabaseWrapper(
        {**said, "ENGINE": "django.db.backends.sqlite3"}, "default"
    )
    with django_db_blocker.unblock():
        yield
        connections["default"].close()
    connections["default"] = memory


def said(title: str = "Vedtak", **changes: Any) -> own.Said:
    return own.Said(title, "Trygdekontoret", date(1998, 3, 4), **{"level": 3} | changes)


def paper_of(citizen: Citizen) -> Letter:
    file = own.look_at("brev.pdf", lambda: [PDF])
    return own.add(Viewer(citizen.id), said(), [file], own.new_key())


def killed_at(step: int, paper: Letter, words: own.Said) -> bool:
    """Correct it in a process that is killed at that step of it; say if it was.

    A step is a commit of what is written to the database, or a change of names on the disk.
    """
    connections["default"].close()
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, DIED)
        return code == DIED
    left, connection = step, connections["default"]

    def count() -> None:
        nonlocal left
        if left == 0:
            os._exit(DIED)
        left -= 1

    def execute(call: Any, sql: str, *rest: Any) -> Any:
        if not connection.in_atomic_block and not sql.startswith(("SELECT", "BEGIN", "PRAGMA")):
            count()
        return call(sql, *rest)

    real_commit = connection.commit

    def commit() -> None:
        count()
        real_commit()

    try:
        connection.commit = commit  # type: ignore[method-assign]
        sys.addaudithook(lambda event, _: count() if event in STEPS else None)
        with connection.execute_wrapper(execute):
            own.correct(Viewer(paper.citizen_id), paper.id, words)
        os._exit(0)
    except BaseException:
        os._exit(1)


def kept_and_shown(paper: Letter) -> tuple[str, str]:
    """The title in the archive and that of the row, which agree on the version, too."""
    delivery = Delivery.objects.get(letter_id=paper.id)
    latest = store.describe(paper.citizen_id, delivery.id)
    package, held = Package.objects.get(id=delivery.id), Holding.objects.get(pk=delivery.id)
    if package.version == latest.version:
        assert held.version == latest.version
        assert package.inventory_sha512 == held.inventory_sha512 == latest.inventory_sha512
        mine = Blob.objects.filter(package_id=delivery.id, path=f"original/{own.SAID}")
        assert set(mine.values_list("version", flat=True)) == set(range(1, latest.version + 1))
    raw = store.read_bytes(paper.citizen_id, delivery.id, record.RECORD)
    kept = record.read(raw).letter
    paper.refresh_from_db()
    assert kept
    return kept.title, paper.title


def make_due() -> None:
    Correction.objects.update(due_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.files
@pytest.mark.parametrize(("remedy", "stride"), [("the sweep", 1), ("her next correction", 2)])
def test_archive_and_row_agree_wherever_she_was_cut_off(
    kept_in_a_file: None, remedy: str, stride: int
):
    kari = make_citizen()
    case_id = make_letter(kari, case_reference="2026/17").case_id
    step, apart, words = 0, 0, set()
    paper = paper_of(kari)
    while killed_at(step, paper, said("Klage", case_id=case_id)):
        own_words = set(kept_and_shown(paper))
        apart += len(own_words) == 2
        if remedy == "the sweep":
            assert own.finish_corrections() == 0, "she may be at it still"
            make_due()
            own.finish_corrections()
            assert not Correction.objects.exists()
        else:
            # To what the row said before: only the archive knows that there was anything else.
            own.correct(Viewer(kari.id), paper.id, said("Vedtak"))
            make_due()
            own.finish_corrections()
            assert kept_and_shown(paper) == ("Vedtak", "Vedtak")
        (title,) = set(kept_and_shown(paper))
        words.add(title)
        store.sweep(older_than=-1)
        assert kept_and_shown(paper) == (title, title), "and none comes later"
        if title == "Klage":
            copying.run()
            assert not Holding.objects.filter(is_owed=True).exists()
            assert paper.case_id == case_id
            event = Event.objects.get(letter_id=paper.id, kind="corrected")
            assert event.actor_id == kari.id
        state = InboxState.objects.get(citizen=kari)
        assert state.letters == counters.recount(kari.id).letters
        if title == "Klage" or remedy != "the sweep":
            paper.delete()
            paper = paper_of(kari)
        step += stride
    assert kept_and_shown(paper) == ("Klage", "Klage")
    assert not Correction.objects.exists()
    assert apart >= 3
    assert step > 10
    assert words == ({"Vedtak", "Klage"} if remedy == "the sweep" else {"Vedtak"})
