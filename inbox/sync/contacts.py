"""Asking the contact register how citizens may be reached, many at once.

`ContactDetails.due_at` is the queue. One worker at a time asks: it holds the lease of the
register's own row, which also keeps how the register fares. A failure of the register stands
there and is tried again later; it never changes what is known of anybody.

One person can spoil a look-up for all in it (an entry for somebody whom nobody asked for, a number
that the register does not take). So a look-up that fails is narrowed: those in it are asked about
in two halves, and so on, until who spoils it is alone and has the failure on her own row. How far
that has come stands in `attempts`, so it survives the worker and a run is bounded.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from connectors import clock, discovery
from connectors.contact_register import (
    Contact,
    ContactAnswer,
    ContactRegister,
    ContactStatus,
)
from connectors.contract import (
    ConnectorError,
    RateLimited,
    Untrustworthy,
)
from inbox.citizens.identity import national_ids_of
from inbox.citizens.models import Citizen, ContactDetails
from inbox.sync import addresses, lease
from inbox.sync.models import Register

NAME = "contacts"
"""The register's own row."""
LOOK_UPS_MAX = 20
"""In one run."""
OLD = timedelta(hours=1)
"""By the shared clock: what is older is asked about anew when she logs in."""
EMAIL_MAX = 254
WRITTEN = [each.attname for each in ContactDetails._meta.concrete_fields if not each.primary_key]

log = logging.getLogger("samlepost.sync.contacts")


@dataclass(frozen=True, slots=True)
class _Group:
    """Those of one look-up."""

    due: Mapping[UUID, datetime]
    """When each was due, as it stood when they were taken."""
    attempts: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands between a citizen and the register."""

    is_on: bool
    """There is a register to ask."""
    details: ContactDetails | None
    """What it said last; None for one who has not come up yet."""
    failure: str
    """The contract's name of the register's latest failure; empty when it answers."""


class _Alone(Exception):
    """The register, which has answered for others, failed over one who is asked about alone."""


@dataclass(slots=True)
class _Turn:
    """One worker's turn at the register."""

    row: QuerySet[Register]
    token: UUID
    failures: int
    """Failed runs in a row before this one; 0 as soon as the register has answered in it."""


def is_on() -> bool:
    """Say whether there is a register to ask."""
    return bool(settings.KRR_URL)


def ask(citizen_id: UUID) -> None:
    """Have a citizen asked about at once."""
    ContactDetails.objects.update_or_create(
        citizen_id=citizen_id, defaults={"due_at": timezone.now()}
    )


def ask_if_old(citizen: Citizen) -> None:
    """Have her asked about, unless the register's word is fresh: she has just logged in."""
    if not is_on() or citizen.closes_at:
        return
    asked = ContactDetails.objects.filter(citizen=citizen, asked_at__gt=clock.now() - OLD)
    if not asked.exists():
        ask(citizen.pk)


def standing_of(citizen_id: UUID) -> Standing:
    """Return what is known of a citizen and how the register fares (2 queries)."""
    details = ContactDetails.objects.filter(citizen_id=citizen_id).first()
    register = Register.objects.filter(name=NAME).first() if is_on() else None
    return Standing(is_on(), details, register.failure if register else "")


def stop(citizen_id: UUID) -> None:
    """Ask about her no more: she is closing her account."""
    ContactDetails.objects.filter(citizen_id=citizen_id).update(due_at=None)


def run_due() -> int:
    """Ask about those who are due; returns how many the register answered for.

    Does nothing without a register, while it is to be left alone after a failure, or when another
    worker is at it. Never raises ConnectorError.
    """
    if not is_on() or not _due().exists():
        return 0
    register, _ = Register.objects.get_or_create(name=NAME)
    if register.due_at and register.due_at > timezone.now():
        return 0
    row = Register.objects.filter(name=NAME)
    token = lease.take_polling(row)
    if token is None:
        return 0
    turn = _Turn(row, token, register.failures)
    try:
        return _run(turn)
    except lease.LeaseLost:
        log.warning("the lease of the contact register was lost")
    except _Alone:
        lease.give_back(row, token)
    except ConnectorError as error:
        _failed(turn, error)
    except Exception:
        log.exception("asking the contact register failed")
        _failed(turn, ConnectorError("internal error"))
    return 0


