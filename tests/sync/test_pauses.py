"""A source that asks us to wait is left alone by everything, and nothing is lost by that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors import clock, http
from connectors.simulation import Faults
from connectors.world.letters import letters, new_letter
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Letter, Reply
from inbox.sync import (
    acts,
    engine,
    handing_over,
    handover,
    health,
    opening,
    pauses,
    receipts,
    rejections,
    replies,
    reset,
    retrieve,
    schedule,
    sending,
)
from inbox.sync.freshness import freshness
from inbox.sync.models import (
    Handover,
    Mailbox,
    OutboundReceipt,
    Quarantined,
    Rejection,
    Retrieval,
    Source,
)
from inbox.sync.replay import replay
from tests.make import log_in, make_letter

pytestmark = pytest.mark.django_db

KARI = by_slug("kari")
DIGIPOST, ALTINN, OSLO = (each.value for each in (Channel.DIGIPOST, Channel.ALTINN, Channel.OSLO))
WORK = (Retrieval, OutboundReceipt, Rejection, Reply, Handover)


@pytest.fixture
def kari(demo_citizens) -> Citizen:
    found = find_citizen("national_id", KARI.national_id)
    assert found is not None
    return found


@pytest.fixture
def asked(demo_citizens, monkeypatch) -> list[str]:
    """Every request that leaves us for a source."""
    made: list[str] = []
    inner = http.transport_for

    class Counting(httpx.BaseTransport):
        def __init__(self, base_url: str) -> None:
            self._inner = inner(base_url)

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if "/maskinporten/" not in str(request.url):
                made.append(request.url.path)
            return self._inner.handle_request(request)

    monkeypatch.setattr(http, "transport_for", Counting)
    return made


def dial(world, slug: str, mode: str = "ok") -> None:
    world.control.by_channel[Channel(slug)].state.set_faults(slug, Faults(mode))


def fetch(kari: Citizen, slug: str) -> int:
    if Source.objects.get(slug=slug).shared_queue:
        return engine.sync_source(slug)
    return engine.sync_mailbox(kari.id, Mailbox.objects.get(citizen=kari, source_id=slug).id)


def send(world, slug: str, title: str = "Et brev", **said: Any) -> None:
    channel = Channel(slug)
    world.control.by_channel[channel].send(
        new_letter(KARI, channel, title=title, at=clock.now(), **said)
    )


def the_pause_is_over(slug: str) -> None:
    Source.objects.filter(slug=slug).update(paused_until=timezone.now() - timedelta(seconds=1))
    for model in WORK:
        model.objects.filter(state="waiting").update(due_at=timezone.now())


@dataclass
class Owed:
    """A kind of work that is owed at a source, and how it is carried out."""

    slug: str
    owe: Callable[[Any, Citizen], Any]
    """Returns the row."""
    carry_out: Callable[[], int]


def an_opening(world, kari: Citizen) -> Retrieval:
    send(world, ALTINN)
    fetch(kari, ALTINN)
    opening.open_letter(Viewer(kari.id, 3), Letter.objects.get(citizen=kari).id)
    return Retrieval.objects.get()


def a_confirmation(world, kari: Citizen) -> OutboundReceipt:
    an_opening(world, kari)
    assert retrieve.run_due() == 1
    letter = Letter.objects.get(citizen=kari)
    letter.deliveries.update(needs_confirmation=True)
    assert receipts.owe_confirmed(letter, clock.now())
    return OutboundReceipt.objects.get()


def a_receipt(world, kari: Citizen) -> OutboundReceipt:
    send(world, DIGIPOST)
    assert fetch(kari, DIGIPOST) == 1
    return OutboundReceipt.objects.get()


def an_error_receipt(world, kari: Citizen) -> Rejection:
    world.control.by_channel[Channel.DIGIPOST].send_garbage(KARI, Channel.DIGIPOST)
    fetch(kari, DIGIPOST)
    Rejection.objects.update(due_at=timezone.now())
    return Rejection.objects.get()


def an_act(world, kari: Citizen) -> OutboundReceipt:
    altinn = world.simulators["altinn"]
    dialog = altinn.send(new_letter(KARI, Channel.ALTINN, at=clock.now(), title="Vil du?"))
    altinn.offer(dialog, "utsett", "Utsett fristen", method="POST", prompt="Vil du vente?")
    fetch(kari, ALTINN)
    viewer = Viewer(kari.id, 3)
    letter = Letter.objects.get(citizen=kari)
    opening.open_letter(viewer, letter.id)
    assert retrieve.run_due() == 1
    [action] = acts.of_letter(Letter.objects.get(citizen=kari))
    assert acts.ask(viewer, letter.id, action["id"], action["agreed"])
    return OutboundReceipt.objects.get()


def an_answer(world, kari: Citizen) -> Reply:
    oslo = world.control.by_channel[Channel.OSLO]
    oslo.send_many([each for each in letters(KARI) if each.channel == OSLO])
    fetch(kari, OSLO)
    for letter in Letter.objects.filter(citizen=kari, security_level=3):
        for form in letter.reply_forms or []:
            if form["kind"] == "choice":
                opening.open_letter(Viewer(kari.id, 3), letter.id)
                choice = form["choices"][0]["code"]
                return replies.choose(Viewer(kari.id, 3), letter.id, form["code"], choice)
    raise AssertionError("none of her letters takes an answer")


def a_copy(world, kari: Citizen) -> Handover:
    return handover.ask(Viewer(kari.id, 4), make_letter(kari).id)


OWED = {
    "opening": Owed(ALTINN, an_opening, retrieve.run_due),
    "confirmation": Owed(ALTINN, a_confirmation, receipts.send_due),
    "act": Owed(ALTINN, an_act, receipts.send_due),
    "receipt": Owed(DIGIPOST, a_receipt, receipts.send_due),
    "error receipt": Owed(DIGIPOST, an_error_receipt, rejections.send_due),
    "answer": Owed(OSLO, an_answer, sending.send_due),
    "copy": Owed(DIGIPOST, a_copy, handing_over.send_due),
}


@pytest.mark.parametrize("kind", OWED)
def test_whatever_is_answered_with_429_pauses_its_source_and_is_done_when_that_is_over(
    kind, demo_citizens, kari, asked
):
    owed = OWED[kind]
    row = owed.owe(demo_citizens, kari)
    dial(demo_citizens, owed.slug, "rate_limited")
    for _ in range(12):  # more often than an act or an opening is tried
        the_pause_is_over(owed.slug)
        asked.clear()
        assert owed.carry_out() == 0
        assert len(asked) == 1
        row.refresh_from_db()
        until = Source.objects.get(slug=owed.slug).paused_until
        assert (row.state, row.attempts, row.lease_until) == ("waiting", 0, None)
        assert until is not None and until > timezone.now() and row.due_at <= until
        # Neither this nor anything else asks the source again before that.
        type(row).objects.update(due_at=timezone.now())
        assert owed.carry_out() == fetch(kari, owed.slug) == 0
        assert len(asked) == 1
        row.refresh_from_db()
        assert (row.state, row.attempts) == ("waiting", 0)
    dial(demo_citizens, owed.slug)
    the_pause_is_over(owed.slug)
    assert owed.carry_out() == 1
    row.refresh_from_db()
    assert row.state == "done"


def test_of_many_receipts_the_first_that_is_refused_holds_back_the_others(
    demo_citizens, kari, asked
):
    for number in range(4):
        send(demo_citizens, DIGIPOST, f"Brev {number}")
    assert fetch(kari, DIGIPOST) == 4
    dial(demo_citizens, DIGIPOST, "rate_limited")
    asked.clear()
    assert receipts.send_due() == receipts.send_due() == 0
    assert len(asked) == 1
    dial(demo_citizens, DIGIPOST)
    the_pause_is_over(DIGIPOST)
    assert receipts.send_due() == 4


def test_what_waits_at_a_paused_source_holds_up_no_other(demo_citizens, kari, monkeypatch):
    monkeypatch.setattr(receipts, "BATCH", 1)
    a_receipt(demo_citizens, kari)
    confirmation = OWED["confirmation"]
    OutboundReceipt.objects.update(due_at=timezone.now() - timedelta(hours=1))
    pauses.pause(DIGIPOST, 60)
    send(demo_citizens, ALTINN)
    fetch(kari, ALTINN)
    letter = Letter.objects.get(citizen=kari, source=ALTINN)
    opening.open_letter(Viewer(kari.id, 3), letter.id)
    assert retrieve.run_due() == 1
    letter.deliveries.update(needs_confirmation=True)
    receipts.owe_confirmed(letter, clock.now())
    assert confirmation.carry_out() == 1


def test_a_queue_that_asks_us_to_wait_is_paused_and_has_not_failed(demo_citizens, kari, asked):
    send(demo_citizens, DIGIPOST)
    Source.objects.filter(slug=DIGIPOST).update(failures=2)
    dial(demo_citizens, DIGIPOST, "rate_limited")
    assert fetch(kari, DIGIPOST) == 0
    source = Source.objects.get(slug=DIGIPOST)
    assert source.paused_until > timezone.now()
    assert (source.failures, source.failure) == (2, "ratelimited")
    assert source.due_at == source.paused_until
    assert health.failing() == []
    assert [each.until for each in health.waiting()] == [source.paused_until]
    Source.objects.filter(slug=DIGIPOST).update(due_at=timezone.now())
    asked.clear()
    assert DIGIPOST not in list(schedule.due_sources())
    assert fetch(kari, DIGIPOST) == 0 and asked == []
    dial(demo_citizens, DIGIPOST)
    the_pause_is_over(DIGIPOST)
    assert DIGIPOST in list(schedule.due_sources())
    assert fetch(kari, DIGIPOST) == 1
    assert Source.objects.get(slug=DIGIPOST).failures == 0 and health.waiting() == []


def test_opening_a_letter_while_its_source_asks_us_to_wait_says_so_and_fetches_it_then(
    demo_citizens, kari, client: Client, asked
):
    send(demo_citizens, ALTINN)
    fetch(kari, ALTINN)
    letter = Letter.objects.get(citizen=kari)
    pauses.pause(ALTINN, 100)
    asked.clear()
    log_in(client, kari)
    client.cookies["django_language"] = "en"
    said = "Altinn has asked us to wait. We fetch the letter within 2 minutes."
    assert said in client.get(reverse("letter", args=[letter.id])).content.decode()
    assert retrieve.run_due() == 0 and asked == []
    open_page = reverse("letter_content", args=[letter.id])
    htmx = {"HTTP_HX_REQUEST": "true"}
    assert said in client.get(open_page, **htmx).content.decode()
    the_pause_is_over(ALTINN)
    assert "We are fetching the letter" in client.get(open_page, **htmx).content.decode()
    assert retrieve.run_due() == 1
    assert "asked us to wait" not in client.get(open_page, **htmx).content.decode()


def test_operators_see_who_asks_us_to_wait_and_how_long(demo_citizens, kari, client: Client):
    Citizen.objects.filter(pk=kari.pk).update(is_staff=True)
    log_in(client, kari)
    client.cookies["django_language"] = "en"
    pauses.pause(ALTINN, 100)
    page = client.get(reverse("quarantine")).content.decode()
    assert "Altinn has asked us to wait. We ask again within 2 minutes." in page
    assert "Every source answered" not in page


def test_a_letter_can_be_read_again_from_quarantine_while_its_source_asks_us_to_wait(
    demo_citizens, kari
):
    Mailbox.objects.filter(citizen=kari, source_id=DIGIPOST).update(active=False)
    send(demo_citizens, DIGIPOST)
    fetch(kari, DIGIPOST)
    Mailbox.objects.filter(citizen=kari, source_id=DIGIPOST).update(active=True)
    pauses.pause(DIGIPOST, 60)
    assert replay(Quarantined.objects.get().id)


def test_a_reset_fetches_at_once_whatever_the_fault_dial_was(demo_citizens, kari):
    for slug in (ALTINN, DIGIPOST):
        dial(demo_citizens, slug, "rate_limited")
        fetch(kari, slug)
        dial(demo_citizens, slug)
        send(demo_citizens, slug)
    reset.forget(KARI.national_id)
    found, failing = reset.fetch(KARI.national_id)
    assert (found, failing) == (2, [])
    assert all(source.ok for source in freshness(kari.id))
