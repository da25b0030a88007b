from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from connectors import clock
from connectors.simulation import Faults
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import InboxState, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Delivery, Document, Event, Letter
from inbox.notifications.models import Notification
from inbox.sync import engine, retrieve
from inbox.sync.models import Mailbox, OutboundReceipt, Retrieval
from inbox.sync.opening import ask_for_content, open_letter
from tests.make import make_citizen, make_letter

pytestmark = pytest.mark.django_db


@pytest.fixture
def kari(demo_citizens):
    return find_citizen("national_id", by_slug("kari").national_id)


@pytest.fixture
def altinn_letter(demo_citizens, kari) -> Letter:
    simulator = demo_citizens.control.by_channel[Channel.ALTINN]
    simulator.send(new_letter(by_slug("kari"), Channel.ALTINN, title="Skattekort", at=clock.now()))
    mailbox = Mailbox.objects.get(citizen=kari, source_id="altinn")
    engine.sync_mailbox(kari.id, mailbox.id)
    return Letter.objects.get(citizen=kari)


def viewer(citizen, level=3) -> Viewer:
    return Viewer(citizen.id, SecurityLevel(level))


def marks(world):
    return world.simulators["altinn"].marks(by_slug("kari"))


def test_fetching_in_the_background_leaves_no_mark_at_altinn(demo_citizens, kari, altinn_letter):
    assert altinn_letter.content == Letter.Content.ON_OPEN
    assert not Document.objects.filter(citizen=kari, blob_id__isnull=False).exists()
    before = marks(demo_citizens)
    assert not any(before.values()), before


def test_opening_fetches_the_content_and_keeps_it(demo_citizens, kari, altinn_letter):
    page = open_letter(viewer(kari), altinn_letter.id)
    assert page.row.content == Letter.Content.REQUESTED
    assert retrieve.run_due() == 1
    page = open_letter(viewer(kari), altinn_letter.id)
    assert page.row.content == Letter.Content.KEPT
    assert page.body
    assert page.documents[0].kept
    kinds = [event.kind for event in page.events]
    assert kinds == [Event.Kind.RECEIVED, Event.Kind.OPENED, Event.Kind.CONTENT_KEPT]
    delivery = Delivery.objects.select_related("package").get(citizen=kari)
    assert delivery.package.version == 2
    assert store.verify(delivery.id) == []
    assert any(marks(demo_citizens).values())


def test_asking_twice_fetches_once(kari, altinn_letter):
    open_letter(viewer(kari), altinn_letter.id)
    ask_for_content(viewer(kari), altinn_letter.id)
    assert Retrieval.objects.filter(citizen=kari).count() == 1


def test_a_source_that_is_down_is_asked_again_and_she_can_ask_herself(
    demo_citizens, kari, altinn_letter
):
    state = demo_citizens.control.by_channel[Channel.ALTINN].state
    state.set_faults("altinn", Faults(mode="down"))
    open_letter(viewer(kari), altinn_letter.id)
    assert retrieve.run_due() == 0
    retrieval = Retrieval.objects.get(citizen=kari)
    assert (retrieval.state, retrieval.attempts) == ("waiting", 1)
    assert retrieval.due_at > timezone.now()
    Retrieval.objects.update(attempts=retrieve.ATTEMPTS_MAX, due_at=timezone.now())
    assert retrieve.run_due() == 0
    assert Letter.objects.get(citizen=kari).content == Letter.Content.ON_OPEN
    state.set_faults("altinn", Faults())
    ask_for_content(viewer(kari), altinn_letter.id)
    assert retrieve.run_due() == 1


def test_a_worker_that_died_with_a_retrieval_is_replaced(kari, altinn_letter):
    open_letter(viewer(kari), altinn_letter.id)
    Retrieval.objects.update(lease_until=timezone.now() + timedelta(seconds=9), attempts=1)
    assert retrieve.run_due() == 0
    Retrieval.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert retrieve.run_due() == 1


def test_a_fault_of_ours_in_a_retrieval_is_not_kept_quiet(kari, altinn_letter):
    open_letter(viewer(kari), altinn_letter.id)
    store.remove(kari.id, Delivery.objects.get(citizen=kari).id)
    with pytest.raises(store.Missing):
        retrieve.run_due()


