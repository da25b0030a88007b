"""Losing an owner's key for good, with all rows and bytes of hers: the only way an account goes.

The key goes first: from then on nothing that is encrypted under it can be read, wherever there is
a copy of it. Then go the rows, which no key protects. A key that is destroyed is remembered
(`OwnerKey`) together with whether the rest has gone: a process that dies in between leaves work
that `close_due` finds again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from connectors import clock
from inbox.archive import holdings, keys, store
from inbox.archive.models import Package
from inbox.citizens.models import Citizen
from inbox.letters import exports, imports, indexing
from inbox.letters.models import Letter, Tombstone
from inbox.sync import quarantine

log = logging.getLogger("samlepost.sync.removal")

BATCH = 500


def close_due() -> int:
    """Remove the accounts whose time of regret is over; returns how many.

    Removals that broke off are taken up again. One that fails holds up nobody else's.
    """
    due = Citizen.objects.filter(closes_at__lte=clock.now())
    closed = 0
    for citizen_id in list(due.values_list("id", flat=True)[:BATCH]):
        # From here on she cannot log in, nor take it back.
        if due.filter(pk=citizen_id).update(is_active=False):
            closed += _is_removed(citizen_id)
    for owner_id in keys.to_erase():
        _is_removed(owner_id)
    return closed


def _is_removed(owner_id: UUID) -> bool:
    try:
        remove(owner_id)
    except Exception:
        log.exception("removing %s failed, and is tried again", owner_id)
        return False
    return True


def remove(owner_id: UUID) -> None:
    """Destroy an owner's key for good, then all that is hers: her inbox, and herself.

    She gets no other key. May be called again, until nothing is left; then it does nothing.
    """
    citizen = Citizen.objects.filter(pk=owner_id).first()
    if citizen is not None:
        Citizen.objects.filter(pk=owner_id).update(is_active=False)
        citizen.end_sessions()
    store.forget_owner(owner_id)
    if citizen is not None:
        _remove_rows(citizen)
        log.info("an account was closed")
    if indexing.scrub():
        keys.note_erased(owner_id)


def _remove_rows(citizen: Citizen) -> None:
    """Remove every row of hers, and the bytes that rows alone know of."""
    # The copies that she takes out and brings in have keys of their own, in their rows.
    exports.forget(citizen.pk)
    imports.forget(citizen.pk)
    for owner_id, object_id in _archived(citizen):
        try:
            store.remove(owner_id, object_id)
        except OSError as error:
            # Its key is destroyed; its bytes go with what is owed to the second copy.
            log.warning("bytes without a key stay for now: %s", error.strerror)
    letters = Letter.objects.filter(citizen=citizen)
    while ids := list(letters.values_list("id", flat=True)[:BATCH]):
        letters.filter(id__in=ids).delete()
    with transaction.atomic():
        quarantine.of(citizen).delete()
        quarantine.withhold_contested(citizen)
        # With her goes whatever refers to her; a test walks all tables.
        citizen.delete()


def _archived(citizen: Citizen) -> Iterable[tuple[UUID, UUID]]:
    """Yield the owner and the id of what is still held for her: what lay under no key of hers."""
    for object_id in quarantine.of(citizen).values_list("id", flat=True):
        yield store.SYSTEM, object_id
    for found in (Package.objects, Tombstone.objects):
        for object_id in found.filter(citizen=citizen).values_list("id", flat=True):
            if holdings.is_held(object_id):
                yield citizen.id, object_id
