"""From an agency's letter in its feed to ours. Pure; README.md has the table."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from connectors.contract import (
    LEVEL_HIGH,
    LEVEL_SUBSTANTIAL,
    Action,
    Appointment,
    IncomingDocument,
    IncomingLetter,
    Kind,
    Payment,
    RawPart,
    Recipient,
    RecipientKind,
    ReplyChoice,
    ReplyForm,
    ReplyKind,
    SenderRef,
    Signing,
    SigningStatus,
    ThreadMessage,
)
from connectors.fields import (
    WrongField,
    https_url,
    moment,
    optional_moment,
    optional_text,
    rows,
    table,
    text,
    truth,
)

IDENTIFIER_MAX = 255
TITLE_MAX = 1000
PLACE_MAX = 1000
NOTE_MAX = 10_000
REPLY_TEXT_MAX = 10_000
CODE_MAX = 64
LABEL_MAX = 255
ENTRIES_MAX = 500
DOCUMENT_BYTES_MAX = 150_000_000
SHA256_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Agency:
    """What is agreed with an agency, besides the feed itself."""

    org_number: str
    """Nine digits; its feed may carry no other sender's letters."""
    pages_url: str = ""
    """Where its own pages are, "" where all of them are https."""
    retention: timedelta | None = None
    """How long it keeps a letter of which it does not say that."""
    level_min: int = LEVEL_SUBSTANTIAL
    """A letter that says a lower level than this is of this one: 4 for feeds about health."""


def raw_part(item: Any) -> RawPart:
    """Return an item as it is kept: each value as it came, spaces left out."""
    content = json.dumps(item, separators=(",", ":")).encode()
    return RawPart("item.json", content, "application/json")


def read_letter(item: Any, national_id: str, agency: Agency) -> IncomingLetter:
    """Map one letter. Raises WrongField, also when its sender is not the agency."""
    said = table(item, "the entry")
    handled_at = optional_moment(said, "handled_at")
    sent_at = moment(said, "sent_at")
    return IncomingLetter(
        external_id=identifier(said),
        recipient=Recipient(RecipientKind.NATIONAL_ID, national_id),
        sender=_sender(said, agency.org_number),
        title=text(said, "title", longest=TITLE_MAX),
        sent_at=sent_at,
        public_title=optional_text(said, "public_title", longest=TITLE_MAX),
        summary=optional_text(said, "summary"),
        language=optional_text(said, "language", longest=8),
        visible_from=optional_moment(said, "visible_from"),
        due_at=optional_moment(said, "due_at"),
        expires_at=_expires_at(said, sent_at, agency),
        security_level=max(_level(said), agency.level_min),
        kind=_kind(said),
        documents=_documents(said),
        case_reference=optional_text(said, "case_reference", longest=255),
        same_as=_same_as(said),
        actions=_actions(said, agency.pages_url),
        needs_action=truth(said, "needs_action") and handled_at is None,
        wants_opening_receipt=truth(said, "wants_opening_receipt"),
        documentary_value=_documentary_value(said),
        opened_at=optional_moment(said, "opened_at"),
        handled_at=handled_at,
        handled_by=optional_text(said, "handled_by", longest=LABEL_MAX),
        withdrawn=truth(said, "withdrawn"),
        reply_forms=_reply_forms(said),
        messages=[_message(table(each, "a message")) for each in _few(said, "messages")],
        payment=_payment(said),
        signing=_signing(said, agency.pages_url),
        appointments=[
            _appointment(table(each, "an appointment")) for each in _few(said, "appointments")
        ],
        provenance={"transport": "minside"},
        raw=[raw_part(item)],
    )


def identifier(said: Mapping[str, Any]) -> str:
    """Return by what an agency knows the letter. Raises WrongField."""
    return text(said, "id", longest=IDENTIFIER_MAX)


def _expires_at(said: Mapping[str, Any], sent_at: datetime, agency: Agency) -> datetime | None:
    """When the agency deletes it: what the letter says, else what is agreed for all of them."""
    own = optional_moment(said, "deleted_at_source")
    if own is not None or agency.retention is None:
        return own
    try:
        return sent_at + agency.retention
    except OverflowError:
        raise WrongField("sent_at is too late to count from") from None


def _sender(said: Mapping[str, Any], org_number: str) -> SenderRef:
    """An agency speaks for itself alone: its feed may carry no other's letters."""
    sender = table(said.get("sender"), "sender")
    if text(sender, "org_number", longest=20) != org_number:
        raise WrongField("F-22: it names another organisation than the source's own")
    return SenderRef(text(sender, "name", longest=255), org_number, "source")


def _level(said: Mapping[str, Any]) -> int:
    level = said.get("security_level")
    if isinstance(level, bool) or level not in (LEVEL_SUBSTANTIAL, LEVEL_HIGH):
        raise WrongField("F-23: security_level is neither 3 nor 4")
    return int(level)


def _kind(said: Mapping[str, Any]) -> Kind:
    """A type that we do not know is a letter: it can be read all the same."""
    name = text(said, "type", longest=64)
    return Kind(name) if name in set(Kind) else Kind.LETTER


def _documentary_value(said: Mapping[str, Any]) -> bool | None:
    if said.get("documentary_value") is None:
        return None
    return truth(said, "documentary_value")


def _same_as(said: Mapping[str, Any]) -> list[str]:
    keys = [{"key": key} for key in rows(said, "also_sent_as")]
    return [text(key, "key", longest=255) for key in keys]


