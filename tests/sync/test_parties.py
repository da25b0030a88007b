"""For whom she may act: what Altinn says, what it is worth, and that it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from connectors import clock
from connectors.altinn.connector import Connector
from connectors.contract import NotPermitted, Party, PartyKind
from connectors.simulation import Faults
from connectors.world.letters import new_letter
from connectors.world.model import Channel, Enterprise, SimulatedLetter
from connectors.world.persons import by_slug, enterprise
from inbox.citizens import register, representation
from inbox.citizens.identity import blind_index, find_citizen
from inbox.citizens.models import Citizen, Identifier, Representation, SecurityLevel
from inbox.letters.models import Access, Delivery, Letter
from inbox.notifications import deliver
from inbox.sync import (
    closing,
    consent,
    engine,
    handling,
    parties,
    receipts,
    removal,
    reset,
    retrieve,
    sources,
)
from inbox.sync.models import Mailbox, OutboundReceipt, PartyList, Quarantined, Retrieval, Source
from inbox.sync.opening import open_letter

pytestmark = pytest.mark.django_db

NILS, KARI, HENRIK, SARA = (by_slug(each) for each in ("nils-ante", "kari", "henrik", "sara"))
WORKSHOP = enterprise("gaup-bilverksted")
ANOTHER = Enterprise("x", "X AS", "313920739", ())


@pytest.fixture
def altinn(demo_citizens):
    return demo_citizens.simulators["altinn"]


def here(person) -> Citizen:
    found = find_citizen("national_id", person.national_id)
    assert found
    return found


def inbox_of(number: str = WORKSHOP.org_number) -> Citizen | None:
    return find_citizen("organisation", number)


def ask(person=NILS) -> bool:
    """Ask for whom a person may act, now."""
    asked = PartyList.objects.get(citizen=here(person))
    return parties.refresh(asked.citizen_id, asked.id)


def alive() -> int:
    at_altinn = Mailbox.objects.filter(source_id="altinn").values("citizen_id")
    hers = Citizen.objects.filter(id__in=at_altinn, is_enterprise=False, deceased_at=None)
    return hers.count()


def to_workshop(title: str = "Til verkstedet", **changes) -> SimulatedLetter:
    letter = new_letter(NILS, Channel.ALTINN, at=clock.now(), title=title)
    return replace(letter, enterprise=WORKSHOP, **changes)


def fetch_its() -> Mailbox:
    mailbox = Mailbox.objects.get(citizen=inbox_of())
    engine.sync_mailbox(mailbox.citizen_id, mailbox.id)
    mailbox.refresh_from_db()
    return mailbox


def viewer(person=NILS, level=SecurityLevel.SUBSTANTIAL):
    """The person as she looks at the enterprise's mail; None: she may not."""
    its = inbox_of()
    assert its
    found = representation.acting_for(here(person).id, its.id, level, changing=True)
    return found[0] if found else None


def test_everybody_is_asked_about_and_nothing_counts_as_reading(altinn):
    assert parties.run_due() == alive()
    assert parties.run_due() == 0  # not before its time
    rows = Representation.objects.filter(kind="enterprise")
    assert [(row.citizen_id, row.helper_id) for row in rows] == [(inbox_of().id, here(NILS).id)]
    [row] = rows
    assert row.starts_at == clock.now() and row.register_key.startswith("altinn:")
    assert inbox_of().name == WORKSHOP.name
    assert not any(altinn.marks(WORKSHOP).values())
    # The number lies nowhere in the clear.
    [identifier] = Identifier.objects.filter(citizen=inbox_of())
    assert WORKSHOP.org_number.encode() not in bytes(identifier.ciphertext)


def test_to_the_enterprise_is_apart_from_to_her(altinn):
    assert ask()
    altinn.send(to_workshop())
    altinn.send(new_letter(NILS, Channel.ALTINN, at=clock.now(), title="Til Nils-Ánte"))
    mailbox = fetch_its()
    assert not mailbox.failures
    own = Mailbox.objects.get(citizen=here(NILS), source="altinn")
    engine.sync_mailbox(own.citizen_id, own.id)
    assert list(Letter.objects.filter(citizen=inbox_of()).values_list("title", flat=True)) == [
        "Til verkstedet"
    ]
    titles = Letter.objects.filter(citizen=here(NILS)).values_list("title", flat=True)
    assert list(titles) == ["Til Nils-Ánte"]
    assert not Quarantined.objects.exists()


