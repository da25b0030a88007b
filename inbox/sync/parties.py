"""For whom else citizens may act, as a source says: asked once a day and after a log-in.

Each `PartyList` is one citizen's question to one source, and the queue. What the answer is worth:

- An enterprise in which she has a key role becomes a principal with an inbox of its own: a
  `Citizen` that nobody logs in as, with a mailbox at the source, fetched as one of those who act
  for it. What binds her to it is a `Representation` of kind ENTERPRISE, which ends as soon as an
  answer lacks the enterprise. Several persons look into the same inbox.
- A person gives nothing. The source does not say why she may act for somebody: as a parent, or by
  a power to sign one form. Whose mail she sees as a parent or guardian, and how much of it, is for
  the population register alone (`citizens/register.py`); where that says nothing, nobody sees it.

An answer that fails is no answer: what was said last holds, for KEPT_UNCONFIRMED at most.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from connectors import clock, discovery
from connectors.contract import (
    ConnectorError,
    Misconfigured,
    NotPermitted,
    Party,
    PartyKind,
    RateLimited,
    Temporary,
)
from inbox.citizens import representation
from inbox.citizens.identity import Taken, citizens_by_value, find_citizen, identify
from inbox.citizens.models import Citizen, Identifier, InboxState, Representation
from inbox.letters.receive import clean
from inbox.sync import lease, pauses
from inbox.sync.engine import REFUSED_RETRY
from inbox.sync.models import Mailbox, PartyList
from inbox.sync.sources import account_of, connected

BATCH = 50
"""Lists in one run."""
OLD = timedelta(hours=1)
"""By the shared clock: what is older is asked anew when she logs in."""
KEPT_UNCONFIRMED = timedelta(days=30)
"""So long she may act by an answer that no other has followed."""
KEPT_ALONE = timedelta(days=30)
"""So long an enterprise's inbox is kept while nobody here acts for it."""
KIND = Representation.Kind.ENTERPRISE

log = logging.getLogger("samlepost.sync.parties")


def ask(citizen_id: UUID) -> None:
    """Have the sources that she has connected asked at once for whom she may act."""
    for slug in _listing(Mailbox.objects.filter(citizen_id=citizen_id, active=True)):
        PartyList.objects.update_or_create(
            citizen_id=citizen_id, source_id=slug, defaults={"due_at": timezone.now()}
        )


def ask_if_old(citizen: Citizen) -> None:
    """Have them asked unless they have answered of late: she has just logged in."""
    fresh = PartyList.objects.filter(citizen=citizen, last_success_at__gt=clock.now() - OLD)
    if not citizen.closes_at and not fresh.exists():
        ask(citizen.pk)


def lists_of(citizen_id: UUID) -> list[PartyList]:
    """Return what is known of her lists, with their sources (1 query)."""
    found = PartyList.objects.filter(citizen_id=citizen_id, due_at__isnull=False)
    return list(found.select_related("source").order_by("source__label"))


def run_due() -> int:
    """Ask what is due, and let enterprises go for which nobody acts; returns how many answered.

    Never raises ConnectorError: a failure stands on the list.
    """
    now = timezone.now()
    due = PartyList.objects.filter(
        lease.free(now),
        pauses.not_paused(now, "source__"),
        due_at__lte=now,
        source__active=True,
        citizen__is_active=True,
        citizen__deceased_at=None,
    )
    keys = list(due.order_by("due_at").values_list("citizen_id", "id")[:BATCH])
    answered = sum(refresh(citizen_id, list_id) for citizen_id, list_id in keys)
    settle()
    return answered


def refresh(citizen_id: UUID, list_id: UUID) -> bool:
    """Ask one list's source now; False when it failed or another worker is at it."""
    row = PartyList.objects.filter(citizen_id=citizen_id, id=list_id, due_at__isnull=False)
    token = lease.take_polling(row)
    if token is None:
        return False
    found = row.select_related("source").get()
    try:
        with connected(found.source) as connector:
            parties = connector.parties(account_of(citizen_id))
        with transaction.atomic():
            lease.keep(row, token)  # she may have disconnected the source meanwhile
            elsewhere = _learn(found, parties)
    except lease.LeaseLost:
        log.info("a list of parties was called off")
        return False
    except ConnectorError as error:
        _failed(row, token, found, error)
        return False
    except Exception:
        log.exception("asking %s for parties failed", found.source_id)
        _failed(row, token, found, ConnectorError("internal error"))
        return False
    lease.give_back(
        row,
        token,
        failures=0,
        failure="",
        failure_detail="",
        persons_elsewhere=elsewhere,
        last_success_at=clock.now(),
        due_at=timezone.now() + timedelta(seconds=settings.PARTIES_INTERVAL_SECONDS),
    )
    return True


def end(citizen_id: UUID, slug: str) -> None:
    """Let her act for nobody by what this source has said: she has disconnected it.

    In a transaction. A question under way loses its lease and writes nothing more.
    """
    lists = PartyList.objects.filter(citizen_id=citizen_id, source_id=slug)
    lists.update(due_at=None, lease_token=None, lease_until=None)
    _by(citizen_id, slug).update(withdrawn_at=clock.now())


def enterprises_of(citizen_id: UUID) -> QuerySet[Citizen]:
    """Return the enterprises for which she has acted or acts."""
    hers = Representation.objects.filter(helper_id=citizen_id, kind=KIND)
    return Citizen.objects.filter(is_enterprise=True, pk__in=hers.values("citizen_id"))


