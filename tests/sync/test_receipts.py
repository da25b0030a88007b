from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from smtplib import SMTPRecipientsRefused

import pytest
from django.utils import timezone

from connectors import clock
from connectors.dpi import sender
from connectors.dpi.envelope import peek
from connectors.simulation import Faults
from connectors.world.letters import new_letter
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Delivery, Event, Letter
from inbox.notifications import deliver
from inbox.notifications.models import Notification
from inbox.sync import engine, receipts
from inbox.sync.models import OutboundReceipt
from tests.connectors.dpi.test_schema import officially

pytestmark = pytest.mark.django_db


@pytest.fixture
def received(demo_citizens):
    sim = demo_citizens.control.by_channel[Channel.DIGIPOST]
    sim.send(new_letter(by_slug("kari"), Channel.DIGIPOST, title="Vedtak", at=clock.now()))
    engine.sync_source(Channel.DIGIPOST.value)
    return sim


def test_the_sender_gets_one_delivery_receipt(received):
    assert receipts.send_due() == 1
    assert receipts.send_due() == 0
    (row,) = OutboundReceipt.objects.all()
    assert row.state == "done"
    assert [found.type for found in received.receipts(by_slug("kari"))] == ["leveringskvittering"]
    kari = find_citizen("national_id", by_slug("kari").national_id)
    assert Event.objects.filter(citizen=kari, kind=Event.Kind.RECEIPT_SENT).count() == 1


def test_a_letter_is_receipted_before_the_day_on_which_it_is_seen(demo_citizens):
    sim = demo_citizens.control.by_channel[Channel.DIGIPOST]
    letter = new_letter(by_slug("kari"), Channel.DIGIPOST, title="Vedtak", at=clock.now())
    sim.send(replace(letter, visible_from=clock.now() + timedelta(days=10)))
    engine.sync_source(Channel.DIGIPOST.value)
    receipts.send_due()
    (found,) = sim.receipts(by_slug("kari"))
    assert found.type == "leveringskvittering"
    assert officially(peek(found.envelope), found.type) is True
    kari = find_citizen("national_id", by_slug("kari").national_id)
    assert not Letter.objects.visible_to(Viewer(kari.id, SecurityLevel.HIGH)).exists()


def test_a_receipt_whose_answer_was_lost_is_sent_again_and_counts_once(received):
    receipts.send_due()
    OutboundReceipt.objects.update(state="waiting", due_at=timezone.now())
    assert receipts.send_due() == 1
    assert len(received.receipts(by_slug("kari"))) == 1


def test_a_receipt_waits_while_the_source_is_down(received):
    received.state.set_faults("dpi-digipost", Faults(mode="down"))
    assert receipts.send_due() == 0
    row = OutboundReceipt.objects.get()
    assert (row.state, row.attempts) == ("waiting", 1)
    received.state.set_faults("dpi-digipost", Faults())
    OutboundReceipt.objects.update(due_at=timezone.now())
    assert receipts.send_due() == 1


def sent_with_deadline(demo_citizens):
    sim = demo_citizens.control.by_channel[Channel.DIGIPOST]
    due = clock.now() + timedelta(days=30)
    letter = new_letter(by_slug("kari"), Channel.DIGIPOST, title="Vedtak", at=clock.now())
    sim.send(replace(letter, due_at=due))
    engine.sync_source(Channel.DIGIPOST.value)
    return sim


@pytest.fixture
def ordered(demo_citizens):
    """A letter whose sender has ordered e-mails on day 0 and day 7, as DPI's letters with a
    deadline are here; the notices are refused for good."""
    return sent_with_deadline(demo_citizens)


def refuse(*_args, **_kwargs):
    raise SMTPRecipientsRefused({"kari@example.org": (550, b"no such user")})


def failures(sim) -> list[dict[str, str]]:
    bodies = [
        peek(each.envelope)["standardBusinessDocument"]["varslingfeiletkvittering"]
        for each in sim.receipts(by_slug("kari"))
        if each.type == "varslingfeiletkvittering"
    ]
    for each in sim.receipts(by_slug("kari")):
        assert officially(peek(each.envelope), each.type) is True
    return [{name: body.get(name) for name in ("varslingskanal", "beskrivelse")} for body in bodies]


REFUSED = {"varslingskanal": "epost", "beskrivelse": "the recipient's address was refused"}


def notify_and_tell() -> None:
    deliver.send_due()
    for _ in range(2):
        receipts.owe_failed_notices()
        receipts.send_due()


def test_each_failed_notice_that_was_ordered_is_told_once(ordered, monkeypatch):
    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    notify_and_tell()
    assert failures(ordered) == [REFUSED]
    clock.freeze(clock.now() + timedelta(days=7))
    notify_and_tell()
    assert failures(ordered) == [REFUSED, REFUSED]


def test_a_notice_that_nobody_ordered_fails_unheard(received, monkeypatch):
    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    Delivery.objects.update(notification_order={"sms": [0], "email": [3]})
    notify_and_tell()
    assert failures(received) == []
    assert not Notification.objects.filter(state="failed", is_told=False).exists()


def test_a_sender_is_told_that_she_has_no_address(ordered):
    Citizen.objects.update(email="")
    notify_and_tell()
    assert failures(ordered) == [{"varslingskanal": "epost", "beskrivelse": "no address"}]


def test_a_notice_that_is_tried_for_too_long_is_told(ordered, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError

    monkeypatch.setattr("django.core.mail.EmailMessage.send", fail)
    notify_and_tell()
    assert failures(ordered) == []
    Notification.objects.update(attempts=deliver.ATTEMPTS_MAX, retry_at=None)
    notify_and_tell()
    assert failures(ordered) == [{"varslingskanal": "epost", "beskrivelse": "OSError"}]
    assert timedelta(days=1) > deliver.ATTEMPTS_MAX * deliver.RETRY_AFTER, "told within a day"


def test_the_days_and_channels_that_a_sender_orders_are_those_on_which_she_is_told(
    demo_citizens, monkeypatch
):
    said = {
        "epostvarsel": {
            "epostadresse": "kari@example.org",
            "varslingstekst": "Du har fått et brev.",
            "repetisjoner": [3, 0, 12],
        },
        "smsvarsel": {
            "mobiltelefonnummer": "+47 99 99 99 99",
            "varslingstekst": "Du har fått et brev.",
            "repetisjoner": [1, 12],
        },
    }
    monkeypatch.setattr(sender, "notices", lambda _letter: said)
    sim = sent_with_deadline(demo_citizens)
    start, told = clock.now(), []
    for day in range(14):
        clock.freeze(start + timedelta(days=day))
        told += [day] * deliver.send_due()
    assert told == [0, 3, 7, 12]
    receipts.owe_failed_notices()
    receipts.send_due()
    no_sms = {"varslingskanal": "sms", "beskrivelse": "no SMS is sent from here"}
    assert failures(sim) == [no_sms, no_sms]
