"""From an item of an agency's feed to our letter. Pure; README.md has the table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from connectors.contract import (
    LEVEL_HIGH,
    LEVEL_SUBSTANTIAL,
    Action,
    IncomingDocument,
    IncomingLetter,
    Kind,
    RawPart,
    Recipient,
    RecipientKind,
    SenderRef,
    Unreadable,
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
SHA256_HEX = re.compile(r"[0-9a-f]{64}")


def read_items(
    items: Iterable[Any], national_id: str, org_number: str
) -> tuple[list[IncomingLetter], list[Unreadable]]:
    """Read the items of a page one by one: the letters, and what could not be read."""
    letters: list[IncomingLetter] = []
    unreadable: list[Unreadable] = []
    for item in items:
        try:
            letters.append(read_item(item, national_id, org_number))
        except WrongField as error:
            unreadable.append(refused(item, str(error)))
    return letters, unreadable


def refused(item: Any, reason: str) -> Unreadable:
    """Return an item kept whole with the reason; `external_id` is empty where it has none."""
    try:
        external_id = text(table(item, "the item"), "id", longest=IDENTIFIER_MAX)
    except WrongField:
        external_id = ""
    return Unreadable(external_id, f"item: {reason}", [raw_part(item)])


def raw_part(item: Any) -> RawPart:
    """Return an item as it is kept: each value as it came, spaces left out."""
    content = json.dumps(item, separators=(",", ":")).encode()
    return RawPart("item.json", content, "application/json")


def read_item(item: Any, national_id: str, org_number: str) -> IncomingLetter:
    """Map one item. Raises WrongField, also when its sender is not `org_number`."""
    said = table(item, "the item")
    handled_at = optional_moment(said, "handled_at")
    return IncomingLetter(
        external_id=text(said, "id", longest=IDENTIFIER_MAX),
        recipient=Recipient(RecipientKind.NATIONAL_ID, national_id),
        sender=_sender(said, org_number),
        title=text(said, "title", longest=TITLE_MAX),
        sent_at=moment(said, "sent_at"),
        public_title=optional_text(said, "public_title", longest=TITLE_MAX),
        summary=optional_text(said, "summary"),
        language=optional_text(said, "language", longest=8),
        visible_from=optional_moment(said, "visible_from"),
        due_at=optional_moment(said, "due_at"),
        expires_at=optional_moment(said, "deleted_at_source"),
        security_level=_level(said),
        kind=_kind(said),
        documents=_documents(said),
        case_reference=optional_text(said, "case_reference", longest=255),
        same_as=_same_as(said),
        actions=_actions(said),
        needs_action=truth(said, "needs_action") and handled_at is None,
        wants_opening_receipt=truth(said, "wants_opening_receipt"),
        documentary_value=_documentary_value(said),
        opened_at=optional_moment(said, "opened_at"),
        handled_at=handled_at,
        withdrawn=truth(said, "withdrawn"),
        provenance={"transport": "minside"},
        raw=[raw_part(item)],
    )


def _sender(said: Mapping[str, Any], org_number: str) -> SenderRef:
    """An agency speaks for itself alone: its feed may carry no other's letters."""
    sender = table(said.get("sender"), "sender")
    if text(sender, "org_number", longest=20) != org_number:
        raise WrongField("it names another organisation than the source's own")
    return SenderRef(text(sender, "name", longest=255), org_number, "source")


def _level(said: Mapping[str, Any]) -> int:
    level = said.get("security_level")
    if isinstance(level, bool) or level not in (LEVEL_SUBSTANTIAL, LEVEL_HIGH):
        raise WrongField("security_level is neither 3 nor 4")
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


def _actions(said: Mapping[str, Any]) -> list[Action]:
    if said.get("link") is None:
        return []
    link = table(said["link"], "link")
    label = optional_text(link, "label", longest=255) or "Gå til avsenderen"
    return [Action(https_url(link, "url"), label, optional_moment(said, "due_at"))]


def _documents(said: Mapping[str, Any]) -> list[IncomingDocument]:
    documents = [_document(table(each, "a document")) for each in rows(said, "documents")]
    if sum(document.is_main for document in documents) > 1:
        raise WrongField("documents has more than one main document")
    return documents


def _document(said: Mapping[str, Any]) -> IncomingDocument:
    size = said.get("size")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise WrongField("a document's size is not a number of bytes")
    digest = text(said, "sha256", longest=64).lower()
    if not SHA256_HEX.fullmatch(digest):
        raise WrongField("a document's sha256 is not 64 hexadecimal digits")
    name = text(said, "name", longest=255)
    identifier = text(said, "id", longest=IDENTIFIER_MAX)
    if identifier in (".", ".."):
        raise WrongField("a document's id is not one")
    return IncomingDocument(
        name=name,
        media_type=text(said, "media_type", longest=255),
        title=optional_text(said, "title", longest=TITLE_MAX) or name,
        is_main=truth(said, "main"),
        ref=f"documents/{quote(identifier, safe='')}",
        size=size,
        sha256=digest,
    )
