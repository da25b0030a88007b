"""Where a citizen's mailbox is, as the register says: earlier addresses, and those of two."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.db.models import Q
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from connectors import clock
from connectors.contract import Temporary
from connectors.dpi.connector import Connector as DpiConnector
from connectors.world.letters import new_letter
from connectors.world.model import Channel, Person
from connectors.world.persons import by_slug
from inbox.citizens.identity import current_address, find_citizen, mailbox_address_of
from inbox.citizens.models import Citizen, Identifier
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Letter
from inbox.sync import (
    addresses,
    closing,
    consent,
    contacts,
    engine,
    handing_over,
    handover,
    put_aside,
    quarantine,
    receipts,
    rejections,
    removal,
)
from inbox.sync.addresses import Learned, learn, leave
from inbox.sync.models import Handover, Mailbox, Quarantined, Rejection, Source
from tests.make import make_citizen, make_letter, make_source

pytestmark = pytest.mark.django_db

DIGIPOST, EBOKS = "984661185", "922020175"
NEW = "kari.nordmann#NY01"
KARI, OLA = by_slug("kari"), by_slug("ola")


@pytest.fixture
def digipost(demo_citizens):
    return demo_citizens.control.by_channel[Channel.DIGIPOST]


@pytest.fixture
def eboks(demo_citizens):
    return demo_citizens.control.by_channel[Channel.EBOKS]


@pytest.fixture
def kari(demo_citizens) -> Citizen:
    return citizen(KARI)


@pytest.fixture
def ola(demo_citizens) -> Citizen:
    return citizen(OLA)


def citizen(person: Person) -> Citizen:
    found = find_citizen("national_id", person.national_id)
    assert found is not None
    return found


def send(sim, channel: Channel, address: str, title: str) -> None:
    """Send a letter to a mailbox address, whosever it is; Kari is who the simulator shows."""
    person = replace(KARI, mailbox_address=address, mailbox_supplier=channel)
    sim.send(new_letter(person, channel, title=title, at=clock.now()))
    engine.sync_source(channel.value)


def titles(of: Citizen) -> set[str]:
    return set(Letter.objects.filter(citizen=of).values_list("title", flat=True))


def told(sim) -> list[str]:
    """Every receipt that the senders have when all that is owed has left, whenever it is due."""
    Rejection.objects.update(due_at=timezone.now())
    receipts.send_due()
    rejections.send_due()
    return [each.type for each in sim.receipts(KARI)]


def consents(of: Citizen) -> dict[str, tuple[bool, bool]]:
    found = Mailbox.objects.filter(citizen=of, source__slug__startswith="dpi-")
    return {each.source_id: (each.active, each.resumes) for each in found}


def test_letters_to_both_her_addresses_reach_her(kari, digipost, eboks):
    assert learn(kari, EBOKS, NEW) is Learned.RECORDED
    send(digipost, Channel.DIGIPOST, KARI.mailbox_address, "Til den gamle")
    send(eboks, Channel.EBOKS, NEW, "Til den nye")
    assert titles(kari) == {"Til den gamle", "Til den nye"}
    assert mailbox_address_of(kari.id) == NEW


def test_what_waits_for_a_new_address_is_released_when_it_is_learned(kari, eboks, monkeypatch):
    send(eboks, Channel.EBOKS, NEW, "Kom for tidlig")
    assert titles(kari) == set()
    woken = []
    monkeypatch.setattr(addresses, "wake", lambda task, *ids: woken.append(task.name))
    learn(kari, EBOKS, NEW)
    assert woken == ["inbox.sync.tasks.release_put_aside"]
    assert put_aside.release_due() == 1
    assert titles(kari) == {"Kom for tidlig"}
    assert told(eboks) == ["leveringskvittering"]


def test_a_letter_that_came_before_the_register_was_asked_gets_one_receipt(
    demo_citizens, kari, eboks
):
    send(eboks, Channel.EBOKS, NEW, "Kom for tidlig")
    demo_citizens.simulators["krr"].change(
        "kari", mailbox_supplier=Channel.EBOKS, mailbox_address=NEW
    )
    contacts.run_due()
    assert put_aside.release_due() == 1
    assert titles(kari) == {"Kom for tidlig"}
    assert told(eboks) == ["leveringskvittering"]


def test_what_is_known_costs_one_query_and_what_is_new_thirteen(
    kari, django_assert_num_queries: DjangoAssertNumQueries
):
    with django_assert_num_queries(1):
        assert learn(kari, DIGIPOST, KARI.mailbox_address.upper()) is Learned.KNOWN
    with django_assert_num_queries(15):  # two of them for the transaction inside the test's
        learn(kari, EBOKS, NEW)
    with django_assert_num_queries(1):
        assert learn(kari, EBOKS, NEW) is Learned.KNOWN
    leave(kari)
    with django_assert_num_queries(1):
        leave(kari)


def test_back_at_her_first_supplier_the_first_address_is_current_again(kari):
    learn(kari, EBOKS, NEW)
    assert learn(kari, DIGIPOST, KARI.mailbox_address) is Learned.RECORDED
    assert mailbox_address_of(kari.id, DIGIPOST) == KARI.mailbox_address
    assert Identifier.objects.filter(citizen=kari, kind="mailbox_address").count() == 2
    assert len(consents(kari)) == 2


def test_a_new_mailbox_is_connected_as_the_one_before_was(kari, ola):
    learn(kari, EBOKS, NEW)
    assert consents(kari)["dpi-eboks"] == (True, False)
    slug = next(iter(consents(ola)))
    other = {"dpi-digipost": EBOKS, "dpi-eboks": DIGIPOST}[slug]
    consent.disconnect(ola.id, slug)
    learn(ola, other, "ola#NY01")
    assert set(consents(ola).values()) == {(False, False)}


def test_her_word_on_a_source_where_she_has_a_mailbox_stands(kari):
    learn(kari, EBOKS, NEW)
    consent.disconnect(kari.id, "dpi-eboks")
    learn(kari, DIGIPOST, KARI.mailbox_address)
    learn(kari, EBOKS, NEW)
    assert consents(kari) == {"dpi-digipost": (True, False), "dpi-eboks": (False, False)}


def test_while_her_account_is_being_closed_a_new_mailbox_waits_with_the_others(kari):
    closing.ask(kari.id)
    kari.refresh_from_db()
    learn(kari, EBOKS, NEW)
    assert set(consents(kari).values()) == {(False, True)}
    closing.take_back(kari.id)
    assert set(consents(kari).values()) == {(True, False)}


def test_the_first_mailbox_of_one_who_has_none_is_connected(demo_citizens):
    new = make_citizen("Ny Borger")
    learn(new, EBOKS, "ny#0001")
    assert consents(new) == {"dpi-eboks": (True, False)}
    leaving = make_citizen("På vei ut", closes_at=clock.now() + timedelta(days=1))
    learn(leaving, EBOKS, "paa.vei#0001")
    assert consents(leaving) == {"dpi-eboks": (False, True)}


def test_a_supplier_whose_queue_is_not_ours_gives_no_mailbox(kari):
    before = consents(kari)
    assert learn(kari, "999999999", NEW) is Learned.RECORDED
    assert consents(kari) == before
    assert learn(kari, "999999999", NEW) is Learned.KNOWN
    way = handover.way_of(make_letter(kari))
    assert way.hindrance is handover.Hindrance.NO_MAILBOX


def test_a_queue_that_becomes_ours_later_gives_her_a_mailbox(kari):
    named = {kari.pk: ("999999999", NEW)}
    learn(kari, *named[kari.pk])
    assert addresses.settled(named) == {kari.pk}
    make_source("dpi-ny", "Ny", shared_queue=True, settings={"supplier_org_number": "999999999"})
    assert addresses.settled(named) == set()
    assert learn(kari, *named[kari.pk]) is Learned.RECORDED
    assert consents(kari)["dpi-ny"] == (True, False)
    assert addresses.settled(named) == {kari.pk}


def test_a_letter_goes_to_the_mailbox_that_she_has_today(kari, digipost):
    first = make_letter(kari)
    asked = handover.ask(Viewer(kari.id, 4), first.id)
    assert asked.source_id == "dpi-digipost"
    learn(kari, EBOKS, NEW)
    assert handing_over.send_due() == 0
    asked.refresh_from_db()
    assert (asked.state, asked.last_error) == ("failed", "NotPermitted")
    assert digipost.uploaded(KARI) == []
    second = handover.ask(Viewer(kari.id, 4), make_letter(kari).id)
    assert second.source_id == "dpi-eboks"
    outgoing = handing_over._outgoing(Handover.objects.get(id=second.id))
    assert outgoing.recipient.value == NEW


def test_an_address_that_the_register_gives_to_another_too_names_neither(
    kari, ola, digipost, caplog
):
    assert learn(ola, DIGIPOST, KARI.mailbox_address) is Learned.CONTESTED
    assert learn(ola, DIGIPOST, KARI.mailbox_address) is Learned.CONTESTED
    assert learn(kari, DIGIPOST, KARI.mailbox_address) is Learned.CONTESTED
    assert len(caplog.messages) == 1
    for secret in (KARI.mailbox_address, KARI.national_id, OLA.national_id):
        assert secret not in caplog.text
    assert addresses.contested() == 1
    send(digipost, Channel.DIGIPOST, KARI.mailbox_address, "Til en av dem")
    assert (titles(kari), titles(ola)) == (set(), set())
    assert put_aside.release_due() == 0
    assert Quarantined.objects.get().citizen is None
    assert Rejection.objects.get().fault == "client"


def test_it_is_the_others_when_her_entry_no_longer_names_it(kari, ola, digipost):
    send(digipost, Channel.DIGIPOST, KARI.mailbox_address, "Før")
    learn(ola, DIGIPOST, KARI.mailbox_address)
    send(digipost, Channel.DIGIPOST, KARI.mailbox_address, "Imens")
    learn(kari, DIGIPOST, NEW)
    assert addresses.contested() == 0
    assert put_aside.release_due() == 1
    assert (titles(kari), titles(ola)) == ({"Før"}, {"Imens"})
    assert mailbox_address_of(ola.id) == KARI.mailbox_address
    assert "dpi-digipost" in consents(ola)
    send(digipost, Channel.DIGIPOST, OLA.mailbox_address, "Til hans tidligere")
    assert "Til hans tidligere" in titles(ola)
    assert set(told(digipost)) == {"leveringskvittering"}


def test_it_stays_hers_when_the_others_entry_no_longer_names_it(kari, ola, digipost):
    learn(ola, DIGIPOST, KARI.mailbox_address)
    send(digipost, Channel.DIGIPOST, KARI.mailbox_address, "Imens")
    leave(ola)
    assert addresses.contested() == 0
    assert put_aside.release_due() == 1
    assert (titles(kari), titles(ola)) == ({"Imens"}, set())
    assert mailbox_address_of(kari.id) == KARI.mailbox_address


def test_one_who_has_moved_away_from_an_address_loses_it_to_whom_the_register_gives_it(
    kari, ola, digipost
):
    learn(kari, EBOKS, NEW)
    assert learn(ola, DIGIPOST, KARI.mailbox_address) is Learned.RECORDED
    send(digipost, Channel.DIGIPOST, KARI.mailbox_address, "Til den det er nå")
    assert (titles(kari), titles(ola)) == (set(), {"Til den det er nå"})
    assert mailbox_address_of(kari.id) == NEW


def test_one_whose_entry_names_no_mailbox_gets_letters_and_has_none_to_send_to(kari, digipost):
    leave(kari)
    assert current_address(kari.id) is None
    send(digipost, Channel.DIGIPOST, KARI.mailbox_address, "Sent")
    assert titles(kari) == {"Sent"}
    way = handover.way_of(make_letter(kari))
    assert way.hindrance is handover.Hindrance.NO_MAILBOX


def test_no_address_is_readable_in_the_database(kari):
    learn(kari, EBOKS, NEW)
    rows = [str(row) for row in Identifier.objects.values_list()]
    assert not any(NEW in row for row in rows)


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_workers_that_learn_one_address_for_two_at_once_leave_it_contested(demo_citizens):
    both = [citizen(KARI), citizen(OLA)]
    together = Barrier(len(both))
    found: list[object] = []

    def work(mine: Citizen) -> None:
        try:
            together.wait(timeout=120)
            for number in range(10):
                found.append(learn(mine, EBOKS, f"felles#{number}"))
        except Exception as error:
            found.append(error)
        finally:
            connection.close()

    workers = [Thread(target=work, args=(each,)) for each in both]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=120)
    assert {type(each) for each in found} == {Learned}, found
    addresses_of = Identifier.objects.filter(kind="mailbox_address")
    for each in both:
        entry = addresses_of.filter(Q(citizen=each, current=True) | Q(claimed_by=each))
        assert entry.count() == 1
    for _ in range(2):
        for each in both:
            learn(each, EBOKS, "felles#9")
    assert addresses.contested() == 1


def test_a_letter_put_aside_for_her_never_goes_to_who_has_her_address_later(kari, ola, digipost):
    consent.disconnect(kari.id, "dpi-digipost")
    send(digipost, Channel.DIGIPOST, KARI.mailbox_address, "Karis")
    leave(kari)
    learn(ola, DIGIPOST, KARI.mailbox_address)
    consent.connect(kari.id, "dpi-digipost")
    assert put_aside.release_due() == 0
    assert titles(ola) == titles(kari) == set()
    item = quarantine.waiting().get()
    assert (item.citizen, item.reason) == (kari, quarantine.ANOTHERS)
    assert told(digipost) == []  # its sender has it printed when its time is over


@pytest.mark.parametrize("aside", [False, True])
def test_a_message_offered_again_never_goes_to_who_has_her_address_later(
    kari, ola, digipost, monkeypatch, aside
):
    if aside:
        consent.disconnect(kari.id, "dpi-digipost")
    with monkeypatch.context() as patch:
        patch.setattr(DpiConnector, "settle", dies)
        send(digipost, Channel.DIGIPOST, KARI.mailbox_address, "Karis")
    leave(kari)
    learn(ola, DIGIPOST, KARI.mailbox_address)
    Source.objects.update(due_at=None)
    engine.sync_source("dpi-digipost")
    assert titles(ola) == set()
    assert titles(kari) == (set() if aside else {"Karis"})
    assert told(digipost) == ([] if aside else ["leveringskvittering"])


def dies(*_args: object) -> None:
    raise Temporary("the worker dies before it has settled")


def test_whose_account_is_closed_meanwhile_gets_no_connected_mailbox():
    her = make_citizen(email="")
    closing.ask(her.id)
    learn(her, EBOKS, NEW)  # `her` is as she was before
    assert not Mailbox.objects.filter(citizen=her, active=True).exists()


def test_of_whose_account_is_removed_meanwhile_nothing_is_written():
    her = make_citizen(email="")
    Citizen.objects.filter(pk=her.pk).delete()
    assert learn(her, EBOKS, NEW) is Learned.GONE
    assert not Identifier.objects.filter(kind="mailbox_address").exists()


def test_nobody_claims_what_is_her_own(kari, ola):
    learn(ola, DIGIPOST, KARI.mailbox_address)
    Identifier.objects.filter(citizen=kari, kind="mailbox_address").update(current=False)
    assert learn(ola, DIGIPOST, KARI.mailbox_address) is Learned.RECORDED
    assert find_citizen("mailbox_address", KARI.mailbox_address) == ola


@pytest.mark.parametrize("leaves", ["who has it", "who claims it"])
def test_a_letter_to_one_of_two_goes_to_neither_when_one_closes_her_account(
    kari, ola, digipost, leaves
):
    learn(ola, DIGIPOST, KARI.mailbox_address)
    send(digipost, Channel.DIGIPOST, KARI.mailbox_address, "Til en av dem")
    gone, stays = (kari, ola) if leaves == "who has it" else (ola, kari)
    Citizen.objects.filter(pk=gone.pk).update(closes_at=clock.now())
    assert removal.close_due() == 1
    learn(stays, DIGIPOST, KARI.mailbox_address)
    assert find_citizen("mailbox_address", KARI.mailbox_address) == stays
    assert put_aside.release_due() == 0
    assert titles(stays) == set()
    assert quarantine.waiting().get().reason == quarantine.OF_ONE_OF_TWO
