from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connectors import clock
from connectors.contract import Action, IncomingDocument, Kind
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.archive.deposit import package_rows
from inbox.citizens.identity import find_citizen
from inbox.letters.change import change
from inbox.letters.models import Delivery, Document, Event, Letter
from inbox.letters.receive import Arrival
from inbox.notifications import deliver
from inbox.notifications.models import Notification
from inbox.notifications.rules import queue_for
from inbox.sync import engine, receipts, retrieve
from inbox.sync.freshness import labels
from inbox.sync.models import Mailbox, OutboundReceipt, Retrieval, Source
from inbox.sync.sources import account_of, connected, forget_labels
from tests.incoming import PDF, incoming
from tests.make import log_in, make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

HTMX = {"HTTP_HX_REQUEST": "true"}
SECRET = "Du har fått avslag på søknaden"


@pytest.fixture(autouse=True)
def _archive(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    forget_labels()


@pytest.fixture
def kari(db):
    return make_citizen()


@pytest.fixture
def screen(client: Client, kari) -> Client:
    """Kari's browser at level 3, with English pages."""
    log_in(client, kari)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    client.cookies["django_language"] = "en"
    return client


def page_of(screen: Client, letter: Letter, **extra) -> str:
    response = screen.get(reverse("letter", args=[letter.id]), **extra)
    assert response.status_code == 200
    return response.content.decode()


def content_of(screen: Client, letter: Letter, query: str = "") -> str:
    response = screen.get(reverse("letter_content", args=[letter.id]) + query, **HTMX)
    assert response.status_code == 200
    return response.content.decode()


def document(name: str = "brev.pdf", title: str = "Brev", **fields) -> IncomingDocument:
    fields.setdefault("content", PDF)
    return IncomingDocument(name, "application/pdf", title, **fields)


# Reading


def test_a_letter_shows_who_wrote_it_and_when(screen, kari):
    page = page_of(screen, make_letter(kari, title="Vedtak om bostøtte"))
    assert "Vedtak om bostøtte</h1>" in page
    assert "<strong><bdi>NAV</bdi></strong>" in page
    assert "(org. no. 889 640 782)" in page
    assert "23 November 2026 at 09:00" in page
    assert "NAV vouches" not in page
    assert "altinn vouches for the sender" in page


def test_opening_marks_it_read_and_calls_off_the_reminder(screen, kari):
    letter = make_letter(kari)
    queue_for([letter], clock.now())
    assert Notification.objects.filter(state="waiting").count() == 2
    page = page_of(screen, letter)
    assert "You opened the letter" in page
    letter = Letter.objects.get(id=letter.id)
    assert not letter.unread
    assert letter.opened_at == STUDY_DATE
    assert set(Notification.objects.values_list("state", flat=True)) == {"cancelled"}
    kari.inbox_state.refresh_from_db()
    assert kari.inbox_state.unread == 0


def test_opening_twice_is_one_event(screen, kari):
    letter = make_letter(kari)
    page_of(screen, letter)
    assert page_of(screen, letter).count("You opened the letter") == 1
    assert Event.objects.filter(kind="opened").count() == 1


def test_a_head_request_or_reading_ahead_does_not_open_it(screen, kari):
    letter = make_letter(kari)
    address = reverse("letter", args=[letter.id])
    head = screen.head(address)
    assert (head.status_code, head.content) == (200, b"")
    ahead = screen.get(address, HTTP_SEC_PURPOSE="prefetch;prerender")
    assert (ahead.status_code, ahead.content) == (503, b"")
    assert Letter.objects.get(id=letter.id).unread


def test_the_letters_language_is_marked_where_it_differs_from_the_pages(screen, kari):
    letter = make_letter(kari, title="Vedtak", body="Hei", language="nb")
    page = page_of(screen, letter)
    assert 'dir="auto" lang="nb">Vedtak</h1>' in page
    assert '<div class="paper" dir="auto" lang="nb"><p>Hei</p></div>' in page
    screen.cookies["django_language"] = "nb"
    assert ' lang="nb">Vedtak</h1>' not in page_of(screen, letter)


def test_events_stand_in_the_order_they_happened(screen, kari):
    opened_there = STUDY_DATE - timedelta(days=1)
    letter = make_letter(
        kari, sent_at=STUDY_DATE - timedelta(days=2), opened_at=opened_there, sender="Skatteetaten"
    )
    own = {"citizen": kari, "letter_id": letter.id}
    later = STUDY_DATE + timedelta(hours=2)
    Event.objects.create(**own, kind="reminded", at=later, detail={"channel": "email"})
    Event.objects.create(**own, kind="notified", at=STUDY_DATE + timedelta(minutes=1))
    Event.objects.create(
        **own, kind="receipt_sent", at=later, detail={"source": "altinn", "receipt": "delivered"}
    )
    page = page_of(screen, letter)
    told = [
        "Skatteetaten sent the letter",
        "The letter was opened at altinn",
        "Fetched from altinn to Samlepost, copy kept",
        "You opened the letter",
        "Notice sent to you by e-mail",
        "Reminder sent to you by e-mail",
        "altinn was told that the letter has arrived",
    ]
    places = [page.index(said) for said in told]
    assert places == sorted(places)


def test_a_notice_that_went_out_stands_among_the_events(screen, kari, mailoutbox):
    letter = make_letter(kari)
    queue_for([letter], clock.now())
    deliver.send_due()
    assert len(mailoutbox) == 1
    assert "Notice sent to you by e-mail" in page_of(screen, letter)


# What to do, and by when


@pytest.mark.parametrize(
    ("days", "color", "said"),
    [
        (-1, "danger", "The deadline passed on 22 November 2026."),
        (0, "danger", "That is today."),
        (1, "danger", "There is 1 day left."),
        (13, "danger", "There are 13 days left."),
        (14, "warning", "There are 14 days left."),
    ],
)
def test_a_deadline_is_told_with_the_days_that_are_left(screen, kari, days, color, said):
    due = STUDY_DATE + timedelta(days=days)
    page = page_of(screen, make_letter(kari, due_at=due, needs_action=True))
    assert f'<div class="ds-alert" data-color="{color}"><p><strong>' in page
    assert said in page


def test_a_letter_that_is_handled_asks_for_nothing_more(screen, kari):
    due = STUDY_DATE + timedelta(days=3)
    letter = make_letter(kari, due_at=due, needs_action=True, handled_at=STUDY_DATE)
    page = page_of(screen, letter)
    assert '<div class="ds-alert" data-color="success">' in page
    assert "days left" not in page


def test_a_bill_says_by_when_to_pay(screen, kari):
    due = STUDY_DATE + timedelta(days=20)
    page = page_of(screen, make_letter(kari, due_at=due, kind=Kind.INVOICE, needs_action=True))
    assert "You must pay by 13 December 2026." in page


def test_a_letter_without_a_deadline_has_no_alert(screen, kari):
    assert "ds-alert" not in page_of(screen, make_letter(kari))


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "http://nav.no/",
        "data:text/html,x",
        "//nav.no/x",
        "https://nav.no@evil.example/",
        "https://evil.example\\.nav.no/",
        "https://[nav/",
        "https://nav .no/",
        "",
    ],
)
def test_an_action_that_does_not_lead_where_it_says_is_not_shown(screen, kari, url):
    letter = make_letter(kari, actions=[Action("https://nav.no/ok", "Svar"), Action(url, "Ondt")])
    page = page_of(screen, letter)
    assert 'href="https://nav.no/ok" rel="noopener noreferrer external"' in page
    assert "(opens nav.no)" in page
    assert "Ondt" not in page


