"""Asking the contact register: what it says is learnt, what fails is a state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread
from uuid import UUID

import pytest
from django.db import OperationalError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors import clock, discovery
from connectors.contact_register import (
    Contact,
    ContactAnswer,
    ContactChannel,
    ContactRegister,
    ContactStatus,
)
from connectors.contract import (
    Misconfigured,
    Temporary,
    Untrustworthy,
)
from connectors.krr import simulator as krr
from connectors.simulation import Faults
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen, identify, mailbox_address_of
from inbox.citizens.models import Citizen, ContactDetails, Identifier
from inbox.notifications import deliver
from inbox.notifications.models import Notification, OutboxEmail
from inbox.notifications.rules import queue_for
from inbox.sync import addresses, closing, contacts, lease, removal, reset
from inbox.sync.models import Mailbox, Register
from tests.make import make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


def citizen_of(slug: str) -> Citizen:
    return find_citizen("national_id", by_slug(slug).national_id)


def details_of(slug: str) -> ContactDetails:
    return ContactDetails.objects.get(citizen=citizen_of(slug))


def make_due() -> None:
    """Let everybody be due, and the register be asked, as when time has passed."""
    ContactDetails.objects.update(due_at=timezone.now())
    Register.objects.update(due_at=None)


class Register1000(ContactRegister):
    """A register in this process, which counts, and fails as a test wants."""

    persons_max = 1000

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.spoilers: set[str] = set()
        self.error: Exception | None = None

    def look_up(self, national_ids: Iterable[str]) -> ContactAnswer:
        numbers = list(national_ids)
        self.asked.append(len(numbers))
        if self.error:
            raise self.error
        if self.spoilers & set(numbers):
            raise Untrustworthy("the register answered for somebody who was not asked for")
        return ContactAnswer([said(number) for number in numbers])


def said(number: str, **changes: object) -> Contact:
    now = clock.now()
    email = ContactChannel(f"{number}@example.no", now, now + timedelta(days=500))
    usual = Contact(number, ContactStatus.ACTIVE, False, True, email, ContactChannel())
    return replace(usual, **changes)


@pytest.fixture
def register(monkeypatch, settings) -> Register1000:
    made = Register1000()
    settings.KRR_URL = "http://127.0.0.1:8010/krr"
    monkeypatch.setattr(discovery, "contact_register", lambda _settings: made)
    return made


def announce(citizen: Citizen, **fields: object) -> None:
    queue_for([make_letter(citizen, **fields)], clock.now())


def make_many(count: int) -> list[str]:
    """So many citizens who are due; returns their numbers, longest waiting first."""
    numbers = [f"{number:011d}" for number in range(count)]
    start = timezone.now() - timedelta(days=1)
    for index, number in enumerate(numbers):
        citizen = make_citizen(email="")
        identify(citizen, "national_id", number)
        ContactDetails.objects.create(citizen=citizen, due_at=start + timedelta(seconds=index))
    return numbers


@pytest.mark.usefixtures("demo_citizens")
def test_what_the_register_says_is_learnt_of_everybody_in_one_look_up():
    assert contacts.run_due() == Citizen.objects.count()
    kari, henrik = details_of("kari"), details_of("henrik")
    assert (kari.status, kari.reserved, kari.may_be_notified) == ("active", False, True)
    assert (kari.email, kari.mobile) == ("kari.nordmann@example.no", "+4700000000")
    assert kari.channel("email").is_fresh(clock.now())
    assert (kari.mailbox_supplier, kari.language) == ("984661185", "nb")
    assert (kari.asked_at, kari.answered_at, kari.failure) == (clock.now(), clock.now(), "")
    assert henrik.reserved
    assert not details_of("jonas").channel("email").is_fresh(clock.now())
    assert details_of("leif").status == "deleted"
    register = Register.objects.get()
    assert (register.failure, register.last_success_at) == ("", clock.now())
    assert contacts.run_due() == 0


def test_her_address_for_notices_is_the_registers(demo_citizens):
    contacts.run_due()
    assert citizen_of("kari").email == "kari.nordmann@example.no"
    assert citizen_of("ingrid").email == ""
    assert citizen_of("leif").email == ""  # not active: told of nothing
    demo_citizens.simulators["krr"].change("kari", email="ny@example.no")
    make_due()
    contacts.run_due()
    assert citizen_of("kari").email == "ny@example.no"


def test_the_registers_language_applies_until_she_picks_one(demo_citizens, client):
    demo_citizens.simulators["krr"].change("kari", language="en")
    contacts.run_due()
    assert citizen_of("kari").language == "en"
    client.force_login(citizen_of("kari"))
    Citizen.objects.filter(pk=citizen_of("kari").pk).update(language="nn", has_chosen_language=True)
    make_due()
    contacts.run_due()
    assert citizen_of("kari").language == "nn"


def test_her_digital_mailbox_is_the_one_that_the_register_names(demo_citizens, monkeypatch):
    contacts.run_due()
    kari = citizen_of("kari")
    assert mailbox_address_of(kari.pk) == "kari.nordmann#1A2B"
    learnt: list[Citizen] = []
    for name in ("learn", "leave"):
        usual = getattr(addresses, name)

        def noted(citizen, *args, usual=usual):
            learnt.append(citizen)
            return usual(citizen, *args)

        monkeypatch.setattr(addresses, name, noted)
    make_due()
    contacts.run_due()
    assert learnt == []  # what is known costs nothing more
    register = demo_citizens.simulators["krr"]
    register.change("kari", mailbox_supplier=Channel.EBOKS, mailbox_address="kari#E")
    make_due()
    contacts.run_due()
    assert learnt == [kari]
    assert mailbox_address_of(kari.pk, "922020175") == "kari#E"
    assert find_citizen("mailbox_address", "kari.nordmann#1A2B") == kari
    assert details_of("kari").mailbox_supplier == "922020175"
    assert Mailbox.objects.filter(citizen=kari, source_id="dpi-eboks", active=True).exists()
    # Half of a mailbox names nothing; none at all is none.
    register.change("kari", mailbox_address="", mailbox_supplier=None)
    make_due()
    contacts.run_due()
    assert learnt == [kari, kari]
    with pytest.raises(Identifier.DoesNotExist):
        mailbox_address_of(kari.pk)
    make_due()
    contacts.run_due()
    assert len(learnt) == 2


def test_an_address_that_could_not_be_recorded_is_asked_for_again(demo_citizens, monkeypatch):
    contacts.run_due()
    demo_citizens.simulators["krr"].change("kari", mailbox_address="kari#NY")
    make_due()
    with monkeypatch.context() as patched:
        patched.setattr(addresses, "learn", lambda *_: 1 / 0)
        contacts.run_due()
    kari = citizen_of("kari")
    assert mailbox_address_of(kari.pk) == "kari.nordmann#1A2B"
    assert details_of("kari").due_at <= timezone.now(), "she is still due"
    Register.objects.update(due_at=timezone.now())
    contacts.run_due()
    assert mailbox_address_of(kari.pk) == "kari#NY"
    assert details_of("kari").due_at > timezone.now()


def test_an_address_that_the_register_gives_to_two_stays_contested(demo_citizens):
    contacts.run_due()
    register = demo_citizens.simulators["krr"]
    register.change("ola", mailbox_supplier=Channel.DIGIPOST, mailbox_address="kari.nordmann#1A2B")
    for _ in range(2):
        make_due()
        contacts.run_due()
        assert addresses.contested() == 1
    register.forget(by_slug("ola"))
    make_due()
    contacts.run_due()
    assert addresses.contested() == 0
    assert mailbox_address_of(citizen_of("kari").pk) == "kari.nordmann#1A2B"


@pytest.mark.parametrize("mode", ["down", "garbage", "html", "truncated", "rate_limited"])
def test_a_failure_of_the_register_is_a_state_and_changes_nothing(demo_citizens, mode):
    contacts.run_due()
    before = details_of("kari")
    state = demo_citizens.simulators["krr"].state
    state.set_faults(krr.FAULTS, Faults(mode))
    make_due()
    assert contacts.run_due() == 0
    after, row = details_of("kari"), Register.objects.get()
    assert (after.email, after.status, after.answered_at) == (
        before.email,
        "active",
        before.answered_at,
    )
    assert citizen_of("kari").email == "kari.nordmann@example.no"
    assert row.failure == ("ratelimited" if mode == "rate_limited" else "temporary")
    assert row.failures == 1
    assert row.due_at > timezone.now()
    state.set_faults(krr.FAULTS, Faults())
    assert contacts.run_due() == 0  # it is left alone for a while
    make_due()
    assert contacts.run_due() > 0
    row.refresh_from_db()
    assert (row.failure, row.failures) == ("", 0)


def test_who_spoils_a_look_up_is_found_and_holds_up_nobody(register):
    numbers = make_many(40)
    register.spoilers = {numbers[7], numbers[33]}
    runs = 0
    while contacts.run_due():
        runs += 1
    assert runs <= 2
    assert ContactDetails.objects.filter(status="active").count() == 38
    spoilers = ContactDetails.objects.filter(failure="untrustworthy")
    assert {find_citizen("national_id", each).pk for each in register.spoilers} == {
        each.pk for each in spoilers
    }
    # Each is found by halving: no more than twice the logarithm for each of the two.
    assert len(register.asked) <= 1 + 2 * 2 * 6
    # From then on they are asked about alone, and cost two look-ups instead of twenty.
    register.asked.clear()
    make_due()
    contacts.run_due()
    assert sorted(register.asked) == [1, 1, 38]
    register.spoilers.clear()
    make_due()
    contacts.run_due()
    assert not ContactDetails.objects.exclude(failure="").exists()
    make_due()
    register.asked.clear()
    contacts.run_due()
    assert register.asked == [40]


def test_a_run_is_bounded_however_many_spoil_it(register):
    numbers = make_many(64)
    register.spoilers = set(numbers)
    assert contacts.run_due() == 0
    assert len(register.asked) == contacts.LOOK_UPS_MAX
    row = Register.objects.get()
    assert row.failure == "untrustworthy"  # nobody at all was answered for


def test_when_it_fails_otherwise_no_other_look_up_is_tried_in_that_run(register):
    make_many(3)
    register.error = Temporary("503")
    for failures in (1, 2, 3):
        Register.objects.update(due_at=None)
        assert contacts.run_due() == 0
        assert Register.objects.get().failures == failures
    assert len(register.asked) == 3
    register.error = None
    Register.objects.update(due_at=None)
    while contacts.run_due():
        pass
    assert ContactDetails.objects.filter(status="active", attempts=0).count() == 3


def test_over_whom_it_fails_alone_is_told_from_a_register_that_is_down(register, monkeypatch):
    numbers = make_many(4)
    usual = register.look_up

    def falls_over_one(asked):
        asked = list(asked)
        if numbers[2] in asked:
            register.asked.append(len(asked))
            raise Temporary("500")
        return usual(asked)

    monkeypatch.setattr(register, "look_up", falls_over_one)
    for _ in range(8):
        Register.objects.update(due_at=None)
        contacts.run_due()
    [failing] = ContactDetails.objects.exclude(failure="")
    assert failing.citizen == find_citizen("national_id", numbers[2])
    assert failing.failure == "temporary"
    assert ContactDetails.objects.filter(status="active").count() == 3
    assert Register.objects.get().failure == ""


def test_our_own_fault_is_shown_as_such(register, monkeypatch):
    make_many(1)

    def broken(_settings):
        raise Misconfigured("private_key_file cannot be read as a private key")

    monkeypatch.setattr(discovery, "contact_register", broken)
    assert contacts.run_due() == 0
    assert Register.objects.get().failure == "misconfigured"


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (lambda number: ContactAnswer(unreadable={number: "status is missing"}), "unreadable"),
        (lambda number: ContactAnswer(), "unanswered"),
        (
            lambda number: ContactAnswer(
                [said(number, email=ContactChannel("a@b.no\nBcc: c@d.no"))]
            ),
            "unreadable",
        ),
    ],
)
def test_what_cannot_be_read_keeps_what_we_had_and_says_so(register, monkeypatch, answer, failure):
    [number] = make_many(1)
    contacts.run_due()
    monkeypatch.setattr(register, "look_up", lambda numbers: answer(next(iter(numbers))))
    make_due()
    clock.freeze(clock.now() + timedelta(days=1))
    contacts.run_due()
    details = ContactDetails.objects.get()
    assert (details.failure, details.email) == (failure, f"{number}@example.no")
    assert details.answered_at == clock.now() - timedelta(days=1)
    assert details.asked_at == clock.now()
    assert details.due_at > timezone.now()
    assert Citizen.objects.get().email == f"{number}@example.no"
    assert Register.objects.get().failure == ""


def test_who_is_made_due_during_the_look_up_is_asked_about_again(register, monkeypatch):
    make_many(2)
    usual = register.look_up

    def changed_meanwhile(numbers):
        answer = usual(numbers)
        contacts.ask(find_citizen("national_id", "00000000000").pk)
        return answer

    monkeypatch.setattr(register, "look_up", changed_meanwhile)
    monkeypatch.setattr(contacts, "LOOK_UPS_MAX", 1)
    contacts.run_due()
    assert ContactDetails.objects.filter(status="active").count() == 1
    assert contacts._due().count() == 1


def test_one_worker_at_a_time_asks_and_who_lost_its_lease_writes_nothing(register, monkeypatch):
    make_many(1)
    Register.objects.create(name=contacts.NAME)
    row = Register.objects.filter(name=contacts.NAME)
    token = lease.take_polling(row)
    assert contacts.run_due() == 0
    assert register.asked == []
    lease.give_back(row, token)
    usual = register.look_up

    def taken_over(numbers):
        row.update(lease_token="0" * 32)
        return usual(numbers)

    monkeypatch.setattr(register, "look_up", taken_over)
    assert contacts.run_due() == 0
    assert not ContactDetails.objects.exclude(status="").exists()


def test_the_cost_of_a_run_does_not_grow_with_those_who_are_in_it(register):
    def queries(count: int) -> int:
        Citizen.objects.all().delete()
        make_many(count)
        contacts.run_due()
        make_due()
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert contacts.run_due() == count
        return len(seen)

    assert queries(30) == queries(2)


def test_without_a_register_nothing_is_asked_and_her_address_stays(settings):
    settings.KRR_URL = ""
    citizen = make_citizen(email="kari@example.org")
    contacts.ask(citizen.pk)
    contacts.ask_if_old(citizen)
    assert contacts.run_due() == 0
    assert not Register.objects.exists()
    citizen.refresh_from_db()
    assert citizen.email == "kari@example.org"


def test_a_log_in_asks_unless_the_word_is_fresh(register):
    [number] = make_many(1)
    kari = find_citizen("national_id", number)
    contacts.run_due()
    contacts.ask_if_old(kari)
    assert not contacts._due().exists()
    clock.freeze(clock.now() + timedelta(hours=2))
    contacts.ask_if_old(kari)
    assert contacts._due().exists()


def test_who_closes_her_account_is_asked_about_no_more_and_nothing_is_left(register):
    [number] = make_many(1)
    kari = find_citizen("national_id", number)
    contacts.run_due()
    closing.ask(kari.pk)
    kari.refresh_from_db()
    contacts.ask_if_old(kari)
    assert ContactDetails.objects.get().due_at is None
    closing.take_back(kari.pk)
    assert contacts._due().exists()
    closing.ask(kari.pk)
    clock.freeze(clock.now() + timedelta(days=31))
    assert removal.close_due() == 1
    assert not ContactDetails.objects.exists()


@pytest.mark.parametrize(
    ("changes", "kind", "told"),
    [
        ({}, "decision", True),
        ({"reserved": True}, "decision", False),
        ({"reserved": True}, "letter", True),
        ({"status": "deleted"}, "decision", False),
        ({"status": "unknown"}, "decision", False),
        # Stale: still used, as a word of service.
        ({"email_fresh_until": STUDY_DATE, "may_be_notified": False}, "decision", True),
        # Never answered for.
        ({"status": "", "reserved": True}, "decision", True),
    ],
)
def test_who_is_reserved_or_not_active_gets_no_notice_of_a_decision(changes, kind, told):
    kari = make_citizen()
    ContactDetails.objects.create(citizen=kari, **{"status": "active"} | changes)
    announce(kari, kind=kind)
    assert deliver.send_due() == told
    states = {each.kind: each for each in Notification.objects.all()}
    assert states["new"].state == ("sent" if told else "failed")
    if not told:
        # Whoever ordered it is told, and not of whom.
        assert "contact register" in states["new"].last_error


def close(number: str) -> None:
    closing.ask(find_citizen("national_id", number).pk)
    clock.freeze(clock.now() + timedelta(days=31))
    assert removal.close_due() == 1


@pytest.mark.parametrize("goes", [reset.forget, close])
def test_mail_to_an_earlier_address_goes_with_her(register, settings, goes):
    settings.EMAIL_BACKEND = "inbox.notifications.outbox.OutboxBackend"
    [number] = make_many(1)
    kari = find_citizen("national_id", number)
    for address in ("old@example.no", "new@example.no"):
        Citizen.objects.filter(pk=kari.pk).update(email=address)
        announce(kari)
        deliver.send_due()
    announce(make_citizen("Ola", email="old@example.no"))
    deliver.send_due()
    assert OutboxEmail.objects.count() == 3
    goes(number)
    [left] = OutboxEmail.objects.all()
    assert left.to == "old@example.no"
    assert left.citizen.name == "Ola"


@pytest.mark.parametrize("many", [1, 8])
def test_who_closes_her_account_while_a_look_up_fails_is_asked_about_no_more(register, many):
    numbers = make_many(many)
    her = find_citizen("national_id", numbers[0])

    def look_up(_numbers: Iterable[str]) -> ContactAnswer:
        closing.ask(her.pk)
        raise Untrustworthy("the register answered for somebody who was not asked for")

    register.look_up = look_up
    contacts.run_due()
    assert ContactDetails.objects.get(citizen=her).due_at is None


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_closing_an_account_and_writing_what_the_register_says_never_block_each_other(
    register, monkeypatch
):
    [number] = make_many(1)
    her = find_citizen("national_id", number)
    written, closes = Event(), Event()
    moves, stop, failed = contacts._moves, contacts.stop, []

    def moves_late(*args: object) -> bool:
        written.set()
        closes.wait(5)
        return moves(*args)

    def close() -> None:
        written.wait(120)
        try:
            closing.ask(her.pk)
        except OperationalError as error:
            failed.append(error)
        finally:
            connections.close_all()

    def stop_now(citizen_id: UUID) -> None:
        closes.set()
        stop(citizen_id)

    monkeypatch.setattr(contacts, "_moves", moves_late)
    monkeypatch.setattr(contacts, "stop", stop_now)
    thread = Thread(target=close)
    thread.start()
    contacts.run_due()
    thread.join(120)
    assert failed == []
    assert Register.objects.get().failure == ""
    assert ContactDetails.objects.get(citizen=her).due_at is None
