"""The page on which she sends a letter to her own mailbox, and where she sees how it went."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from connectors import clock
from connectors.simulation import Faults
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen
from inbox.letters.models import Letter
from inbox.sync import consent, handing_over
from inbox.sync.models import Handover
from tests.make import act_for, log_in, make_citizen, make_letter, make_representation

pytestmark = pytest.mark.django_db
DIGIPOST = Channel.DIGIPOST.value
BUTTON = "Send to Digital postkasse (Digipost)"
TITLE = "Vedtak om bostøtte"


@pytest.fixture
def supplier(demo_citizens):
    return demo_citizens.control.by_channel[Channel.DIGIPOST]


@pytest.fixture
def kari(supplier) -> Citizen:
    found = find_citizen("national_id", by_slug("kari").national_id)
    assert found
    return found


def screen(citizen: Citizen, level: int = 4) -> Client:
    client = Client(headers={"accept-language": "en"})
    log_in(client, citizen, level)
    return client


def page(client: Client, letter: Letter) -> str:
    return client.get(reverse("letter_forward", args=[letter.id])).content.decode()


def send(client: Client, letter: Letter) -> str:
    address = reverse("letter_to_mailbox", args=[letter.id])
    return client.post(address, follow=True).content.decode()


def test_she_sends_it_and_sees_that_it_is_on_its_way_and_then_the_receipt(kari, supplier):
    letter = make_letter(kari, title=TITLE)
    client = screen(kari)
    assert BUTTON in page(client, letter)
    waiting = send(client, letter)
    assert "On its way to Digital postkasse (Digipost)." in waiting
    assert BUTTON not in waiting
    send(client, letter)
    assert handing_over.send_due() == 1
    [there] = supplier.uploaded(by_slug("kari"))
    after = page(client, letter)
    assert "Digital postkasse (Digipost) received it" in after
    assert there.reference in after
    assert BUTTON not in after
    timeline = client.get(reverse("letter", args=[letter.id])).content.decode()
    said = f"Sent to your mailbox, Digital postkasse (Digipost). Receipt: {there.reference}"
    assert said in timeline
    listed = client.get("/sharing/").content.decode()
    assert "Letters that you have sent to your own mailbox" in listed
    assert TITLE in listed
    assert there.reference in listed


def test_while_the_supplier_is_away_she_is_told_that_we_keep_trying(kari, supplier):
    letter = make_letter(kari)
    client = screen(kari)
    supplier.state.set_faults(DIGIPOST, Faults(mode="down"))
    send(client, letter)
    handing_over.send_due()
    for said in (page(client, letter), client.get("/sharing/").content.decode()):
        assert "does not answer right now. We keep trying" in said


def test_what_was_refused_is_told_with_the_reason_and_can_be_tried_again(kari):
    letter = make_letter(kari)
    client = screen(kari)
    send(client, letter)
    Handover.objects.update(state="failed", refusal="Postkassen er full.")
    refused = page(client, letter)
    assert "Not sent. Digital postkasse (Digipost) says:" in refused
    assert "Postkassen er full." in refused
    assert "Try again" in refused
    assert "On its way" in send(client, letter)
    Handover.objects.update(due_at=timezone.now())
    assert handing_over.send_due() == 1


def test_below_the_letters_level_the_list_says_nothing_of_what_the_supplier_said(kari):
    letter = make_letter(kari, title=TITLE, public_title="Brev", security_level=4)
    send(screen(kari), letter)
    Handover.objects.update(state="failed", refusal="Hemmelig grunn", reference="R-77")
    listed = screen(kari, level=3).get("/sharing/").content.decode()
    assert "Brev" in listed
    for word in (TITLE, "Hemmelig grunn", "R-77"):
        assert word not in listed


def test_who_has_no_digital_mailbox_is_told_so_and_is_offered_nothing(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    ola = make_citizen("Ola")
    letter = make_letter(ola)
    client = screen(ola)
    assert "You have no digital mailbox that we know of." in page(client, letter)
    assert reverse("letter_to_mailbox", args=[letter.id]) not in page(client, letter)
    assert "You have no digital mailbox that we know of." in send(client, letter)
    assert not Handover.objects.exists()


def test_what_came_from_there_or_goes_nowhere_is_told_so(kari):
    client = screen(kari)
    there = make_letter(kari, source=DIGIPOST)
    assert "so you have it there already" in send(client, there)
    consent.disconnect(kari.id, DIGIPOST)
    other = make_letter(kari, document=b"%PDF-1.7 another")
    assert "You have disconnected Digital postkasse (Digipost)." in send(client, other)
    assert not Handover.objects.exists()


def test_a_helper_never_sends_her_letters_to_a_mailbox(kari):
    ola = find_citizen("national_id", by_slug("ola").national_id)
    letter = make_letter(kari)
    make_representation(kari, ola, may_answer=True)
    client = screen(ola)
    act_for(client, kari)
    assert client.post(reverse("letter_to_mailbox", args=[letter.id])).status_code == 404
    assert not Handover.objects.exists()


def test_it_takes_a_press_a_session_of_the_level_and_an_opened_letter(kari):
    letter = make_letter(kari)
    address = reverse("letter_to_mailbox", args=[letter.id])
    assert screen(kari).get(address).status_code == 405
    assert screen(make_citizen("Per")).post(address).status_code == 404
    high = make_letter(kari, security_level=4)
    asks = make_letter(kari, wants_opening_receipt=True)
    for unread in (high, asks):
        answer = screen(kari, level=3).post(reverse("letter_to_mailbox", args=[unread.id]))
        assert answer["Location"] == reverse("letter", args=[unread.id])
    assert not Handover.objects.exists()


def test_a_long_list_costs_as_many_queries_as_a_short_one(kari):
    client = screen(kari)
    client.get("/sharing/")

    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            client.get("/sharing/")
        return len(asked)

    counts = []
    for number in range(6):
        letter = make_letter(kari, document=b"%%PDF %d" % number)
        Handover.objects.create(
            citizen=kari,
            letter_id=letter.id,
            source_id=DIGIPOST,
            security_level=4,
            asked_at=clock.now(),
            due_at=timezone.now(),
        )
        counts.append(cost())
    assert len(set(counts)) == 1
    assert counts[0] <= 8
    last = make_letter(kari, document=b"%PDF last")
    with CaptureQueriesContext(connection) as asked:
        assert BUTTON in page(client, last)
    assert len(asked) <= 8