def _actions(said: Mapping[str, Any], pages_url: str) -> list[Action]:
    if said.get("link") is None:
        return []
    link = table(said["link"], "link")
    label = optional_text(link, "label", longest=LABEL_MAX) or "Gå til avsenderen"
    return [
        Action(
            https_url(link, "url", also_below=pages_url),
            label,
            optional_moment(said, "due_at"),
            truth(link, "takes_return"),
        )
    ]


def _few(said: Mapping[str, Any], name: str) -> list[Any]:
    found = rows(said, name)
    if len(found) > ENTRIES_MAX:
        raise WrongField(f"{name} has more than {ENTRIES_MAX} entries")
    return found


def _reply_forms(said: Mapping[str, Any]) -> list[ReplyForm]:
    forms = [_reply_form(table(each, "a reply form")) for each in _few(said, "reply_forms")]
    if len({form.code for form in forms}) < len(forms):
        raise WrongField("F-28: two reply forms have the same code")
    return forms


def _reply_form(said: Mapping[str, Any]) -> ReplyForm:
    """A kind that we do not know is a form that we cannot show: the letter is refused whole."""
    name = text(said, "kind", longest=64)
    if name not in set(ReplyKind):
        raise WrongField("a reply form is of no known kind")
    kind = ReplyKind(name)
    choices = [_choice(table(each, "a choice")) for each in _few(said, "choices")]
    if kind is ReplyKind.CHOICE and not choices:
        raise WrongField("F-28: a reply form has nothing to choose")
    return ReplyForm(
        code=text(said, "code", longest=CODE_MAX),
        kind=kind,
        label=optional_text(said, "label", longest=LABEL_MAX),
        choices=choices,
        text_max=min(_count(said, "text_max", REPLY_TEXT_MAX), REPLY_TEXT_MAX),
        attachments_max=_count(said, "attachments_max"),
        attachment_types=[
            text({"type": each}, "type", longest=127) for each in _few(said, "attachment_types")
        ],
        attachment_bytes_max=_count(said, "attachment_bytes_max"),
        reason=optional_text(said, "reason", longest=TITLE_MAX),
        settles=truth(said, "settles", default=True),
    )


def _choice(said: Mapping[str, Any]) -> ReplyChoice:
    return ReplyChoice(text(said, "code", longest=CODE_MAX), text(said, "label", longest=LABEL_MAX))


def _message(said: Mapping[str, Any]) -> ThreadMessage:
    return ThreadMessage(
        id=text(said, "id", longest=IDENTIFIER_MAX),
        at=moment(said, "at"),
        text=text(said, "text"),
        author=optional_text(said, "author", longest=LABEL_MAX),
    )


def _payment(said: Mapping[str, Any]) -> Payment | None:
    """A KID or account whose check digits are wrong is shown all the same, with a warning."""
    if said.get("payment") is None:
        return None
    payment = table(said["payment"], "payment")
    amount = _count(payment, "amount", None)
    currency = optional_text(payment, "currency", longest=3) or "NOK"
    if not (currency.isascii() and currency.isupper() and len(currency) == 3):
        raise WrongField("currency is not three capital letters")
    return Payment(
        amount=amount,
        account=text(payment, "account", longest=34),
        kid=optional_text(payment, "kid", longest=25),
        currency=currency,
        due_at=optional_moment(payment, "due_at"),
    )


def _signing(said: Mapping[str, Any], pages_url: str) -> Signing | None:
    if said.get("signing") is None:
        return None
    signing = table(said["signing"], "signing")
    status = text(signing, "status", longest=64)
    if status not in set(SigningStatus):
        raise WrongField("signing is in no known status")
    has_url = signing.get("url") is not None
    return Signing(
        SigningStatus(status),
        https_url(signing, "url", also_below=pages_url) if has_url else "",
        optional_moment(signing, "at"),
    )


def _appointment(said: Mapping[str, Any]) -> Appointment:
    start, end = optional_moment(said, "starts_at"), optional_moment(said, "ends_at")
    if start and end and end < start:
        raise WrongField("an appointment ends before it starts")
    return Appointment(
        title=text(said, "title", longest=LABEL_MAX),
        place=optional_text(said, "place", longest=PLACE_MAX),
        times=[(start, end)] if start or end else [],
        note=optional_text(said, "note", longest=NOTE_MAX),
    )


def _count(said: Mapping[str, Any], name: str, default: int | None = 0) -> int:
    """A whole number from 0; `default` where it is absent, unless that is None."""
    value = said.get(name)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**12:
        raise WrongField(f"{name} is not a number from 0")
    return value


def _documents(said: Mapping[str, Any]) -> list[IncomingDocument]:
    documents = [_document(table(each, "a document")) for each in _few(said, "documents")]
    if sum(document.is_main for document in documents) > 1:
        raise WrongField("F-33: documents has more than one main document")
    return documents


def _document(said: Mapping[str, Any]) -> IncomingDocument:
    size = said.get("size")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= DOCUMENT_BYTES_MAX:
        raise WrongField(f"F-31: a document's size is not 0 to {DOCUMENT_BYTES_MAX} bytes")
    digest = text(said, "sha256", longest=64).lower()
    if not SHA256_HEX.fullmatch(digest):
        raise WrongField("F-32: a document's sha256 is not 64 hexadecimal digits")
    name = text(said, "name", longest=255)
    name_there = text(said, "id", longest=IDENTIFIER_MAX)
    if name_there in (".", ".."):
        raise WrongField("a document's id is not one")
    return IncomingDocument(
        name=name,
        media_type=text(said, "media_type", longest=255),
        title=optional_text(said, "title", longest=TITLE_MAX) or name,
        is_main=truth(said, "main"),
        ref=f"documents/{quote(name_there, safe='')}",
        size=size,
        sha256=digest,
    )
