"""A source that does not answer keeps so many workers and no more; the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta
from threading import Event, Semaphore, Thread
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from werkzeug.serving import make_server

from connectors import clock, http
from connectors.world.letters import letters, new_letter
from connectors.world.model import Channel
from connectors.world.persons import PERSONS, by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Letter, Reply
from inbox.sync import (
    engine,
    handing_over,
    handover,
    lease,
    opening,
    receipts,
    rejections,
    replies,
    reset,
    retrieve,
    schedule,
    sending,
    tasks,
)
from inbox.sync.models import Handover, Mailbox, OutboundReceipt, Rejection, Retrieval, Source
from tests.make import make_letter
from tests.sync.test_receipts_when_killed import Redirected, on_disk, served  # noqa: F401
from tests.sync.test_schedule import connect_many, handed_out

LONG = 120.0
"""Seconds; nothing here takes as long unless it has failed."""
LIST = "/altinn/dialogporten/"
KARI = by_slug("kari")


class Hanging:
    """The simulators, of which Altinn's list does not answer until it is let go."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.arrived, self.asked, self.let_go = Semaphore(0), 0, Event()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"].startswith(LIST):
            self.asked += 1
            self.arrived.release()
            self.let_go.wait(LONG)
        return self._app(environ, start_response)


@pytest.fixture
def hanging(on_disk, demo_citizens, monkeypatch) -> Iterator[Hanging]:  # noqa: F811
    app = Hanging(demo_citizens.wsgi)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(http, "transport_for", lambda _: Redirected(server.server_port))
    monkeypatch.setitem(http.Http.__init__.__kwdefaults__, "timeout", LONG)
    yield app
    app.let_go.set()
    server.shutdown()
    thread.join()


def work(key: tuple[Any, Any]) -> int:
    try:
        return engine.sync_mailbox(*key)
    finally:
        connection.close()


def mailboxes(slug: str) -> list[tuple[Any, Any]]:
    found = Mailbox.objects.filter(source_id=slug).order_by("id")
    return list(found.values_list("citizen_id", "id"))


@pytest.mark.django_db(transaction=True)
def test_with_a_source_that_hangs_the_letters_of_others_come_and_its_own_when_it_answers(
    hanging, demo_citizens, settings
):
    settings.SYNC_SOURCE_BUSY_MAX = 2
    settings.SYNC_LEASE_SECONDS = LONG
    persons = [each for each in PERSONS if not each.is_at_work]
    for person in persons:
        for channel in (Channel.ALTINN, Channel.NAV):
            letter = new_letter(person, channel, title=f"{person.slug} {channel}", at=clock.now())
            demo_citizens.control.by_channel[channel].send(letter)
    altinn, nav = mailboxes("altinn"), mailboxes("minside-nav")
    assert len(altinn) >= 5
    with ThreadPoolExecutor(4) as workers:
        stuck: list[Future[int]] = [workers.submit(work, key) for key in altinn]
        others: list[Future[int]] = [workers.submit(work, key) for key in nav]
        done, late = wait(others, LONG)
        assert not late, "Altinn has all the workers"
        assert sum(each.result() for each in done) == len(nav)
        for _ in range(2):
            assert hanging.arrived.acquire(timeout=LONG)
        assert hanging.asked == 2, "of four workers it keeps two"
        assert set(Letter.objects.values_list("source", flat=True)) == {"minside-nav"}
        # Those that were sent away wait for one of the two, and are due.
        in_hand = Mailbox.objects.filter(source_id="altinn", lease_until__isnull=False)
        assert in_hand.count() == 2
        waiting = Mailbox.objects.filter(source_id="altinn", due_at__lte=timezone.now())
        assert waiting.exclude(id__in=in_hand.values("id")).count() == len(altinn) - 2
        mailboxes_due = {mailbox for _, mailbox in schedule.due_mailboxes()}
        assert not mailboxes_due & {str(mailbox) for _, mailbox in altinn}
        assert schedule.go_on(*altinn[0]) == []
        hanging.let_go.set()
        assert sum(each.result(LONG) for each in stuck) == 2
    [key] = schedule.go_on(*altinn[0])
    fetched = 2
    while True:
        fetched += engine.sync_mailbox(*key)
        following = schedule.go_on(*key)
        if not following:
            break
        [key] = following
    assert fetched == len(altinn)
    assert Letter.objects.filter(source="altinn").count() == len(altinn)


@pytest.fixture
def crowd(db, settings) -> None:
    """Ten mailboxes that are due at a source that may keep three workers."""
    settings.SYNC_SOURCE_BUSY_MAX = 3
    connect_many("altinn", 10, timezone.now() - timedelta(hours=1), timedelta(seconds=1))


def taken() -> list[Any]:
    return [
        schedule.take(Mailbox.objects.filter(citizen_id=citizen, id=mailbox))
        for citizen, mailbox in mailboxes("altinn")
    ]


def test_no_more_are_handed_out_or_taken_than_a_source_may_keep_workers(crowd):
    assert len(handed_out()) == 3
    assert sum(token is not None for token in taken()) == 3
    assert handed_out() == []
    Mailbox.objects.filter(lease_until__isnull=False)[:1].get().delete()
    assert len(handed_out()) == 1


def test_a_source_may_have_a_number_of_its_own(crowd):
    Source.objects.update(busy_max=5)
    assert len(handed_out()) == 5
    assert sum(token is not None for token in taken()) == 5


