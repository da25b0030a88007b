"""What lies at its source alone is kept before it disappears, by her word; else she is warned."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors import clock
from connectors.altinn import wire
from connectors.contract import IncomingDocument
from connectors.world.letters import new_letter
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Role, Viewer
from inbox.letters.keeping import AHEAD
from inbox.letters.models import Delivery, Document, Event, Letter
from inbox.letters.receive import receive
from inbox.notifications import deliver
from inbox.notifications.models import Notification
from inbox.sync import consent, engine, keeping, receipts, retrieve
from inbox.sync.models import Mailbox, OutboundReceipt, Retrieval
from inbox.sync.opening import open_letter
from tests.incoming import arrival, incoming
from tests.make import make_citizen, make_letter, make_mailbox, make_source

pytestmark = pytest.mark.django_db

KARI = by_slug("kari")
YEAR = timedelta(days=365)
VANISHING = Notification.Kind.VANISHING


class Altinn:
    """Kari's letters at the simulated Altinn, and what it has noted of them."""

    def __init__(self, world) -> None:
        self.simulator = world.simulators["altinn"]
        self.citizen = find_citizen("national_id", KARI.national_id)
        self.mailbox = Mailbox.objects.get(citizen=self.citizen, source_id="altinn")

    def send(self, title: str = "Skattekort", **changes: Any) -> Letter:
        letter = replace(new_letter(KARI, Channel.ALTINN, title=title, at=clock.now()), **changes)
        dialog = self.simulator.send(letter)
        self.fetch()
        return self.letter(dialog)

    def letter(self, dialog: str) -> Letter:
        delivery = Delivery.objects.get(citizen=self.citizen, external_id=dialog)
        return Letter.objects.get(citizen=self.citizen, id=delivery.letter_id)

    def dialog(self, letter: Letter) -> str:
        return Delivery.objects.get(citizen=self.citizen, letter_id=letter.id).external_id

    def fetch(self) -> None:
        engine.sync_mailbox(self.citizen.id, self.mailbox.id)

    def marks(self, letter: Letter) -> set[str]:
        dialog = self.dialog(letter)
        return {kind for kind, ids in self.simulator.marks(KARI).items() if dialog in ids}

    def viewer(self, level: int = 3) -> Viewer:
        return Viewer(self.citizen.id, SecurityLevel(level))

    def events(self, letter: Letter) -> list[str]:
        events = Event.objects.filter(citizen=self.citizen, letter_id=letter.id)
        return list(events.order_by("at", "id").values_list("kind", flat=True))


@pytest.fixture
def altinn(demo_citizens) -> Altinn:
    return Altinn(demo_citizens)


def pass_time(**delta: float) -> None:
    clock.freeze(clock.now() + timedelta(**delta))


def due_now(letter: Letter) -> None:
    """The letter has lain at Altinn until a month before the end that we assume."""
    clock.freeze(delivery_of(letter).keep_by - AHEAD + timedelta(minutes=1))


def delivery_of(letter: Letter) -> Delivery:
    return Delivery.objects.get(citizen_id=letter.citizen_id, letter_id=letter.id)


def fresh(letter: Letter) -> Letter:
    return Letter.objects.get(citizen_id=letter.citizen_id, id=letter.id)


def carry_out() -> int:
    Retrieval.objects.update(due_at=timezone.now())
    return retrieve.run_due()


def test_where_the_source_does_not_say_a_year_is_assumed(altinn):
    delivery = delivery_of(altinn.send())
    assert delivery.keep_by == delivery.sent_at + YEAR
    assert delivery.keep_due_at == delivery.keep_by - AHEAD


def test_without_any_act_of_hers_altinn_sees_nothing_however_long_it_lies(altinn):
    letter = altinn.send()
    for _ in range(5):
        pass_time(days=100)
        assert keeping.run_due() == 0
        assert carry_out() == 0
        altinn.fetch()
    assert altinn.marks(letter) == set()
    assert fresh(letter).content == Letter.Content.ON_OPEN


