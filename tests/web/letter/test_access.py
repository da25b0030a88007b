from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from connectors.contract import Action
from connectors.world.model import STUDY_DATE
from inbox.letters.models import Delivery, Event, Letter
from inbox.sync.models import OutboundReceipt
from tests.make import log_in, make_citizen, make_letter
from tests.web.letter.pages import HTMX, SECRET, content_of, document, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


def test_nothing_of_a_letter_above_the_sessions_level_is_in_the_page(screen, kari):
    letter = make_letter(
        kari,
        title=SECRET,
        public_title="",
        summary="Hemmelig sammendrag",
        body="Hemmelig brødtekst",
        security_level=4,
        documents=[document("hemmelig.pdf", "Hemmelig dokument", is_main=True)],
        case_reference="Hemmelig sak",
        actions=[Action("https://nav.no/hemmelig", "Hemmelig handling")],
        needs_action=True,
    )
    own = [letter.id]
    for address in ("letter", "letter_content"):
        for extra in ({}, HTMX):
            page = screen.get(reverse(address, args=own), follow=True, **extra).content.decode()
            assert SECRET not in page
            assert "emmelig" not in page
            assert "Fetched from" not in page
            assert str(letter.documents.get().id) not in page
    page = page_of(screen, letter)
    assert "Letter from NAV" in page
    step_up = f"{reverse('login_start')}?level=4&amp;next=/letters/{letter.id}/"
    assert f'href="{step_up}"' in page
    assert Letter.objects.get(id=letter.id).unread
    assert not Event.objects.filter(kind="opened").exists()


def test_after_a_step_up_it_is_shown(screen, kari):
    letter = make_letter(kari, title=SECRET, public_title="", security_level=4)
    log_in(screen, kari, level=4)
    assert SECRET in page_of(screen, letter)


def test_a_letter_that_asks_for_a_receipt_opens_only_when_she_agrees(screen, kari):
    letter = make_letter(
        kari, title="Varsel", body="Teksten", wants_opening_receipt=True, sender="Oslo kommune"
    )
    page = page_of(screen, letter)
    assert "Oslo kommune wants to know when you open this letter." in page
    assert "Open and send a receipt" in page
    assert "Teksten" not in page
    assert "Teksten" not in content_of(screen, letter)
    screen.post(reverse("letter_fetch", args=[letter.id]))
    assert not OutboundReceipt.objects.filter(kind="opened").exists()
    assert Letter.objects.get(id=letter.id).unread

    agreed = screen.post(reverse("letter_agree", args=[letter.id]), follow=True)
    assert agreed.redirect_chain == [(reverse("letter", args=[letter.id]), 302)]
    assert "Teksten" in agreed.content.decode()
    receipt = OutboundReceipt.objects.get(kind="opened")
    assert receipt.delivery_id == Delivery.objects.get().id
    assert receipt.at == STUDY_DATE
    screen.post(reverse("letter_agree", args=[letter.id]))
    assert OutboundReceipt.objects.filter(kind="opened").count() == 1


def test_agreeing_below_the_letters_level_does_not_open_it(screen, kari):
    letter = make_letter(kari, title=SECRET, security_level=4, wants_opening_receipt=True)
    answer = screen.post(reverse("letter_agree", args=[letter.id]), follow=True)
    assert SECRET not in answer.content.decode()
    assert not OutboundReceipt.objects.exists()
    assert Letter.objects.get(id=letter.id).unread


@pytest.mark.parametrize("extra", [{}, HTMX])
def test_for_a_stranger_the_letter_does_not_exist(client, kari, extra):
    letter = make_letter(kari)
    found = [letter.id, letter.documents.get().id]
    log_in(client, make_citizen("Ola"), level=4)
    for name in ("letter", "letter_content"):
        assert client.get(reverse(name, args=found[:1]), **extra).status_code == 404
    for name in ("letter_agree", "letter_fetch"):
        assert client.post(reverse(name, args=found[:1]), **extra).status_code == 404
    for name in ("document", "document_download"):
        assert client.get(reverse(name, args=found), **extra).status_code == 404
    assert client.get(reverse("letter", args=[uuid4()]), **extra).status_code == 404
    assert Letter.objects.get(id=letter.id).unread


@pytest.mark.parametrize("name", ["letter_agree", "letter_fetch"])
def test_what_changes_something_is_posted(screen, kari, name):
    assert screen.get(reverse(name, args=[make_letter(kari).id])).status_code == 405


def test_a_letter_that_may_not_be_seen_yet_does_not_exist(screen, kari):
    letter = make_letter(kari, visible_from=STUDY_DATE + timedelta(days=1))
    assert screen.get(reverse("letter", args=[letter.id])).status_code == 404