def test_a_worker_that_has_died_keeps_nobody_waiting_longer_than_its_lease(crowd):
    taken()
    assert handed_out() == []
    Mailbox.objects.filter(lease_until__isnull=False).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    assert len(handed_out()) == 3


def test_when_a_worker_is_done_the_longest_waiting_of_its_source_is_next(crowd, monkeypatch):
    connect_many("nav", 2, timezone.now() - timedelta(hours=2))
    oldest = Mailbox.objects.filter(source="altinn").order_by("due_at").first()
    assert oldest is not None
    other = mailboxes("altinn")[-1]
    woken: list[tuple[str, str]] = []
    monkeypatch.setattr(engine, "sync_mailbox", lambda *key: 0)
    monkeypatch.setattr(tasks.sync_mailbox, "delay", lambda *key: woken.append(key))
    tasks.sync_mailbox(*map(str, other))
    assert woken == [(str(oldest.citizen_id), str(oldest.id))]
    Source.objects.filter(slug="altinn").update(paused_until=timezone.now() + timedelta(hours=1))
    tasks.sync_mailbox(*map(str, other))
    assert len(woken) == 1, "one that asks us to wait is left alone"


def test_a_reset_does_not_wait_for_its_turn(demo_citizens, settings):
    settings.SYNC_SOURCE_BUSY_MAX = 1
    demo_citizens.control.by_channel[Channel.ALTINN].send(
        new_letter(KARI, Channel.ALTINN, title="Et brev", at=clock.now())
    )
    reset.forget(KARI.national_id)
    Mailbox.objects.filter(source_id="altinn").update(
        lease_until=timezone.now() + lease.lease_time()
    )
    assert reset.fetch(KARI.national_id) == (1, [])


def two_openings(world, kari: Citizen) -> None:
    altinn = world.control.by_channel[Channel.ALTINN]
    for number in range(2):
        altinn.send(new_letter(KARI, Channel.ALTINN, title=f"Brev {number}", at=clock.now()))
    engine.sync_mailbox(kari.id, Mailbox.objects.get(citizen=kari, source_id="altinn").id)
    for letter in Letter.objects.filter(citizen=kari):
        opening.open_letter(Viewer(kari.id, 3), letter.id)


def two_receipts(world, kari: Citizen) -> None:
    dpi = world.control.by_channel[Channel.DIGIPOST]
    for number in range(2):
        dpi.send(new_letter(KARI, Channel.DIGIPOST, title=f"Brev {number}", at=clock.now()))
    engine.sync_source(Channel.DIGIPOST.value)


def two_error_receipts(world, kari: Citizen) -> None:
    for _ in range(2):
        world.control.by_channel[Channel.DIGIPOST].send_garbage(KARI, Channel.DIGIPOST)
    engine.sync_source(Channel.DIGIPOST.value)
    Rejection.objects.update(due_at=timezone.now())


def two_copies(world, kari: Citizen) -> None:
    for _ in range(2):
        handover.ask(Viewer(kari.id, 4), make_letter(kari).id)


def two_answers(world, kari: Citizen) -> None:
    oslo = world.control.by_channel[Channel.OSLO]
    seeded = [each for each in letters(KARI) if each.channel == Channel.OSLO]
    for copy in ("a", "b"):
        oslo.send_many([replace(each, key=f"{each.key}-{copy}") for each in seeded])
    engine.sync_mailbox(kari.id, Mailbox.objects.get(citizen=kari, source_id="minside-oslo").id)
    for letter in Letter.objects.filter(citizen=kari, security_level=3):
        for form in letter.reply_forms or []:
            if form["kind"] == "choice":
                opening.open_letter(Viewer(kari.id, 3), letter.id)
                code = form["choices"][0]["code"]
                replies.choose(Viewer(kari.id, 3), letter.id, form["code"], code)


OTHER_WORK = [
    (two_openings, Retrieval, retrieve.run_due),
    (two_receipts, OutboundReceipt, receipts.send_due),
    (two_error_receipts, Rejection, rejections.send_due),
    (two_copies, Handover, handing_over.send_due),
    (two_answers, Reply, sending.send_due),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("owe", "work", "carry_out"), OTHER_WORK)
def test_other_work_at_a_source_keeps_no_more_workers_either(
    owe, work, carry_out, demo_citizens, settings
):
    settings.SYNC_SOURCE_BUSY_MAX = 1
    kari = find_citizen("national_id", KARI.national_id)
    assert kari is not None
    owe(demo_citizens, kari)
    one, _ = work.objects.filter(state="waiting").order_by("id")
    mine = work.objects.filter(id=one.id)
    mine.update(lease_until=timezone.now() + lease.lease_time())  # another worker is at it
    assert carry_out() == 0
    assert set(work.objects.values_list("state", "attempts")) == {("waiting", 0)}
    mine.update(lease_until=None)
    assert carry_out() == 2, "one after the other by one worker"


@pytest.mark.django_db
def test_an_opening_that_had_to_wait_for_another_is_next(demo_citizens, monkeypatch):
    kari = find_citizen("national_id", KARI.national_id)
    assert kari is not None
    two_openings(demo_citizens, kari)
    woken: list[int] = []
    monkeypatch.setattr(tasks.retrieve_due, "delay", lambda: woken.append(retrieve.run_due()))
    first = Retrieval.objects.order_by("id")[0]
    tasks.retrieve(str(kari.id), str(first.id))
    assert woken == [1]
    tasks.retrieve(str(kari.id), str(first.id))
    assert woken == [1], "nothing was done: nobody is woken"
