"""Emptying the bins: letters whose days are over are deleted for good.

A letter of which a source is still owed word, or that is being fetched, waits until that is done.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from connectors import clock
from inbox.citizens.viewer import Viewer
from inbox.letters import erase, filing
from inbox.letters.models import Letter
from inbox.sync.models import OutboundReceipt, Retrieval, Work

BATCH = 500


def empty_due() -> int:
    """Delete the letters in bins whose day has come; returns how many. Safe to run twice."""
    keys = list(_due().order_by("delete_at").values_list("citizen_id", "id")[:BATCH])
    count = sum(_delete_if_due(citizen_id, letter_id) for citizen_id, letter_id in keys)
    erase.erase_bytes()
    filing.forget_old()
    return count


def delete_now(viewer: Viewer, letter_id: UUID) -> bool:
    """Delete a letter in the bin for good; False when it must wait for what is owed.

    Raises Letter.DoesNotExist.
    """
    filing.delete_now(viewer, letter_id)
    gone = _delete_if_due(viewer.citizen_id, letter_id)
    erase.erase_bytes(viewer.citizen_id)
    return gone


def _due() -> QuerySet[Letter]:
    waiting = Work.State.WAITING
    owner = {"citizen_id": OuterRef("citizen_id")}
    receipts = OutboundReceipt.objects.filter(
        **owner, delivery__letter_id=OuterRef("id"), state=waiting
    )
    retrievals = Retrieval.objects.filter(**owner, letter_id=OuterRef("id"), state=waiting)
    due = Letter.objects.filter(place=Letter.Place.BIN, delete_at__lte=clock.now())
    return due.filter(~Exists(receipts), ~Exists(retrievals))


def _delete_if_due(citizen_id: UUID, letter_id: UUID) -> bool:
    with transaction.atomic():
        held = Letter.objects.select_for_update().filter(citizen_id=citizen_id, id=letter_id)
        # Asked anew of the row that is now held: she may have restored or opened it meanwhile.
        letter = held.first()
        if letter is None or not _due().filter(citizen_id=citizen_id, id=letter_id).exists():
            return False
        erase.erase(letter)
    return True
