from __future__ import annotations

from datetime import timedelta

import pytest

from connectors import clock
from connectors.contract import IncomingDocument
from inbox.citizens.models import Citizen, InboxState, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters.change import change, has_new_content
from inbox.letters.models import Delivery, Document, Event, Letter
from inbox.letters.receive import fingerprint, known, receive, refusal
from inbox.letters.reveal import reveal_due
from tests.incoming import NOW, PDF, arrival, incoming

pytestmark = pytest.mark.django_db


@pytest.fixture
def kari() -> Citizen:
    return Citizen.objects.create(name="Kari Nordmann", email="kari@example.org")


@pytest.fixture(autouse=True)
def _study_date():
    clock.freeze(NOW)
    yield
    clock.reset()


def test_a_letter_is_received_with_its_document_and_its_bytes_kept_whole(kari):
    received = receive([arrival(kari.id, incoming())], NOW)
    letter = Letter.objects.get(citizen=kari, id=received[0].id)
    document = Document.objects.select_related("blob").get(citizen=kari, letter_id=letter.id)
    delivery = Delivery.objects.select_related("package").get(citizen=kari)
    assert letter.title == "Du må sende dokumentasjon"
    assert document.blob.size == len(PDF)
    assert delivery.package.blobs.filter(path="original/item.json").exists()
    assert list(Event.objects.values_list("kind", flat=True)) == [Event.Kind.RECEIVED]


def test_a_letter_seen_twice_is_stored_once(kari):
    assert len(receive([arrival(kari.id, incoming())], NOW)) == 1
    assert receive([arrival(kari.id, incoming())], NOW) == []
    assert Letter.objects.filter(citizen=kari).count() == 1
    assert InboxState.objects.get(citizen=kari).letters == 1


def test_the_counts_agree_with_the_rows(kari):
    receive(
        [
            arrival(kari.id, incoming("1", needs_action=True)),
            arrival(kari.id, incoming("2"), history=True),
            arrival(kari.id, incoming("3", opened_at=NOW - timedelta(minutes=5))),
        ],
        NOW,
    )
    state = InboxState.objects.get(citizen=kari)
    assert (state.letters, state.unread, state.needs_action, state.version) == (3, 1, 1, 1)
    assert list(state.senders.values()) == [["NAV", 3, 0]]


def test_history_keeps_its_own_date_and_is_not_unread(kari):
    old = NOW - timedelta(days=2000)
    letter = receive([arrival(kari.id, incoming(sent_at=old), history=True)], NOW)[0]
    assert letter.received_at == old
    assert not letter.unread


def test_a_letter_of_tomorrow_is_hidden_until_its_day(kari):
    viewer = Viewer(kari.id, SecurityLevel.HIGH)
    tomorrow = NOW + timedelta(days=1)
    receive([arrival(kari.id, incoming(visible_from=tomorrow))], NOW)
    assert not Letter.objects.visible_to(viewer).exists()
    assert not InboxState.objects.filter(citizen=kari, letters__gt=0).exists()
    clock.freeze(tomorrow)
    assert Letter.objects.visible_to(viewer).exists()
    assert reveal_due() == 1
    assert reveal_due() == 0
    assert InboxState.objects.get(citizen=kari).unread == 1


def test_new_metadata_never_makes_a_letter_unread(kari):
    letter = receive([arrival(kari.id, incoming())], NOW)[0]
    Letter.objects.filter(citizen=kari, id=letter.id).update(unread=False, opened_at=NOW)
    said = incoming(due_at=NOW + timedelta(days=8), needs_action=True)
    delivery = known("altinn", [(kari.id, "1")])[kari.id, "1"]
    assert delivery.fingerprint != fingerprint(said)
    assert not has_new_content(delivery, said)
    new = arrival(kari.id, said)
    new.package, new.blobs, new.raw_blobs = None, [], []
    new.letter_id, new.delivery_id = delivery.letter_id, delivery.id
    change(delivery, new)
    letter = Letter.objects.get(citizen=kari, id=letter.id)
    assert letter.due_at == said.due_at
    assert not letter.unread
    assert InboxState.objects.get(citizen=kari).needs_action == 1


def test_new_content_keeps_the_old_beside_it(kari):
    receive([arrival(kari.id, incoming())], NOW)
    delivery = known("altinn", [(kari.id, "1")])[kari.id, "1"]
    said = incoming(
        documents=[
            IncomingDocument("brev.pdf", "application/pdf", is_main=True, content=PDF + b"v2")
        ]
    )
    assert has_new_content(delivery, said)
    new = arrival(kari.id, said)
    new.letter_id, new.delivery_id = delivery.letter_id, delivery.id
    for blob in new.kept_blobs():
        blob.version = 2
    change(delivery, new)
    documents = Document.objects.filter(citizen=kari, letter_id=delivery.letter_id)
    assert documents.count() == 2
    assert documents.filter(replaced_at=None).count() == 1
    assert Event.objects.filter(citizen=kari, kind=Event.Kind.REPLACED).count() == 1


def test_a_letter_taken_back_by_its_sender_stays_and_is_marked(kari):
    receive([arrival(kari.id, incoming())], NOW)
    delivery = known("altinn", [(kari.id, "1")])[kari.id, "1"]
    new = arrival(kari.id, incoming(withdrawn=True))
    new.package, new.blobs, new.raw_blobs = None, [], []
    new.letter_id, new.delivery_id = delivery.letter_id, delivery.id
    change(delivery, new)
    letter = Letter.objects.get(citizen=kari, id=delivery.letter_id)
    assert letter.withdrawn_at == NOW
    assert Document.objects.filter(citizen=kari, replaced_at=None).count() == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"external_id": ""}, "identifier"),
        ({"external_id": "x" * 256}, "identifier"),
        ({"title": " ", "public_title": ""}, "title"),
        ({"security_level": 5}, "level"),
        ({"sent_at": NOW.replace(tzinfo=None)}, "time zone"),
        ({"sent_at": NOW.replace(year=9999)}, "year"),
        ({"visible_from": NOW.replace(year=1)}, "year"),
        ({"language": "n\0b"}, "character"),
        ({"same_as": ["dpi:\0"]}, "character"),
    ],
)
def test_what_cannot_be_received_is_refused_with_a_reason(changes, reason):
    assert reason in refusal(incoming(**changes))
    assert refusal(incoming()) == ""


def test_odd_text_is_cut_and_cleaned_not_lost(kari):
    said = incoming(title="x\x00" * 300, summary="**Viktig**\n\n" + "ord " * 100)
    letter = receive([arrival(kari.id, said)], NOW)[0]
    assert letter.title == "x" * 255
    assert letter.snippet.startswith("Viktig ord")
    assert len(letter.snippet) <= 160