# Levels, consent, strangers


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
    step_up = f"{reverse('login_start')}?level=4&amp;next=%2Fletters%2F{letter.id}%2F"
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


# Back to the list


def test_the_way_back_keeps_the_lists_filter(screen, kari):
    letter = make_letter(kari)
    address = reverse("letter", args=[letter.id])
    page = screen.get(address, {"back": "/?show=unread&q=bil"}).content.decode()
    assert '<a class="back" href="/?show=unread&amp;q=bil">' in page


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/",
        "//evil.example/?show=unread",
        "javascript:alert(1)",
        "\\\\evil.example",
        "https://[evil",
        "/logout/?x=1",
        '"><script>alert(1)</script>',
    ],
)
def test_the_way_back_never_leads_elsewhere(screen, kari, back):
    letter = make_letter(kari, wants_opening_receipt=True)
    address = reverse("letter", args=[letter.id])
    page = screen.get(address, {"back": back}).content.decode()
    assert '<a class="back" href="/"' in page or '<a class="back" href="/?show=unread"' in page
    agreed = screen.post(reverse("letter_agree", args=[letter.id]), {"back": back})
    assert agreed.url.partition("?")[0] == address
    assert "evil" not in agreed.url


# What the sender wrote may be hostile

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> <svg onload=alert(1)>"
    " [a](javascript:alert(1)) [b](data:text/html,x) [c](/logout/) [d](//evil.example)"
    " ![e](https://evil.example/pixel.png) [f](vbscript:x) <a href='https://x' onclick='y'>g</a>"
    " [h](https://nav.no/ok) <https://nav.no/auto>"
)