def test_with_her_word_exactly_those_that_are_due_are_kept_and_stay_unread(altinn):
    old = altinn.send("Gammelt")
    pass_time(days=40)
    new = altinn.send("Nytt")
    keeping.agree(altinn.citizen.id, "altinn")
    assert keeping.run_due() == 0
    due_now(old)
    assert keeping.run_due() == 1
    assert Retrieval.objects.get().reason == Retrieval.Reason.AUTOMATIC
    assert carry_out() == 1
    old, new = fresh(old), fresh(new)
    assert (old.content, new.content) == (Letter.Content.KEPT, Letter.Content.ON_OPEN)
    assert old.body and old.unread and old.opened_at is None
    document = Document.objects.get(citizen=altinn.citizen, letter_id=old.id)
    assert store.read_bytes(
        document.citizen_id, document.delivery_id, document.blob.path
    ).startswith(b"%PDF")
    # To fetch it is to see it there, which cannot be avoided; it is not marked as read.
    assert altinn.marks(old) == {"seen", "fetched"}
    assert altinn.marks(new) == set()
    kept = Event.objects.get(letter_id=old.id, kind=Event.Kind.CONTENT_KEPT)
    assert kept.detail == {"source": "altinn", "automatic": True}
    assert delivery_of(old).keep_by is None
    assert not Notification.objects.filter(kind=VANISHING).exists()


def test_run_twice_nothing_is_made_twice(altinn):
    letter = altinn.send()
    keeping.agree(altinn.citizen.id, "altinn")
    due_now(letter)
    assert (keeping.run_due(), keeping.run_due()) == (1, 0)
    assert Retrieval.objects.count() == 1
    carry_out()
    pass_time(days=40)
    assert keeping.run_due() == 0
    assert Retrieval.objects.count() == 1
    assert altinn.events(letter).count(Event.Kind.CONTENT_KEPT) == 1


class Killed(BaseException):
    """The worker is gone."""


@pytest.mark.parametrize("where", ["look_again", "request", "note"])
@pytest.mark.parametrize("agreed", [True, False], ids=["agreed", "not agreed"])
def test_a_worker_killed_in_between_loses_nothing(altinn, monkeypatch, where, agreed):
    letter = altinn.send()
    if agreed:
        keeping.agree(altinn.citizen.id, "altinn")
    due_now(letter)

    def killed(*_args: Any, **_kwargs: Any) -> None:
        raise Killed

    victim = {"look_again": keeping, "request": retrieve, "note": retrieve}[where]
    name = where
    if not agreed:
        victim, name = keeping, "queue_vanishing"
    with monkeypatch.context() as patch:
        patch.setattr(victim, name, killed)
        with pytest.raises(Killed):
            keeping.run_due()
    assert not Retrieval.objects.exists()
    assert not Notification.objects.filter(kind=VANISHING).exists()
    assert keeping.run_due() == int(agreed)
    assert Notification.objects.filter(kind=VANISHING).count() == int(not agreed)


