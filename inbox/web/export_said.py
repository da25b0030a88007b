"""What a copy of her letters says for programs: JSON with the names of our tables, and PREMIS."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inbox.archive.bag import premis
from inbox.archive.bag.evidence import Evidence
from inbox.citizens.models import ContactDetails
from inbox.citizens.viewer import Viewer
from inbox.letters import saved_searches
from inbox.letters.export import DocumentFormat, Exported
from inbox.letters.models import Delivery, Document, Reply
from inbox.sync.freshness import freshness
from inbox.sync.models import OutboundReceipt

FORMAT = "samlepost-export/2"
RECEIPTS = "receipts"
"""The folder with the signed receipts that a letter's senders were sent."""
OF_LETTER = (
    "title",
    "public_title",
    "language",
    "place",
    "delete_at",
    "kind",
    "security_level",
    "source",
    "other_sources",
    "received_at",
    "visible_from",
    "attachments",
)
"""What is said of every letter, also of one whose content is left out."""
OF_CONTENT = (
    "snippet",
    "body",
    "body_media_type",
    "due_at",
    "needs_action",
    "handled_at",
    "handled_by",
    "opened_at",
    "unread",
    "updated",
    "content",
    "case_reference",
    "documentary_value",
    "expires_at",
    "withdrawn_at",
    "on_paper_at",
    "returned_at",
    "actions",
    "appointments",
    "payment",
    "signing",
    "proofs",
    "messages",
    "versions",
)
OF_DELIVERY = (
    "source",
    "external_id",
    "sent_at",
    "fetched_at",
    "expires_at",
    "withdrawn_at",
    "sender_verified",
    "provenance",
)
OF_CONTACT = (
    "status",
    "reserved",
    "may_be_notified",
    "email",
    "email_confirmed_at",
    "email_fresh_until",
    "mobile",
    "mobile_confirmed_at",
    "mobile_fresh_until",
    "language",
    "mailbox_supplier",
    "asked_at",
    "answered_at",
)
"""What of her contact details is hers to take along."""


@dataclass(slots=True)
class File:
    """A document on its way into the copy."""

    document: Document
    name: str
    """Inside the letter's folder; empty when there are no bytes."""
    fault: str = ""
    """Why it is not there, or not whole."""


@dataclass(slots=True)
class Sent:
    """A file that she has put beside an answer, on its way into the copy."""

    reply: Reply
    said: Mapping[str, Any]
    """As in `Reply.attachments`."""
    name: str
    """Inside the letter's folder; empty when it could not be read."""


def letter(
    each: Exported, files: Sequence[File], sent: Sequence[Sent], evidence: Sequence[Evidence]
) -> bytes:
    """Return what we know of the letter as JSON, and where each file of it lies."""
    row = each.letter
    kept = {proof.object_id: proof for proof in evidence}
    said: dict[str, Any] = {
        "format": FORMAT,
        "id": str(row.id),
        "sender": {"name": row.sender_name, "org_number": row.sender.org_number},
        **{name: getattr(row, name) for name in OF_LETTER},
        "folders": each.folders,
        "withheld": each.withheld,
        "deliveries": [_delivery(one, kept.get(one.id)) for one in each.deliveries],
    }
    if not each.withheld:
        said |= {name: getattr(row, name) for name in OF_CONTENT}
        said |= {
            "documents": [_document(file, each.formats.get(file.document.id)) for file in files],
            "answers": [_answer(reply, sent) for reply in each.replies],
            "events": [
                {
                    "kind": event.kind,
                    "at": event.at,
                    "by_her": event.actor_id == row.citizen_id,
                    "detail": event.detail,
                }
                for event in each.events
            ],
        }
    return _json(said)


def premis_of(
    each: Exported, files: Sequence[File], sent: Sequence[Sent], evidence: Sequence[Evidence]
) -> bytes:
    """Return what PREMIS says of the letter's files and of what has happened to it."""
    made = {
        file.name: premis.File(
            file.name,
            file.document.blob.sha256,
            file.document.blob.size,
            file.document.media_type,
            file.document.name,
        )
        for file in files
        if file.name and not file.fault
    }
    for proof in evidence:
        for one in (one for version in proof.laid_out for one in version["files"]):
            media_type = each.media_types.get((proof.object_id, one["path"]), "")
            file = premis.File(one["file"], one["sha256"], one["size"], media_type or "unknown")
            made.setdefault(one["file"], file)
    for answer in sent:
        if answer.name:
            about = answer.said
            made[answer.name] = premis.File(
                answer.name, about["sha256"], about["size"], about["media_type"], about["name"]
            )
    happened = [
        premis.Happened(str(event.id), event.kind, event.at.isoformat()) for event in each.events
    ]
    seals = [json.loads(seal) for proof in evidence for seal in proof.seals]
    for seal in seals:
        happened += [
            premis.Happened(
                f"{seal['object']}-v{seal['version']}-{place}",
                event["type"],
                event["at"],
                event["detail"],
                event["outcome"],
            )
            for place, event in enumerate(seal["events"])
        ]
    return premis.document(str(each.letter.id), each.letter.title, made.values(), happened)