def test_opening_counts_once_and_calls_off_what_was_not_sent(kari, altinn_letter):
    open_letter(viewer(kari), altinn_letter.id)
    open_letter(viewer(kari), altinn_letter.id)
    assert Event.objects.filter(citizen=kari, kind=Event.Kind.OPENED).count() == 1
    assert InboxState.objects.get(citizen=kari).unread == 0
    states = set(Notification.objects.filter(citizen=kari).values_list("state", flat=True))
    assert states == {Notification.State.CANCELLED}


def test_a_letter_above_the_level_is_not_opened(kari, frozen_clock):
    letter = make_letter(kari, security_level=4, title="Hemmelig", public_title="")
    page = open_letter(viewer(kari, 3), letter.id)
    assert page.row.locked
    assert page.row.title == ""
    assert page.documents == []
    assert page.events == []
    assert Letter.objects.get(citizen=kari, id=letter.id).unread
    assert open_letter(viewer(kari, 4), letter.id).row.title == "Hemmelig"


def test_a_letter_that_asks_for_a_receipt_opens_only_with_her_consent(kari, frozen_clock):
    letter = make_letter(kari, wants_opening_receipt=True)
    page = open_letter(viewer(kari), letter.id)
    assert page.awaiting_consent
    assert page.documents == []
    assert not OutboundReceipt.objects.exists()
    page = open_letter(viewer(kari), letter.id, agreed=True)
    assert page.documents
    assert OutboundReceipt.objects.get(citizen=kari).kind == "opened"
    assert not open_letter(viewer(kari), letter.id).awaiting_consent


def test_agreeing_does_not_lift_the_level(kari, frozen_clock):
    letter = make_letter(kari, wants_opening_receipt=True, security_level=4)
    assert open_letter(viewer(kari, 3), letter.id, agreed=True).row.locked
    assert not OutboundReceipt.objects.exists()


def test_another_citizens_letter_does_not_exist(kari, frozen_clock):
    letter = make_letter(make_citizen("Per"))
    for letter_id in (letter.id, uuid4()):
        with pytest.raises(Letter.DoesNotExist):
            open_letter(viewer(kari, 4), letter_id)
        with pytest.raises(Letter.DoesNotExist):
            ask_for_content(viewer(kari, 4), letter_id)


def test_a_letter_of_tomorrow_does_not_exist_yet(kari, frozen_clock):
    letter = make_letter(kari, visible_from=STUDY_DATE + timedelta(days=1))
    with pytest.raises(Letter.DoesNotExist):
        open_letter(viewer(kari, 4), letter.id)


def test_an_altinn_letter_of_the_high_level_shows_its_title_once_opened(demo_citizens, kari):
    simulator = demo_citizens.control.by_channel[Channel.ALTINN]
    said = new_letter(
        by_slug("kari"), Channel.ALTINN, title="Svar på blodprøve", level=4, at=clock.now()
    )
    simulator.send(said)
    mailbox = Mailbox.objects.get(citizen=kari, source_id="altinn")
    engine.sync_mailbox(kari.id, mailbox.id)
    letter = Letter.objects.get(citizen=kari)
    assert letter.security_level == 4
    assert "blodprøve" not in letter.title
    assert open_letter(viewer(kari, 3), letter.id).row.locked
    assert not Retrieval.objects.exists()
    open_letter(viewer(kari, 4), letter.id)
    assert retrieve.run_due() == 1
    assert open_letter(viewer(kari, 4), letter.id).row.title == "Svar på blodprøve"
    assert "blodprøve" not in open_letter(viewer(kari, 3), letter.id).row.title


def test_a_deadline_that_moves_at_altinn_leaves_a_read_letter_read(
    demo_citizens, kari, altinn_letter
):
    open_letter(viewer(kari), altinn_letter.id)
    retrieve.run_due()
    before = marks(demo_citizens)
    told = Notification.objects.count()
    clock.freeze(clock.now() + timedelta(hours=1))
    (dialog,) = before["seen"]
    demo_citizens.simulators["altinn"].touch(dialog, due_at="2026-12-24T11:00:00.000000Z")
    mailbox = Mailbox.objects.get(citizen=kari, source_id="altinn")
    engine.sync_mailbox(kari.id, mailbox.id)
    letter = Letter.objects.get(citizen=kari)
    assert letter.due_at and letter.due_at.isoformat() == "2026-12-24T11:00:00+00:00"
    assert not letter.unread and not letter.updated
    assert letter.content == Letter.Content.KEPT
    assert Notification.objects.count() == told
    assert not Event.objects.filter(kind=Event.Kind.REPLACED).exists()
    assert marks(demo_citizens) == before