@pytest.mark.parametrize("media_type", ["text/markdown", "text/plain", "text/html"])
def test_nothing_hostile_in_a_letter_reaches_the_page_as_html(screen, kari, media_type):
    hostile_name = '"><script>alert(1)</script>.pdf'
    letter = make_letter(
        kari,
        title=HOSTILE[:250],
        summary=HOSTILE,
        body=HOSTILE,
        body_media_type=media_type,
        sender=HOSTILE[:200],
        case_reference=HOSTILE[:200],
        language='"><b>'[:8],
        documents=[
            document(hostile_name, hostile_name, is_main=True),
            document(hostile_name, hostile_name),
        ],
        actions=[Action("https://nav.no/'\"><script>", "<script>alert(1)</script>")],
        provenance={"signer": "<script>", "message_signature": "<script>"},
    )
    page = page_of(screen, letter)
    body = page[page.index("<main") : page.index("</main>")]
    for tag in ("<script", "<img", "<b>", "<svg onload"):
        assert tag not in body
    for attribute in ('href="javascript', 'href="data', 'href="vbscript', 'href="/logout'):
        assert attribute not in body
    assert 'href="//evil' not in body
    assert 'src="https://evil' not in body
    if media_type == "text/markdown":
        link = '<a href="https://nav.no/ok" rel="noopener noreferrer nofollow external">h</a>'
        assert link in body


def test_markdown_keeps_its_shape_under_the_pages_own_headings(screen, kari):
    text = "# Om deg\n\n### Mer\n\n- en\n- *to*\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> sitat"
    page = page_of(screen, make_letter(kari, body=text, body_media_type="text/markdown"))
    for part in ("<h3>Om deg</h3>", "<h4>Mer</h4>", "<em>to</em>", "<td>1</td>", "<blockquote>"):
        assert part in page
    assert page.count("<h1") == 1


def test_plain_text_keeps_its_lines(screen, kari):
    page = page_of(screen, make_letter(kari, body="En & to\ntre\r\n\r\nfire"))
    assert "<p>En &amp; to<br>tre</p><p>fire</p>" in page


def test_a_hundred_attachments_with_one_name_are_all_there(screen, kari):
    documents = [document(is_main=True)]
    documents += [document("vedlegg.pdf", "Vedlegg", content=PDF + b"%d" % n) for n in range(100)]
    letter = make_letter(kari, documents=documents)
    page = page_of(screen, letter)
    assert "Attachments (100)" in page
    assert page.count("<bdi>Vedlegg</bdi></a><br>") == 100
    addresses = {
        reverse("document_download", args=[letter.id, d.id]) for d in letter.documents.all()
    }
    assert len(addresses) == 101
    assert all(f'href="{address}"' in page for address in addresses)


@pytest.mark.parametrize("title", ["å" * 255, "\u202eרשימה של מסמכים", "W" * 255])
def test_long_and_right_to_left_titles_are_shown_whole(screen, kari, title):
    page = page_of(screen, make_letter(kari, title=title))
    assert f">{title}</h1>" in page
    assert 'dir="auto"' in page