def signed_receipts(each: Exported) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of what senders were told, as signed by us: who has it can prove it."""
    for delivery in each.deliveries:
        for receipt in delivery.receipts.all():
            if receipt.signed:
                yield _receipt_name(receipt), receipt.signed.encode()


def searches(viewer: Viewer) -> bytes:
    """Return her saved searches as JSON: each a name and the query string of the search page."""
    return _json(
        {
            "format": FORMAT,
            "searches": [
                {"name": each.name, "query": each.query, "saved_at": each.saved_at}
                for each in saved_searches.of(viewer)
            ],
        }
    )


def sources(viewer: Viewer) -> bytes:
    """Return her sources as JSON, and since when she lets us keep copies of a source's letters."""
    return _json(
        {
            "format": FORMAT,
            "sources": [
                {
                    "source": each.slug,
                    "label": each.label,
                    "connected": each.connected,
                    "keeps_since": each.keeps_since,
                }
                for each in freshness(viewer.citizen_id)
            ],
        }
    )


def contact(viewer: Viewer) -> bytes:
    """Return what the contact register says of her as JSON; names are those of our table."""
    hers = ContactDetails.objects.filter(citizen_id=viewer.citizen_id)
    found = hers.values(*OF_CONTACT).first()
    return _json({"format": FORMAT, "contact": found if found and found["status"] else None})


def _delivery(delivery: Delivery, evidence: Evidence | None) -> dict[str, Any]:
    kept = None
    if evidence is not None:
        kept = {
            "object": str(evidence.object_id),
            "fault": evidence.fault or None,
            "versions": evidence.laid_out,
        }
    return {
        "id": str(delivery.id),
        **{name: getattr(delivery, name) for name in OF_DELIVERY},
        "kept": kept,
        "receipts": [
            {
                "kind": receipt.kind,
                "at": receipt.at,
                "sent_at": receipt.sent_at,
                "file": _receipt_name(receipt) if receipt.signed else None,
            }
            for receipt in delivery.receipts.all()
        ],
    }


def _receipt_name(receipt: OutboundReceipt) -> str:
    return f"{RECEIPTS}/{receipt.kind}-{receipt.id.hex[-12:]}.jwt"


def _document(file: File, found: DocumentFormat | None) -> dict[str, Any]:
    document = file.document
    blob = document.blob if document.blob_id else None
    return {
        "file": file.name or None,
        "fault": file.fault or None,
        "name": document.name,
        "title": document.title,
        "media_type": document.media_type,
        "is_main": document.is_main,
        "position": document.position,
        "replaced_at": document.replaced_at,
        "not_given": document.not_given,
        "size": blob.size if blob else document.size,
        "sha256": blob.sha256 if blob else None,
        "delivery": str(document.delivery_id),
        "path": blob.path if blob else None,
        "version": blob.version if blob else None,
        "warnings": found.warnings if found else [],
        "pdfa": _pdfa(found) if found and found.pdfa_status else None,
    }


def _pdfa(found: DocumentFormat) -> dict[str, Any]:
    """Return what the file claims to be, how far that has been looked at, and by what program."""
    return {
        "claims": found.pdfa_level,
        "status": found.pdfa_status,
        "lacks": found.pdfa_lacks,
        "by": found.pdfa_checked_by,
    }


def _answer(reply: Reply, sent: Sequence[Sent]) -> dict[str, Any]:
    return {
        "state": reply.state,
        "form": reply.form,
        "choice": reply.choice,
        "choice_label": reply.choice_label,
        "text": reply.text,
        "settles": reply.settles,
        "security_level": reply.security_level,
        "written_at": reply.updated_at,
        "sent_at": reply.sent_at,
        "reference": reply.reference,
        "refusal": reply.refusal,
        "attachments": [
            {
                "file": file.name or None,
                **{key: file.said[key] for key in ("name", "media_type", "size", "sha256")},
            }
            for file in sent
            if file.reply is reply
        ],
    }


def _json(said: dict[str, Any]) -> bytes:
    return json.dumps(said, ensure_ascii=False, indent=2, default=_text).encode()


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
