"""A copy is brought in while somebody else is at work on her inbox, each by its own connection."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from inbox.archive import store
from inbox.archive.models import Holding, ObjectKey, Package
from inbox.citizens.identity import identify
from inbox.citizens.models import Citizen, InboxState, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import bring_in, counters, imports
from inbox.letters.models import Import, Letter
from inbox.sync import removal, reset
from tests.make import log_in, make_citizen, make_letter
from tests.take_out import zipped

pytestmark = [
    pytest.mark.servers,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("frozen_clock"),
]

NUMBER = "01857012345"
LETTERS = 3
HELD_UP = 0.3
"""Seconds: so long whoever does not wait for the other has for his work."""
MOMENTS: list[tuple[object, str]] = [
    (bring_in._Reader, "archive"),
    (bring_in.access, "note"),
    (imports._Work, "end"),
]
"""After one letter is in the archive; when all are written; and when that is to be committed."""
copies: list[bytes] = []


@pytest.fixture(autouse=True)
def places(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EXPORT_DIR, settings.ARCHIVE_DIR = tmp_path / "exports", tmp_path / "archive"
    settings.IMPORT_DIR, settings.DEMO = tmp_path / "imports", True
    monkeypatch.setattr(imports, "TELL_EVERY_SECONDS", 0)


@pytest.fixture
def copy(client: Client) -> bytes:
    if not copies:
        kari = make_citizen()
        for _ in range(LETTERS):
            make_letter(kari)
        log_in(client, kari, level=4)
        copies.append(zipped(client))
        removal.remove(kari.id)
    return copies[0]


@pytest.fixture
def others() -> Iterator[Callable[..., Future[Any]]]:
    """Starts work in a thread of its own."""
    with ThreadPoolExecutor() as pool:

        def start(work: Callable[..., Any], *arguments: Any) -> Future[Any]:
            def run() -> Any:
                try:
                    return work(*arguments)
                finally:
                    connection.close()

            return pool.submit(run)

        yield start


class HeldUp:
    """Holds up, for once, whoever comes out of a function, until `go` is set."""

    def __init__(self, patched: pytest.MonkeyPatch, place: object, name: str) -> None:
        self.there, self.go = Event(), Event()
        real = getattr(place, name)

        def held(*arguments: Any, **said: Any) -> Any:
            done = real(*arguments, **said)
            if not self.there.is_set():
                self.there.set()
                assert self.go.wait(60)
            return done

        patched.setattr(place, name, held)


def brought(copy: bytes) -> tuple[Citizen, Import]:
    ola = make_citizen("Ola")
    imports.ask(Viewer(ola.id, SecurityLevel.HIGH), io.BytesIO(copy))
    return ola, Import.objects.get(citizen=ola)


def kept_for(citizen: Citizen) -> int:
    """How many letters she has; with them come objects, keys and counts, and no others."""
    letters = Letter.objects.filter(citizen=citizen).count()
    packages = set(Package.objects.filter(citizen=citizen).values_list("id", flat=True))
    assert len(packages) == letters
    keys = ObjectKey.objects.filter(owner_id=citizen.id)
    assert set(keys.values_list("object_id", flat=True)) == packages
    held = Holding.objects.filter(removed_at=None).values_list("object_id", flat=True)
    assert set(held) == packages
    assert all(store.exists(each) for each in packages)
    if state := InboxState.objects.filter(citizen=citizen).first():
        before = state.letters, state.unread
        counted = counters.recount(citizen.id)
        assert before == (counted.letters, counted.unread)
        assert state.letters == letters
    return letters


def no_files_wait(settings: Any) -> bool:
    return not any(settings.IMPORT_DIR.iterdir())


def test_of_two_uploads_at_once_one_is_taken_and_by_one_of_two_workers(
    copy, others, settings, monkeypatch
):
    ola, together = make_citizen("Ola"), Barrier(2)
    viewer = Viewer(ola.id, SecurityLevel.HIGH)

    def upload() -> bool:
        try:
            imports.ask(viewer, io.BytesIO(copy))
        except imports.InHand:
            return False
        return True

    with monkeypatch.context() as patched:
        held = HeldUp(patched, imports, "find")
        first = others(upload)
        assert held.there.wait(60)
        second = others(upload)
        wait([second], HELD_UP)
        held.go.set()
        assert (first.result(), second.result()) == (True, False)
    row = Import.objects.get(citizen=ola)
    assert [each.name for each in settings.IMPORT_DIR.iterdir()] == [imports._file(row.id).name]

    def take() -> bool:
        together.wait(60)
        return imports.take(ola.id, row.id)

    assert sorted(each.result() for each in [others(take), others(take)]) == [False, True]
    assert kept_for(ola) == LETTERS
    assert no_files_wait(settings)


def test_a_worker_that_was_taken_for_dead_leaves_what_another_brought(
    copy, others, settings, monkeypatch
):
    ola, row = brought(copy)
    held = HeldUp(monkeypatch, *MOMENTS[0])
    slow = others(imports.take, ola.id, row.id)
    assert held.there.wait(60)
    Import.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert imports.take(ola.id, row.id)
    held.go.set()
    assert not slow.result()
    assert Import.objects.get(citizen=ola).state == Import.State.DONE
    assert kept_for(ola) == LETTERS
    assert no_files_wait(settings)


def meanwhile(
    others: Callable[..., Future[Any]], copy: bytes, work: Callable[[Citizen], Any]
) -> Iterator[tuple[Citizen, bool, Any]]:
    """At each moment, let somebody do that while hers is taken in.

    Yields her, whether it was taken in, and what the other's work returned.
    """
    for place, name in MOMENTS:
        ola, row = brought(copy)
        identify(ola, "national_id", NUMBER)
        with pytest.MonkeyPatch.context() as patched:
            held = HeldUp(patched, place, name)
            taken = others(imports.take, ola.id, row.id)
            assert held.there.wait(60)
            other = others(work, ola)
            wait([other], HELD_UP)
            held.go.set()
            yield ola, taken.result(), other.result()
        removal.remove(ola.id)


def test_what_is_cancelled_is_gone_and_what_is_not_is_there(copy, others, settings):
    ends = []
    for ola, taken, cancelled in meanwhile(others, copy, lambda ola: imports.cancel(ola.id)):
        ends.append(cancelled)
        assert taken is not cancelled
        assert kept_for(ola) == (0 if cancelled else LETTERS)
        assert Import.objects.filter(citizen=ola).exists() is not cancelled
        assert no_files_wait(settings)
    assert ends == [True, True, False]


def test_of_an_account_that_is_closed_nothing_is_left(copy, others, settings):
    for ola, _, _ in meanwhile(others, copy, lambda ola: removal.remove(ola.id)):
        assert not Citizen.objects.filter(id=ola.id).exists()
        assert kept_for(ola) == 0
        assert not Import.objects.exists()
        assert no_files_wait(settings)


def test_who_is_reset_gets_nothing_of_what_was_under_way(copy, others, settings):
    for ola, _, _ in meanwhile(others, copy, lambda _ola: reset.forget(NUMBER)):
        assert kept_for(ola) == 0
        assert not Import.objects.exists()
        assert no_files_wait(settings)


def test_a_letter_that_comes_stays_and_the_copy_is_refused_or_was_faster(copy, others, settings):
    ends = []
    for ola, taken, letter in meanwhile(others, copy, make_letter):
        ends.append(taken)
        assert kept_for(ola) == (LETTERS if taken else 0) + 1
        assert Letter.objects.filter(citizen=ola, id=letter.id).exists()
        row = Import.objects.get(citizen=ola)
        assert row.state == (Import.State.DONE if taken else Import.State.FAILED)
        assert row.problem == ("" if taken else "not_empty")
        assert no_files_wait(settings)
    assert ends == [False, True, True]
