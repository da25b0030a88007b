"""From DPI's words to ours: payload, manifest and files in, `IncomingLetter` out.

Pure: nothing is fetched or verified here. The table in README.md is this file in prose.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from connectors.contract import (
    Action,
    IncomingDocument,
    IncomingLetter,
    RawPart,
    Recipient,
    RecipientKind,
    SenderRef,
)
from connectors.dpi.envelope import Signer
from connectors.dpi.manifest import OSLO, File, Link, Manifest
from connectors.dpi.refusal import Refusal

ORG_PREFIXES = ("0192:", "9908:")
"""ICD 0192 (Enhetsregisteret); 9908 is its older Peppol code."""
LANGUAGES = {"no": "nb"}
BUTTON = "Åpne lenken"


def header_of(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the standard business document header of a checked message."""
    header: dict[str, Any] = payload["standardBusinessDocument"]["standardBusinessDocumentHeader"]
    return header


def message_id(payload: Mapping[str, Any]) -> str:
    """Return the instance identifier: what the queue and we call the message."""
    return str(header_of(payload)["documentIdentification"]["instanceIdentifier"])


def conversation_id(payload: Mapping[str, Any]) -> str:
    """Return the id of the conversation, which the sender knows the message by as well."""
    scopes = header_of(payload)["businessScope"]["scope"]
    found = (scope for scope in scopes if scope["type"] == "ConversationId")
    return str(next(found)["instanceIdentifier"])


def sender_org(payload: Mapping[str, Any]) -> str:
    """Return the organisation number of the header's sender, "" if it is not one."""
    return org_number(header_of(payload)["sender"][0]["identifier"]["value"])


def receiver_org(payload: Mapping[str, Any]) -> str:
    """Return the organisation number of the header's receiver (the mailbox supplier)."""
    return org_number(header_of(payload)["receiver"][0]["identifier"]["value"])


def author_org(payload: Mapping[str, Any]) -> str:
    """Return the organisation number of the letter's author (`avsender` in the body)."""
    return org_number(_digital(payload)["avsender"]["virksomhetsidentifikator"]["value"])


def mailbox_address(payload: Mapping[str, Any]) -> str:
    """Return the recipient's mailbox address."""
    return str(_digital(payload)["mottaker"]["postkasseadresse"])


def fingerprint(payload: Mapping[str, Any]) -> str:
    """Return the base64 SHA-256 that the encrypted package must have."""
    return str(_digital(payload)["dokumentpakkefingeravtrykk"]["digestValue"])


def org_number(value: str) -> str:
    """Return the nine digits of "0192:991825827", "" for anything else."""
    number = value[5:] if value.startswith(ORG_PREFIXES) else ""
    return number if len(number) == 9 and number.isascii() and number.isdecimal() else ""


def letter_from(
    payload: Mapping[str, Any],
    manifest: Manifest,
    files: Mapping[str, bytes],
    signer: Signer,
    raw: tuple[RawPart, ...],
) -> IncomingLetter:
    """Map a verified message and its opened package. Raises Refusal for a missing file."""
    digital = _digital(payload)
    public_title = str(digital["ikkesensitivtittel"])
    link = manifest.link
    return IncomingLetter(
        external_id=message_id(payload),
        recipient=Recipient(RecipientKind.MAILBOX_ADDRESS, mailbox_address(payload)),
        sender=SenderRef(signer.organisation or signer.name, author_org(payload), "certificate"),
        title=manifest.main.title or public_title,
        sent_at=_moment(header_of(payload)["documentIdentification"]["creationDateAndTime"]),
        public_title=public_title,
        language=_language(str(digital["spraak"])),
        visible_from=_visible_from(digital),
        due_at=link.due_at.astimezone(UTC) if link and link.due_at else None,
        security_level=int(digital["sikkerhetsnivaa"]),
        documents=_documents(manifest, files),
        actions=(_action(link),) if link else (),
        same_as=(f"dpi:{message_id(payload)}", f"dpi:{conversation_id(payload)}"),
        needs_action=bool(link and link.due_at),
        wants_opening_receipt=bool(digital.get("aapningskvittering", False)),
        notification_order=digital.get("varsler") or None,
        provenance={
            "message_signature": "verified",
            "signer_org_number": signer.org_number,
            "signer": signer.name,
            "package_fingerprint": "verified",
        },
        raw=raw,
    )


def _digital(payload: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = payload["standardBusinessDocument"]["digital"]
    return body


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _language(code: str) -> str:
    code = code.lower()
    return LANGUAGES.get(code, code)


def _visible_from(digital: Mapping[str, Any]) -> datetime | None:
    """The later of the two where both are given: neither may be broken."""
    moments = []
    if "virkningstidspunkt" in digital:
        moments.append(_moment(digital["virkningstidspunkt"]))
    if "virkningsdato" in digital:
        day = date.fromisoformat(digital["virkningsdato"])
        moments.append(datetime.combine(day, time(), OSLO).astimezone(UTC))
    return max(moments, default=None)


def _documents(manifest: Manifest, files: Mapping[str, bytes]) -> tuple[IncomingDocument, ...]:
    named = (manifest.main, *manifest.attachments)
    return tuple(_document(file, files, index == 0) for index, file in enumerate(named))


def _document(file: File, files: Mapping[str, bytes], is_main: bool) -> IncomingDocument:
    content = files.get(file.href)
    if content is None:
        raise Refusal("the manifest names a file that is not in the package")
    return IncomingDocument(
        name=file.href,
        media_type=file.media_type,
        title=file.title,
        is_main=is_main,
        content=content,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _action(link: Link) -> Action:
    due = link.due_at.astimezone(UTC) if link.due_at else None
    return Action(link.url, link.button or link.description or BUTTON, due)
