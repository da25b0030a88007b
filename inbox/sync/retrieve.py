"""Fetching what the source gives only on opening, once the citizen has opened or asked."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from connectors import clock
from connectors.contract import (
    ConnectorError,
    Gone,
    IncomingDocument,
    IncomingLetter,
    NotPermitted,
    RateLimited,
    Recipient,
    RecipientKind,
    SenderRef,
)
from inbox.letters.change import add_content
from inbox.letters.models import Delivery, Document, Letter
from inbox.letters.receive import Arrival
from inbox.sync import lease
from inbox.sync.intake import BadDocument, Intake, deposit
from inbox.sync.models import Mailbox, Retrieval, Source
from inbox.sync.sources import account_of, connected

log = logging.getLogger("samlepost.sync.retrieve")

ATTEMPTS_MAX = 8
BATCH = 50


def request(letter: Letter, level: int, at: datetime) -> Retrieval | None:
    """Ask for the letter's content, in a transaction; None when it is being asked for already.

    None also when she has disconnected the source: then nothing is asked of it.

    `level` is that of the session in which she asked. Sets `letter.content` (saved).
    """
    if _is_disconnected(letter):
        return None
    retrieval = Retrieval(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        security_level=level,
        requested_at=at,
        due_at=timezone.now(),
    )
    Retrieval.objects.bulk_create([retrieval], ignore_conflicts=True)
    if not Retrieval.objects.filter(citizen_id=letter.citizen_id, id=retrieval.id).exists():
        return None
    letter.content = Letter.Content.REQUESTED
    letter.save(update_fields=["content"])
    return retrieval


def _is_disconnected(letter: Letter) -> bool:
    return Mailbox.objects.filter(
        citizen_id=letter.citizen_id, source_id=letter.source, active=False
    ).exists()


def run_due() -> int:
    """Carry out the retrievals that are due; returns how many succeeded."""
    due = Retrieval.objects.filter(
        lease.free(timezone.now()), state="waiting", due_at__lte=timezone.now()
    ).order_by("due_at")
    keys = list(due.values_list("citizen_id", "id")[:BATCH])
    return sum(retrieve(citizen_id, retrieval_id) for citizen_id, retrieval_id in keys)


def retrieve(citizen_id: UUID | str, retrieval_id: UUID | str) -> bool:
    """Carry out one retrieval; False when it failed or somebody else has it in hand."""
    row = Retrieval.objects.filter(citizen_id=citizen_id, id=retrieval_id)
    if not lease.claim_work(row):
        return False
    with lease.unless_called_off(row):
        return _carry_out(row.select_related("letter").get())
    return False


def _carry_out(retrieval: Retrieval) -> bool:
    try:
        _retrieve(retrieval)
    except (Gone, NotPermitted) as error:
        _end(retrieval, error, Letter.Content.GONE)
        return False
    except (ConnectorError, BadDocument) as error:
        _later(retrieval, error)
        return False
    return True


def _retrieve(retrieval: Retrieval) -> None:
    letter = retrieval.letter
    delivery = Delivery.objects.filter(
        citizen_id=letter.citizen_id, letter_id=letter.id, source=letter.source
    ).latest("fetched_at")
    source = Source.objects.get(slug=delivery.source)
    account = account_of(letter.citizen_id, retrieval.security_level)
    with connected(source) as connector:
        documents = _known_documents(delivery)
        if any(document.ref for document in documents):
            incoming = _with_missing(letter, delivery, documents)
        else:
            documents = []
            incoming = connector.open_letter(account, delivery.external_id)
        arrival = Arrival(
            letter.citizen_id,
            source.slug,
            incoming,
            clock.now(),
            delivery_id=delivery.id,
            letter_id=letter.id,
        )
        intake = Intake(source, connector, account, None, still_ours=lambda: None)
        deposit(intake, arrival, replaces=True)
        for position, document in enumerate(documents):
            arrival.blobs[position] = arrival.blobs[position] or document.blob
    with transaction.atomic():
        fresh = Letter.objects.select_for_update().get(citizen_id=letter.citizen_id, id=letter.id)
        add_content(fresh, delivery, arrival)
        Retrieval.objects.filter(citizen_id=letter.citizen_id, id=retrieval.id).update(
            state="done", lease_until=None, last_error=""
        )


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
        body=letter.body,
        body_media_type=letter.body_media_type,
        security_level=letter.security_level,
        documents=[
            IncomingDocument(
                name=document.name,
                title=document.title,
                media_type=document.media_type,
                is_main=document.is_main,
                ref=document.ref,
                size=document.size,
            )
            for document in documents
        ],
    )


def _later(retrieval: Retrieval, error: Exception) -> None:
    log.warning("retrieval %s: %s: %s", retrieval.id, type(error).__name__, error)
    if retrieval.attempts >= ATTEMPTS_MAX:
        _end(retrieval, error, Letter.Content.ON_OPEN)
        return
    at_least = error.retry_after if isinstance(error, RateLimited) else 0
    Retrieval.objects.filter(citizen_id=retrieval.citizen_id, id=retrieval.id).update(
        due_at=lease.back_off(retrieval.attempts, at_least),
        lease_until=None,
        last_error=str(error)[:255],
    )


def _end(retrieval: Retrieval, error: Exception, content: str) -> None:
    log.warning("retrieval %s given up: %s", retrieval.id, type(error).__name__)
    with transaction.atomic():
        Retrieval.objects.filter(citizen_id=retrieval.citizen_id, id=retrieval.id).update(
            state="failed", lease_until=None, last_error=str(error)[:255]
        )
        Letter.objects.filter(citizen_id=retrieval.citizen_id, id=retrieval.letter_id).update(
            content=content
        )