def test_what_she_opens_and_confirms_for_it_is_done_at_altinn_as_her(altinn):
    ask()
    altinn.authorise(KARI, WORKSHOP)
    ask(KARI)
    dialog = altinn.send(to_workshop(needs_action=True, needs_confirmation=True, security_level=4))
    fetch_its()
    asked: list[str] = []
    seen = altinn.find
    altinn.find = lambda column, identifier, person: (
        asked.append(person) or seen(column, identifier, person)
    )
    letter = Letter.objects.get(citizen=inbox_of())
    open_letter(viewer(KARI, SecurityLevel.HIGH), letter.id)
    assert retrieve.run_due() == 1
    letter.refresh_from_db()
    assert letter.content == "kept" and not letter.unread
    assert altinn.marks(WORKSHOP)["read"] == {dialog}
    handling.confirm(viewer(KARI, SecurityLevel.HIGH), letter.id)
    assert receipts.send_due() == 1
    assert OutboundReceipt.objects.get(kind="confirmed").state == "done"
    assert set(asked) == {KARI.national_id}  # not as Nils-Ánte, who has had the role longer


def test_who_shares_the_role_shares_the_inbox(altinn):
    altinn.authorise(KARI, WORKSHOP)
    assert ask() and ask(KARI)
    assert Citizen.objects.filter(is_enterprise=True).count() == 1
    altinn.send(to_workshop())
    fetch_its()
    letter = Letter.objects.get(citizen=inbox_of())
    assert letter.unread
    open_letter(viewer(), letter.id)
    assert not Letter.objects.visible_to(viewer(KARI)).get(id=letter.id).unread
    assert viewer(HENRIK) is None


def test_she_is_told_of_its_letters_and_so_is_who_shares_them(altinn):
    altinn.authorise(KARI, WORKSHOP)
    ask()
    ask(KARI)
    altinn.send(to_workshop())
    fetch_its()
    assert deliver.send_due() == 1
    assert sorted(to for sent in mail.outbox for to in sent.to) == [
        here(KARI).email,
        here(NILS).email,
    ]
    assert all(WORKSHOP.name in sent.body for sent in mail.outbox)


@pytest.mark.parametrize("how", ["gone", "deleted", "no key role"])
def test_the_role_ends_with_the_first_answer_that_lacks_it(altinn, how):
    ask()
    altinn.send(to_workshop())
    fetch_its()
    letter = Letter.objects.get(citizen=inbox_of())
    open_letter(viewer(), letter.id)  # its content is on its way
    if how == "gone":
        altinn.dismiss(NILS, WORKSHOP)
    elif how == "deleted":
        altinn.authorise(NILS, WORKSHOP, isDeleted=True)
    else:
        altinn.authorise(NILS, WORKSHOP, hasKeyRole=False)
    assert viewer() is not None  # nobody has asked yet
    clock.freeze(clock.now() + timedelta(days=1))
    assert ask()
    assert viewer() is None
    retrieve.run_due()
    assert not altinn.marks(WORKSHOP)["seen"]
    letter.refresh_from_db()
    assert letter.content == "on_open"
    parties.settle()
    assert not Mailbox.objects.get(citizen=inbox_of()).active
    # She has it again, from that day.
    altinn.authorise(NILS, WORKSHOP)
    ask()
    parties.settle()
    assert viewer() is not None
    assert Mailbox.objects.get(citizen=inbox_of()).active
    assert inbox_of().closes_at is None
    kept = Representation.objects.filter(kind="enterprise").order_by("starts_at")
    assert [row.withdrawn_at is None for row in kept] == [False, True]


