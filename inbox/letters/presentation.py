"""What a viewer may see of a letter: the one place that weighs its level against her session.

Templates get these values and never the model, so that a title above the level of the session
has no way onto a page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from inbox.citizens.viewer import Viewer
from inbox.letters.models import Delivery, Document, Event, Letter
from inbox.letters.queries import LetterQuerySet

ROW_FIELDS = (
    "id",
    "sender_name",
    "source",
    "title",
    "public_title",
    "snippet",
    "language",
    "kind",
    "security_level",
    "received_at",
    "due_at",
    "needs_action",
    "handled_at",
    "unread",
    "attachments",
    "content",
    "expires_at",
    "withdrawn_at",
    "place",
    "updated",
    "delete_at",
)


DOCUMENT_FIELDS = (
    "id",
    "name",
    "title",
    "media_type",
    "size",
    "is_main",
    "blob_id",
    "texts__pages",
    "texts__warnings",
)
"""Plain values: a letter may have thousands of attachments."""


@dataclass(slots=True)
class Row:
    """A letter in the list. `title` and `snippet` are safe to show; both may be empty if locked."""

    id: UUID
    sender_name: str
    source: str
    title: str
    snippet: str
    language: str
    kind: str
    locked: bool
    """The session's level is below the letter's."""
    received_at: datetime
    due_at: datetime | None
    needs_action: bool
    """She has something to do and has not done it."""
    handled: bool
    unread: bool
    attachments: int
    content: str
    expires_at: datetime | None
    withdrawn: bool
    place: str
    updated: bool
    """New content came after she had put it away."""
    delete_at: datetime | None


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """A document in the letter page. `kept` is False where we have no bytes (yet)."""

    id: UUID
    name: str
    title: str
    media_type: str
    size: int | None
    is_main: bool
    kept: bool
    pages: int
    """0 where we do not know (yet)."""
    warnings: Sequence[str]
    """What was found to be unusual about the file: the codes of `DocumentText.warnings`."""


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """Where the letter came from, by one channel."""

    source: str
    sent_at: datetime
    fetched_at: datetime
    sender_verified: str
    provenance: dict[str, str]
    expires_at: datetime | None
    withdrawn_at: datetime | None


@dataclass(frozen=True, slots=True)
class EventLine:
    """One line of the timeline."""

    kind: str
    at: datetime
    by_viewer: bool
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LetterPage:
    """All that the letter page shows. Locked: only `row`, `org_number` and the deliveries."""

    row: Row
    org_number: str
    security_level: int
    awaiting_consent: bool
    """The sender asks for a receipt of the opening, and she has not yet agreed."""
    opened_at: datetime | None
    body: str
    body_media_type: str
    case_reference: str
    documentary_value: bool | None
    actions: list[dict[str, str]]
    documents: Sequence[DocumentLine]
    deliveries: Sequence[DeliveryLine]
    events: Sequence[EventLine]


ROWS = cast("LetterQuerySet", Letter.objects.values_list(*ROW_FIELDS))
"""Where reads of the list begin: what a row shows is looked up in the model once, not each time."""


def rows(letters: LetterQuerySet, viewer: Viewer, limit: int) -> list[Row]:
    """Return at most `limit` rows of `letters`, that come of ROWS, in one query."""
    found = cast("Iterable[Sequence[Any]]", letters[:limit])
    return [make_row(viewer, *values) for values in found]


def row_of(letter: Letter, viewer: Viewer) -> Row:
    """Return what the list would show of `letter`."""
    return make_row(viewer, *(getattr(letter, name) for name in ROW_FIELDS))


def make_row(
    viewer: Viewer,
    letter_id: UUID,
    sender_name: str,
    source: str,
    title: str,
    public_title: str,
    snippet: str,
    language: str,
    kind: str,
    security_level: int,
    received_at: datetime,
    due_at: datetime | None,
    needs_action: bool,
    handled_at: datetime | None,
    unread: bool,
    attachments: int,
    content: str,
    expires_at: datetime | None,
    withdrawn_at: datetime | None,
    place: str,
    updated: bool,
    delete_at: datetime | None,
) -> Row:
    """Return the row of what ROW_FIELDS names, in that order."""
    locked = not viewer.may_read(security_level)
    return Row(
        id=letter_id,
        sender_name=sender_name,
        source=source,
        title=public_title if locked else title,
        snippet="" if locked else snippet,
        language=language,
        kind=kind,
        locked=locked,
        received_at=received_at,
        due_at=due_at,
        needs_action=needs_action and handled_at is None,
        handled=handled_at is not None,
        unread=unread,
        attachments=attachments,
        content=content,
        expires_at=expires_at,
        withdrawn=withdrawn_at is not None,
        place=place,
        updated=updated,
        delete_at=delete_at,
    )


def page_of(letter: Letter, viewer: Viewer) -> LetterPage:
    """Return what the letter page may show; reads documents, deliveries and events (3 queries).

    Below the letter's level neither documents nor events are read.
    """
    locked = not viewer.may_read(letter.security_level)
    hidden = locked or (letter.asks_receipt and letter.opened_at is None)
    own = {"citizen_id": letter.citizen_id, "letter_id": letter.id}
    deliveries = Delivery.objects.filter(**own).order_by("fetched_at", "id")
    documents = [] if hidden else shown_documents(letter)
    events = [] if hidden else Event.objects.filter(**own).order_by("at", "id")
    return LetterPage(
        row=row_of(letter, viewer),
        org_number=letter.sender.org_number,
        security_level=letter.security_level,
        awaiting_consent=hidden and not locked,
        opened_at=letter.opened_at,
        body="" if hidden else letter.body,
        body_media_type=letter.body_media_type,
        case_reference="" if hidden else letter.case_reference,
        documentary_value=letter.documentary_value,
        actions=[] if hidden else letter.actions,
        documents=documents,
        deliveries=[_delivery_line(delivery) for delivery in deliveries],
        events=[
            EventLine(event.kind, event.at, event.actor_id == viewer.actor_id, event.detail)
            for event in events
        ],
    )


def shown_documents(letter: Letter) -> list[DocumentLine]:
    """Return the letter's present documents, the main one first (1 query)."""
    found = (
        Document.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id, replaced_at=None)
        .order_by("-is_main", "position")
        .values_list(*DOCUMENT_FIELDS)
    )
    return [
        DocumentLine(
            id=document_id,
            name=name,
            title=title or name,
            media_type=media_type,
            size=size,
            is_main=is_main,
            kept=blob_id is not None,
            pages=pages or 0,
            warnings=warnings or (),
        )
        for document_id, name, title, media_type, size, is_main, blob_id, pages, warnings in found
    ]


def lacks_documents(letter: Letter) -> bool:
    """Say whether a document of the letter can still be fetched from its source (1 query)."""
    missing = Document.objects.filter(
        citizen_id=letter.citizen_id, letter_id=letter.id, replaced_at=None, blob_id=None
    )
    return missing.exclude(ref="").exists()


def _delivery_line(delivery: Delivery) -> DeliveryLine:
    return DeliveryLine(
        source=delivery.source,
        sent_at=delivery.sent_at,
        fetched_at=delivery.fetched_at,
        sender_verified=delivery.sender_verified,
        provenance=delivery.provenance,
        expires_at=delivery.expires_at,
        withdrawn_at=delivery.withdrawn_at,
    )