def test_a_worker_killed_while_it_keeps_leaves_what_altinn_saw_as_our_doing(altinn, monkeypatch):
    letter = altinn.send()
    keeping.agree(altinn.citizen.id, "altinn")
    due_now(letter)
    keeping.run_due()

    def killed(*_args: Any, **_kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(retrieve, "add_content", killed)
        with pytest.raises(Killed):
            carry_out()
    assert altinn.marks(letter) == {"seen", "fetched"}
    altinn.simulator.touch(altinn.dialog(letter), due_at=wire.stamp(clock.now() + YEAR))
    altinn.fetch()
    assert fresh(letter).unread and fresh(letter).due_at
    Retrieval.objects.update(lease_until=None)
    assert carry_out() == 1
    assert fresh(letter).content == Letter.Content.KEPT
    assert altinn.events(letter).count(Event.Kind.CONTENT_KEPT) == 1


def test_what_we_did_at_altinn_is_not_taken_for_her_reading_it_there(altinn):
    letter = altinn.send()
    assert keeping.keep(altinn.viewer(), letter.id)
    carry_out()
    altinn.simulator.touch(altinn.dialog(letter), due_at=wire.stamp(clock.now() + YEAR))
    altinn.fetch()
    assert fresh(letter).due_at
    assert fresh(letter).unread and fresh(letter).opened_at is None
    assert Event.Kind.OPENED_ELSEWHERE not in altinn.events(letter)


def test_what_she_reads_at_altinn_afterwards_is_read_here(altinn):
    letter = altinn.send()
    keeping.keep(altinn.viewer(), letter.id)
    carry_out()
    pass_time(hours=3)
    dialog = altinn.dialog(letter)
    altinn.simulator.touch(dialog, due_at=wire.stamp(clock.now() + YEAR))
    pass_time(hours=1)
    altinn.simulator.see(dialog)
    altinn.simulator.touch(dialog, due_at=wire.stamp(clock.now() + 2 * YEAR))
    altinn.fetch()
    assert fresh(letter).opened_at == clock.now() and not fresh(letter).unread
    assert Event.Kind.OPENED_ELSEWHERE in altinn.events(letter)


def test_once_she_opens_what_was_kept_altinn_is_told_that_it_is_read(altinn):
    letter = altinn.send()
    keeping.keep(altinn.viewer(), letter.id)
    carry_out()
    assert altinn.marks(letter) == {"seen", "fetched"}
    assert open_letter(altinn.viewer(), letter.id).body
    assert receipts.send_due() == 1
    assert altinn.marks(letter) == {"seen", "fetched", "read"}
    open_letter(altinn.viewer(), letter.id)
    assert OutboundReceipt.objects.count() == 1


def test_what_she_opens_while_it_waits_to_be_kept_is_fetched_as_opened(altinn):
    letter = altinn.send()
    keeping.keep(altinn.viewer(), letter.id)
    open_letter(altinn.viewer(), letter.id)
    carry_out()
    assert altinn.marks(letter) == {"seen", "fetched", "read"}
    assert not OutboundReceipt.objects.exists()


def test_a_copy_that_she_asks_for_is_her_act_and_leaves_the_letter_unread(altinn):
    letter = altinn.send()
    assert keeping.keep(altinn.viewer(), letter.id)
    assert keeping.keep(altinn.viewer(), letter.id)
    assert Retrieval.objects.get().reason == Retrieval.Reason.COPY
    carry_out()
    assert fresh(letter).unread
    assert altinn.events(letter) == [
        Event.Kind.RECEIVED,
        Event.Kind.CONTENT_REQUESTED,
        Event.Kind.CONTENT_KEPT,
    ]
    kept = Event.objects.get(letter_id=letter.id, kind=Event.Kind.CONTENT_KEPT)
    assert kept.detail == {"source": "altinn"}


def test_nobody_else_asks_for_a_copy_and_nobody_below_the_letters_level(altinn):
    high = altinn.send(security_level=4, public_title="Brev")
    letter = altinn.send()
    helper = Viewer(altinn.citizen.id, SecurityLevel.HIGH, make_citizen().id, Role.PARENT)
    assert not keeping.keep(helper, letter.id)
    assert not keeping.keep(altinn.viewer(3), high.id)
    assert keeping.keep_all(altinn.viewer(3), "altinn") == 1
    assert keeping.keep(altinn.viewer(4), high.id)
    assert carry_out() == 2
    assert fresh(high).content == Letter.Content.KEPT


def test_what_level_4_protects_is_warned_about_and_never_fetched_in_the_background(altinn):
    high = altinn.send(security_level=4, public_title="Brev")
    keeping.agree(altinn.citizen.id, "altinn")
    due_now(high)
    assert keeping.run_due() == 0
    assert carry_out() == 0
    assert altinn.marks(high) == set()
    assert Notification.objects.get(kind=VANISHING).letter_id == high.id


def test_a_letter_that_altinn_will_not_give_at_our_level_is_warned_about(altinn):
    letter = altinn.send()
    keeping.agree(altinn.citizen.id, "altinn")
    due_now(letter)
    keeping.run_due()
    altinn.simulator.touch(altinn.dialog(letter), level=4)
    assert carry_out() == 0
    assert fresh(letter).content == Letter.Content.ON_OPEN
    assert Notification.objects.filter(kind=VANISHING).count() == 1
    pass_time(days=60)
    assert keeping.run_due() == 0


def test_agreeing_keeps_at_once_what_is_due_already(altinn):
    letter = altinn.send()
    due_now(letter)
    keeping.run_due()
    assert delivery_of(letter).keep_due_at is None
    keeping.agree(altinn.citizen.id, "altinn")
    assert keeping.run_due() == 1
    assert carry_out() == 1


def test_taking_it_back_ends_what_waits_and_disconnecting_takes_it_back(altinn):
    letter = altinn.send()
    mailbox = keeping.agree(altinn.citizen.id, "altinn")
    assert mailbox and mailbox.keeps_since == clock.now()
    due_now(letter)
    keeping.run_due()
    keeping.take_back(altinn.citizen.id, "altinn")
    assert carry_out() == 0
    assert fresh(letter).content == Letter.Content.ON_OPEN
    keeping.agree(altinn.citizen.id, "altinn")
    consent.disconnect(altinn.citizen.id, "altinn")
    consent.connect(altinn.citizen.id, "altinn")
    altinn.mailbox.refresh_from_db()
    assert altinn.mailbox.keeps_since is None
    assert keeping.run_due() == 0
    assert altinn.marks(letter) == set()


def test_only_a_connected_source_that_withholds_can_be_agreed_to(altinn):
    assert keeping.agree(altinn.citizen.id, "minside-nav") is None
    assert keeping.agree(make_citizen().id, "altinn") is None
    consent.disconnect(altinn.citizen.id, "altinn")
    assert keeping.agree(altinn.citizen.id, "altinn") is None


@pytest.mark.parametrize("fields", [{"closes_at": True}, {"deceased_at": True}])
def test_of_one_who_leaves_or_is_dead_nothing_is_fetched(altinn, fields):
    letter = altinn.send()
    keeping.agree(altinn.citizen.id, "altinn")
    due_now(letter)
    for name in fields:
        setattr(altinn.citizen, name, clock.now() + YEAR)
    altinn.citizen.save()
    assert keeping.run_due() == 0
    assert not Notification.objects.filter(kind=VANISHING).exists()


def test_what_lies_in_the_bin_is_left_alone(altinn):
    letter = altinn.send()
    keeping.agree(altinn.citizen.id, "altinn")
    due_now(letter)
    Letter.objects.filter(id=letter.id).update(place=Letter.Place.BIN)
    assert keeping.run_due() == 0
    assert delivery_of(letter).keep_due_at > clock.now()


def test_she_is_warned_once_in_one_email_a_day_that_names_nobody(altinn):
    altinn.citizen.email = "kari@example.org"
    altinn.citizen.save()
    letters = [altinn.send(f"Hemmelig sak {number}") for number in range(3)]
    Notification.objects.all().delete()
    due_now(letters[-1])
    keeping.run_due()
    assert deliver.send_due() == 0
    pass_time(minutes=11)
    assert deliver.send_due() == 1
    assert deliver.send_due() == 0
    [said] = mail.outbox
    assert "3 " in said.body
    for word in ("Hemmelig", "Skatteetaten", "http"):
        assert word not in said.subject + said.body
    assert Notification.objects.filter(kind=VANISHING, state="sent").count() == 3
    later = altinn.send("Et til")
    Notification.objects.exclude(kind=VANISHING).delete()
    Delivery.objects.filter(letter_id=later.id).update(keep_due_at=clock.now())
    keeping.run_due()
    pass_time(hours=1)
    deliver.send_due()
    assert len(mail.outbox) == 1
    pass_time(hours=24)
    deliver.send_due()
    assert [m.subject for m in mail.outbox].count(said.subject) == 2


def test_what_is_kept_meanwhile_is_not_warned_about(altinn):
    altinn.citizen.email = "kari@example.org"
    altinn.citizen.save()
    letter = altinn.send()
    Notification.objects.all().delete()
    due_now(letter)
    keeping.run_due()
    keeping.keep(altinn.viewer(), letter.id)
    carry_out()
    pass_time(minutes=11)
    assert deliver.send_due() == 0
    assert Notification.objects.get(kind=VANISHING).state == "cancelled"


def test_a_first_fetch_of_old_letters_warns_by_no_email(altinn):
    sent = clock.now() - timedelta(days=350)
    altinn.simulator.send(
        replace(new_letter(KARI, Channel.ALTINN, title="Gammelt", at=sent), sent_at=sent)
    )
    altinn.fetch()
    letter = Letter.objects.get(citizen=altinn.citizen)
    keeping.run_due()
    assert not Notification.objects.exists()
    [shown], more = keeping.not_kept(altinn.viewer(), "altinn", 10)
    assert (shown.row.id, shown.said, more) == (letter.id, False, 0)
    assert shown.keep_by == sent + YEAR


def test_an_end_that_the_source_says_counts_and_passes(db, frozen_clock):
    kari = make_citizen()
    make_source("altinn", "Altinn", connector="altinn")
    make_mailbox(kari)
    end = clock.now() + timedelta(days=40)
    letter = make_letter(kari, content_on_open=True, document=None, expires_at=end)
    delivery = delivery_of(letter)
    assert (delivery.keep_by, delivery.keep_due_at) == (end, end - AHEAD)
    pass_time(days=41)
    keeping.agree(kari.id, "altinn")
    assert keeping.run_due() == 0
    assert not Retrieval.objects.exists()


def test_what_was_opened_is_fetched_with_every_attachment_and_what_fails_is_asked_for_again(altinn):
    letter = altinn.send(expires_at=clock.now() + timedelta(days=20))
    open_letter(altinn.viewer(), letter.id)
    contents = altinn.simulator.content
    altinn.simulator.content = lambda sha256: contents(sha256) + b"broken on its way"
    for _ in range(retrieve.PATIENT_ATTEMPTS):
        assert carry_out() == 0
    assert carry_out() == 1
    letter = fresh(letter)
    assert (letter.content, bool(letter.body)) == (Letter.Content.KEPT, True)
    document = Document.objects.get(letter_id=letter.id, replaced_at=None)
    assert document.blob_id is None
    assert document.expires_at == letter.expires_at == clock.now() + timedelta(days=20)
    delivery = delivery_of(letter)
    assert delivery.keep_by == document.expires_at
    altinn.simulator.content = contents
    pass_time(days=2)
    assert keeping.run_due() == 1
    assert carry_out() == 1
    document = Document.objects.get(letter_id=letter.id, replaced_at=None)
    assert document.blob_id
    assert delivery_of(letter).keep_by is None


def test_an_attachment_that_is_gone_is_shown_as_gone_and_not_asked_for_again(altinn):
    letter = altinn.send()
    altinn.simulator.expire_latest(KARI, Channel.ALTINN)
    open_letter(altinn.viewer(), letter.id)
    carry_out()
    document = Document.objects.get(letter_id=letter.id, replaced_at=None)
    assert document.blob_id is None and document.gone_at == clock.now()
    assert open_letter(altinn.viewer(), letter.id).documents[0].gone
    assert delivery_of(letter).keep_by is None
    assert retrieve.lacking(letter) == []


def test_what_altinn_has_deleted_stays_here_and_is_marked(altinn):
    letter = altinn.send()
    open_letter(altinn.viewer(), letter.id)
    carry_out()
    before = Document.objects.get(letter_id=letter.id, replaced_at=None).blob.sha256
    Delivery.objects.update(needs_confirmation=True)
    altinn.simulator.purge(altinn.dialog(letter))
    altinn.fetch()
    with_us = fresh(letter)
    receipts.owe_confirmed(with_us, clock.now())
    receipts.send_due()
    assert delivery_of(letter).gone_at == clock.now()
    assert fresh(letter).content == Letter.Content.KEPT
    document = Document.objects.get(letter_id=letter.id, replaced_at=None)
    assert document.blob.sha256 == before
    assert store.verify(document.delivery_id) == []
    assert altinn.events(letter).count(Event.Kind.GONE) == 1


def test_what_altinn_deleted_before_it_was_kept_is_said_to_be_gone(altinn):
    letter = altinn.send()
    altinn.simulator.purge(altinn.dialog(letter))
    open_letter(altinn.viewer(), letter.id)
    assert carry_out() == 0
    assert fresh(letter).content == Letter.Content.GONE
    assert delivery_of(letter).gone_at == clock.now()
    assert altinn.events(letter)[-1] == Event.Kind.GONE
    pass_time(days=400)
    assert keeping.run_due() == 0


def test_what_is_to_be_done_costs_as_much_however_many_letters_there_are(altinn):
    altinn.send()
    with CaptureQueriesContext(connection) as few:
        keeping.run_due()
    for number in range(20):
        altinn.send(f"Brev {number}")
    with CaptureQueriesContext(connection) as many:
        keeping.run_due()
    assert len(many) == len(few) == 1


def test_documents_of_a_source_that_withholds_nothing_are_asked_for_again(db, frozen_clock):
    kari = make_citizen()
    make_mailbox(kari, "minside-nav")
    lost = IncomingDocument("brev.pdf", "application/pdf", is_main=True, ref="files/1")
    lacking = arrival(kari.id, incoming(documents=[lost]), "minside-nav")
    lacking.blobs.clear()
    with transaction.atomic():
        [letter] = receive([lacking], clock.now())
    assert keeping.run_due() == 0
    pass_time(days=1)
    assert keeping.run_due() == 1
    assert fresh(letter).unread
