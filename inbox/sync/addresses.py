"""What the contact register says of where a citizen's digital mailbox is.

She has one mailbox at a time, at one supplier, and may have had others. All addresses that the
register has given to her name her: a letter to an earlier one still reaches her. The one that her
entry names today is current: by it we name her mailbox.

An address names one citizen. When the register gives one to another than the citizen who has it
here, that is nobody's mistake we could mend, and letters of one must not go to the other:

- Has the register named another mailbox, or none, for the one who has it, it moves at once.
- Else it is claimed. While it is, it names neither: letters to it wait in quarantine, their
  senders are told when their time is over, and those who run Samlepost see it. As soon as the
  register's entry of one of the two no longer names it, it is the other's, and what waits goes to
  her.

When the account of one of the two is removed, what waits goes to neither: it may have been hers.
A letter that came for one of them while the address was hers stays hers: offered or replayed again,
it lies in quarantine rather than with the other (`intake.py`).

Suppliers make up their addresses each for himself. Should two give the same one to two persons, it
is claimed, as above.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.fields.json import KT

from connectors import clock
from inbox.citizens.identity import blind_index, encrypt
from inbox.citizens.models import Citizen, Identifier
from inbox.sync import tasks
from inbox.sync.models import Mailbox, Quarantined, Source
from inbox.sync.sources import supplier_of
from inbox.sync.wake import wake

log = logging.getLogger("samlepost.sync.addresses")

KIND = Identifier.Kind.MAILBOX_ADDRESS


class Learned(StrEnum):
    """What became of an address that the register named."""

    KNOWN = "known"
    """It was current here already."""
    RECORDED = "recorded"
    """It is hers, and current, from here on."""
    CONTESTED = "contested"
    """The register gives it to another citizen, too: it names neither."""
    GONE = "gone"
    """Her account has been removed meanwhile."""


def learn(citizen: Citizen, supplier_org_number: str, address: str) -> Learned:
    """Record that the register names this mailbox for her today.

    She gets a mailbox at each source that is that supplier's queue, connected unless she has
    disconnected the one that she had before; letters that wait for her are released. Safe to
    repeat. 1 query for what is known. To be called outside transactions: it locks citizens.
    """
    if _current(citizen, supplier_org_number, address):
        return Learned.KNOWN
    try:
        return _learn(citizen, supplier_org_number, address)
    except IntegrityError:
        # Another worker has just recorded it for somebody: what it wrote stands.
        return _learn(citizen, supplier_org_number, address)


def leave(citizen: Citizen) -> None:
    """Record that the register names no mailbox for her today; earlier addresses still reach her.

    1 query when none is current.
    """
    if Identifier.objects.filter(_entry(citizen)).exists():
        with transaction.atomic():
            _lock(citizen, b"")
            _let_go(citizen, but=b"")


def settled(named: Mapping[UUID, tuple[str, str] | None]) -> set[UUID]:
    """Return for whom of these citizens there is nothing to learn or leave (1 query).

    `named` is what the register names for each: (supplier's organisation number, address), or
    None for no mailbox.
    """
    hers = Mailbox.objects.filter(citizen=OuterRef(OuterRef("citizen")), source=OuterRef("pk"))
    queues = Source.objects.alias(of=KT("settings__supplier_org_number")).filter(
        ~Exists(hers), shared_queue=True, of=OuterRef("supplier")
    )
    rows = Identifier.objects.filter(
        Q(citizen__in=list(named), current=True) | Q(claimed_by__in=list(named)), kind=KIND
    )
    with_one, without = set[UUID](), {each for each, said in named.items() if said is None}
    for row in rows.annotate(lacks=Exists(queues)):
        without -= {row.citizen_id, row.claimed_by_id}
        said = named.get(row.citizen_id)
        if said is None or row.claimed_by_id or row.lacks:
            continue
        if (row.supplier, bytes(row.blind_index)) == (said[0], blind_index(KIND, said[1])):
            with_one.add(row.citizen_id)
    return with_one | without


def contested() -> int:
    """Return how many addresses the register gives to two citizens."""
    return Identifier.objects.filter(claimed_by__isnull=False).count()


def _learn(citizen: Citizen, supplier: str, address: str) -> Learned:
    with transaction.atomic():
        index = blind_index(KIND, address)
        fresh = _lock(citizen, index)
        if fresh is None:
            return Learned.GONE
        citizen = fresh
        before = Identifier.objects.filter(citizen=citizen, kind=KIND, current=True).first()
        _let_go(citizen, but=index)
        known = Identifier.objects.filter(kind=KIND, blind_index=index).first()
        if known and known.citizen_id != citizen.pk and known.current:
            if known.claimed_by_id != citizen.pk:
                log.warning("address %s is given to another citizen than has it", known.id)
            Identifier.objects.filter(id=known.id).update(claimed_by=citizen)
            return Learned.CONTESTED
        row = known or Identifier(kind=KIND, blind_index=index)
        if row.citizen_id not in (None, citizen.pk):
            log.warning("address %s is another citizen's from here on", row.id)
        row.citizen, row.current = citizen, True
        if row.claimed_by_id == citizen.pk:
            row.claimed_by = None
        row.supplier, row.ciphertext = supplier, encrypt(KIND, address)
        row.save()
        _mailbox(citizen, supplier, before.supplier if before else "")
        _release(index)
    return Learned.CONTESTED if row.claimed_by_id else Learned.RECORDED


def _entry(citizen: Citizen) -> Q:
    """Match what the register's entry of hers has named last, whosever it is here."""
    return Q(citizen=citizen, kind=KIND, current=True) | Q(claimed_by=citizen)


def _current(citizen: Citizen, supplier: str, address: str) -> bool:
    """Say whether there is nothing to write."""
    hers = Mailbox.objects.filter(citizen=citizen, source=OuterRef("pk"))
    without = _queues(supplier).exclude(Exists(hers))
    return Identifier.objects.filter(
        ~Exists(without),
        citizen=citizen,
        kind=KIND,
        blind_index=blind_index(KIND, address),
        supplier=supplier,
        current=True,
        claimed_by=None,
    ).exists()


def _queues(supplier: str) -> QuerySet[Source]:
    return Source.objects.filter(shared_queue=True, settings__supplier_org_number=supplier)


def _lock(citizen: Citizen, index: bytes) -> Citizen | None:
    """Let nobody else change what names these citizens until we commit.

    Returns her as she is then: she may have closed her account since the register was asked.
    """
    rows = Identifier.objects.filter(_entry(citizen) | Q(kind=KIND, blind_index=index))
    involved: set[UUID] = {citizen.pk}
    for row in rows:
        involved |= {row.citizen_id, row.claimed_by_id or row.citizen_id}
    locked = Citizen.objects.select_for_update(no_key=True).filter(pk__in=involved)
    return {each.pk: each for each in locked.order_by("pk")}.get(citizen.pk)


def _let_go(citizen: Citizen, but: bytes) -> None:
    """Her entry names nothing (`but` this) any more: what others claim of that is theirs."""
    Identifier.objects.filter(claimed_by=citizen).exclude(blind_index=but).update(claimed_by=None)
    own = Identifier.objects.filter(citizen=citizen, kind=KIND, current=True)
    for row in own.exclude(blind_index=but).select_related("claimed_by"):
        claimant = row.claimed_by
        if claimant is None:
            Identifier.objects.filter(id=row.id).update(current=False)
            continue
        log.warning("address %s is another citizen's from here on", row.id)
        claimants = Identifier.objects.filter(citizen=claimant, kind=KIND, current=True)
        claimants.update(current=False)
        Identifier.objects.filter(id=row.id).update(citizen=claimant, claimed_by=None)
        _mailbox(claimant, row.supplier, "")
        _release(bytes(row.blind_index))


def _mailbox(citizen: Citizen, supplier: str, supplier_before: str) -> None:
    """Give her a mailbox at the supplier's queue, connected as the one before was.

    Whoever has disconnected her digital mailbox has said no to our fetching from it, wherever it
    is; one whose account is being closed gets it back with the others if she changes her mind.
    """
    queues = list(_queues(supplier))
    found = Mailbox.objects.select_related("source").filter(
        citizen=citizen, source__shared_queue=True
    )
    others = {each.source_id: each for each in found if supplier_of(each.source)}
    before = [each for each in others.values() if supplier_of(each.source) == supplier_before]
    consents = before or list(others.values())
    active = citizen.closes_at is None
    resumes = not active
    if consents:
        active = any(each.active for each in consents)
        resumes = not active and any(each.resumes for each in consents)
    made = [
        Mailbox(
            citizen=citizen,
            source=source,
            connected_at=clock.now(),
            active=active,
            resumes=resumes,
        )
        for source in queues
        if source.slug not in others
    ]
    if made:
        Mailbox.objects.bulk_create(made, ignore_conflicts=True)


def _release(index: bytes) -> None:
    """Wake a worker if letters wait for this address. Lost, the sweeper finds them."""
    if Quarantined.objects.filter(recipient_index=index, resolved_at=None).exists():
        wake(tasks.release_put_aside)
