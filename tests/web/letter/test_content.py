from __future__ import annotations

from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse

from connectors import clock
from connectors.world.letters import new_letter
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.letters.models import Delivery, Document, Letter
from inbox.sync import engine, receipts, retrieve
from inbox.sync.freshness import labels
from inbox.sync.models import Mailbox, Retrieval, Source
from inbox.sync.sources import account_of, connected
from tests.make import (
    act_for,
    log_in,
    make_citizen,
    make_letter,
    make_mailbox,
    make_representation,
)
from tests.web.letter.pages import HTMX, content_of, document, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


def on_open(kari) -> Letter:
    return make_letter(kari, content_on_open=True, document=None, summary="Kort sagt")


def test_opening_asks_for_what_the_source_withholds(screen, kari):
    letter = on_open(kari)
    page = page_of(screen, letter)
    assert "We are fetching the letter from altinn …" in page
    assert f'hx-get="{reverse("letter_content", args=[letter.id])}?asked=1"' in page
    assert 'hx-trigger="every 2s"' in page
    assert f'href="{reverse("letter", args=[letter.id])}">' in page
    assert "We have not kept a copy yet." in page
    assert Retrieval.objects.get().security_level == 3


def test_asking_for_the_content_of_an_unopened_letter_does_not_open_it(screen, kari):
    letter = make_letter(kari, body="Teksten")
    part = content_of(screen, letter)
    assert "Teksten" not in part
    assert reverse("letter", args=[letter.id]) in part
    assert Letter.objects.get(id=letter.id).unread


def test_a_page_stops_asking_after_a_while(screen, kari):
    letter = on_open(kari)
    page_of(screen, letter)
    assert "?asked=60" in content_of(screen, letter, "?asked=59")
    late = content_of(screen, letter, "?asked=60")
    assert "hx-trigger" not in late
    assert "It takes longer than usual." in late
    assert "hx-trigger" in content_of(screen, letter, "?asked=x")


def test_a_part_is_never_cached_as_a_page(screen, kari):
    letter = make_letter(kari)
    page_of(screen, letter)
    address = reverse("letter_content", args=[letter.id])
    part = screen.get(address, **HTMX)
    assert "HX-Request" in part["Vary"]
    assert "no-store" in part["Cache-Control"]
    assert "<html" not in part.content.decode()
    whole = screen.get(address)
    assert (whole.status_code, whole.url) == (302, reverse("letter", args=[letter.id]))


def test_when_fetching_fails_she_can_ask_again(screen, kari):
    letter = on_open(kari)
    page_of(screen, letter)
    Retrieval.objects.update(state="failed")
    Letter.objects.update(content="on_open")
    page = page_of(screen, letter)
    assert "Try again" in page
    assert Retrieval.objects.count() == 1
    screen.post(reverse("letter_fetch", args=[letter.id]), {"back": "/?show=unread"})
    assert Retrieval.objects.filter(state="waiting").count() == 1
    assert "We are fetching the letter" in page_of(screen, letter)


def test_content_that_is_gone_is_told_in_plain_words(screen, kari):
    letter = on_open(kari)
    page_of(screen, letter)
    Letter.objects.update(content="gone")
    page = page_of(screen, letter)
    assert "no longer has the content of this letter" in page
    assert reverse("letter_fetch", args=[letter.id]) not in page
    assert "Your copy is kept here." not in page


def test_a_document_without_bytes_is_shown_as_not_kept(screen, kari):
    letter = make_letter(kari, documents=[document(is_main=True)])
    withheld = Document.objects.create(
        citizen=kari,
        letter_id=letter.id,
        delivery_id=Delivery.objects.get().id,
        position=1,
        name="vedlegg.pdf",
        media_type="application/pdf",
    )
    page = page_of(screen, letter)
    assert "Not kept yet" in page
    assert "We have not kept a copy of every document yet." in page
    assert reverse("document_download", args=[letter.id, withheld.id]) not in page


def test_a_document_that_could_not_be_had_is_fetched_when_she_asks(demo_citizens):
    citizen = find_citizen("national_id", by_slug("kari").national_id)
    draft = new_letter(by_slug("kari"), Channel.NAV, title="Vedtak", at=clock.now())
    demo_citizens.control.by_channel[Channel.NAV].send(draft)
    mailbox = Mailbox.objects.get(citizen=citizen, source_id=Channel.NAV.value)
    engine.sync_mailbox(mailbox.citizen_id, mailbox.id)
    letter = Letter.objects.get(citizen=citizen)
    kept = letter.documents.get()
    with connected(mailbox.source) as connector:
        (batch,) = connector.fetch(account_of(citizen.id), None)
    ref = batch.letters[0].documents[0].ref
    extra = {"name": "b.pdf", "media_type": "application/pdf", "position": 1, "ref": ref}
    Document.objects.create(
        citizen=citizen, letter_id=letter.id, delivery_id=kept.delivery_id, **extra
    )
    client = Client()
    log_in(client, citizen, level=4)
    client.cookies["django_language"] = "en"
    assert "Fetch the documents that are missing" in page_of(client, letter)
    client.post(reverse("letter_fetch", args=[letter.id]))
    assert retrieve.run_due() == 1
    page = page_of(client, letter)
    assert "Fetch the documents" not in page
    assert "Not kept yet" not in page
    for shown in letter.documents.filter(replaced_at=None):
        got = client.get(reverse("document_download", args=[letter.id, shown.id]))
        assert b"".join(got.streaming_content) == draft.documents[0].content