def test_a_failure_to_ask_is_no_loss_but_does_not_hold_for_ever(altinn):
    ask()
    altinn.state.set_faults("altinn", Faults("down"))
    assert not ask()
    asked = PartyList.objects.get(citizen=here(NILS))
    assert (asked.failure, asked.failures) == ("temporary", 1)
    assert asked.due_at > timezone.now()
    assert viewer() is not None
    clock.freeze(clock.now() + parties.KEPT_UNCONFIRMED - timedelta(seconds=1))
    assert viewer() is not None
    clock.freeze(clock.now() + timedelta(seconds=1))
    assert viewer() is None
    altinn.state.set_faults("altinn", Faults())
    assert ask()
    assert viewer() is not None
    asked.refresh_from_db()
    assert asked.failure == ""


def test_altinn_asks_us_to_wait_and_all_lists_do(altinn):
    altinn.state.set_faults("altinn", Faults("rate_limited"))
    assert not ask()
    altinn.state.set_faults("altinn", Faults())
    assert parties.run_due() == 0
    assert not PartyList.objects.exclude(failure="").exists()
    Source.objects.update(paused_until=None)
    PartyList.objects.update(due_at=timezone.now())
    assert parties.run_due() == alive()


def test_nobody_vouches_for_a_level_that_no_session_has(altinn):
    ask()
    its = inbox_of().id
    assert sources.account_of(its).security_level == 3
    assert sources.account_of(its, 4, here(NILS).id).security_level == 4
    for asked_by in (None, here(KARI).id):
        with pytest.raises(NotPermitted):
            sources.account_of(its, 4, asked_by)


def test_without_a_key_role_nothing_is_hers(altinn):
    altinn.authorise(KARI, WORKSHOP, hasKeyRole=False)
    assert ask(KARI)
    assert inbox_of() is None and not Mailbox.objects.filter(citizen__is_enterprise=True).exists()


def test_altinn_gives_nobody_a_persons_mail(altinn):
    """Whose parent somebody is, and how far that reaches, is for the population register."""
    before = Representation.objects.get(citizen=here(SARA))
    assert ask(HENRIK)
    asked = PartyList.objects.get(citizen=here(HENRIK))
    assert asked.persons_elsewhere == 0  # he sees her mail, by the register
    after = Representation.objects.get(citizen=here(SARA))
    assert (after.ends_at, after.limits) == (before.ends_at, before.limits)
    clock.freeze(before.ends_at)  # 16: Altinn lists her until 18
    assert ask(HENRIK)
    asked.refresh_from_db()
    assert asked.persons_elsewhere == 1
    assert not representation.held(here(HENRIK).id).exists()
    # One whom the register knows no parent of, and one who is nobody here.
    Representation.objects.all().delete()
    assert ask(HENRIK)
    assert not Representation.objects.exists()
    stranger = Identifier.objects.get(blind_index=blind_index("national_id", SARA.national_id))
    stranger.citizen.delete()
    assert ask(HENRIK)
    asked.refresh_from_db()
    assert asked.persons_elsewhere == 1
    assert find_citizen("national_id", SARA.national_id) is None


def test_disconnected_she_acts_for_nothing_until_she_connects_again(altinn):
    ask()
    consent.disconnect(here(NILS).id, "altinn")
    assert viewer() is None
    assert parties.lists_of(here(NILS).id) == []
    assert parties.run_due() == alive() - 1
    with pytest.raises(NotPermitted):
        sources.account_of(inbox_of().id)
    consent.connect(here(NILS).id, "altinn")
    assert parties.run_due() == 1
    assert viewer() is not None


def test_an_answer_under_way_while_she_disconnects_is_not_written(altinn, monkeypatch):
    def disconnects_meanwhile(citizen_id):
        consent.disconnect(citizen_id, "altinn")
        return sources.account_of(citizen_id)

    monkeypatch.setattr(parties, "account_of", disconnects_meanwhile)
    assert not ask()
    assert inbox_of() is None


