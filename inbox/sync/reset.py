"""Putting a made-up citizen back to her seeded start, between two participants of a session.

The control page calls `forget`, brings the simulators back to the start, and calls `fetch`: so
nothing that began before can reach her fresh letters, and no fetch begins before they are whole.
Both raise Citizen.DoesNotExist and, outside the demo, PermissionError.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from inbox.archive import store
from inbox.archive.models import Package
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, ContactDetails, Identifier, InboxState, Representation
from inbox.letters import counters, delivery_log, exports, imports
from inbox.letters.models import Access, Filing, Letter, Tombstone
from inbox.notifications.models import InvitationNotice, OutboxEmail
from inbox.sync import contacts, engine, parties, quarantine, removal, sources
from inbox.sync.freshness import freshness
from inbox.sync.models import Mailbox, PartyList, Source

HOLD = timedelta(seconds=30)
"""How long her mailboxes wait for `fetch`; should it never come, they are fetched after that."""


def forget(national_id: str) -> int:
    """Log a citizen out and forget her letters and all work on them; returns how many there were.

    Her enterprises' inboxes go with them, whoever else looks into those. A worker that has some of
    it in hand writes nothing more. Her mailboxes are not fetched before `fetch`, or HOLD has
    passed.
    """
    citizen = _citizen(national_id)
    with transaction.atomic():
        citizen.end_sessions()
        Citizen.objects.filter(pk=citizen.pk).update(
            welcomed_at=None, closes_at=None, has_chosen_language=False
        )
        # First, so that what a fetch under way commits is either refused or found below.
        _hold(citizen)
        # Likewise whoever opens a letter is done before, or finds it gone.
        letters = len(Letter.objects.select_for_update().filter(citizen=citizen).values_list("id"))
        objects = _archived(citizen)
        delivery_log.forget(citizen)
        Letter.objects.filter(citizen=citizen).delete()
        Package.objects.filter(citizen=citizen).delete()
        Filing.objects.filter(citizen=citizen).delete()
        exports.forget(citizen.pk)
        imports.forget(citizen.pk)
        Access.objects.filter(citizen=citizen).delete()
        given = Representation.objects.filter(Q(citizen=citizen) | Q(helper=citizen))
        chosen = (Representation.Kind.GIVEN, Representation.Kind.MADE_UP)
        given.filter(kind__in=chosen).delete()
        # What she has changed at the register is undone there: it is asked anew.
        ContactDetails.objects.filter(citizen=citizen).delete()
        # For whom she may act, Altinn is asked anew by `fetch`.
        PartyList.objects.filter(citizen=citizen).delete()
        enterprises = list(parties.enterprises_of(citizen.id))
        InvitationNotice.objects.filter(Q(citizen=citizen) | Q(principal=citizen)).delete()
        Tombstone.objects.filter(citizen=citizen).delete()
        quarantine.of(citizen).delete()
        OutboxEmail.objects.filter(citizen=citizen).delete()
        counters.recount(citizen.id)
    for owner_id, object_id in objects:
        store.remove(owner_id, object_id)
    for enterprise in enterprises:
        removal.remove(enterprise.pk)
    return letters


def fetch(national_id: str) -> tuple[int, list[str]]:
    """Fetch a citizen's letters from every source, and those of her enterprises.

    Returns how many she has then, and the labels of the sources that could not be fetched from.
    """
    citizen = _citizen(national_id)
    contacts.ask(citizen.id)
    contacts.run_due()
    # Whoever turns the fault dial back and resets expects that she is fetched at once.
    asked = Mailbox.objects.filter(citizen=citizen).values("source_id")
    Source.objects.filter(slug__in=asked).update(paused_until=None)
    parties.ask(citizen.id)
    for each in parties.lists_of(citizen.id):
        parties.refresh(citizen.id, each.id)
    hers = [citizen.id, *parties.enterprises_of(citizen.id).values_list("id", flat=True)]
    for mailbox in Mailbox.objects.select_related("source").filter(citizen__in=hers):
        if mailbox.source.shared_queue:
            _release(Source.objects.filter(slug=mailbox.source_id))
            engine.sync_source(mailbox.source_id)
        else:
            _release(Mailbox.objects.filter(citizen=mailbox.citizen_id, id=mailbox.id))
            engine.sync_mailbox(mailbox.citizen_id, mailbox.id, waits_its_turn=False)
    failing = [source.label for source in freshness(citizen.id) if not source.ok]
    return InboxState.objects.get(citizen=citizen).letters, failing


def _citizen(national_id: str) -> Citizen:
    if not settings.DEMO:
        raise PermissionError("citizens can be reset in the demo only")
    citizen = find_citizen(Identifier.Kind.NATIONAL_ID, national_id)
    if citizen is None:
        raise Citizen.DoesNotExist
    return citizen


def _hold(citizen: Citizen) -> None:
    """Take over the leases of her mailboxes and of her shared queue."""
    now = timezone.now()
    held = {"lease_token": uuid4(), "lease_until": now + HOLD}
    mailboxes = Mailbox.objects.filter(citizen=citizen)
    # At the start nobody has connected what may be chosen, nor has an agency written from here.
    later = Q(source__offered=True) | Q(source__connector__in=sources.offered())
    mailboxes.filter(later).delete()
    mailboxes.update(
        **held,
        active=True,
        resumes=False,
        keeps_since=None,
        cursor=None,
        failures=0,
        failure="",
        failure_detail="",
    )
    mailboxes.filter(source__shared_queue=False).update(due_at=now)
    Source.objects.filter(shared_queue=True, slug__in=mailboxes.values("source_id")).update(**held)


def _release(row: QuerySet[Mailbox] | QuerySet[Source]) -> None:
    row.update(lease_token=None, lease_until=None)


def _archived(citizen: Citizen) -> list[tuple[UUID, UUID]]:
    """Return the owner and the id of each object that is here for her."""
    packages = Package.objects.filter(citizen=citizen).values_list("id", flat=True)
    deleted = Tombstone.objects.filter(citizen=citizen, erased_at=None)
    quarantined = quarantine.of(citizen).values_list("id", flat=True)
    hers = [*packages, *deleted.values_list("id", flat=True)]
    return [(citizen.id, each) for each in hers] + [(store.SYSTEM, each) for each in quarantined]
