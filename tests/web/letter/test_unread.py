"""A letter that she has read is set aside to be read again, here alone."""

from __future__ import annotations

import pytest
from django.urls import reverse

from inbox.citizens.models import InboxState
from inbox.letters.models import Event, Letter
from inbox.notifications.models import Notification
from inbox.sync.models import OutboundReceipt
from tests.make import log_in, make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


def page(letter) -> str:
    return reverse("letter", args=[letter.id])


def action(letter) -> str:
    return reverse("letter_unread", args=[letter.id])


def unread_of(citizen) -> int:
    return InboxState.objects.get(citizen=citizen).unread


def test_it_is_unread_in_list_and_counts_and_she_is_back_where_she_was(screen, kari):
    letter = make_letter(kari, title="Vedtak")
    assert f'action="{action(letter)}"' in screen.get(page(letter)).content.decode()
    assert unread_of(kari) == 0
    answer = screen.post(action(letter), {"back": "/?show=deadline"})
    assert answer["Location"] == "/?show=deadline"
    assert Letter.objects.get(id=letter.id).unread
    assert unread_of(kari) == 1
    shown = screen.get("/").content.decode()
    assert "The letter is marked as unread." in shown
    assert "1 unread of 1 letter" in shown


def test_opening_it_again_reads_it_without_a_second_event_or_receipt(screen, kari):
    letter = make_letter(kari, wants_opening_receipt=True)
    screen.post(reverse("letter_agree", args=[letter.id]))
    opened_at = Letter.objects.get(id=letter.id).opened_at
    events, receipts = Event.objects.count(), OutboundReceipt.objects.count()
    screen.post(action(letter))
    screen.get(page(letter))
    again = Letter.objects.get(id=letter.id)
    assert not again.unread
    assert again.opened_at == opened_at
    assert unread_of(kari) == 0
    assert (Event.objects.count(), OutboundReceipt.objects.count()) == (events, receipts)


def test_twice_counts_once_and_nothing_is_announced_anew(screen, kari):
    letter = make_letter(kari)
    screen.get(page(letter))
    announced = Notification.objects.count()
    screen.post(action(letter))
    screen.post(action(letter))
    assert unread_of(kari) == 1
    assert Notification.objects.count() == announced


def test_a_link_or_a_stranger_changes_nothing(screen, client, kari):
    letter = make_letter(kari)
    screen.get(page(letter))
    assert screen.get(action(letter)).status_code == 405
    log_in(client, make_citizen("Per"))
    assert client.post(action(letter)).status_code == 404
    assert not Letter.objects.get(id=letter.id).unread


def test_below_the_letters_level_nothing_is_changed(screen, kari):
    letter = make_letter(kari, security_level=4)
    Letter.objects.filter(id=letter.id).update(unread=False)
    screen.post(action(letter))
    assert not Letter.objects.get(id=letter.id).unread


def test_back_never_leads_off_the_site(screen, kari):
    letter = make_letter(kari)
    answer = screen.post(action(letter), {"back": "https://evil.example/?q=skatt"})
    assert answer["Location"] == "/?q=skatt"