# Changes at the source


def test_a_withdrawn_letter_says_so_and_stays(screen, kari):
    letter = make_letter(kari, body="Teksten", withdrawn=True)
    page = page_of(screen, letter)
    assert "The sender has withdrawn this letter." in page
    assert "Teksten" in page
    assert "Your copy is kept here." in page


def test_a_letter_with_new_content_shows_the_new_and_tells_of_it(screen, kari):
    letter = make_letter(kari, external_id="7", documents=[document(title="Gammelt")])
    page_of(screen, letter)
    delivery = Delivery.objects.get()
    newer = incoming("7", documents=[document(title="Nytt", content=PDF + b"2", is_main=True)])
    stored = store.add_version(delivery.id, {"files/0000.pdf": PDF + b"2"})
    package, blobs = package_rows(kari.id, stored, {"files/0000.pdf": "application/pdf"})
    came = Arrival(
        kari.id, "altinn", newer, clock.now(), delivery_id=delivery.id, letter_id=letter.id
    )
    came.package, came.blobs = package, [b for b in blobs if b.path == "files/0000.pdf"]
    change(delivery, came)
    page = page_of(screen, letter)
    assert "Nytt" in page
    assert "Gammelt" not in page
    assert "The sender sent new content; the old is kept as well" in page


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (29, "altinn shows the letter until 22 December 2026."),
        (-3, "altinn stopped showing the letter on 20 November 2026."),
    ],
)
def test_how_long_the_source_shows_it_is_told(screen, kari, days, said):
    letter = make_letter(kari, expires_at=STUDY_DATE + timedelta(days=days))
    page = page_of(screen, letter)
    assert said in page
    assert "Your copy is kept here." in page


def test_the_senders_word_on_lasting_value_is_told_only_when_given(screen, kari):
    assert "lasting value" not in page_of(screen, make_letter(kari))
    assert "has lasting value" in page_of(screen, make_letter(kari, documentary_value=True))
    assert "has no lasting value" in page_of(screen, make_letter(kari, documentary_value=False))


def test_checks_are_told_in_words_and_codes_we_do_not_know_are_left_out(screen, kari):
    letter = make_letter(
        kari,
        provenance={
            "message_signature": "verified",
            "package_fingerprint": "failed",
            "odd_code": "odd_value",
            "signer": "Digipost",
            "signer_org_number": "984661185",
        },
    )
    page = page_of(screen, letter)
    assert "The signature is genuine" in page
    assert "Unchanged on the way to us" not in page
    assert "Digipost (984 661 185)" in page
    assert "odd_" not in page


# Content that the source gives only on opening


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
    for document in letter.documents.filter(replaced_at=None):
        got = client.get(reverse("document_download", args=[letter.id, document.id]))
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


# Cost


@pytest.mark.parametrize("others", [10, 10_000])
def test_the_cost_of_opening_does_not_grow_with_the_inbox(screen, kari, others):
    letter = make_letter(kari, documents=[document(is_main=True), *[document()] * 5])
    sample = Letter.objects.get(id=letter.id)
    Letter.objects.bulk_create(
        [_copy(sample, STUDY_DATE - timedelta(minutes=n)) for n in range(others)], batch_size=1000
    )
    labels()
    with CaptureQueriesContext(
        connection,
    ) as first:
        page_of(screen, letter)
    assert _real(first) <= 12
    with CaptureQueriesContext(connection) as again:
        page_of(screen, letter)
    assert _real(again) <= 5


def _copy(letter: Letter, received_at) -> Letter:
    names = [field.attname for field in letter._meta.fields if field.attname != "pk"]
    fields = {name: getattr(letter, name) for name in names}
    return Letter(**{**fields, "id": uuid4(), "received_at": received_at})


def _real(captured: CaptureQueriesContext) -> int:
    """Queries besides the savepoints that a test's own transaction makes of transactions."""
    return sum("SAVEPOINT" not in query["sql"] for query in captured.captured_queries)
