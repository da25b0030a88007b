"""Emptying the bins: letters whose days are over are deleted for good.

A letter of which a source is still owed word (a receipt, an answer of hers), or that is being
fetched or sent to her own mailbox, waits until that is done. One to which she has begun an answer
is not deleted by itself: she has not had her say.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from connectors import clock
from inbox.citizens.viewer import Viewer
from inbox.letters import answers, erase, filing
from inbox.letters.models import Letter, Reply
from inbox.letters.queries import LetterQuerySet
from inbox.sync.models import Handover, OutboundReceipt, Retrieval, Work

BATCH = 500
AT_ONCE = 50
"""So many letters are deleted while she waits; the next emptying takes the rest."""


@dataclass(frozen=True, slots=True)
class Bin:
    """What lies in her bin."""

    letters: int
    """That she may delete in this session."""
    above: int
    """Above its level: they stay."""
    drafts: int
    """Letters to which she has begun an answer."""
    waiting: int
    """Letters that wait for what their sources are owed."""


def empty_due() -> int:
    """Delete the letters in bins whose day has come; returns how many. Safe to run twice."""
    keys = list(_due().order_by("delete_at").values_list("citizen_id", "id")[:BATCH])
    count = sum(_delete_if_due(citizen_id, letter_id) for citizen_id, letter_id in keys)
    erase.erase_bytes()
    filing.forget_old()
    return count


def delete_now(viewer: Viewer, letter_id: UUID) -> bool:
    """Delete a letter in the bin for good; False when it must wait for what is owed.

    What she has written to it and not sent goes too. Raises Letter.DoesNotExist.
    """
    filing.delete_now(viewer, letter_id)
    gone = _delete_if_due(viewer.citizen_id, letter_id)
    erase.erase_bytes(viewer.citizen_id)
    return gone


def bin_of(viewer: Viewer) -> Bin:
    """Return what lies in the viewer's bin (4 queries)."""
    mine = _deletable(viewer)
    return Bin(
        letters=mine.count(),
        above=Letter.objects.visible_to(viewer)
        .in_place(Letter.Place.BIN)
        .filter(security_level__gt=viewer.level)
        .count(),
        drafts=mine.filter(Exists(_replies(answers.UNSENT))).count(),
        waiting=mine.exclude(_owes_nothing()).count(),
    )


def empty_now(viewer: Viewer) -> int:
    """Delete for good all in the viewer's bin that her session may read; returns how many are gone.

    What she has written to them and not sent goes too. Letters of which something is owed follow
    when that is done, and those beyond AT_ONCE with the next emptying.
    """
    with transaction.atomic():
        held = _deletable(viewer).select_for_update(of=("self",)).order_by("id")
        ids = list(held.values_list("id", flat=True))
        Letter.objects.filter(citizen_id=viewer.citizen_id, id__in=ids).update(
            delete_at=clock.now()
        )
        answers.discard_drafts(viewer.citizen_id, ids)
    gone = sum(_delete_if_due(viewer.citizen_id, letter_id) for letter_id in ids[:AT_ONCE])
    erase.erase_bytes(viewer.citizen_id)
    return gone


def _deletable(viewer: Viewer) -> LetterQuerySet:
    hers = Letter.objects.visible_to(viewer).in_place(Letter.Place.BIN)
    return hers.filter(security_level__lte=viewer.level)


def _due() -> QuerySet[Letter]:
    due = Letter.objects.filter(place=Letter.Place.BIN, delete_at__lte=clock.now())
    return due.filter(_owes_nothing(), ~Exists(_replies(answers.UNSENT)))


def _owes_nothing() -> Q:
    """Return the condition that no source is owed word of a letter, or asked for it."""
    waiting = Work.State.WAITING
    owner = {"citizen_id": OuterRef("citizen_id")}
    receipts = OutboundReceipt.objects.filter(
        **owner, delivery__letter_id=OuterRef("id"), state=waiting
    )
    retrievals = Retrieval.objects.filter(**owner, letter_id=OuterRef("id"), state=waiting)
    sending = _replies(Q(state=Reply.State.WAITING))
    handovers = Handover.objects.filter(**owner, letter_id=OuterRef("id"), state=waiting)
    return Q(~Exists(receipts), ~Exists(retrievals), ~Exists(sending), ~Exists(handovers))


def _replies(which: Q) -> QuerySet[Reply]:
    return Reply.objects.filter(which, citizen_id=OuterRef("citizen_id"), letter_id=OuterRef("id"))


def _delete_if_due(citizen_id: UUID, letter_id: UUID) -> bool:
    with transaction.atomic():
        held = Letter.objects.select_for_update().filter(citizen_id=citizen_id, id=letter_id)
        # Asked anew of the row that is now held: she may have restored or opened it meanwhile.
        letter = held.first()
        if letter is None or not _due().filter(citizen_id=citizen_id, id=letter_id).exists():
            return False
        erase.erase(letter)
    return True
