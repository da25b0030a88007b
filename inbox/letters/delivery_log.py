"""What the sender of a letter may learn of it: one row a delivery, without citizen or contents.

Written in the transaction in which the thing itself happens, and marked `untold` for the
collector, which counts it. Every function must run in a transaction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import F, Q, QuerySet

from connectors.contract import SenderRef
from inbox.citizens.models import Citizen
from inbox.letters.models import Delivery, DeliveryRecord, Letter

if TYPE_CHECKING:
    from inbox.letters.receive import Arrival

ORG_NUMBER = re.compile(r"[0-9]{9}\Z")


def note_received(arrivals: Sequence[Arrival], now: datetime) -> None:
    """Write a row for each arrival whose sender is known and proved (1 query, 2 with copies)."""
    proved = [arrival for arrival in arrivals if _is_proved(arrival.incoming.sender)]
    if not proved:
        return
    opened = _opened([arrival for arrival in proved if arrival.same_as])
    rows = [_row(arrival, opened.get(arrival.letter_id), now) for arrival in proved]
    # What outlives its letter is there already when that is made anew (`rebuild.py`).
    DeliveryRecord.objects.bulk_create(rows, ignore_conflicts=True)


def note_sender(delivery: Delivery, letter: Letter, sender: SenderRef) -> None:
    """Write a row for a delivery whose sender's number is known only now (1 query).

    It is in no figure: of letters that have told their sender on opening, all are opened.
    """
    if not _is_proved(sender):
        return
    row = DeliveryRecord(
        id=delivery.id,
        org_number=sender.org_number,
        source=delivery.source,
        external_id=delivery.external_id,
        verified=sender.verified[:32],
        security_level=letter.security_level,
        arrived_at=delivery.fetched_at,
        delivered_at=max(delivery.fetched_at, letter.visible_from or delivery.fetched_at),
        asks_opening=delivery.wants_opening_receipt,
        withdrawn_at=delivery.withdrawn_at,
        counts=False,
    )
    DeliveryRecord.objects.bulk_create([row], ignore_conflicts=True)


def note_delivered(letter: Letter, at: datetime) -> None:
    """Note that a letter that was hidden until its day is with the citizen (1 query)."""
    _of(letter).filter(delivered_at=None).update(delivered_at=at, untold=True)


def note_notified(letter: Letter, at: datetime) -> None:
    """Note that she has been told that the letter is there (1 query)."""
    _of(letter).filter(notified_at=None).update(notified_at=at, untold=True)


def note_opened(letter: Letter, at: datetime) -> None:
    """Note that the letter is opened here, by her or who stands in for her by law (1 query).

    The senders that asked for a receipt of that are told of it: where they did, she has agreed.
    """
    news = Q(opened_at=None, opening_counted=False) | Q(asks_opening=True)
    _of(letter).filter(news, tells_opening=False).update(
        opened_at=at, tells_opening=F("asks_opening"), untold=True
    )


def note_opened_elsewhere(letter: Letter, at: datetime) -> None:
    """Note that she has opened the letter at a source of it (1 query). Nobody is told that."""
    rows = _of(letter).filter(opened_at=None, opening_counted=False)
    rows.update(opened_at=at, untold=True)


def note_replied(delivery: Delivery, at: datetime) -> None:
    """Note that the sender has her answer (1 query)."""
    DeliveryRecord.objects.filter(id=delivery.id, replied_at=None).update(
        replied_at=at, untold=True
    )


def note_withdrawn(delivery: Delivery) -> None:
    """Let the row say when the sender took the letter back, or that it did not (1 query)."""
    rows = DeliveryRecord.objects.filter(id=delivery.id)
    rows.update(withdrawn_at=delivery.withdrawn_at, untold=True)


def leave_uncounted(letter: Letter) -> None:
    """Leave a letter to a made-up person out of all figures (1 query)."""
    _of(letter).update(counts=False)


def forget(citizen: Citizen) -> None:
    """Forget a made-up citizen's deliveries, which come anew (1 query). For the demo alone."""
    own = Delivery.objects.filter(citizen=citizen)
    DeliveryRecord.objects.filter(id__in=own.values("id")).delete()


def _is_proved(sender: SenderRef) -> bool:
    return bool(sender.verified and ORG_NUMBER.match(sender.org_number))


def _row(arrival: Arrival, opened_at: datetime | None, now: datetime) -> DeliveryRecord:
    incoming = arrival.incoming
    hidden = incoming.visible_from is not None and incoming.visible_from > now
    opened_at = opened_at or incoming.opened_at
    return DeliveryRecord(
        id=arrival.delivery_id,
        org_number=incoming.sender.org_number,
        source=arrival.source,
        external_id=incoming.external_id,
        verified=incoming.sender.verified[:32],
        security_level=incoming.security_level,
        arrived_at=arrival.fetched_at,
        delivered_at=None if hidden else now,
        opened_at=opened_at,
        asks_opening=incoming.wants_opening_receipt,
        withdrawn_at=arrival.fetched_at if incoming.withdrawn else None,
        counts=not (arrival.history or opened_at),
    )


def _opened(copies: Sequence[Arrival]) -> dict[UUID, datetime]:
    """Return when those of these letters were opened that have been."""
    if not copies:
        return {}
    keys = Q()
    for each in copies:
        keys |= Q(citizen_id=each.citizen_id, id=each.letter_id)
    found = Letter.objects.filter(keys).values_list("id", "opened_at")
    return {letter_id: opened_at for letter_id, opened_at in found if opened_at}


def _of(letter: Letter) -> QuerySet[DeliveryRecord]:
    """The rows of a letter: one for each delivery of it."""
    own = Delivery.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id)
    return DeliveryRecord.objects.filter(id__in=own.values("id"))
