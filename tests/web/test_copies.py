"""What is not kept yet: the page of a source's copies, and what the letter's page says of it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client

from connectors import clock
from connectors.contract import IncomingDocument
from inbox.letters.models import Delivery, Document, Event, Letter
from inbox.sync.models import Mailbox, Retrieval
from tests.make import (
    act_for,
    log_in,
    make_citizen,
    make_letter,
    make_mailbox,
    make_representation,
    make_source,
)
from tests.take_out import take_out

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

PAGE = "/sources/altinn/copies/"


@pytest.fixture
def kari(client):
    citizen = make_citizen()
    make_source("altinn", "Altinn", connector="altinn")
    make_mailbox(citizen)
    log_in(client, citizen)
    client.cookies["django_language"] = "en"
    return citizen


def at_altinn(citizen, **fields) -> Letter:
    """A letter whose content lies at Altinn alone."""
    return make_letter(citizen, content_on_open=True, document=None, **fields)


def page(client, address: str = PAGE) -> str:
    return client.get(address).content.decode()


def test_the_sources_page_leads_to_the_copies_of_a_source_that_withholds(client, kari):
    make_mailbox(kari, "minside-nav")
    shown = page(client, "/sources/")
    assert PAGE in shown
    assert "minside-nav/copies" not in shown
    assert client.get("/sources/minside-nav/copies/").status_code == 404
    assert client.get("/sources/dpi-digipost/copies/").status_code == 404


def test_what_is_not_kept_is_listed_the_first_to_disappear_first(client, kari):
    end = clock.now() + timedelta(days=50)
    at_altinn(kari, title="Later", sent_at=clock.now() - timedelta(days=100))
    at_altinn(kari, title="Sooner", expires_at=end)
    make_letter(kari, title="Here already")
    shown = page(client)
    assert 0 < shown.index("Sooner") < shown.index("Later")
    assert "Here already" not in shown
    assert "It disappears at Altinn on 12 January 2027 unless you keep a copy." in shown
    assert "It may disappear at Altinn after 15 August 2027 unless you keep a copy." in shown
    assert "the sender can see that it is fetched" in shown


def test_what_level_4_protects_is_listed_without_its_title_and_cannot_be_kept_below(client, kari):
    high = at_altinn(kari, title="Hemmelig", public_title="", security_level=4)
    shown = page(client)
    assert "Hemmelig" not in shown
    assert "It requires a higher security level" in shown
    assert f"/letters/{high.id}/keep/" not in shown
    answer = client.post(f"/letters/{high.id}/keep/", {"source": "altinn"}, follow=True)
    assert "Open the letter itself to fetch this one." in answer.content.decode()
    assert not Retrieval.objects.exists()
    locked = page(client, f"/letters/{high.id}/")
    assert "We have not kept a copy yet. It may disappear at Altinn after" in locked


def test_a_copy_is_asked_for_by_one_press_and_the_letter_stays_unread(client, kari):
    letter = at_altinn(kari)
    answer = client.post(f"/letters/{letter.id}/keep/", {"source": "altinn"})
    assert answer["Location"] == PAGE
    assert "We are fetching a copy. The letter stays unread here." in (shown := page(client))
    assert "We are fetching it." in shown
    letter = Letter.objects.get(id=letter.id)
    assert (letter.content, letter.unread) == (Letter.Content.REQUESTED, True)
    assert Retrieval.objects.get().reason == Retrieval.Reason.COPY
    assert not Event.objects.filter(kind=Event.Kind.OPENED).exists()


def test_a_form_that_names_no_source_leads_to_the_sources(client, kari):
    letter = at_altinn(kari)
    assert client.post(f"/letters/{letter.id}/keep/", {"source": "//x"})["Location"] == "/sources/"


def test_all_are_asked_for_at_once(client, kari):
    at_altinn(kari)
    at_altinn(kari)
    assert client.post(PAGE, {"do": "keep"}).status_code == 302
    assert "We are fetching 2 letters." in page(client)
    assert Retrieval.objects.count() == 2


def test_she_agrees_once_and_takes_it_back(client, kari):
    assert "Yes, fetch copies for me" in page(client)
    client.post(PAGE, {"do": "agree"})
    assert Mailbox.objects.get(citizen=kari).keeps_since == clock.now()
    shown = page(client)
    assert "You said yes on 23 November 2026." in shown
    assert "fetched before letters disappear" in page(client, "/sources/")
    client.post(PAGE, {"do": "agree"})
    client.post(PAGE, {"do": "stop"})
    assert Mailbox.objects.get(citizen=kari).keeps_since is None
    client.post(PAGE, {"do": "nothing that there is"})
    assert "Yes, fetch copies for me" in page(client)


def test_a_source_that_she_has_disconnected_offers_nothing(client, kari):
    letter = at_altinn(kari)
    client.post("/sources/altinn/disconnect/")
    shown = page(client)
    assert "You have disconnected Altinn. Connect it again to fetch copies." in shown
    assert f"/letters/{letter.id}/keep/" not in shown
    assert "Yes, fetch copies for me" not in shown
    client.post(PAGE, {"do": "agree"})
    client.post(PAGE, {"do": "keep"})
    client.post(f"/letters/{letter.id}/keep/", {"source": "altinn"})
    assert Mailbox.objects.get(citizen=kari).keeps_since is None
    assert not Retrieval.objects.exists()


def test_the_page_is_hers_alone(client, kari):
    letter = at_altinn(kari)
    helper, other = make_citizen("Ola"), Client()
    make_representation(kari, helper, may_answer=True)
    log_in(other, helper)
    act_for(other, kari)
    assert other.get(PAGE).status_code == 404
    assert other.post(PAGE, {"do": "agree"}).status_code == 404
    assert other.post(f"/letters/{letter.id}/keep/").status_code == 404
    assert PAGE not in page(other, "/sources/")


def test_the_page_asks_as_often_however_much_is_not_kept(
    client, kari, django_assert_max_num_queries
):
    for number in range(53):
        at_altinn(kari, title=f"Letter {number}")
    with django_assert_max_num_queries(5):
        shown = page(client)
    assert shown.count("Keep a copy now<") == 50
    assert "and 3 more letters" in shown


def test_what_could_not_be_fetched_says_that_it_is_not_kept_and_when_it_goes(client, kari):
    letter = at_altinn(kari, expires_at=clock.now() + timedelta(days=9))
    page(client, f"/letters/{letter.id}/")
    Letter.objects.update(content=Letter.Content.ON_OPEN)
    Retrieval.objects.update(state="failed")
    shown = page(client, f"/letters/{letter.id}/")
    assert "<strong>Not kept yet.</strong>" in shown
    assert "It disappears at Altinn on 2 December 2026 unless you keep a copy." in shown
    assert "Keep a copy now</button>" in shown


def test_documents_say_when_they_go_or_that_they_are_gone(client, kari):
    documents = [
        IncomingDocument("a.pdf", "application/pdf", "Kept", is_main=True, content=b"%PDF-1.7"),
        IncomingDocument("b.pdf", "application/pdf", "Lost", content=b"%PDF-1.7 b"),
        IncomingDocument("c.pdf", "application/pdf", "Gone", content=b"%PDF-1.7 c"),
    ]
    letter = make_letter(kari, documents=documents)
    lacking = {"blob_id": None, "ref": "x"}
    Document.objects.filter(title="Lost").update(
        **lacking, expires_at=clock.now() + timedelta(days=9)
    )
    Document.objects.filter(title="Gone").update(**lacking, gone_at=clock.now())
    shown = page(client, f"/letters/{letter.id}/")
    assert "Not kept yet. It disappears on 2 December 2026." in shown
    assert "No longer at Altinn" in shown
    assert "Fetch the documents that are missing" in shown
    Document.objects.filter(title="Lost").update(gone_at=clock.now())
    assert "Fetch the documents that are missing" not in page(client, f"/letters/{letter.id}/")


def test_that_the_source_no_longer_has_it_is_said_and_that_the_copy_is_here(client, kari):
    letter = make_letter(kari)
    Delivery.objects.update(gone_at=clock.now())
    shown = page(client, f"/letters/{letter.id}/")
    assert "Altinn no longer has the letter. We found that out on 23 November 2026." in shown
    assert "Your copy is kept here." in shown


def test_her_agreement_is_in_the_zip_of_all_that_is_hers(client, kari):
    client.post(PAGE, {"do": "agree"})
    log_in(client, kari, level=4)
    [said] = json.loads(take_out(client)["data/sources.json"])["sources"]
    assert said["keeps_since"] == clock.now().isoformat()
