from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connectors import clock
from connectors.contract import Appointment, Proof
from connectors.world.model import STUDY_DATE
from inbox.archive import store
from inbox.archive.deposit import package_rows
from inbox.letters.change import change
from inbox.letters.models import Delivery, Event, Letter
from inbox.letters.receive import Arrival
from inbox.notifications import deliver
from inbox.notifications.models import Notification
from inbox.notifications.rules import queue_for
from inbox.sync.freshness import labels
from tests.incoming import PDF, incoming
from tests.make import make_letter
from tests.web.letter.pages import document, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


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


@pytest.mark.parametrize(
    ("language", "name"), [("nn", "Nynorsk"), ("se", "Northern Sami"), ("no", "Bokmål")]
)
def test_the_letters_language_is_named_where_it_differs_from_the_pages(
    screen, kari, language, name
):
    page = page_of(screen, make_letter(kari, language=language))
    tag = page[page.index("The letter is written in:") :]
    assert f"<span>{name}</span></span></p>" in tag[:100]


@pytest.mark.parametrize("language", ["en", "EN-gb", "", "<b>", "12"])
def test_no_language_is_named_where_it_is_the_pages_or_none(screen, kari, language):
    page = page_of(screen, make_letter(kari, language=language))
    assert "The letter is written in:" not in page
    assert 'dir="auto">Du må sende dokumentasjon</h1>' in page


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
    stored = store.add_version(delivery.citizen_id, delivery.id, {"files/0000.pdf": PDF + b"2"})
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
            "package_signature": "verified",
            "package_fingerprint": "failed",
            "odd_code": "odd_value",
            "signer": "Digipost",
            "signer_org_number": "984661185",
        },
    )
    page = page_of(screen, letter)
    assert "The signature is genuine" in page
    assert "The sender has signed every document" in page
    assert "Unchanged on the way to us" not in page
    assert "Digipost (984 661 185)" in page
    assert "odd_" not in page


def test_who_sent_a_letter_for_another_is_told_and_that_its_right_was_not_checked(screen, kari):
    provenance = {"signer": "Skatteetaten", "signer_org_number": "974761076"}
    letter = make_letter(kari, provenance={**provenance, "sender_token": "not verified"})
    name = Letter.objects.get(id=letter.id).sender_name
    page = page_of(screen, letter)
    assert f"Skatteetaten on behalf of {name}" in page
    assert "The sender&#39;s right to send digital post" in page.replace("&#x27;", "&#39;")
    checked = make_letter(kari, provenance={**provenance, "sender_token": "verified"})
    page = page_of(screen, checked)
    assert "The sender has the right to send digital post" in page and "Not checked" not in page


def test_what_takes_place_and_what_proves_something_is_shown_with_its_times(screen, kari):
    opens, closes = datetime(2019, 9, 9, 7, tzinfo=UTC), datetime(2019, 9, 9, 19, tzinfo=UTC)
    night = (datetime(2019, 10, 26, 23, 30, tzinfo=UTC), datetime(2019, 10, 27, 1, 30, tzinfo=UTC))
    times = [(opens, closes), night, (None, closes)]
    event = Appointment("Valg <b>2019</b>", "Sagene skole, 0473 Oslo", times, "Ta med pass")
    first, last = datetime(2019, 5, 14, 22, tzinfo=UTC), datetime(2019, 12, 31, 22, tzinfo=UTC)
    letter = make_letter(
        kari,
        appointments=[event],
        proofs=[Proof("Kort", "Bibliotek", first, last)],
        provenance={"extensions": "not read: an extension is too large"},
    )
    page = page_of(screen, letter)
    assert "Sagene skole, 0473 Oslo" in page and "Ta med pass" in page
    assert "<b>2019</b>" not in page
    assert "9 September 2019 at 09:00–21:00" in page
    assert "until 9 September 2019 at 21:00" in page
    assert "27 October 2019 at 01:30–02:30" in page, "the clock went back between the two"
    assert "from 15 May 2019 until 31 December 2019" in page
    assert "Additional information to a document" in page and "too large" not in page
    secret = make_letter(kari, appointments=[event], security_level=4)
    assert "Sagene skole" not in page_of(screen, secret)


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
    assert _real(first) <= 14  # one of them writes the access log, one the sender's log
    with CaptureQueriesContext(connection) as again:
        page_of(screen, letter)
    assert _real(again) <= 5


def _copy(letter: Letter, received_at) -> Letter:
    names = [field.attname for field in letter._meta.concrete_fields if field.attname != "pk"]
    fields = {name: getattr(letter, name) for name in names}
    return Letter(**{**fields, "id": uuid4(), "received_at": received_at})


def _real(captured: CaptureQueriesContext) -> int:
    """Queries besides the savepoints that a test's own transaction makes of transactions."""
    return sum("SAVEPOINT" not in query["sql"] for query in captured.captured_queries)
