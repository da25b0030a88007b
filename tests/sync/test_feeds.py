"""Agencies with feeds of their own, from the wire to her page; what has happened to letters."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction

from connectors import clock
from connectors.contract import Happening, LetterNote, Unreadable
from connectors.minside.feed import FEEDS, latest
from connectors.minside.simulator import MinsideSimulator
from connectors.simulation import Faults
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from connectors.world.stories import answers
from inbox.archive import store
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import InboxState
from inbox.letters.erase import erase
from inbox.letters.happened import take_note
from inbox.letters.models import Delivery, DeliveryRecord, Document, Event, Letter, Reply
from inbox.notifications.models import Notification
from inbox.sync import engine
from inbox.sync.models import Mailbox, Quarantined, Source
from inbox.sync.replay import replay
from inbox.sync.sending import send_due
from tests.make import log_in, make_citizen, make_letter, make_mailbox

pytestmark = pytest.mark.django_db

KARI = by_slug("kari")
AGENCIES = [channel for channel, _ in FEEDS.values()]


@pytest.fixture
def nav(demo_citizens) -> MinsideSimulator:
    return demo_citizens.control.by_channel[Channel.NAV]


def sync(channel: Channel = Channel.NAV) -> Mailbox:
    """Fetch Kari's letters from an agency; returns her mailbox there as it is then."""
    row = Mailbox.objects.get(citizen=kari(), source_id=channel.value)
    engine.sync_mailbox(row.citizen_id, row.id)
    row.refresh_from_db()
    return row


def kari():
    return find_citizen("national_id", KARI.national_id)


def send(nav: MinsideSimulator, channel: Channel = Channel.NAV, **said) -> str:
    said.setdefault("title", "Et brev")
    return nav.send(new_letter(KARI, channel, at=clock.now(), **said))


def page_of(client, letter_id) -> str:
    return client.get(f"/letters/{letter_id}/", headers={"accept-language": "en"}).text


def kinds() -> list[str]:
    return list(Event.objects.order_by("at", "id").values_list("kind", flat=True))


def test_one_agency_that_fails_touches_none_of_the_others(nav):
    for channel in AGENCIES:
        send(nav, channel)
    nav.state.set_faults(Channel.OSLO.value, Faults("garbage"))
    rows = {channel: sync(channel) for channel in AGENCIES}
    failing = {channel for channel, row in rows.items() if row.failure}
    assert len(AGENCIES) == 7 and failing == {Channel.OSLO}
    assert rows[Channel.OSLO].failure_detail.startswith("F-03: ")
    arrived = set(Letter.objects.values_list("source", flat=True))
    assert arrived == {channel.value for channel in AGENCIES} - {Channel.OSLO.value}


def test_what_is_done_at_the_agency_is_done_here_without_the_letter_once_more(nav):
    identifier = send(nav, needs_action=True)
    sync()
    Notification.objects.update(state="waiting")
    for _ in range(2):  # told twice it is one event
        nav.note(KARI, Channel.NAV, identifier, "handled")
        assert sync().failure == ""
    letter = Letter.objects.get()
    assert letter.handled_at == STUDY_DATE and not letter.needs_action
    assert letter.handled_by == Letter.HandledBy.SOURCE
    assert kinds().count("handled") == 1
    assert not Notification.objects.filter(state="waiting").exists()


def test_a_letter_that_is_taken_back_stays_and_says_so(nav, client):
    identifier = send(nav)
    sync()
    nav.note(KARI, Channel.NAV, identifier, "withdrawn")
    sync()
    letter = Letter.objects.get()
    assert letter.withdrawn_at and kinds().count("withdrawn") == 1
    log_in(client, kari(), level=4)
    assert (
        "has withdrawn the letter"
        in client.get(f"/letters/{letter.id}/", headers={"accept-language": "en"}).text
    )


def test_a_letter_that_the_agency_deletes_opens_from_the_archive_with_the_same_bytes(nav, client):
    send(nav)
    sync()
    delivery = Delivery.objects.get()
    document = delivery.documents.get()
    assert nav.expire_latest(KARI, Channel.NAV)
    sync()
    delivery.refresh_from_db()
    assert delivery.gone_at == STUDY_DATE and store.verify(delivery.id) == []
    log_in(client, kari(), level=4)
    assert "no longer has the letter" in page_of(client, delivery.letter_id)
    opened = client.get(f"/letters/{delivery.letter_id}/documents/{document.id}/")
    assert b"".join(opened.streaming_content) == store.read_bytes(
        delivery.citizen_id, delivery.id, document.blob.path
    )


def test_in_one_page_the_last_word_of_a_letter_counts(nav):
    identifier = send(nav, title="Først", needs_action=True)
    nav.note(KARI, Channel.NAV, identifier, "withdrawn")
    nav.change(Channel.NAV, identifier, title="Likevel")
    nav.note(KARI, Channel.NAV, identifier, "handled")
    sync()
    letter = Letter.objects.get()
    assert (letter.title, letter.withdrawn_at) == ("Likevel", None)
    assert letter.handled_at is not None


