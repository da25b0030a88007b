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
from connectors.dpi.extensions import Extensions, read_extensions
from connectors.dpi.manifest import OSLO, File, Link, Manifest
from connectors.dpi.refusal import Refusal

ORG_PREFIXES = ("0192:", "9908:")
"""ICD 0192 (Enhetsregisteret); 9908 is its older Peppol code."""
LANGUAGES = {"no": "nb"}
PROGRAMS = (b"MZ", b"\x7fELF", b"#!")
"""How programs for Windows and Linux, and scripts, begin: none of them may be sent."""
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
    return org_number(_body(payload)["avsender"]["virksomhetsidentifikator"]["value"])


def mailbox_address(payload: Mapping[str, Any]) -> str:
    """Return the recipient's mailbox address."""
    return str(_digital(payload)["mottaker"]["postkasseadresse"])


def sender_token(payload: Mapping[str, Any]) -> str:
    """Return the Maskinporten token that shows the sender's right to send."""
    return str(_body(payload)["maskinportentoken"])


def created_at(payload: Mapping[str, Any]) -> datetime:
    """Return when the message was made, as its sender says."""
    return _moment(header_of(payload)["documentIdentification"]["creationDateAndTime"])


def fingerprint(payload: Mapping[str, Any]) -> str:
    """Return the base64 SHA-256 that the encrypted package must have."""
    return str(_body(payload)["dokumentpakkefingeravtrykk"]["digestValue"])


def receipt_at(payload: Mapping[str, Any]) -> datetime:
    """Return the moment that a checked receipt attests."""
    return _moment(_body(payload)["tidspunkt"])


def org_number(value: str) -> str:
    """Return the nine digits of "0192:991825827", "" for anything else."""
    number = value[5:] if value.startswith(ORG_PREFIXES) else ""
    return number if len(number) == 9 and number.isascii() and number.isdecimal() else ""


def _notification_order(digital: Mapping[str, Any]) -> dict[str, list[int]] | None:
    """The channels and days; the words of the notice stay in the message: ours name no matter."""
    said = digital.get("varsler") or {}
    order = {
        channel: sorted(set(said[name]["repetisjoner"]))
        for name, channel in (("epostvarsel", "email"), ("smsvarsel", "sms"))
        if name in said
    }
    return order or None


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
    extra = read_extensions((manifest.main, *manifest.attachments), files)
    links = [link for link in (manifest.link, *extra.links) if link]
    due = min((link.due_at.astimezone(UTC) for link in links if link.due_at), default=None)
    return IncomingLetter(
        external_id=message_id(payload),
        recipient=Recipient(RecipientKind.MAILBOX_ADDRESS, mailbox_address(payload)),
        sender=_sender(payload, signer),
        title=manifest.main.title or public_title,
        sent_at=created_at(payload),
        public_title=public_title,
        language=_language(str(digital["spraak"])),
        visible_from=_visible_from(digital),
        due_at=due,
        security_level=int(digital["sikkerhetsnivaa"]),
        documents=_documents(manifest, files),
        actions=tuple(map(_action, links)),
        same_as=(f"dpi:{message_id(payload)}", f"dpi:{conversation_id(payload)}"),
        needs_action=due is not None,
        documentary_value=True if extra.proofs else None,
        appointments=extra.appointments,
        proofs=extra.proofs,
        wants_opening_receipt=bool(digital.get("aapningskvittering", False)),
        notification_order=_notification_order(digital),
        provenance=_provenance(signer, extra),
        raw=raw,
    )


def printed_from(
    payload: Mapping[str, Any],
    manifest: Manifest,
    files: Mapping[str, bytes],
    signer: Signer,
    raw: tuple[RawPart, ...],
) -> IncomingLetter:
    """Map a verified letter to be printed whose manifest names a person. Raises Refusal.

    The message has neither level nor public title, so it is of the contract's highest level.
    """
    if manifest.national_id:
        recipient = Recipient(RecipientKind.NATIONAL_ID, manifest.national_id)
    else:
        recipient = Recipient(RecipientKind.MAILBOX_ADDRESS, manifest.mailbox_address)
    extra = read_extensions((manifest.main, *manifest.attachments), files)
    links = [link for link in (manifest.link, *extra.links) if link]
    due = min((link.due_at.astimezone(UTC) for link in links if link.due_at), default=None)
    return IncomingLetter(
        external_id=message_id(payload),
        recipient=recipient,
        sender=_sender(payload, signer),
        title=manifest.main.title or manifest.main.href,
        sent_at=created_at(payload),
        language=_language(manifest.main.language),
        due_at=due,
        documents=_documents(manifest, files),
        actions=tuple(map(_action, links)),
        same_as=(f"dpi:{message_id(payload)}", f"dpi:{conversation_id(payload)}"),
        needs_action=due is not None,
        documentary_value=True if extra.proofs else None,
        appointments=extra.appointments,
        proofs=extra.proofs,
        on_paper_at=created_at(payload),
        provenance=_provenance(signer, extra),
        raw=raw,
    )


def _provenance(signer: Signer, extra: Extensions) -> dict[str, str]:
    return {
        "message_signature": "verified",
        "signer_org_number": signer.org_number,
        "signer": signer.name,
        "package_fingerprint": "verified",
        **({"extensions": f"not read: {extra.unread[0]}"} if extra.unread else {}),
        "package_signature": "verified",
    }


def _sender(payload: Mapping[str, Any], signer: Signer) -> SenderRef:
    """The author: by name where it signed itself; of another the message has only the number."""
    author = author_org(payload)
    if author == signer.org_number:
        return SenderRef(signer.organisation or signer.name, author, "certificate")
    return SenderRef("", author, "token")


def _digital(payload: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = payload["standardBusinessDocument"]["digital"]
    return body


def _body(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a checked message of any type, which is called as its type is."""
    kind = header_of(payload)["documentIdentification"]["type"]
    body: dict[str, Any] = payload["standardBusinessDocument"][kind]
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
    if content.startswith(PROGRAMS):
        raise Refusal("a document in the package is a program")
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
