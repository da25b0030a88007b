"""What is written of each delivery for its sender: every step, no citizen, no contents."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connectors import clock
from connectors.contract import (
    Happening,
    LetterNote,
    ReplyChoice,
    ReplyForm,
    ReplyKind,
    SenderRef,
    Unreadable,
)
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.viewer import Role, Viewer
from inbox.letters import delivery_log
from inbox.letters.change import change
from inbox.letters.erase import erase
from inbox.letters.happened import take_note
from inbox.letters.models import Delivery, DeliveryRecord, Letter
from inbox.letters.receive import receive
from inbox.letters.reveal import reveal_due
from inbox.notifications import deliver
from inbox.sync import engine, removal, reset, retrieve, sending
from inbox.sync.models import Mailbox
from inbox.sync.opening import open_letter
from tests.incoming import NOW, arrival, incoming
from tests.make import log_in, make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

ASK = ReplyForm("valg", ReplyKind.CHOICE, "Vil du?", choices=(ReplyChoice("ja", "Ja"),))


@pytest.fixture
def kari() -> Citizen:
    return make_citizen()


@pytest.fixture
def demo_kari(demo_citizens) -> Citizen:
    found = find_citizen("national_id", by_slug("kari").national_id)
    assert found is not None
    return found


def later(minutes: int = 5):
    clock.freeze(clock.now() + timedelta(minutes=minutes))
    return clock.now()


def record(letter: Letter) -> DeliveryRecord:
    delivery = Delivery.objects.get(citizen_id=letter.citizen_id, letter_id=letter.id)
    return DeliveryRecord.objects.get(id=delivery.id)


def viewer(citizen: Citizen, level: int = 4, **fields: Any) -> Viewer:
    return Viewer(citizen.id, SecurityLevel(level), **fields)


def told(row: DeliveryRecord) -> None:
    """As the collector leaves it."""
    DeliveryRecord.objects.filter(id=row.id).update(untold=False)


def test_a_letter_of_an_agency_is_followed_from_its_feed_to_her_answer(demo_kari, demo_citizens):
    agency = demo_citizens.simulators["minside"]
    made = new_letter(by_slug("kari"), Channel.NAV, at=STUDY_DATE, title="Svar oss")
    agency.send(replace(made, reply_forms=(ASK,), wants_opening_receipt=True))
    mailbox = Mailbox.objects.get(citizen=demo_kari, source="minside-nav")
    arrived = clock.now()
    engine.sync_mailbox(demo_kari.id, mailbox.id)
    letter = Letter.objects.get(citizen=demo_kari)
    row = record(letter)
    assert (row.org_number, row.source, row.verified) == ("889640782", "minside-nav", "source")
    assert row.arrived_at == row.delivered_at == arrived
    assert row.asks_opening and row.untold and row.counts
    told(row)

    notified = later()
    assert deliver.send_due() == 1
    row.refresh_from_db()
    assert (row.notified_at, row.opened_at, row.untold) == (notified, None, True)

    client = Client()
    log_in(client, demo_kari, 4)
    opened = later()
    page = reverse("letter", args=[letter.id])
    client.get(page)
    row.refresh_from_db()
    assert row.opened_at is None, "she has not agreed to the receipt"
    client.post(reverse("letter_agree", args=[letter.id]))
    row.refresh_from_db()
    assert (row.opened_at, row.told_opened_at) == (opened, opened)

    replied = later()
    answer = {"do": "choose:ja", "form": "valg"}
    client.post(reverse("letter_reply", args=[letter.id]), answer)
    assert sending.send_due() == 1
    row.refresh_from_db()
    assert (row.replied_at, row.withdrawn_at) == (replied, None)


def test_it_holds_nothing_of_the_letter_and_nobodys_name(kari):
    row = record(make_letter(kari, title="Vedtak om AAP", external_id="nav-1"))
    values = [str(getattr(row, each.attname)) for each in DeliveryRecord._meta.concrete_fields]
    assert str(kari.id) not in values and kari.name not in values
    assert not any("AAP" in each for each in values)
    assert not [each for each in DeliveryRecord._meta.concrete_fields if each.related_model]


def test_of_a_sender_that_is_not_proved_or_has_no_number_there_is_no_row(kari):
    for number, (org_number, verified) in enumerate(
        [("889640782", ""), ("", "source"), ("88964078", "source"), ("88964078x", "source")]
    ):
        said = incoming(str(number), sender=SenderRef("NAV", org_number, verified))
        receive([arrival(kari.id, said)], NOW)
    assert not DeliveryRecord.objects.exists()
    assert Letter.objects.filter(citizen=kari).count() == 4


def test_an_opening_that_its_sender_did_not_ask_about_is_told_to_nobody(kari):
    letter = make_letter(kari)
    opened = later()
    open_letter(viewer(kari), letter.id)
    row = record(letter)
    assert (row.opened_at, row.told_opened_at) == (opened, None)
    later()
    open_letter(viewer(kari), letter.id)
    row.refresh_from_db()
    assert row.opened_at == opened


def test_what_a_helper_opens_is_not_opened_and_what_a_parent_opens_is(kari):
    letter = make_letter(kari)
    helper, parent = make_citizen("Per"), make_citizen("Pål")
    open_letter(viewer(kari, helper_id=helper.id, role=Role.GIVEN), letter.id)
    assert record(letter).opened_at is None
    open_letter(viewer(kari, helper_id=parent.id, role=Role.PARENT), letter.id)
    assert record(letter).opened_at is not None


def by_two_channels(kari: Citizen) -> tuple[Letter, DeliveryRecord, DeliveryRecord]:
    """One letter by two channels, of which only the first asks for a receipt."""
    asks = incoming("dpi-1", same_as=["one"], wants_opening_receipt=True)
    does_not = incoming("nav-1", same_as=["one"])
    with transaction.atomic():
        receive([arrival(kari.id, asks, "dpi"), arrival(kari.id, does_not, "nav")], NOW)
    rows = DeliveryRecord.objects
    return Letter.objects.get(), rows.get(source="dpi"), rows.get(source="nav")


def test_of_one_letter_by_two_channels_only_the_one_that_asked_is_told_of_the_opening(kari):
    letter, asked, unasked = by_two_channels(kari)
    open_letter(viewer(kari), letter.id, agreed=True)
    for row in (asked, unasked):
        row.refresh_from_db()
    assert asked.told_opened_at == asked.opened_at == unasked.opened_at == clock.now()
    assert unasked.told_opened_at is None


def test_opening_costs_one_query_more_however_many_channels_brought_it(kari):
    letter, *_ = by_two_channels(kari)
    with CaptureQueriesContext(connection) as asked, transaction.atomic():
        delivery_log.note_opened(letter, clock.now())
    assert sum("deliveryrecord" in each["sql"] for each in asked) == 1


def test_a_batch_costs_one_query_however_many_letters_it_has(kari):
    def cost(letters) -> int:
        arrivals = [arrival(kari.id, each) for each in letters]
        with CaptureQueriesContext(connection) as asked:
            receive(arrivals, NOW)
        return sum("deliveryrecord" in each["sql"] for each in asked)

    assert cost([incoming("0")]) == 1
    assert cost([incoming(str(number), title=f"Brev {number}") for number in range(1, 20)]) == 1
    assert DeliveryRecord.objects.count() == 20


def test_an_opening_at_the_source_is_told_to_nobody_until_she_agrees_here(kari):
    said = incoming("1", wants_opening_receipt=True)
    receive([arrival(kari.id, said)], NOW)
    elsewhere = NOW + timedelta(hours=1)
    delivery = Delivery.objects.get()
    again = arrival(kari.id, replace(said, opened_at=elsewhere), delivery_id=delivery.id)
    again.package, again.blobs, again.raw_blobs = None, [], []
    change(delivery, again)
    row = DeliveryRecord.objects.get()
    assert (row.opened_at, row.told_opened_at) == (elsewhere, None)
    opened = later()
    open_letter(viewer(kari), delivery.letter_id, agreed=True)
    row.refresh_from_db()
    assert row.told_opened_at == opened


def test_what_is_older_or_opened_before_it_came_counts_in_no_figure(kari):
    new = make_letter(kari)
    old = make_letter(kari, history=True, title="Gammelt brev")
    read = make_letter(kari, opened_at=clock.now() - timedelta(days=1), title="Lest brev")
    assert [record(each).counts for each in (new, old, read)] == [True, False, False]


def test_a_letter_that_waits_for_its_day_is_with_her_from_that_day(kari):
    day = clock.now() + timedelta(days=2)
    make_letter(kari, visible_from=day)
    row = DeliveryRecord.objects.get()
    assert (row.arrived_at, row.delivered_at) == (clock.now(), None)
    told(row)
    clock.freeze(day)
    reveal_due()
    row.refresh_from_db()
    assert (row.delivered_at, row.untold) == (day, True)


def test_taken_back_by_its_sender(kari):
    letter = make_letter(kari, external_id="1")
    told(record(letter))
    otherwise = Unreadable("1", "nothing")
    note = LetterNote("1", Happening.WITHDRAWN, later(), otherwise)
    take_note(kari.id, "altinn", note, clock.now())
    row = record(letter)
    assert (row.withdrawn_at, row.untold) == (clock.now(), True)
    told(row)
    later()
    take_note(kari.id, "altinn", note, clock.now())
    assert not record(letter).untold


def test_a_sender_that_is_known_on_opening_gets_its_row_then_and_no_figure(
    demo_kari, demo_citizens
):
    simulator = demo_citizens.control.by_channel[Channel.ALTINN]
    sent = new_letter(by_slug("kari"), Channel.ALTINN, title="Skattekort", at=clock.now())
    simulator.send(sent)
    mailbox = Mailbox.objects.get(citizen=demo_kari, source_id="altinn")
    engine.sync_mailbox(demo_kari.id, mailbox.id)
    letter = Letter.objects.get(citizen=demo_kari)
    assert not DeliveryRecord.objects.exists()
    arrived = clock.now()
    later()
    open_letter(viewer(demo_kari), letter.id)
    assert retrieve.run_due() == 1
    row = record(letter)
    assert (row.org_number, row.source) == (sent.agency.org_number, "altinn")
    assert (row.arrived_at, row.counts, row.told_opened_at) == (arrived, False, None)


def test_it_outlives_the_letter_and_the_account(kari):
    letter = make_letter(kari)
    make_letter(kari, title="Et annet")
    with transaction.atomic():
        erase(letter)
    assert DeliveryRecord.objects.count() == 2
    removal.remove(kari.id)
    assert not Citizen.objects.exists()
    assert DeliveryRecord.objects.count() == 2


def test_between_two_research_sessions_it_is_forgotten(demo_kari, settings):
    assert settings.DEMO
    make_letter(demo_kari)
    kept = record(make_letter(make_citizen("Ola")))
    reset.forget(by_slug("kari").national_id)
    assert list(DeliveryRecord.objects.all()) == [kept]