def test_word_of_a_letter_that_is_not_here_waits_and_is_heard_once_the_letter_is(nav):
    nav.note(KARI, Channel.NAV, "2026-1", "withdrawn")
    assert sync().failure == ""
    item = Quarantined.objects.get()
    assert item.external_id == "2026-1" and "F-43" in item.reason
    assert not replay(item.id)
    identifier = send(nav)
    sync()
    Delivery.objects.filter(external_id=identifier).update(external_id="2026-1")
    assert replay(item.id)
    assert Letter.objects.get().withdrawn_at is not None


def test_word_of_a_letter_that_she_has_deleted_is_passed_over(nav):
    identifier = send(nav)
    sync()
    erase(Letter.objects.get())
    nav.note(KARI, Channel.NAV, identifier, "deleted")
    assert sync().failure == ""
    assert not Letter.objects.exists() and not Quarantined.objects.exists()


def test_a_sender_that_takes_a_letter_back_learns_not_that_she_has_deleted_it(nav):
    identifier = send(nav)
    sync()
    erase(Letter.objects.get())
    nav.note(KARI, Channel.NAV, identifier, "withdrawn")
    sync()
    record = DeliveryRecord.objects.get()
    assert record.withdrawn_at and record.untold


def test_the_rule_of_an_agency_says_when_it_deletes_what_does_not_say_so_itself(nav):
    source = Source.objects.get(slug="minside-bergen")
    assert source.settings["retention_days"] == "1825"
    identifier = send(nav, Channel.BERGEN)
    sync(Channel.BERGEN)
    assert Delivery.objects.get().expires_at == STUDY_DATE + timedelta(days=1825)
    own = STUDY_DATE + timedelta(days=90)
    nav.change(Channel.BERGEN, identifier, deleted_at_source=own.isoformat())
    sync(Channel.BERGEN)
    assert Delivery.objects.get().expires_at == own


@pytest.mark.parametrize("wrong", ["0", "-1", "two years", "99999999"])
def test_a_rule_that_is_none_stops_the_agency_and_is_named(nav, wrong):
    source = Source.objects.get(slug="minside-bergen")
    source.settings["retention_days"] = wrong
    source.save()
    row = sync(Channel.BERGEN)
    assert row.failure == "misconfigured" and "retention_days" in row.failure_detail


def test_a_letter_that_led_to_the_agency_alone_says_that_not_all_of_it_is_here(nav, client):
    send(nav, with_document=False, needs_action=True)
    sync()
    letter = Letter.objects.get()
    log_in(client, kari(), level=4)
    assert letter.incomplete
    assert nav.purge(KARI, Channel.NAV) == 1
    sync()
    row = client.get("/", headers={"accept-language": "en"}).text
    assert "deleted this on 23 November – not all of it is kept here" in row
    said = page_of(client, letter.id)
    assert "The sender sent no more than this, and no longer has the letter." in said
    assert "What it leads to at the sender is not." in said


def test_what_was_not_fetched_before_the_agency_deleted_it_is_said_to_be_gone(client, frozen_clock):
    citizen = make_citizen()
    make_mailbox(citizen, "minside-nav")
    unread = make_letter(citizen, source="minside-nav", content_on_open=True, title="Ikke hentet")
    lacking = make_letter(citizen, source="minside-nav", title="Halvt hentet")
    Document.objects.filter(letter_id=lacking.id).update(blob_id=None, ref="documents/1")
    for letter in (unread, lacking):
        delivery = letter.deliveries.get()
        note = LetterNote(
            delivery.external_id, Happening.DELETED, clock.now(), Unreadable("", "", [])
        )
        version = InboxState.objects.get(citizen=citizen).version
        with transaction.atomic():
            take_note(citizen.id, "minside-nav", note, clock.now())
        assert InboxState.objects.get(citizen=citizen).version > version  # an open list is told
    log_in(client, citizen, level=4)
    listed = client.get("/", headers={"accept-language": "en"}).text
    assert listed.count("Deleted by its source before a copy was kept") == 1
    assert "your copy is kept" not in listed and "Not kept yet" not in listed
    assert "it was gone before we could keep a copy" in page_of(client, unread.id)
    said = page_of(client, lacking.id)
    assert "Some of the documents were gone before we could keep a copy." in said
    assert "Fetch the documents that are missing" not in said


def test_a_purged_feed_that_is_read_anew_from_its_start_changes_nothing(nav):
    for number in range(3):
        send(nav, title=f"Brev {number}")
    sync()
    before = set(Delivery.objects.values_list("external_id", "main_digest"))
    assert nav.purge(KARI, Channel.NAV) == 3
    sync()
    nav.expire_cursors(Channel.NAV)
    assert sync().failure == ""
    assert set(Delivery.objects.values_list("external_id", "main_digest")) == before
    assert not Quarantined.objects.exists()
    assert kinds().count("gone") == 3


