from __future__ import annotations

import pytest
from django.db.models import Q

from connectors import clock
from connectors.world.letters import new_letter
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, InboxState, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Letter
from inbox.notifications.models import Notification
from inbox.sync import consent, engine, put_aside, quarantine, retrieve, schedule
from inbox.sync.models import Mailbox, OutboundReceipt, Quarantined, Retrieval
from inbox.sync.opening import ask_for_content, open_letter

pytestmark = pytest.mark.django_db


def citizen(slug: str = "kari") -> Citizen:
    found = find_citizen("national_id", by_slug(slug).national_id)
    assert found is not None
    return found


def send(world, channel: Channel, title: str, slug: str = "kari") -> None:
    letter = new_letter(by_slug(slug), channel, title=title, at=clock.now())
    world.control.by_channel[channel].send(letter)


def titles(slug: str = "kari") -> set[str]:
    return set(Letter.objects.filter(citizen=citizen(slug)).values_list("title", flat=True))


def test_nothing_is_fetched_from_a_source_that_she_has_disconnected(demo_citizens):
    kari = citizen()
    mailbox = Mailbox.objects.get(citizen=kari, source_id="altinn")
    send(demo_citizens, Channel.ALTINN, "Før")
    engine.sync_mailbox(kari.id, mailbox.id)
    consent.disconnect(kari.id, "altinn")
    send(demo_citizens, Channel.ALTINN, "Etter")
    schedule.make_due(Q(citizen=kari, source_id="altinn"), Mailbox)  # as a ping would
    due = {mailbox_id for citizen_id, mailbox_id in schedule.due_mailboxes()}
    assert str(mailbox.id) not in due
    assert engine.sync_mailbox(kari.id, mailbox.id) == 0
    assert titles() == {"Før"}


def test_connected_again_she_gets_what_came_meanwhile(demo_citizens):
    kari = citizen()
    consent.disconnect(kari.id, "altinn")
    send(demo_citizens, Channel.ALTINN, "Imens")
    mailbox = consent.connect(kari.id, "altinn")
    assert mailbox is not None
    assert str(mailbox.id) in {mailbox_id for _, mailbox_id in schedule.due_mailboxes()}
    assert engine.sync_mailbox(kari.id, mailbox.id) == 1
    assert titles() == {"Imens"}


def test_a_fetch_under_way_writes_nothing_after_she_has_disconnected(demo_citizens, monkeypatch):
    kari = citizen()
    mailbox = Mailbox.objects.get(citizen=kari, source_id="altinn")
    send(demo_citizens, Channel.ALTINN, "For sent")
    take_in = engine.take_in

    def and_meanwhile(*args, **kwargs):
        consent.disconnect(kari.id, "altinn")
        return take_in(*args, **kwargs)

    monkeypatch.setattr(engine, "take_in", and_meanwhile)
    assert engine.sync_mailbox(kari.id, mailbox.id) == 0
    assert titles() == set()


def test_a_letter_on_a_shared_queue_is_put_aside_for_her_and_lost_to_nobody(demo_citizens):
    kari = citizen()
    consent.disconnect(kari.id, "dpi-digipost")
    send(demo_citizens, Channel.DIGIPOST, "Til Kari")
    engine.sync_source("dpi-digipost")
    assert titles() == set()
    assert InboxState.objects.get(citizen=kari).unread == 0
    assert not Notification.objects.filter(citizen=kari).exists()
    assert not OutboundReceipt.objects.filter(citizen=kari).exists()
    (item,) = Quarantined.objects.filter(citizen=kari)
    assert store.verify(item.id) == []
    assert item not in quarantine.waiting()  # no operator reads it
    assert put_aside.release_due() == 0

    consent.connect(kari.id, "dpi-digipost")
    assert put_aside.release_due() == 1
    assert titles() == {"Til Kari"}
    assert InboxState.objects.get(citizen=kari).unread == 1
    assert OutboundReceipt.objects.filter(citizen=kari, kind="delivered").count() == 1
    assert put_aside.release_due() == 0


def test_the_others_on_a_shared_queue_notice_nothing(demo_citizens):
    others = Mailbox.objects.filter(source_id="dpi-digipost").exclude(citizen=citizen())
    slug = next(s for s in ("ola", "amina", "bjorg") if others.filter(citizen=citizen(s)).exists())
    consent.disconnect(citizen().id, "dpi-digipost")
    send(demo_citizens, Channel.DIGIPOST, "Til en annen", slug)
    assert engine.sync_source("dpi-digipost") == 1
    assert titles(slug) == {"Til en annen"}


def test_what_a_disconnected_source_withholds_is_not_asked_for(demo_citizens):
    kari = citizen()
    send(demo_citizens, Channel.ALTINN, "Holdes tilbake")
    engine.sync_mailbox(kari.id, Mailbox.objects.get(citizen=kari, source_id="altinn").id)
    letter = Letter.objects.get(citizen=kari)
    viewer = Viewer(kari.id, SecurityLevel.HIGH)
    open_letter(viewer, letter.id)
    assert Retrieval.objects.filter(citizen=kari, state="waiting").count() == 1
    consent.disconnect(kari.id, "altinn")
    assert not Retrieval.objects.filter(citizen=kari, state="waiting").exists()
    letter.refresh_from_db()
    assert letter.content == Letter.Content.ON_OPEN
    ask_for_content(viewer, letter.id)
    assert retrieve.run_due() == 0
    consent.connect(kari.id, "altinn")
    ask_for_content(viewer, letter.id)
    assert retrieve.run_due() == 1


def test_a_source_that_is_not_hers_cannot_be_disconnected(demo_citizens):
    assert consent.disconnect(citizen().id, "nowhere") is None
    assert consent.connect(citizen().id, "nowhere") is None