def _run(turn: _Turn) -> int:
    answered, asked, spoilt = 0, 0, None
    with _opened() as register:
        while asked < LOOK_UPS_MAX and (group := _next(register.persons_max)):
            asked += 1
            lease.keep(turn.row, turn.token)
            try:
                answered += _look_up(register, group, turn)
                turn.failures = 0
            except Untrustworthy as error:
                log.warning("a look-up of %s: %s", len(group.due), error)
                spoilt = error
    if spoilt is not None and not answered:
        raise spoilt
    lease.give_back(
        turn.row,
        turn.token,
        failures=0,
        failure="",
        failure_detail="",
        last_success_at=clock.now(),
        due_at=None,
    )
    return answered


@contextmanager
def _opened() -> Iterator[ContactRegister]:
    register = discovery.contact_register(
        {
            "base_url": settings.KRR_URL,
            "maskinporten_url": settings.KRR_MASKINPORTEN_URL,
            "client_id": settings.KRR_CLIENT_ID,
            "private_key_file": settings.KRR_PRIVATE_KEY_FILE,
        }
    )
    try:
        yield register
    finally:
        register.close()


def _due() -> QuerySet[ContactDetails]:
    return ContactDetails.objects.filter(due_at__lte=timezone.now())


def _next(limit: int) -> _Group | None:
    """Return who is asked about next: the longest waiting, with others narrowed as far."""
    rows = list(_due().order_by("due_at").values_list("citizen_id", "due_at", "attempts")[:limit])
    if not rows:
        return None
    attempts = rows[0][2]
    alike = [(citizen_id, due_at) for citizen_id, due_at, tried in rows if tried == attempts]
    return _Group({each: at for each, at in alike[: _share(limit, attempts)] if at}, attempts)


def _share(limit: int, attempts: int) -> int:
    """Return how many are asked about at once after so many narrowings."""
    return max(1, limit >> attempts)


def _look_up(register: ContactRegister, group: _Group, turn: _Turn) -> int:
    numbers = national_ids_of(group.due)
    try:
        answer = register.look_up(numbers.values())
    except ConnectorError as error:
        if _is_hers(group, register.persons_max, turn, error):
            if not isinstance(error, Untrustworthy):
                raise _Alone from error
        else:
            _narrow(group, register.persons_max)
        raise
    # Before the rows say when they are due again: should we die in between, they are asked anew.
    _follow_mailboxes(_answered(group, numbers, answer))
    with transaction.atomic():
        lease.keep(turn.row, turn.token)
        _write(group, numbers, answer)
    return len(answer.contacts)


def _answered(
    group: _Group, numbers: Mapping[UUID, str], answer: ContactAnswer
) -> list[tuple[Citizen, Contact]]:
    """Return whom the register has answered for, but for those made due meanwhile (1 query)."""
    found = {contact.national_id: contact for contact in answer.contacts}
    rows = ContactDetails.objects.select_related("citizen").filter(citizen__in=list(group.due))
    return [
        (details.citizen, found[numbers[details.citizen_id]])
        for details in rows
        if details.due_at == group.due[details.citizen_id]
        and numbers.get(details.citizen_id) in found
    ]


def _is_hers(group: _Group, limit: int, turn: _Turn, error: ConnectorError) -> bool:
    """Record a look-up that failed as the failure of the one who was in it, if it is hers.

    It is where the answer shows it, and where the register fails over her after it has answered
    for others; where it fails anyhow, it is the register's.
    """
    narrowed = _share(limit, group.attempts) == 1 and not turn.failures
    if len(group.due) > 1 or not (isinstance(error, Untrustworthy) or narrowed):
        return False
    [(citizen_id, due_at)] = group.due.items()
    # Unless it has changed meanwhile: she has asked anew, or is closing her account.
    ContactDetails.objects.filter(citizen_id=citizen_id, due_at=due_at).update(
        attempts=limit.bit_length(),  # she is asked about alone until she is answered for
        asked_at=clock.now(),
        failure=type(error).__name__.lower(),
        failure_detail=str(error)[:255],
        due_at=_later(),
    )
    return True