def test_an_agency_that_has_the_letter_again_is_no_longer_said_to_have_deleted_it(nav, client):
    ends = STUDY_DATE + timedelta(days=30)
    identifier = send(nav)
    nav.change(Channel.NAV, identifier, deleted_at_source=ends.isoformat())
    sync()
    nav.note(KARI, Channel.NAV, identifier, "deleted")
    sync()
    letter = Letter.objects.get()
    assert letter.expires_at == STUDY_DATE
    nav.change(Channel.NAV, identifier, summary="Her er det igjen.")
    sync()
    letter.refresh_from_db()
    assert letter.expires_at == ends and Delivery.objects.get().gone_at is None
    log_in(client, kari(), level=4)
    assert "no longer has the letter" not in page_of(client, letter.id).split("Events")[0]


def test_a_letter_that_is_written_anew_without_its_bytes_keeps_those_that_are_here(nav, client):
    identifier = send(nav)
    sync()
    before = Document.objects.get()
    content = store.read_bytes(
        before.citizen_id, before.delivery_id, before.blob.path, before.blob.version
    )
    with nav.state.transaction() as db:
        item = latest(db, "nav", KARI.national_id, identifier)
    assert nav.expire_latest(KARI, Channel.NAV)
    more = {"id": "2", "name": "nytt.pdf", "media_type": "application/pdf", "size": 3}
    more |= {"title": "Nytt", "sha256": hashlib.sha256(b"new").hexdigest(), "main": False}
    with nav.state.transaction() as db:
        db.execute("INSERT INTO contents VALUES (?, ?)", (more["sha256"], b"new"))
        row = ("nav", "2", identifier, KARI.national_id, "application/pdf", more["sha256"], None)
        db.execute("INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    renamed = [each | {"title": "Med et annet navn"} for each in item["documents"]]
    nav.change(Channel.NAV, identifier, documents=[*renamed, more])
    assert sync().failure == ""
    shown = Document.objects.filter(replaced_at=None).order_by("position")
    assert [each.title for each in shown] == ["Med et annet navn", "Nytt"]
    log_in(client, kari(), level=4)
    for document, expected in zip(shown, (content, b"new"), strict=True):
        opened = client.get(f"/letters/{document.letter_id}/documents/{document.id}/")
        assert b"".join(opened.streaming_content) == expected
    assert not Letter.objects.get().incomplete


def test_a_letter_that_the_agency_has_deleted_takes_no_answer_any_more(nav, client):
    letter = replace(
        new_letter(KARI, Channel.NAV, at=clock.now(), title="Passer timen?"),
        reply_forms=answers.choose("Passer timen?", ("ja", "Ja"), ("nei", "Nei")),
    )
    nav.send(letter)
    sync()
    found = Letter.objects.get()
    log_in(client, kari(), level=4)
    address = f"/letters/{found.id}/"
    assert "choose:ja" in page_of(client, found.id)
    client.post(f"{address}reply/", {"form": "valg", "do": "choose:ja"})
    assert nav.purge(KARI, Channel.NAV) == 1
    sync()
    assert not send_due()
    assert Reply.objects.get().state == "failed"
    said = page_of(client, found.id)
    assert "choose:" not in said and "You cannot answer this letter here any more." in said
    client.post(f"{address}reply/", {"form": "valg", "do": "choose:nei"})
    assert Reply.objects.count() == 1
    nav.send(letter)  # the agency has it again
    sync()
    assert "choose:ja" in page_of(client, found.id)


@pytest.mark.parametrize("event", ["handled", "withdrawn", "deleted"])
def test_the_same_letter_once_more_is_how_it_stands_and_reading_anew_tells_nothing_twice(
    nav, event
):
    letter = new_letter(KARI, Channel.NAV, at=clock.now(), title="Et brev", needs_action=True)
    identifier = nav.send(letter)
    sync()
    nav.note(KARI, Channel.NAV, identifier, event)
    sync()
    nav.expire_cursors(Channel.NAV)  # the letter comes before the event, as it did
    assert sync().failure == ""

    def stands() -> tuple[bool, bool, bool, bool]:
        found, delivery = Letter.objects.get(), Delivery.objects.get()
        asks = found.needs_action and not found.handled_at
        return asks, bool(found.handled_at), bool(found.withdrawn_at), bool(delivery.gone_at)

    handled, withdrawn, deleted = (event == each for each in ("handled", "withdrawn", "deleted"))
    assert stands() == (not handled, handled, withdrawn, deleted)
    kind = {"deleted": "gone"}.get(event, event)
    assert kinds().count(kind) == 1
    nav.send(letter)
    sync()
    assert stands() == (True, False, False, False)
