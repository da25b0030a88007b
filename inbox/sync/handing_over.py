"""Carrying letters to citizens' own mailboxes: claimed, sent, tried until the source has them."""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from connectors.contract import (
    ConnectorError,
    CopyReceipt,
    CopyRefused,
    Gone,
    NotPermitted,
    OutgoingAttachment,
    OutgoingCopy,
    Recipient,
    RecipientKind,
)
from inbox.archive import store
from inbox.archive.storage import Missing
from inbox.archive.store import Damaged
from inbox.citizens.identity import mailbox_address_of
from inbox.citizens.models import Identifier
from inbox.letters.erase import pass_over
from inbox.letters.models import Delivery, Document, Event, Letter
from inbox.letters.presentation import shown_documents
from inbox.letters.receive import clean
from inbox.sync import lease, schedule
from inbox.sync.models import Handover
from inbox.sync.sources import account_of, connected, supplier_of

log = logging.getLogger("samlepost.sync.handing_over")

ATTEMPTS_MAX = 200
BATCH = 100
BODY_NAME = "brev.txt"
TITLE_MAX = 255


def send_due() -> int:
    """Send what is due; returns how many letters were taken."""
    due = Handover.objects.filter(
        lease.free(timezone.now()), state="waiting", due_at__lte=timezone.now()
    ).order_by("due_at")
    keys = list(due.values_list("citizen_id", "id")[:BATCH])
    return sum(send(citizen_id, handover_id) for citizen_id, handover_id in keys)


def send(citizen_id: UUID | str, handover_id: UUID | str) -> bool:
    """Send one letter; False when it failed or must wait, or somebody has it in hand."""
    row = Handover.objects.filter(citizen_id=citizen_id, id=handover_id)
    source = row.values_list("source_id", flat=True).first() or ""
    there = Handover.objects.filter(source=source)
    if not schedule.has_room(source, there) or not lease.claim_work(row):
        return False
    with lease.unless_called_off(row):
        return _carry_out(row)
    return False


def _carry_out(row: QuerySet[Handover]) -> bool:
    handover = row.select_related("letter", "source").get()
    try:
        with connected(handover.source) as connector:
            account = account_of(handover.citizen_id, handover.security_level)
            receipt = connector.put_copy(account, _outgoing(handover))
    except (CopyRefused, Gone, NotPermitted) as error:
        _refused(row, handover, error)
        return False
    except (ConnectorError, Missing, Damaged, OSError) as error:
        _later(row, handover, error)
        return False
    return _note(row, handover, receipt)


def _note(row: QuerySet[Handover], handover: Handover, receipt: CopyReceipt) -> bool:
    """Write down the source's receipt; False when the work was called off with its letter."""
    reference = clean(receipt.reference, 255)
    with transaction.atomic():
        # It is there, though she may have disconnected the source meanwhile.
        done = row.update(
            state="done",
            received_at=receipt.at,
            reference=reference,
            lease_until=None,
            last_error="",
            refusal="",
        )
        if not done:
            return False
        pass_over(handover.citizen_id, handover.source_id, receipt.reference)
        Event.objects.create(
            citizen_id=handover.citizen_id,
            letter_id=row.get().letter_id,
            kind=Event.Kind.FORWARDED,
            at=receipt.at,
            actor_id=handover.citizen_id,
            detail={"to": handover.source_id, "reference": reference},
        )
    return True


def _outgoing(handover: Handover) -> OutgoingCopy:
    letter = handover.letter
    own = {"citizen_id": letter.citizen_id, "letter_id": letter.id}
    sent = Delivery.objects.filter(**own).order_by("sent_at").values_list("sent_at", flat=True)
    return OutgoingCopy(
        recipient=_recipient(handover),
        title=letter.title[:TITLE_MAX],
        sender_name=letter.sender_name,
        sent_at=sent.first() or letter.received_at,
        security_level=letter.security_level,
        idempotency_key=str(handover.id),
        documents=_documents(letter),
    )


def _recipient(handover: Handover) -> Recipient:
    """Name her mailbox. Raises NotPermitted when she has moved it from there meanwhile."""
    try:
        address = mailbox_address_of(handover.citizen_id, supplier_of(handover.source))
    except Identifier.DoesNotExist:
        raise NotPermitted("her mailbox is not there any more") from None
    return Recipient(RecipientKind.MAILBOX_ADDRESS, address)


def _documents(letter: Letter) -> list[OutgoingAttachment]:
    """Return the letter's text, where it has one, and its documents, the main one first."""
    wanted = [line.id for line in shown_documents(letter) if line.kept]
    found = Document.objects.select_related("blob").filter(
        citizen_id=letter.citizen_id, id__in=wanted
    )
    by_id = {document.id: document for document in found}
    text = letter.body.strip()
    made = [OutgoingAttachment(BODY_NAME, "text/plain", letter.body.encode())] if text else []
    for document_id in wanted:
        document = by_id[document_id]
        blob = document.blob
        made.append(
            OutgoingAttachment(
                clean(document.name, 255),
                document.media_type.partition(";")[0].strip().lower(),
                store.read_bytes(blob.citizen_id, blob.package_id, blob.path, version=blob.version),
            )
        )
    return made


def _refused(row: QuerySet[Handover], handover: Handover, error: ConnectorError) -> None:
    log.warning("handover %s refused: %s", handover.id, type(error).__name__)
    words = str(error) if isinstance(error, CopyRefused) else ""
    row.update(
        state="failed",
        lease_until=None,
        refusal=clean(words, 255),
        last_error=type(error).__name__,
    )


def _later(row: QuerySet[Handover], handover: Handover, error: Exception) -> None:
    """Try again; nothing where she has called it off by disconnecting the source."""
    log.warning("handover %s: %s: %s", handover.id, type(error).__name__, error)
    source = handover.source_id
    row.filter(state="waiting").update(
        **lease.after_failure(source, handover.attempts, error, ATTEMPTS_MAX)
    )