def altinn_letter(world) -> tuple[Letter, Client]:
    """A letter at the simulated Altinn, fetched for Kari; its content stays until she opens it."""
    citizen = find_citizen("national_id", by_slug("kari").national_id)
    draft = new_letter(by_slug("kari"), Channel.ALTINN, title="Brev i Altinn", at=clock.now())
    world.control.by_channel[Channel.ALTINN].send(draft)
    mailbox = Mailbox.objects.get(citizen=citizen, source_id=Channel.ALTINN.value)
    engine.sync_mailbox(mailbox.citizen_id, mailbox.id)
    client = Client(headers={"accept-language": "en"})
    log_in(client, citizen, level=4)
    client.cookies["django_language"] = "en"
    return Letter.objects.get(citizen=citizen), client


def test_a_letter_at_altinn_is_fetched_when_she_opens_it(demo_citizens):
    letter, client = altinn_letter(demo_citizens)
    assert letter.content == "on_open"
    label = labels()["altinn"]
    assert f"We are fetching the letter from {label} …" in page_of(client, letter)
    assert retrieve.run_due() == 1
    part = content_of(client, letter)
    assert "every 2s" not in part
    assert "The letter has been fetched." in part
    assert f"Content fetched from {label}, copy kept" in part
    assert 'type="application/pdf"' in part
    kept = letter.documents.filter(replaced_at=None).first()
    got = client.get(reverse("document", args=[letter.id, kept.id]))
    assert b"".join(got.streaming_content).startswith(b"%PDF")
    assert "Your copy is kept here." in page_of(client, letter)


def test_an_opening_receipt_is_told_when_it_has_been_sent(demo_citizens):
    citizen = find_citizen("national_id", by_slug("kari").national_id)
    draft = new_letter(by_slug("kari"), Channel.DIGIPOST, title="Rekommandert", at=clock.now())
    draft = replace(draft, wants_opening_receipt=True)
    demo_citizens.control.by_channel[Channel.DIGIPOST].send(draft)
    assert engine.sync_source(Channel.DIGIPOST.value) == 1
    letter = Letter.objects.get(citizen=citizen)
    client = Client(headers={"accept-language": "en"})
    log_in(client, citizen, level=4)
    client.cookies["django_language"] = "en"
    client.post(reverse("letter_agree", args=[letter.id]))
    receipts.send_due()
    page = page_of(client, letter)
    assert "was told that you opened the letter" in page
    assert Source.objects.get(slug=Channel.DIGIPOST.value).label in page


@pytest.mark.parametrize("shown", [page_of, content_of])
def test_of_a_source_that_she_has_disconnected_she_is_told_why_nothing_comes(screen, kari, shown):
    letter = on_open(kari)
    make_mailbox(kari, active=False)
    page_of(screen, letter)
    page = shown(screen, letter)
    assert not Retrieval.objects.exists()
    assert "You have disconnected altinn, so we do not fetch the letter from there." in page
    assert 'href="/sources/">Connect it again' in page
    assert "We could not fetch" not in page
    assert "Keep a copy now</button>" not in page
    Mailbox.objects.update(active=True)
    assert "Keep a copy now</button>" in page_of(screen, letter)
    screen.post(reverse("letter_fetch", args=[letter.id]))
    assert "We are fetching the letter from altinn" in page_of(screen, letter)


def test_documents_that_a_disconnected_source_still_has_are_not_offered(screen, kari):
    letter = make_letter(kari)
    make_mailbox(kari, active=False)
    assert "disconnected" not in page_of(screen, letter)
    Document.objects.update(blob_id=None, ref="x")
    page = page_of(screen, letter)
    assert "so we do not fetch the documents that are missing" in page
    assert "Fetch the documents that are missing" not in page


def test_a_helper_is_told_that_the_letter_comes_when_the_recipient_opens_it(kari):
    letter = on_open(kari)
    helper = make_citizen("Ola")
    make_representation(kari, helper)
    client = Client(headers={"accept-language": "en"})
    log_in(client, helper)
    act_for(client, kari)
    page = page_of(client, letter)
    assert "The letter is fetched from its source when the recipient opens it." in page
    assert "Keep a copy now</button>" not in page
    assert not Retrieval.objects.exists()
