"""By when a copy of what is not here yet must be here: what a delivery says of that.

Content that is had on opening alone, and documents that could not be downloaded, lie at the source
until it lets go of them. Where it does not say when that is (Altinn's list does not), it is assumed
to be KEEPING_ASSUMED_DAYS after the letter was sent.
"""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import QuerySet

from connectors.contract import ReplyKind
from inbox.letters import copies, counters
from inbox.letters.models import Delivery, Document, Event, Letter

if TYPE_CHECKING:
    from inbox.letters.receive import Arrival

AHEAD = timedelta(days=30)
"""So long before a letter disappears a copy is seen to, or she is warned."""
RETRY_AFTER_AT_LEAST, RETRY_AFTER_AT_MOST = timedelta(hours=1), timedelta(days=7)
RETRY_AFTER = timedelta(days=1)
"""Documents that are missing are asked for again after that, by ourselves."""
SAME_MOMENT = timedelta(minutes=5)
"""The source has a clock of its own."""


def of_arrival(arrival: Arrival) -> dict[str, Any]:
    """Return `keep_by` and `keep_due_at` of a delivery as it arrives or has new content."""
    incoming, at = arrival.incoming, arrival.fetched_at
    if incoming.content_on_open:
        keep_by = incoming.expires_at or assumed_end(incoming.sent_at)
        return {"keep_by": keep_by, "keep_due_at": max(keep_by - AHEAD, at)}
    missing = [
        document
        for position, document in enumerate(incoming.documents)
        if document.ref and arrival.lacks(position)
    ]
    if not missing:
        return {"keep_by": None, "keep_due_at": None}
    unsaid = incoming.expires_at or max(assumed_end(incoming.sent_at), at + AHEAD)
    keep_by = min(document.expires_at or unsaid for document in missing)
    if all(document.on_open for document in missing):
        return {"keep_by": keep_by, "keep_due_at": max(keep_by - AHEAD, at)}
    return {"keep_by": keep_by, "keep_due_at": at + RETRY_AFTER}


def assumed_end(sent_at: datetime) -> datetime:
    """Return when a source lets go of a letter, where it does not say."""
    return sent_at + timedelta(days=settings.KEEPING_ASSUMED_DAYS)


def missing_documents(delivery: Delivery) -> QuerySet[Document]:
    """Return the delivery's documents that are not here and may still be had."""
    return Document.objects.filter(
        citizen_id=delivery.citizen_id,
        delivery_id=delivery.id,
        replaced_at=None,
        gone_at=None,
        blob_id=None,
    ).exclude(ref="")


def look_again(delivery: Delivery, at: datetime) -> None:
    """Let what could not be fetched be seen to again, sooner the nearer its end is."""
    keep_by = delivery.keep_by or assumed_end(delivery.sent_at)
    wait = min(max((keep_by - at) / 4, RETRY_AFTER_AT_LEAST), RETRY_AFTER_AT_MOST)
    Delivery.objects.filter(citizen_id=delivery.citizen_id, id=delivery.id).update(
        keep_by=keep_by, keep_due_at=at + wait
    )


def leave(delivery: Delivery) -> None:
    """Do no more about it by ourselves; that it is not kept stays known."""
    Delivery.objects.filter(citizen_id=delivery.citizen_id, id=delivery.id).update(keep_due_at=None)


def settle(delivery: Delivery) -> None:
    """Note that nothing is left to be kept."""
    Delivery.objects.filter(citizen_id=delivery.citizen_id, id=delivery.id).update(
        keep_by=None, keep_due_at=None
    )


def is_ours(delivery: Delivery, opened_at: datetime | None) -> bool:
    """Say whether what the source shows as an opening is our own fetching of a copy.

    Dialogporten notes each state of a dialog as seen once, at the moment of that call.
    """
    at = delivery.kept_unseen_at
    return bool(at and opened_at and abs(opened_at - at) <= SAME_MOMENT)


def mark_gone(
    letter: Letter, delivery: Delivery, at: datetime, *, said_at: datetime | None = None
) -> None:
    """Note that its source no longer has the letter; what we have stays. In a transaction.

    What is not here of it cannot be had any more. The list says by `expires_at` when it went.
    `said_at`: when that was, by the source's own word.
    """
    own = {"citizen_id": delivery.citizen_id}
    lost = missing_documents(delivery).update(gone_at=at)
    row = Delivery.objects.filter(**own, id=delivery.id)
    row.update(keep_by=None, keep_due_at=None)
    if row.filter(gone_at=None).update(gone_at=at):
        letter = Letter.objects.select_for_update().get(**own, id=letter.id)
        before = copy.copy(letter)
        delivery.refresh_from_db(fields=["said"])
        with copies.editing(letter, delivery) as said:
            said.expires_at = min(said.expires_at or at, at)
            said.incomplete = said.incomplete or bool(lost)
            if said.content in (Letter.Content.ON_OPEN, Letter.Content.REQUESTED):
                said.content = Letter.Content.GONE
            # It can be answered no more; the forms come back with the letter, should it do so.
            said.reply_forms = [
                form | {"kind": ReplyKind.CLOSED, "reason": ""} for form in said.reply_forms[:1]
            ]
        letter.save()
        if letter.revealed:
            with counters.changing(letter.citizen_id) as state:
                counters.replace(state, before, letter)
        if said_at and is_told(letter, Event.Kind.GONE, said_at):
            return
        said_then = {"said_at": said_at.isoformat()} if said_at else {}
        Event.objects.create(
            citizen_id=letter.citizen_id,
            letter_id=letter.id,
            kind=Event.Kind.GONE,
            at=at,
            detail={"source": delivery.source, **said_then},
        )


def is_told(letter: Letter, kind: str, said_at: datetime) -> bool:
    """Say whether an event is written down already that a source dates so: feeds are read anew."""
    return Event.objects.filter(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        kind=kind,
        detail__said_at=said_at.isoformat(),
    ).exists()
