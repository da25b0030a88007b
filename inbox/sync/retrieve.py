"""Fetching what the source gives only on opening, once the citizen has opened or asked.

What she has agreed to be kept before it disappears (`keeping.py`) counts as asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from connectors import clock
from connectors.contract import (
    Account,
    Connector,
    ConnectorError,
    Gone,
    IncomingDocument,
    IncomingLetter,
    NotPermitted,
    Recipient,
    RecipientKind,
    SenderRef,
    Temporary,
)
from inbox.archive import store
from inbox.letters import copies, join, keeping
from inbox.letters.change import add_content
from inbox.letters.models import Delivery, Document, Event, Letter
from inbox.letters.receive import Arrival
from inbox.letters.record import What
from inbox.notifications.rules import queue_vanishing
from inbox.sync import lease, receipts, schedule, threads
from inbox.sync.intake import BadDocument, Intake, deposit
from inbox.sync.models import Mailbox, Retrieval, Source
from inbox.sync.sources import account_of, connected

log = logging.getLogger("samlepost.sync.retrieve")

ATTEMPTS_MAX = 8
PATIENT_ATTEMPTS = 4
"""After so many a letter is taken without the documents that cannot be had."""
BATCH = 50
Reason = Retrieval.Reason


def request(
    letter: Letter,
    delivery: Delivery,
    level: int,
    at: datetime,
    asked_by: UUID | None = None,
    part: str = Retrieval.Part.CONTENT,
    reason: str = Reason.OPENING,
) -> Retrieval | None:
    """Ask for what a delivery's source still holds, in a transaction; None when already asked.

    None also when she has disconnected the source: then nothing is asked of it. What waits to be
    kept and is opened meanwhile is fetched as opened.

    `level` is that of the session in which she asked; `asked_by` is who asked for an enterprise.
    Sets `letter.content` (saved), where it is the content that is asked for.
    """
    if _is_disconnected(delivery):
        return None
    retrieval = Retrieval(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        delivery_id=delivery.id,
        part=part,
        reason=reason,
        security_level=level,
        asked_by=asked_by,
        requested_at=at,
        due_at=timezone.now(),
    )
    Retrieval.objects.bulk_create([retrieval], ignore_conflicts=True)
    if not Retrieval.objects.filter(citizen_id=letter.citizen_id, id=retrieval.id).exists():
        waiting = Retrieval.objects.filter(
            citizen_id=letter.citizen_id, delivery_id=delivery.id, state="waiting"
        )
        # What waits to list the thread does all of it instead.
        listing = waiting.filter(part=Retrieval.Part.THREAD)
        asked = {"reason": reason, "security_level": level, "asked_by": asked_by}
        if not listing.update(part=part, **asked):
            if reason == Reason.OPENING and part == Retrieval.Part.CONTENT:
                waiting.exclude(reason=reason).update(**asked)
            return None
        retrieval = waiting.get()
    if part == Retrieval.Part.CONTENT:
        letter.content = note(delivery, Letter.Content.REQUESTED)
    return retrieval


def _is_disconnected(delivery: Delivery) -> bool:
    return Mailbox.objects.filter(
        citizen_id=delivery.citizen_id, source_id=delivery.source, active=False
    ).exists()


def withheld(letter: Letter, standing: Collection[str]) -> list[Delivery]:
    """Return the letter's deliveries whose content stands so (`Letter.Content`)."""
    deliveries = Delivery.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id)
    return [
        delivery
        for delivery in deliveries.order_by("fetched_at", "id")
        if (delivery.said or {"content": letter.content})["content"] in standing
    ]


def lacking(letter: Letter) -> list[Delivery]:
    """Return the letter's deliveries that have a document which can still be fetched."""
    missing = Document.objects.filter(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        replaced_at=None,
        gone_at=None,
        blob_id=None,
    ).exclude(ref="")
    return list(
        Delivery.objects.filter(
            citizen_id=letter.citizen_id, id__in=missing.values("delivery_id")
        ).order_by("fetched_at", "id")
    )


