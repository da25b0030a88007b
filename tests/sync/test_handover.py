"""A letter on its way to her own mailbox: sent over HTTP, tried again, refused, never twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from connectors import clock
from connectors.contract import IncomingDocument
from connectors.simulation import Faults
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, Identifier
from inbox.citizens.viewer import Viewer
from inbox.letters.documents import LevelTooLow, NotOpened
from inbox.letters.models import Delivery, Event, Letter
from inbox.sync import closing, consent, emptying, engine, handing_over, handover, receipts, reset
from inbox.sync.handover import CannotHandOver, Hindrance
from inbox.sync.models import Handover, Mailbox, OutboundReceipt, Quarantined
from tests.incoming import PDF
from tests.make import make_citizen, make_letter

pytestmark = pytest.mark.django_db
DIGIPOST = Channel.DIGIPOST.value
KARI = by_slug("kari")


@pytest.fixture
def supplier(demo_citizens):
    return demo_citizens.control.by_channel[Channel.DIGIPOST]


@pytest.fixture
def kari(supplier) -> Citizen:
    found = find_citizen("national_id", KARI.national_id)
    assert found
    return found


def viewer(citizen: Citizen, level: int = 4) -> Viewer:
    return Viewer(citizen_id=citizen.id, level=level)


def due() -> None:
    Handover.objects.update(due_at=timezone.now())


def hindrance(citizen: Citizen, letter: Letter) -> Hindrance:
    with pytest.raises(CannotHandOver) as caught:
        handover.ask(viewer(citizen), letter.id)
    return caught.value.hindrance


def test_title_text_and_documents_reach_her_mailbox_and_the_receipt_is_kept(kari, supplier):
    letter = make_letter(
        kari, title="Vedtak om bostøtte", body="Du får 2 500 kroner.", security_level=4
    )
    handover.ask(viewer(kari), letter.id)
    assert supplier.uploaded(KARI) == []
    assert handing_over.send_due() == 1
    [there] = supplier.uploaded(KARI)
    assert (there.title, there.sender, there.level) == ("Vedtak om bostøtte", "NAV", 4)
    assert [(each["name"], each["size"]) for each in there.files] == [
        ("brev.txt", len("Du får 2 500 kroner.".encode())),
        ("brev.pdf", len(PDF)),
    ]
    row = Handover.objects.get()
    assert (row.state, row.reference, row.received_at) == ("done", there.reference, there.at)
    event = Event.objects.get(kind=Event.Kind.FORWARDED)
    assert (event.at, event.actor_id) == (there.at, kari.id)
    assert event.detail == {"to": DIGIPOST, "reference": there.reference}


def test_asked_for_twice_it_goes_once(kari, supplier):
    letter = make_letter(kari)
    first = handover.ask(viewer(kari), letter.id)
    assert handover.ask(viewer(kari), letter.id).id == first.id
    handing_over.send_due()
    assert handover.ask(viewer(kari), letter.id).state == "done"
    assert handing_over.send_due() == 0
    assert len(supplier.uploaded(KARI)) == 1


@pytest.mark.parametrize("mode", ["down", "html", "garbage", "unauthorized"])
def test_while_the_supplier_is_away_it_is_kept_and_tried_again(kari, supplier, mode):
    handover.ask(viewer(kari), make_letter(kari).id)
    supplier.state.set_faults(DIGIPOST, Faults(mode=mode))
    assert handing_over.send_due() == 0
    row = Handover.objects.get()
    assert (row.state, row.attempts, row.lease_until) == ("waiting", 1, None)
    assert row.last_error
    assert row.due_at > timezone.now()
    assert handing_over.send_due() == 0  # not before it is due
    assert Handover.objects.get().attempts == 1
    supplier.state.set_faults(DIGIPOST, Faults())
    due()
    assert handing_over.send_due() == 1
    assert Handover.objects.get().last_error == ""
    assert len(supplier.uploaded(KARI)) == 1


def test_a_receipt_that_was_lost_on_the_way_makes_no_second_copy(kari, supplier):
    handover.ask(viewer(kari), make_letter(kari).id)
    supplier.state.set_faults(DIGIPOST, Faults(mode="truncated"))
    assert handing_over.send_due() == 0
    assert len(supplier.uploaded(KARI)) == 1
    supplier.state.set_faults(DIGIPOST, Faults())
    due()
    assert handing_over.send_due() == 1
    [there] = supplier.uploaded(KARI)
    assert Handover.objects.get().reference == there.reference
    assert Event.objects.filter(kind=Event.Kind.FORWARDED).count() == 1


def test_a_worker_that_died_in_between_makes_no_second_copy(kari, supplier, monkeypatch):
    asked = handover.ask(viewer(kari), make_letter(kari).id)

    def dies(*_args):
        raise MemoryError

    with monkeypatch.context() as patched, pytest.raises(MemoryError):
        patched.setattr(handing_over, "_note", dies)
        handing_over.send_due()
    assert not handing_over.send(kari.id, asked.id)  # the dead one's lease
    Handover.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert handing_over.send_due() == 1
    assert len(supplier.uploaded(KARI)) == 1


def test_what_the_supplier_refuses_stands_with_its_reason_and_can_be_tried_again(kari, supplier):
    odd = IncomingDocument("data.xml", "application/xml", "Data", is_main=True, content=b"<a/>")
    letter = make_letter(kari, documents=[odd])
    first = handover.ask(viewer(kari), letter.id)
    assert handing_over.send_due() == 0
    row = Handover.objects.get()
    assert (row.state, row.last_error) == ("failed", "CopyRefused")
    assert row.refusal == "Digipost tar ikke imot filer av denne typen: data.xml."
    due()
    assert handing_over.send_due() == 0
    again = handover.ask(viewer(kari), letter.id)
    assert (again.id, again.state, again.refusal) == (first.id, "waiting", "")
    assert not Event.objects.filter(kind=Event.Kind.FORWARDED).exists()


def test_after_so_many_attempts_it_is_given_up_and_told(kari, supplier, monkeypatch):
    monkeypatch.setattr(handing_over, "ATTEMPTS_MAX", 1)
    handover.ask(viewer(kari), make_letter(kari).id)
    supplier.state.set_faults(DIGIPOST, Faults(mode="down"))
    handing_over.send_due()
    assert Handover.objects.get().state == "failed"


@pytest.mark.parametrize("called", ["key", "reference"])
def test_what_the_supplier_lists_of_it_is_no_letter_to_her(kari, supplier, called):
    letter = make_letter(kari)
    handover.ask(viewer(kari), letter.id)
    handing_over.send_due()
    [there] = supplier.uploaded(KARI)
    supplier.list_upload(KARI, getattr(there, called))
    assert engine.sync_source(DIGIPOST) == 0
    assert list(Letter.objects.values_list("id", flat=True)) == [letter.id]
    assert Delivery.objects.count() == 1
    assert not Quarantined.objects.exists()
    assert not OutboundReceipt.objects.exists()
    assert engine.sync_source(DIGIPOST) == 0  # it has left the queue


def test_listed_before_the_receipt_was_read_it_is_no_letter_either(kari, supplier):
    asked = handover.ask(viewer(kari), make_letter(kari).id)
    supplier.state.set_faults(DIGIPOST, Faults(mode="truncated"))
    handing_over.send_due()
    supplier.state.set_faults(DIGIPOST, Faults())
    supplier.list_upload(KARI, str(asked.id))
    assert engine.sync_source(DIGIPOST) == 0
    assert Letter.objects.count() == 1


def test_also_when_she_has_deleted_the_letter_here_for_good(kari, supplier):
    letter = make_letter(kari)
    handover.ask(viewer(kari), letter.id)
    Letter.objects.filter(id=letter.id).update(place=Letter.Place.BIN, delete_at=clock.now())
    assert emptying.empty_due() == 0  # it is still on its way
    handing_over.send_due()
    assert emptying.empty_due() == 1
    assert not Handover.objects.exists()
    [there] = supplier.uploaded(KARI)
    supplier.list_upload(KARI, there.key)
    assert engine.sync_source(DIGIPOST) == 0
    assert not Letter.objects.exists()


def test_the_sender_is_told_nothing_and_the_letter_stays_unread(kari):
    letter = make_letter(kari)
    handover.ask(viewer(kari), letter.id)
    handing_over.send_due()
    assert receipts.send_due() == 0
    assert Letter.objects.get(id=letter.id).unread


def test_below_its_level_unopened_or_thrown_away_it_is_not_sent(kari):
    high = make_letter(kari, security_level=4)
    with pytest.raises(LevelTooLow):
        handover.ask(viewer(kari, 3), high.id)
    asks = make_letter(kari, wants_opening_receipt=True)
    with pytest.raises(NotOpened):
        handover.ask(viewer(kari), asks.id)
    binned = make_letter(kari)
    Letter.objects.filter(id=binned.id).update(place=Letter.Place.BIN)
    others = make_letter(make_citizen("Ola"))
    for letter in (binned, others):
        with pytest.raises(Letter.DoesNotExist):
            handover.ask(viewer(kari), letter.id)
    assert not Handover.objects.exists()


def test_what_cannot_be_sent_says_why(kari, monkeypatch):
    assert (
        hindrance(kari, make_letter(kari, source=DIGIPOST, document=b"%PDF-1"))
        is Hindrance.THERE_ALREADY
    )
    empty = make_letter(kari, document=None, body="")
    assert hindrance(kari, empty) is Hindrance.EMPTY
    withheld = make_letter(kari, document=None, content_on_open=True)
    assert hindrance(kari, withheld) is Hindrance.NOT_KEPT
    letter = make_letter(kari)
    with monkeypatch.context() as patched:
        patched.setattr(handover, "COPY_MAX_BYTES", 10)
        assert hindrance(kari, letter) is Hindrance.TOO_LARGE
    consent.disconnect(kari.id, DIGIPOST)
    assert hindrance(kari, letter) is Hindrance.DISCONNECTED
    consent.connect(kari.id, DIGIPOST)
    Identifier.objects.filter(citizen=kari, kind=Identifier.Kind.MAILBOX_ADDRESS).delete()
    assert hindrance(kari, letter) is Hindrance.NO_MAILBOX
    Mailbox.objects.filter(citizen=kari, source_id=DIGIPOST).delete()
    assert hindrance(kari, letter) is Hindrance.NO_MAILBOX
    assert not Handover.objects.exists()


def test_disconnecting_the_supplier_or_closing_the_account_calls_it_off(kari, supplier):
    first, second = make_letter(kari), make_letter(kari)
    handover.ask(viewer(kari), first.id)
    consent.disconnect(kari.id, DIGIPOST)
    consent.connect(kari.id, DIGIPOST)
    handover.ask(viewer(kari), second.id)
    closing.ask(kari.id)
    due()
    assert handing_over.send_due() == 0
    assert supplier.uploaded(KARI) == []
    assert set(Handover.objects.values_list("state", flat=True)) == {"failed"}


def test_a_reset_in_the_demo_forgets_it(kari):
    handover.ask(viewer(kari), make_letter(kari).id)
    reset.forget(KARI.national_id)
    assert not Handover.objects.exists()
