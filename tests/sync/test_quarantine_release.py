"""Letters in quarantine that find their owner when her address becomes known."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from connectors import clock
from connectors.dpi.connector import Connector
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.citizens.identity import find_citizen, identify
from inbox.citizens.models import Citizen, Identifier
from inbox.letters.models import Letter
from inbox.notifications.models import Notification
from inbox.sync import consent, engine, put_aside, quarantine, receipts, rejections, removal
from inbox.sync.models import Quarantined, Rejection
from inbox.sync.replay import replay

pytestmark = pytest.mark.django_db

KARI = by_slug("kari")
SLUG = Channel.DIGIPOST.value
DELIVERED = ["leveringskvittering"]


@pytest.fixture
def sim(demo_citizens):
    return demo_citizens.control.by_channel[Channel.DIGIPOST]


@pytest.fixture
def kari(demo_citizens) -> Citizen:
    found = find_citizen("national_id", KARI.national_id)
    assert found is not None
    return found


@pytest.fixture
def unknown(sim, kari) -> Quarantined:
    """A letter to Kari that came before we knew her address."""
    Identifier.objects.filter(citizen=kari, kind="mailbox_address").delete()
    sim.send(new_letter(KARI, Channel.DIGIPOST, title="Vedtak", at=STUDY_DATE))
    assert engine.sync_source(SLUG) == 0
    return quarantine.waiting().get()


def known(citizen: Citizen) -> None:
    identify(citizen, "mailbox_address", KARI.mailbox_address)


def told(sim) -> list[str]:
    """Every receipt that its sender has when all that is owed has left, whenever it is due."""
    Rejection.objects.update(due_at=timezone.now())
    receipts.send_due()
    rejections.send_due()
    return [each.type for each in sim.receipts(KARI)]


def test_a_letter_is_released_to_its_owner_as_news_with_one_receipt(sim, kari, unknown):
    assert put_aside.release_due() == 0
    known(kari)
    assert put_aside.release_due() == 1
    assert put_aside.release_due() == 0
    assert Letter.objects.get(citizen=kari).unread
    assert Notification.objects.filter(citizen=kari, kind="new").count() == 1
    assert not quarantine.waiting().exists()
    assert told(sim) == DELIVERED


def test_the_address_stands_nowhere_in_the_clear(unknown):
    address = KARI.mailbox_address.casefold()
    assert len(bytes(unknown.recipient_index)) == 32
    said = [str(value).casefold() for value in Quarantined.objects.values_list().get()]
    assert not any(address in value for value in said)


def test_what_lies_there_for_another_reason_is_not_released(sim, kari):
    Identifier.objects.filter(citizen=kari, kind="mailbox_address").delete()
    sim.send_garbage(KARI, Channel.DIGIPOST)
    sim.send(new_letter(KARI, Channel.DIGIPOST, title="Vedtak", at=STUDY_DATE))
    engine.sync_source(SLUG)
    other = quarantine.waiting().exclude(reason=quarantine.UNKNOWN_RECIPIENT).get()
    unknown = quarantine.waiting().get(reason=quarantine.UNKNOWN_RECIPIENT)
    Quarantined.objects.filter(id=other.id).update(recipient_index=unknown.recipient_index)
    known(kari)
    assert put_aside.release_due() == 1
    other.refresh_from_db()
    assert (other.resolved_at, other.replays) == (None, 0)


def test_after_a_month_an_operator_decides(sim, kari, unknown):
    known(kari)
    clock.freeze(clock.now() + put_aside.FOUND_WITHIN)
    assert put_aside.release_due() == 0
    assert replay(unknown.id)
    assert Letter.objects.count() == 1


def test_a_letter_is_released_to_nobody_else(sim, unknown):
    ola = find_citizen("national_id", by_slug("ola").national_id)
    identify(ola, "mailbox_address", "somebody.else#1234")
    assert put_aside.release_due() == 0
    assert not Letter.objects.exists()


def test_a_release_that_cannot_be_tried_just_now_is_made_later(
    demo_citizens, sim, kari, unknown, settings
):
    known(kari)
    source = unknown.source
    before = source.settings
    source.settings = {}
    source.save()
    assert put_aside.release_due() == 0
    unknown.refresh_from_db()
    assert (unknown.reason, unknown.replays) == (quarantine.UNKNOWN_RECIPIENT, 1)
    source.settings = before
    source.save()
    assert put_aside.release_due() == 1
    assert told(sim) == DELIVERED


def test_one_that_fails_does_not_hold_up_the_others(sim, kari, unknown, monkeypatch):
    sim.send(new_letter(KARI, Channel.DIGIPOST, title="Enda et", at=STUDY_DATE))
    engine.sync_source(SLUG)
    known(kari)
    real = Connector.reread

    def fail(self, account, external_id, raw):
        if external_id == unknown.external_id:
            raise ZeroDivisionError
        return real(self, account, external_id, raw)

    monkeypatch.setattr(Connector, "reread", fail)
    monkeypatch.setattr(put_aside, "BATCH", 1)
    Quarantined.objects.filter(id=unknown.id).update(arrived_at=STUDY_DATE - timedelta(days=1))
    assert [put_aside.release_due() for _ in range(3)] == [0, 1, 0]
    monkeypatch.setattr(Connector, "reread", real)
    assert put_aside.release_due() == 1
    assert Letter.objects.filter(citizen=kari).count() == 2


def test_a_letter_for_one_who_has_disconnected_waits_for_her_and_nobody_is_told(sim, kari, unknown):
    consent.disconnect(kari.id, SLUG)
    known(kari)
    assert put_aside.release_due() == 0
    assert not quarantine.waiting().exists(), "no operator reads it"
    assert told(sim) == []
    consent.connect(kari.id, SLUG)
    assert put_aside.release_due() == 1
    assert told(sim) == DELIVERED


def test_an_error_receipt_that_has_left_is_followed_by_the_delivery_receipt(sim, kari, unknown):
    assert told(sim) == ["feil"]
    known(kari)
    assert put_aside.release_due() == 1
    assert told(sim) == ["feil", *DELIVERED]


def test_a_replay_that_finds_nobody_leaves_one_row_that_waits_for_its_owner(sim, kari, unknown):
    """As after a key that we lacked: the package can be opened, and whose it is is not known."""
    Quarantined.objects.update(reason="encrypted to another key", recipient_index=None)
    Rejection.objects.update(fault="server")
    assert replay(unknown.id) is False
    item = Quarantined.objects.get()
    assert item.reason == quarantine.UNKNOWN_RECIPIENT
    assert item.recipient_index
    assert Rejection.objects.get().fault == "client"
    known(kari)
    assert put_aside.release_due() == 1
    assert told(sim) == DELIVERED


def test_the_letters_that_wait_for_her_go_with_her_account(kari, unknown):
    known(kari)
    Citizen.objects.filter(pk=kari.pk).update(closes_at=STUDY_DATE)
    assert removal.close_due() == 1
    assert not Quarantined.objects.exists()
    with pytest.raises(store.Missing):
        store.read_bytes(store.SYSTEM, unknown.id, unknown.files[0]["path"])


def test_looking_for_owners_costs_two_queries_however_much_waits(
    sim, unknown, django_assert_num_queries: DjangoAssertNumQueries
):
    sim.send(new_letter(KARI, Channel.DIGIPOST, title="Enda et", at=STUDY_DATE))
    engine.sync_source(SLUG)
    with django_assert_num_queries(2):  # those who have connected again, those found
        assert put_aside.release_due() == 0