def note(delivery: Delivery, content: str) -> str:
    """Write where a delivery's content stands; returns where the letter's stands then.

    Must run in a transaction.
    """
    letter = Letter.objects.select_for_update().get(
        citizen_id=delivery.citizen_id, id=delivery.letter_id
    )
    with copies.editing(letter, delivery) as said:
        said.content = content
    letter.save()
    return str(letter.content)


def run_due() -> int:
    """Carry out the retrievals that are due; returns how many succeeded."""
    due = Retrieval.objects.filter(
        lease.free(timezone.now()), state="waiting", due_at__lte=timezone.now()
    ).order_by("due_at")
    keys = list(due.values_list("citizen_id", "id")[:BATCH])
    return sum(retrieve(citizen_id, retrieval_id) for citizen_id, retrieval_id in keys)


def retrieve(citizen_id: UUID | str, retrieval_id: UUID | str) -> bool:
    """Carry out one retrieval; False when it failed or must wait, or somebody has it in hand."""
    row = Retrieval.objects.filter(citizen_id=citizen_id, id=retrieval_id)
    source = row.values_list("delivery__source", flat=True).first() or ""
    there = Retrieval.objects.filter(delivery__source=source)
    if not schedule.has_room(source, there) or not lease.claim_work(row):
        return False
    with lease.unless_called_off(row):
        return _carry_out(row.select_related("letter", "delivery").get())
    return False


def _carry_out(retrieval: Retrieval) -> bool:
    try:
        _retrieve(retrieval)
    except Gone as error:
        _end(retrieval, error, Letter.Content.GONE)
        return False
    except NotPermitted as error:
        _end(retrieval, error, Letter.Content.ON_OPEN)
        return False
    except (ConnectorError, BadDocument) as error:
        _later(retrieval, error)
        return False
    return True


def _retrieve(retrieval: Retrieval) -> None:
    if retrieval.part == Retrieval.Part.THREAD:
        threads.read(retrieval)
        return
    letter, delivery = retrieval.letter, retrieval.delivery
    source = Source.objects.get(slug=delivery.source)
    account = account_of(letter.citizen_id, retrieval.security_level, retrieval.asked_by)
    with connected(source) as connector:
        documents = _known_documents(delivery)
        only_missing = False
        if retrieval.part == Retrieval.Part.MORE:
            opened = connector.open_letter(account, delivery.external_id)
            incoming = threads.beside(opened, documents)
        elif any(document.ref for document in documents):
            incoming = _with_missing(letter, delivery, documents)
            only_missing = True
        else:
            documents = []
            incoming = _content_of(retrieval, connector, account)
        arrival = Arrival(
            letter.citizen_id,
            source.slug,
            incoming,
            clock.now(),
            delivery_id=delivery.id,
            letter_id=letter.id,
        )
        for position, document in enumerate(documents):
            arrival.blobs.append(document.blob)
            if document.gone_at and document.blob is None:
                arrival.gone.add(position)
            if document.not_given and document.blob is None:
                arrival.not_given[position] = document.not_given
        patient = retrieval.attempts <= (ATTEMPTS_MAX - 1 if only_missing else PATIENT_ATTEMPTS)
        intake = Intake(source, connector, account, None, lambda: None, patient)
        missing = [place for place in range(len(documents)) if arrival.lacks(place)]
        what = What.DOCUMENTS if only_missing else What.CONTENT
        deposit(intake, arrival, what, write=store.add_version)
        if only_missing and all(arrival.lacks(place) for place in missing):
            raise Temporary("none of the documents that are missing could be had")
    with transaction.atomic():
        join.lock([letter.citizen_id])
        # Meanwhile she may have split the letter, or it has become one with another.
        delivery = Delivery.objects.get(citizen_id=letter.citizen_id, id=delivery.id)
        fresh = Letter.objects.select_for_update().get(
            citizen_id=letter.citizen_id, id=delivery.letter_id
        )
        arrival.letter_id = fresh.id
        automatic = retrieval.reason == Reason.AUTOMATIC
        add_content(fresh, delivery, arrival, automatic=automatic)
        openings = Event.objects.filter(
            citizen_id=fresh.citizen_id, letter_id=fresh.id, kind=Event.Kind.OPENED
        )
        if fresh.opened_at and openings.exists():  # meanwhile, here
            receipts.owe_read(fresh, arrival.fetched_at)
        join.join_same(fresh)
        Retrieval.objects.filter(citizen_id=retrieval.citizen_id, id=retrieval.id).update(
            state="done", lease_until=None, last_error=""
        )