def test_an_inbox_that_nobody_acts_for_is_removed_in_time(altinn):
    ask()
    altinn.send(to_workshop())
    fetch_its()
    its = inbox_of()
    closing.ask(here(NILS).id)
    parties.settle()
    assert removal.close_due() == 0
    its.refresh_from_db()
    assert its.closes_at == clock.now() + parties.KEPT_ALONE
    mailbox = Mailbox.objects.get(citizen=its)
    assert engine.sync_mailbox(its.id, mailbox.id) == 0
    # Somebody else had the role all along, and comes to us.
    altinn.authorise(KARI, WORKSHOP)
    ask(KARI)
    parties.settle()
    clock.freeze(clock.now() + timedelta(days=29))
    ask(KARI)
    clock.freeze(clock.now() + timedelta(days=2))
    assert removal.close_due() == 1  # Nils-Ánte's own
    assert Letter.objects.filter(citizen=its).count() == 1
    assert viewer(KARI) is not None
    altinn.dismiss(KARI, WORKSHOP)
    ask(KARI)
    parties.settle()
    clock.freeze(clock.now() + parties.KEPT_ALONE)
    assert removal.close_due() == 1
    assert inbox_of() is None
    assert not Delivery.objects.exists()


def test_by_a_death_the_role_ends(altinn):
    ask()
    register.death(here(NILS))
    assert viewer() is None
    assert parties.run_due() == alive()
    assert inbox_of().closes_at is not None


def test_the_fetching_of_one_that_nobody_acts_for_says_so_and_asks_nothing(altinn):
    ask()
    Representation.objects.update(withdrawn_at=clock.now())
    assert fetch_its().failure == "nobodyacts"


def test_a_reset_brings_back_the_enterprises_letters_unread(altinn):
    ask()
    altinn.send(to_workshop())
    fetch_its()
    letter = Letter.objects.get(citizen=inbox_of())
    open_letter(viewer(), letter.id)
    altinn.dismiss(NILS, WORKSHOP)
    reset.forget(NILS.national_id)
    assert inbox_of() is None and not Retrieval.objects.exists()
    altinn.forget(NILS)
    altinn.send(to_workshop("Som ny"))
    _, failing = reset.fetch(NILS.national_id)
    assert failing == []
    assert Letter.objects.get(citizen=inbox_of()).unread
    assert viewer() is not None
    assert not Access.objects.filter(actor=here(NILS)).exists()


def test_no_log_and_no_address_has_an_identity_number(altinn, caplog):
    caplog.set_level("DEBUG")
    altinn.authorise(HENRIK, ANOTHER)
    parties.run_due()
    altinn.state.set_faults("altinn", Faults("html"))
    PartyList.objects.update(due_at=timezone.now())
    parties.run_due()
    for person in (NILS, HENRIK, SARA):
        assert person.national_id not in caplog.text


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_who_share_a_role_are_told_of_it_in_one_moment(altinn):
    altinn.authorise(KARI, WORKSHOP)
    asked = list(PartyList.objects.filter(citizen__in=[here(NILS), here(KARI)]))

    def run(each: PartyList) -> None:
        parties.refresh(each.citizen_id, each.id)
        connection.close()

    threads = [Thread(target=run, args=[each]) for each in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Citizen.objects.filter(is_enterprise=True).count() == 1
    rows = Representation.objects.filter(kind="enterprise")
    assert {row.helper_id for row in rows} == {here(NILS).id, here(KARI).id}


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_who_share_many_roles_never_wait_for_each_other(altinn, monkeypatch):
    many = [
        Party(str(n), PartyKind.ORGANISATION, f"9{n:08}", f"Foretak {n}", has_key_role=True)
        for n in range(30)
    ]
    both_have_asked = Barrier(2)

    def said(_, account):
        both_have_asked.wait(timeout=60)
        return many if account.national_id == NILS.national_id else many[::-1]

    monkeypatch.setattr(Connector, "parties", said)
    answered = []

    def run(person) -> None:
        answered.append(ask(person))
        connection.close()

    threads = [Thread(target=run, args=[each]) for each in (NILS, KARI)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answered == [True, True]


def test_a_name_that_the_database_refuses_takes_no_role_away(altinn):
    altinn.authorise(NILS, replace(WORKSHOP, name="Gaup\0 Bilverksted"))
    assert ask() and viewer()
    assert "\0" not in inbox_of().name
