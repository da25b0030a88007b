"""Receipts to the sender: standard business documents that answer a message.

Sources: `innbyggerpost_dpi_{leveringskvittering,aapningskvittering,varslingfeiletkvittering,feil}
_1_0.schema.json`; docs.digdir.no DPI `forretningsmeldinger/kvitteringer.md`. They carry no
maskinportentoken: that page asks for one, the schema forbids it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Fault, OutgoingReceipt, ReceiptKind
from connectors.dpi import schema
from connectors.dpi.envelope import peek
from connectors.dpi.mapping import header_of
from connectors.dpi.refusal import Refusal
from connectors.dpi.schema import AUTHORITY

TYPES = {
    ReceiptKind.DELIVERED: "leveringskvittering",
    ReceiptKind.OPENED: "aapningskvittering",
    ReceiptKind.NOTIFICATION_FAILED: "varslingfeiletkvittering",
    ReceiptKind.REJECTED: "feil",
}
STANDARD = (
    "urn:fdc:digdir.no:2020:innbyggerpost:xsd::innbyggerpost##"
    "urn:fdc:digdir.no:2020:innbyggerpost:schema:{}::1.0"
)
NAMESPACE = uuid.UUID("5f3c2f0e-7b0e-5c55-9a6e-0d1d0f7c9b21")
"""Our own, for receipts' identifiers."""
FAULTS = {Fault.CLIENT: "KLIENT", Fault.SERVER: "SERVER"}
CHANNELS = {"email": "epost", "epost": "epost", "sms": "sms"}


def receipt_id(idempotency_key: str) -> str:
    """Return the identifier that every attempt at the same receipt has."""
    return str(uuid.uuid5(NAMESPACE, idempotency_key))


def is_answerable(envelope: str) -> bool:
    """Say whether an error receipt can be sent for this message, verified or not.

    The header must say whom to answer in which conversation. What is itself a receipt is never
    answered: two mailboxes would go on for ever.
    """
    message = peek(envelope)
    receipt = OutgoingReceipt(ReceiptKind.REJECTED, "", datetime.now(UTC), "")
    try:
        kind = header_of(message)["documentIdentification"]["type"]
        schema.check_receipt(build_receipt(receipt, message, "000000000"))
    except (Refusal, LookupError, TypeError, AttributeError, StopIteration):
        return False
    return kind not in schema.RECEIPTS


def build_receipt(
    receipt: OutgoingReceipt, message: Mapping[str, Any], supplier_org: str
) -> dict[str, Any]:
    """Return the business document that answers `message` (its checked payload).

    For NOTIFICATION_FAILED `receipt.detail` begins with the channel, "email" or "sms", then
    perhaps a colon and a description; for REJECTED it is the reason in plain words.
    """
    return receipt_document(
        TYPES[receipt.kind],
        header_of(message),
        supplier_org,
        receipt_id(receipt.idempotency_key),
        receipt.at,
        _details(receipt),
    )


def receipt_document(
    kind: str,
    header: Mapping[str, Any],
    from_org: str,
    identifier: str,
    moment: datetime,
    details: Mapping[str, str],
) -> dict[str, Any]:
    """Return a receipt of this type, from `from_org` to the sender of the message with `header`."""
    at = moment.isoformat(timespec="milliseconds")
    return {
        "standardBusinessDocument": {
            "standardBusinessDocumentHeader": {
                "headerVersion": "1.0",
                "sender": [{"identifier": _organisation(from_org)}],
                "receiver": header["sender"],
                "documentIdentification": {
                    "standard": STANDARD.format(kind),
                    "typeVersion": "1.0",
                    "instanceIdentifier": identifier,
                    "type": kind,
                    "creationDateAndTime": at,
                },
                "businessScope": {"scope": [_conversation(header)]},
            },
            kind: {
                "avsender": {"virksomhetsidentifikator": _organisation(from_org)},
                "mottaker": {"virksomhetsidentifikator": dict(header["sender"][0]["identifier"])},
                "tidspunkt": at,
                **details,
            },
        }
    }


def _organisation(number: str) -> dict[str, str]:
    return {"authority": AUTHORITY, "value": f"0192:{number}"}


def _conversation(header: Mapping[str, Any]) -> dict[str, Any]:
    """The conversation and process of the message, reused; the sender's deadline is not."""
    scopes = header["businessScope"]["scope"]
    scope = next(each for each in scopes if each["type"] == "ConversationId")
    return {name: value for name, value in scope.items() if name != "scopeInformation"}


def _details(receipt: OutgoingReceipt) -> dict[str, str]:
    if receipt.kind is ReceiptKind.REJECTED:
        details = {"detaljer": receipt.detail} if receipt.detail else {}
        return {"feiltype": FAULTS[receipt.fault], **details}
    if receipt.kind is ReceiptKind.NOTIFICATION_FAILED:
        channel, _, description = receipt.detail.partition(":")
        said = {"beskrivelse": description.strip()} if description.strip() else {}
        return {"varslingskanal": CHANNELS.get(channel.strip().lower(), "epost"), **said}
    return {}