def _content_of(retrieval: Retrieval, connector: Connector, account: Account) -> IncomingLetter:
    """Return what the source gives; of a letter that she has not opened, with the fewest marks."""
    delivery = retrieval.delivery
    if retrieval.reason == Reason.OPENING:
        return connector.open_letter(account, delivery.external_id)
    # Before it is asked for: should we die, what the source notes is known to be our doing.
    Delivery.objects.filter(
        citizen_id=delivery.citizen_id, id=delivery.id, kept_unseen_at=None
    ).update(kept_unseen_at=clock.now())
    return connector.keep_letter(account, delivery.external_id)


def _known_documents(delivery: Delivery) -> list[Document]:
    return list(
        Document.objects.select_related("blob")
        .filter(citizen_id=delivery.citizen_id, delivery_id=delivery.id, replaced_at=None)
        .order_by("position")
    )


def _with_missing(
    letter: Letter, delivery: Delivery, documents: Sequence[Document]
) -> IncomingLetter:
    """Return the letter as known; those of its documents that have no bytes are downloaded."""
    return IncomingLetter(
        external_id=delivery.external_id,
        recipient=Recipient(RecipientKind.NATIONAL_ID, ""),
        sender=SenderRef(letter.sender_name),
        title=letter.title,
        sent_at=delivery.sent_at,
        expires_at=delivery.expires_at,
        body=letter.body,
        body_media_type=letter.body_media_type,
        security_level=letter.security_level,
        documents=[
            IncomingDocument(
                name=document.name,
                title=document.title,
                media_type=document.media_type,
                is_main=document.is_main,
                ref="" if document.gone_at else document.ref,
                size=document.size,
                expires_at=document.expires_at,
            )
            for document in documents
        ],
    )


def _later(retrieval: Retrieval, error: Exception) -> None:
    log.warning("retrieval %s: %s: %s", retrieval.id, type(error).__name__, error)
    source = retrieval.delivery.source
    changes = lease.after_failure(source, retrieval.attempts, error, ATTEMPTS_MAX)
    if changes["state"] == "failed":
        _end(retrieval, error, Letter.Content.ON_OPEN)
        return
    Retrieval.objects.filter(citizen_id=retrieval.citizen_id, id=retrieval.id).update(**changes)


def _end(retrieval: Retrieval, error: Exception, content: str) -> None:
    log.warning("retrieval %s given up: %s", retrieval.id, type(error).__name__)
    with transaction.atomic():
        Retrieval.objects.filter(citizen_id=retrieval.citizen_id, id=retrieval.id).update(
            state="failed", lease_until=None, last_error=str(error)[:255]
        )
        if retrieval.part == Retrieval.Part.CONTENT:
            _put_back(retrieval, error, content)


def _put_back(retrieval: Retrieval, error: Exception, content: str) -> None:
    """Note where the content stands, now that it was not had, and what is done about it."""
    delivery = Delivery.objects.get(citizen_id=retrieval.citizen_id, id=retrieval.delivery_id)
    if _known_documents(delivery):  # the letter itself is here
        content = Letter.Content.KEPT
    note(delivery, content)
    letter = Letter(citizen_id=delivery.citizen_id, id=delivery.letter_id)
    now = clock.now()
    if isinstance(error, Gone):
        keeping.mark_gone(letter, delivery, now)
    elif not isinstance(error, NotPermitted):
        keeping.look_again(delivery, now)
    elif retrieval.reason == Reason.AUTOMATIC:
        # It takes a session of hers: a higher level than we have.
        keeping.leave(delivery)
        queue_vanishing(letter, now)
