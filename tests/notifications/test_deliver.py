from __future__ import annotations

import smtplib
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from connectors import clock
from connectors.contract import SenderRef
from inbox.citizens.models import Citizen
from inbox.letters.models import Event, Letter
from inbox.letters.receive import receive
from inbox.notifications.channels import email
from inbox.notifications.deliver import ATTEMPTS_MAX, send_due
from inbox.notifications.models import Notification, OutboxEmail
from inbox.notifications.rules import queue_answer, queue_for, stop
from tests.incoming import NOW, arrival, incoming

pytestmark = pytest.mark.django_db
State = Notification.State


@pytest.fixture(autouse=True)
def _study_date():
    clock.freeze(NOW)
    yield
    clock.reset()


@pytest.fixture
def kari() -> Citizen:
    return Citizen.objects.create(name="Kari Nordmann", email="kari@example.org")


def announced(citizen: Citizen, **changes) -> Letter:
    letters = receive([arrival(citizen.id, incoming(**changes))], NOW)
    queue_for(letters, NOW)
    return letters[0]


def sent(kind: str = Notification.Kind.NEW) -> Notification:
    return Notification.objects.get(kind=kind)


def test_a_new_letter_gives_one_mail_with_the_senders_name_and_nothing_else(kari):
    announced(kari)
    assert send_due() == 1
    assert send_due() == 0
    (message,) = mail.outbox
    assert "NAV" in message.subject
    for secret in ("dokumentasjon", "http", "Brev fra", "/letters/"):
        assert secret not in message.subject + message.body
    assert message.to == ["kari@example.org"]
    assert Event.objects.filter(kind=Event.Kind.NOTIFIED).count() == 1


def test_a_letter_of_the_high_level_does_not_name_its_sender(kari):
    announced(kari, security_level=4)
    send_due()
    assert "NAV" not in mail.outbox[0].subject + mail.outbox[0].body


def test_a_reminder_follows_after_seven_days_and_only_once(kari):
    announced(kari)
    send_due()
    clock.freeze(NOW + timedelta(days=6, hours=23))
    assert send_due() == 0
    clock.freeze(NOW + timedelta(days=7))
    assert send_due() == 1
    assert send_due() == 0
    assert Event.objects.filter(kind=Event.Kind.REMINDED).count() == 1


def test_what_a_sender_orders_is_added_to_ours_and_stops_when_she_opens_the_letter(kari):
    letters = receive([arrival(kari.id, incoming())], NOW)
    queue_for(letters, NOW, {letters[0].id: {"email": [0, 2, 9], "sms": [2]}})
    clock.freeze(NOW + timedelta(days=2))
    assert send_due() == 2
    assert Notification.objects.get(channel="sms").state == State.FAILED
    stop(letters[0])
    clock.freeze(NOW + timedelta(days=30))
    assert send_due() == 0
    days = Notification.objects.order_by("day").filter(state=State.CANCELLED)
    assert list(days.values_list("day", flat=True)) == [7, 9]


def test_opening_stops_the_reminder(kari):
    letter = announced(kari)
    send_due()
    stop(letter)
    clock.freeze(NOW + timedelta(days=8))
    assert send_due() == 0
    assert sent(Notification.Kind.REMINDER).state == State.CANCELLED


def test_a_letter_opened_before_the_mail_has_left_is_not_announced(kari):
    letter = announced(kari)
    Letter.objects.filter(citizen=kari, id=letter.id).update(unread=False)
    assert send_due() == 0
    assert sent().state == State.CANCELLED


def test_history_is_never_announced(kari):
    letters = receive([arrival(kari.id, incoming(), history=True)], NOW)
    queue_for(letters, NOW)
    assert not Notification.objects.exists()


def test_a_letter_for_tomorrow_is_announced_tomorrow(kari):
    announced(kari, visible_from=NOW + timedelta(days=1))
    assert send_due() == 0
    clock.freeze(NOW + timedelta(days=1))
    assert send_due() == 1


def test_a_failing_mail_server_is_tried_again_later(kari, monkeypatch):
    announced(kari)

    def refuse(*_args):
        raise email.TemporaryFailure("SMTPServerDisconnected")

    monkeypatch.setattr(email, "send", refuse)
    assert send_due() == 0
    row = sent()
    assert (row.state, row.attempts) == (State.WAITING, 1)
    assert row.retry_at > timezone.now()
    monkeypatch.undo()
    Notification.objects.update(retry_at=timezone.now())
    assert send_due() == 1


def test_a_refused_address_is_not_tried_again(kari, monkeypatch):
    announced(kari)

    def refuse(*_args, **_kwargs):
        raise smtplib.SMTPRecipientsRefused({"kari@example.org": (550, b"no such user")})

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    send_due()
    assert sent().state == State.FAILED


def test_a_worker_that_dies_while_handing_over_does_not_send_twice(kari):
    announced(kari)
    Notification.objects.filter(kind="new").update(
        state=State.SENDING, lease_until=timezone.now() - timedelta(seconds=1)
    )
    assert send_due() == 0
    assert (sent().state, sent().failed_at) == (State.UNCERTAIN, NOW)


def test_a_notice_whose_worker_dies_every_time_is_given_up(kari):
    announced(kari)
    Notification.objects.filter(kind="new").update(
        lease_until=timezone.now() - timedelta(seconds=1), attempts=ATTEMPTS_MAX
    )
    assert send_due() == 0
    assert (sent().state, sent().failed_at) == (State.FAILED, NOW)
    assert not mail.outbox


def test_a_worker_that_dies_before_handing_over_is_replaced(kari):
    announced(kari)
    Notification.objects.filter(kind="new").update(
        lease_until=timezone.now() - timedelta(seconds=1), attempts=1
    )
    assert send_due() == 1


def test_a_sender_cannot_write_headers(kari):
    announced(kari, sender=SenderRef("NAV\r\nBcc: per@example.org", "889640782"))
    send_due()
    assert "\n" not in mail.outbox[0].subject
    assert mail.outbox[0].recipients() == ["kari@example.org"]


def test_the_outbox_page_s_backend_keeps_what_was_sent(kari, settings):
    settings.EMAIL_BACKEND = "inbox.notifications.outbox.OutboxBackend"
    announced(kari)
    send_due()
    kept = OutboxEmail.objects.get()
    assert kept.to == "kari@example.org"
    assert kept.sent_at == NOW


def test_mails_speak_the_citizens_language(kari):
    kari.language = "en"
    kari.save()
    announced(kari)
    send_due()
    assert "New letter from NAV" in mail.outbox[0].subject


def test_an_answer_is_announced_as_an_answer(kari):
    kari.language = "en"
    kari.save()
    letter = announced(kari)
    Notification.objects.all().delete()
    queue_answer(letter, NOW)
    assert send_due() == 1
    (message,) = mail.outbox
    assert message.subject == "Answer from NAV"
    assert "an answer from NAV to what you wrote" in message.body
    assert "new letter" not in message.body


def test_an_answer_to_a_letter_of_the_high_level_names_nobody(kari):
    letter = announced(kari, security_level=4)
    Notification.objects.all().delete()
    queue_answer(letter, NOW)
    assert send_due() == 1
    assert "NAV" not in mail.outbox[0].subject + mail.outbox[0].body