def _narrow(group: _Group, limit: int) -> None:
    """Let those of a look-up that failed be asked about in halves, behind those who wait."""
    attempts = group.attempts
    while _share(limit, attempts) > max(1, len(group.due) // 2):
        attempts += 1
    # Whoever is closing her account meanwhile is asked about no more.
    asked = ContactDetails.objects.filter(citizen_id__in=list(group.due), due_at__isnull=False)
    asked.update(attempts=attempts, due_at=timezone.now())


def _write(group: _Group, numbers: Mapping[UUID, str], answer: ContactAnswer) -> None:
    """Write what the register said. In a transaction.

    Whom somebody has made due meanwhile is left for the next look-up: this answer is of before.
    """
    found = {contact.national_id: contact for contact in answer.contacts}
    rows = ContactDetails.objects.select_for_update(of=("self",)).select_related("citizen")
    current = [
        details
        for details in rows.filter(citizen_id__in=list(group.due))
        if details.due_at == group.due[details.citizen_id]
    ]
    moved: list[Citizen] = []
    speaking: dict[str, list[UUID]] = {}
    for details in current:
        number = numbers.get(details.citizen_id, "")
        contact = found.get(number)
        details.asked_at, details.due_at, details.attempts = clock.now(), _later(), 0
        if not number:
            details.due_at = None  # she has none: there is nothing to ask by
        elif contact is None:
            said = answer.unreadable.get(number, "")
            details.failure = "unreadable" if said else "unanswered"
            details.failure_detail = said[:255]
        elif contact.email.value and not _is_address(contact.email.value):
            details.failure, details.failure_detail = "unreadable", "the e-mail is no address"
        else:
            _learn(details, contact)
            if _moves(details.citizen, details):
                moved.append(details.citizen)
            if details.language and details.language != details.citizen.language:
                speaking.setdefault(details.language, []).append(details.citizen_id)
    ContactDetails.objects.bulk_create(
        current, update_conflicts=True, unique_fields=["citizen"], update_fields=WRITTEN
    )
    Citizen.objects.bulk_update(moved, ["email"], batch_size=200)
    for language, ids in speaking.items():
        if language in dict(settings.LANGUAGES):
            # She may choose one in this very moment.
            unchosen = Citizen.objects.filter(pk__in=ids, has_chosen_language=False)
            unchosen.update(language=language)


def _follow_mailboxes(answered: Sequence[tuple[Citizen, Contact]]) -> None:
    """Let each one's digital mailbox be the one that the register names, at its supplier."""
    named: dict[UUID, tuple[str, str] | None] = {}
    for citizen, contact in answered:
        said = contact.mailbox_supplier, contact.mailbox_address
        if all(said) or not any(said):  # half of it names nothing, and says nothing
            named[citizen.pk] = said if all(said) else None
    settled = addresses.settled(named)
    for citizen, _ in answered:
        if citizen.pk not in named or citizen.pk in settled:
            continue
        if mailbox := named[citizen.pk]:
            addresses.learn(citizen, *mailbox)
        else:
            addresses.leave(citizen)


def _learn(details: ContactDetails, contact: Contact) -> None:
    details.answered_at, details.failure, details.failure_detail = clock.now(), "", ""
    details.status = contact.status
    details.reserved, details.may_be_notified = contact.reserved, contact.may_be_notified
    for name, channel in (("email", contact.email), ("mobile", contact.mobile)):
        setattr(details, name, channel.value)
        setattr(details, f"{name}_confirmed_at", channel.confirmed_at)
        setattr(details, f"{name}_fresh_until", channel.fresh_until)
    details.language = contact.language
    details.mailbox_supplier = contact.mailbox_supplier


def _moves(citizen: Citizen, details: ContactDetails) -> bool:
    """Let her address be the register's; False when it is that already.

    Whom the register does not have as active is told of nothing.
    """
    email = details.email if details.status == ContactStatus.ACTIVE else ""
    if email == citizen.email:
        return False
    citizen.email = email
    return True


def _is_address(value: str) -> bool:
    try:
        validate_email(value)
    except ValidationError:
        return False
    return len(value) <= EMAIL_MAX


def _later() -> datetime:
    return timezone.now() + timedelta(seconds=settings.KRR_INTERVAL_SECONDS)


def _failed(turn: _Turn, error: ConnectorError) -> None:
    log.warning("the contact register: %s: %s", type(error).__name__, error)
    at_least = error.retry_after if isinstance(error, RateLimited) else 0.0
    lease.give_back(
        turn.row,
        turn.token,
        failures=turn.failures + 1,
        failure=type(error).__name__.lower(),
        failure_detail=str(error)[:255],
        due_at=lease.back_off(turn.failures, at_least),
    )
