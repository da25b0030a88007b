"""Removing an account whose time of regret is over (`closing.py`): all rows and bytes of hers.

The bytes go before the rows, so that a process that dies in between leaves rows that are found
again, never bytes that nobody knows of.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from connectors import clock
from inbox.archive import store
from inbox.archive.models import Package
from inbox.citizens.models import Citizen
from inbox.letters import exports
from inbox.letters.models import Letter, Tombstone
from inbox.sync import quarantine

log = logging.getLogger("samlepost.sync.removal")

BATCH = 500


def close_due() -> int:
    """Remove the accounts whose time of regret is over; returns how many."""
    due = Citizen.objects.filter(closes_at__lte=clock.now())
    closed = 0
    for citizen_id in list(due.values_list("id", flat=True)[:BATCH]):
        # From here on she cannot log in, nor take it back.
        due.filter(pk=citizen_id).update(is_active=False)
        citizen = due.filter(pk=citizen_id).first()
        if citizen is not None:
            remove(citizen)
            closed += 1
    return closed


def remove(citizen: Citizen) -> None:
    """Remove an inbox with all that is in it, now."""
    citizen_id = citizen.id
    citizen.end_sessions()
    exports.forget(citizen.pk)
    for owner_id, object_id in _archived(citizen):
        store.remove(owner_id, object_id)
    # Her key goes, too: whatever of hers lies anywhere can be read no more.
    store.forget_owner(citizen_id)
    letters = Letter.objects.filter(citizen=citizen)
    while ids := list(letters.values_list("id", flat=True)[:BATCH]):
        letters.filter(id__in=ids).delete()
    with transaction.atomic():
        quarantine.of(citizen).delete()
        quarantine.withhold_contested(citizen)
        citizen.delete()
    # What a fetch under way has put meanwhile: its rows find no citizen any more.
    store.forget_owner(citizen_id)
    log.info("an account was closed")


def _archived(citizen: Citizen) -> Iterable[tuple[UUID, UUID]]:
    """Yield the owner and the id of each object that is here for her."""
    for found in (Package.objects, Tombstone.objects):
        for object_id in found.filter(citizen=citizen).values_list("id", flat=True):
            yield citizen.id, object_id
    for object_id in quarantine.of(citizen).values_list("id", flat=True):
        yield store.SYSTEM, object_id