def settle() -> None:
    """Stop fetching for enterprises for which nobody acts any more, and begin again (2 queries).

    The inbox is removed after KEPT_ALONE (`removal.py`): nobody is left who could read it, nor
    ask for its removal.
    """
    acting = Representation.objects.filter(
        representation.in_force(clock.now()), citizen=OuterRef("pk"), kind=KIND
    )
    enterprises = Citizen.objects.filter(is_enterprise=True, is_active=True)
    for alone in enterprises.filter(~Exists(acting), closes_at=None):
        with transaction.atomic():
            enterprises.filter(pk=alone.pk).update(closes_at=clock.now() + KEPT_ALONE)
            Mailbox.objects.filter(citizen=alone).update(
                active=False, lease_token=None, lease_until=None
            )
    for again in enterprises.filter(Exists(acting), closes_at__isnull=False):
        with transaction.atomic():
            enterprises.filter(pk=again.pk).update(closes_at=None)
            Mailbox.objects.filter(citizen=again).update(active=True, due_at=timezone.now())


def _listing(mailboxes: QuerySet[Mailbox]) -> list[str]:
    """Return the slugs of those whose source says for whom one may act."""
    found = discovery.find()
    listing = []
    for slug, name in mailboxes.values_list("source_id", "source__connector"):
        known = found.get(name)
        if known and known.connector_class and known.connector_class.lists_parties:
            listing.append(slug)
    return listing


def _learn(asked: PartyList, parties: Sequence[Party]) -> int:
    """Write what a source said; returns how many persons are in it whose mail is not shown here.

    In a transaction.
    """
    kept = {
        _acts_for(asked, party)
        # In one order for all, so that two who act for the same ones never wait for each other.
        for party in sorted(parties, key=lambda each: each.number)
        if party.kind is PartyKind.ORGANISATION and party.has_key_role
    }
    lost = _by(asked.citizen_id, asked.source_id).exclude(citizen_id__in=kept)
    lost.update(withdrawn_at=clock.now())
    return _elsewhere(asked.citizen_id, (p for p in parties if p.kind is PartyKind.PERSON))


def _acts_for(asked: PartyList, party: Party) -> UUID:
    """Let the citizen who was asked about act for an enterprise; returns that one's id."""
    enterprise, now = _enterprise(party), clock.now()
    until = now + KEPT_UNCONFIRMED
    known = _by(asked.citizen_id, asked.source_id).filter(citizen=enterprise)
    if not known.update(ends_at=until):
        Representation.objects.create(
            citizen=enterprise,
            helper_id=asked.citizen_id,
            kind=KIND,
            may_answer=True,
            register_key=f"{asked.source_id}:{party.key}"[:100],
            created_at=now,
            accepted_at=now,
            starts_at=now,
            ends_at=until,
        )
    Mailbox.objects.get_or_create(
        citizen=enterprise,
        source_id=asked.source_id,
        defaults={"connected_at": now, "due_at": timezone.now()},
    )
    return enterprise.pk


def _enterprise(party: Party) -> Citizen:
    """Return the enterprise's inbox, made now where there is none. Raises Temporary."""
    kind, name = Identifier.Kind.ORGANISATION, clean(party.name, 255)
    found = find_citizen(kind, party.number)
    if found is None:
        made = Citizen(name=name, is_enterprise=True)
        made.set_unusable_password()
        try:
            with transaction.atomic():
                made.save()
                identify(made, kind, party.number)
                InboxState.objects.create(citizen=made)
            return made
        except (IntegrityError, Taken):
            # Another who acts for it was told of it in this very moment; or it is being removed.
            found = find_citizen(kind, party.number)
    if found is None:
        raise Temporary("an enterprise's inbox is being removed")
    if found.name != name:
        found.name = name
        found.save(update_fields=["name"])
    return found


def _elsewhere(citizen_id: UUID, persons: Iterable[Party]) -> int:
    numbers = {each.number for each in persons}
    here = citizens_by_value(Identifier.Kind.NATIONAL_ID, numbers)
    seen = representation.held(citizen_id).filter(citizen__in=list(here.values()))
    return len(numbers) - seen.values("citizen_id").distinct().count()


def _by(citizen_id: UUID, slug: str) -> QuerySet[Representation]:
    """Return what she acts by because a source has said so."""
    return Representation.objects.filter(
        Q(register_key__startswith=f"{slug}:"),
        helper_id=citizen_id,
        kind=KIND,
        withdrawn_at=None,
    )


def _failed(row: QuerySet[PartyList], token: UUID, asked: PartyList, error: ConnectorError) -> None:
    log.warning("parties at %s: %s: %s", asked.source_id, type(error).__name__, error)
    if isinstance(error, RateLimited):
        # Nobody's failure: it is put off, and the attempt does not count.
        lease.give_back(row, token, due_at=pauses.note(asked.source_id, error))
        return
    refused = isinstance(error, NotPermitted | Misconfigured) and not settings.DEMO
    lease.give_back(
        row,
        token,
        failures=asked.failures + 1,
        failure=type(error).__name__.lower(),
        failure_detail=str(error)[:255],
        due_at=lease.back_off(asked.failures, REFUSED_RETRY if refused else 0.0),
    )
