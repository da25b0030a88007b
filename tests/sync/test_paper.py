"""A letter that its sender had printed as well: marked, once, and told where it came back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors import clock
from connectors.dpi import printing
from connectors.dpi.sender import message_id
from connectors.world.agencies import agency
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import InboxState, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import erase, join, paper
from inbox.letters.models import Delivery, Event, Letter
from inbox.sync import engine, put_aside, receipts, rejections
from inbox.sync.models import Mailbox, OutboundReceipt, Quarantined, Source
from inbox.sync.sources import connected
from tests.connectors.dpi import test_printing as forms
from tests.connectors.dpi.place import letter as dpi_letter
from tests.make import log_in
from tests.take_out import take_out

pytestmark = pytest.mark.django_db

KARI = by_slug("kari")
SLUG = Channel.DIGIPOST.value


@pytest.fixture
def sim(demo_citizens):
    return demo_citizens.control.by_channel[Channel.DIGIPOST]


@pytest.fixture
def kari(sim):
    return find_citizen("national_id", KARI.national_id)


def fetch():
    engine.sync_source(SLUG)
    assert not Source.objects.get(slug=SLUG).failures


def sent(sim, **fields):
    """Send Kari a letter; returns what the queue calls it."""
    made = new_letter(KARI, Channel.DIGIPOST, title="Vedtak om støtte", at=clock.now())
    return sim.send(replace(made, **fields))


def page_of(letter, level=3):
    screen = Client()
    log_in(screen, letter.citizen, level=level)
    screen.cookies["django_language"] = "en"
    return " ".join(screen.get(reverse("letter", args=[letter.id])).content.decode().split())


def list_of(citizen, level=3):
    screen = Client()
    log_in(screen, citizen, level=level)
    screen.cookies["django_language"] = "en"
    return screen.get(reverse("inbox")).content.decode()


def steps(letter):
    told = Event.objects.filter(letter_id=letter.id, kind=Event.Kind.ON_PAPER).order_by("at", "id")
    return [event.detail["step"] for event in told]


def test_a_letter_that_was_printed_says_so_and_stays_one(sim, kari):
    message = sent(sim)
    fetch()
    Letter.objects.update(unread=False)
    version = InboxState.objects.get(citizen=kari).version
    assert sim.print_letter(message, clock.now() + timedelta(hours=1))
    fetch()
    letter = Letter.objects.get()
    assert letter.on_paper_at == STUDY_DATE + timedelta(hours=1) and letter.returned_at is None
    assert steps(letter) == ["sent", "accepted"]
    assert not letter.unread, "she has read it"
    assert InboxState.objects.get(citizen=kari).version > version, "the list is another"
    page = page_of(letter)
    assert "The sender sent this letter on paper on 23 November 2026." in page
    assert "The printing service took the letter on paper" in page
    assert "Sent on paper 23 Nov" in list_of(kari)
    assert not Quarantined.objects.exists()


def test_a_letter_that_came_back_says_so_in_its_row_and_what_it_means(sim, kari):
    message = sent(sim, printed_at=STUDY_DATE - timedelta(days=12))
    fetch()
    assert sim.return_letter(message, STUDY_DATE - timedelta(days=1))
    fetch()
    letter = Letter.objects.get()
    assert steps(letter) == ["sent", "accepted", "posted", "returned"]
    page = page_of(letter)
    assert "The letter on paper came back on 22 November 2026." in page
    assert "Check that the address in the Population Register is right" in page
    assert "The sender sent this letter on paper" not in page, "one alert is enough"
    row = list_of(kari)
    assert "Came back from the post 22 Nov" in row and "Sent on paper" not in row


def test_letter_print_and_return_in_one_batch_make_one_letter(sim):
    day = STUDY_DATE - timedelta(days=20)
    sent(sim, printed_at=day, returned_at=day + timedelta(days=9))
    fetch()
    letter = Letter.objects.get()
    assert letter.on_paper_at == day and letter.returned_at == day + timedelta(days=9)
    assert Delivery.objects.count() == 1


def test_what_comes_again_is_told_once(sim):
    sent(sim, printed_at=STUDY_DATE, returned_at=STUDY_DATE)
    fetch()
    for row in sim.state.connection().execute("SELECT id FROM messages").fetchall():
        sim.redeliver(row["id"])
    fetch()
    assert steps(Letter.objects.get()) == ["sent", "returned", "accepted"]
    assert Letter.objects.count() == 1 and not Quarantined.objects.exists()


def test_what_was_signed_is_kept_with_the_letter_and_given_to_her(sim, kari):
    sent(sim, printed_at=STUDY_DATE, returned_at=STUDY_DATE)
    fetch()
    delivery = Delivery.objects.get()
    rows = sim.state.connection().execute(
        "SELECT envelope FROM messages WHERE instr(conversation, '/') ORDER BY position"
    )
    queued = [row["envelope"].encode() for row in rows]
    names = ["utskrift.jwt", "mottakskvittering.jwt", "returpostkvittering.jwt"]
    assert [
        store.read_bytes(delivery.citizen_id, delivery.id, f"original/{name}") for name in names
    ] == queued
    assert store.verify(delivery.id) == []
    screen = Client()
    log_in(screen, kari, level=4)
    (about,) = [data for name, data in take_out(screen).items() if name.endswith("letter.json")]
    assert json.loads(about)["returned_at"].startswith("2026-11-23")


def test_above_her_session_nothing_is_said_of_paper(sim, kari):
    sent(sim, security_level=4, printed_at=STUDY_DATE, returned_at=STUDY_DATE)
    fetch()
    letter = Letter.objects.get()
    assert "Came back" in list_of(kari, level=4)
    for text in (list_of(kari), page_of(letter)):
        assert "came back" not in text.lower() and "on paper" not in text


def test_word_from_another_organisation_marks_nothing(sim):
    """Whoever learns of a conversation cannot make a letter look as if it had come back."""
    sent(sim, agency=agency("nav"))
    fetch()
    row = sim.state.connection().execute("SELECT * FROM messages").fetchone()
    stolen = printing.Sent(Channel.DIGIPOST, "kari", row["envelope"], bytes(row["package"]))
    theirs = sim.printing.message(stolen, clock.now())
    stranger = agency("skatteetaten")

    def by_stranger(document):
        header = document["standardBusinessDocumentHeader"]
        header["sender"][0]["identifier"]["value"] = f"0192:{stranger.org_number}"

    forged = forms.anew(theirs, sim.authority.agency(stranger), by_stranger)
    sim.put([sim.printing.receipt(forged, printing.CAME_BACK, clock.now())])
    fetch()
    letter = Letter.objects.get()
    assert letter.on_paper_at is None and letter.returned_at is None
    assert "tells of no letter that is here" in Quarantined.objects.get().reason
    assert rejections.send_due() == 0, "and nobody is answered"


def test_what_a_deleted_letter_is_told_lies_in_quarantine(sim):
    message = sent(sim)
    fetch()
    erase.erase(Letter.objects.get())
    sim.print_letter(message, clock.now())
    fetch()
    assert not Letter.objects.exists()
    assert Quarantined.objects.count() == 2
    assert rejections.send_due() == 0


def test_word_for_a_source_that_she_has_disconnected_waits_until_she_connects_it(sim, kari):
    message = sent(sim)
    fetch()
    mailbox = Mailbox.objects.get(citizen=kari, source_id=SLUG)
    Mailbox.objects.filter(id=mailbox.id).update(active=False)
    sim.print_letter(message, clock.now())
    fetch()
    assert Letter.objects.get().on_paper_at is None
    Mailbox.objects.filter(id=mailbox.id).update(active=True)
    assert put_aside.release_due() == 2
    assert steps(Letter.objects.get()) == ["sent", "accepted"]


def test_of_two_channels_the_copy_that_was_printed_keeps_the_mark(demo_citizens, sim, kari):
    wanted = {"person": "kari", "channel": SLUG, "also": "minside-nav", "title": "Vedtak"}
    message = demo_citizens.control.send(wanted)
    fetch()
    for mailbox in Mailbox.objects.filter(citizen=kari, source_id="minside-nav"):
        engine.sync_mailbox(mailbox.citizen_id, mailbox.id)
    letter = Letter.objects.get()
    assert letter.deliveries.count() == 2
    sim.print_letter(message, clock.now())
    fetch()
    letter.refresh_from_db()
    assert letter.on_paper_at == clock.now()
    other = letter.deliveries.get(source="minside-nav")
    with transaction.atomic():
        alone = join.split(Viewer(kari.id, SecurityLevel.HIGH), letter.id, other.id, clock.now())
    letter.refresh_from_db()
    assert (letter.on_paper_at, alone.on_paper_at) == (clock.now(), None)


class _Queue:
    """What `test_printing` needs of a place: the simulator."""

    def __init__(self, sim):
        self.dpi = sim


@pytest.mark.parametrize("national_id", ["", KARI.national_id], ids=["address", "number"])
def test_a_print_letter_that_names_her_is_a_letter_of_hers(sim, kari, national_id):
    sim.put([forms.named(_Queue(sim), national_id)])
    fetch()
    letter = Letter.objects.get()
    assert (letter.citizen_id, letter.title) == (kari.id, "Vedtak om foreldrepenger")
    page = page_of(letter, level=4)
    assert "The sender sent this letter on paper on" in page
    assert page.count("Sent on paper") == 1
    assert "vedtak.pdf" in page or "Vedtak om foreldrepenger" in page
    assert not OutboundReceipt.objects.exists(), "the printing service answers it, not we"
    assert receipts.send_due() == 0 and not sim.receipts()
    sim.redeliver(Delivery.objects.get().external_id)
    fetch()
    assert steps(Letter.objects.get()) == ["sent"]
    came_back = sim.printing.receipt(
        forms.named(_Queue(sim), national_id), printing.CAME_BACK, clock.now()
    )
    sim.put([came_back])
    fetch()
    assert Letter.objects.get().returned_at == STUDY_DATE


def test_a_print_letter_that_names_somebody_unknown_is_not_answered_by_us(sim):
    stranger = "01043100358"
    sim.put([forms.named(_Queue(sim), stranger)])
    fetch()
    assert not Letter.objects.exists()
    item = Quarantined.objects.get()
    assert item.reason == "nobody here has this recipient"
    rejections.Rejection.objects.update(due_at=clock.now())
    assert rejections.send_due() == 0


def test_the_letter_that_word_tells_of_is_found_in_one_query_among_many(
    sim, django_assert_num_queries
):
    messages = [sent(sim) for _ in range(5)]
    fetch()
    reader = Source.objects.get(slug=SLUG)
    sim.print_letter(messages[0], clock.now())
    with connected(reader) as connector:
        notices = [each for batch in connector.fetch(None, None) for each in batch.paper]
    with django_assert_num_queries(2):
        found = [paper.find(each) for each in notices]
    assert {each.external_id for each in found if each} == {messages[0]}


def test_the_control_page_prints_and_returns_the_newest_letter(demo_citizens, sim):
    sim.send(dpi_letter())
    address = "http://127.0.0.1:8010"
    with httpx.Client(
        transport=httpx.WSGITransport(app=demo_citizens.wsgi), base_url=address
    ) as client:
        here = {"Origin": address}

        def press(what):
            answer = client.post(
                f"/control/{what}", data={"person": "kari"}, headers=here, follow_redirects=True
            )
            assert answer.status_code == 200
            return answer.text

        assert "ikke noe brev på papir" in press("return-letter")
        assert "sendt det på papir" in press("print-letter")
        assert "har ikke noe brev som kan skrives ut" in press("print-letter")
        assert "Papirbrevet har kommet i retur" in press("return-letter")
        assert "<td>Skrevet ut på papir, kom i retur</td>" in client.get("/").text
    fetch()
    assert Letter.objects.get().returned_at == clock.now()
    assert message_id(dpi_letter()) == Delivery.objects.get().external_id


def test_a_worker_that_dies_between_letter_and_word_leaves_it_to_be_told_again(sim, monkeypatch):
    sent(sim, printed_at=STUDY_DATE)

    def die(*_):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(paper, "note", die)
        engine.sync_source(SLUG)
    assert Source.objects.get(slug=SLUG).failures == 1
    assert Letter.objects.get().on_paper_at is None, "the letter is hers already"
    Source.objects.update(due_at=timezone.now(), lease_until=None)
    fetch()
    assert steps(Letter.objects.get()) == ["sent", "accepted"]
    assert store.verify(Delivery.objects.get().id) == []
