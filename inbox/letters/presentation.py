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

from django.db.models import Case, OuterRef, Q, Subquery, TextField, Value, When
from django.db.models.functions import Left

from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import access_copies
from inbox.letters.models import AccessCopy, Delivery, Document, DocumentText, Event, Letter
from inbox.letters.queries import LetterQuerySet

ROW_FIELDS = (
    "id",
    "sender_name",
    "source",
    "other_sources",
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
    "incomplete",
    "withdrawn_at",
    "on_paper_at",
    "returned_at",
    "documentary_value",
    "place",
    "updated",
    "delete_at",
    "folders",
)


DOCUMENT_FIELDS = (
    "id",
    "name",
    "title",
    "media_type",
    "size",
    "is_main",
    "blob_id",
    "expires_at",
    "gone_at",
    "not_given",
    "texts__pages",
    "texts__warnings",
    "texts__links",
    "texts__pdfa_status",
    "texts__pdfa_level",
    "texts__pdfa_lacks",
    "texts__pdfa_checked_by",
    "copied",
)
"""Plain values: a letter may have thousands of attachments."""
ORIGIN_FIELDS = ("delivery_id", "blob__sha256", "delivery__source")
"""By these the same document of two channels is told."""


@dataclass(slots=True)
class Row:
    """A letter in the list. `title` and `snippet` are safe to show; both may be empty if locked."""

    id: UUID
    sender_name: str
    source: str
    other_sources: str
    """Slugs, between spaces, of the further sources that brought it."""
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
    incomplete: bool
    """Its source has, or had, more of it than is kept here."""
    withdrawn: bool
    on_paper_at: datetime | None
    """When its sender sent it by post, too."""
    returned_at: datetime | None
    """When it came back from the post, undelivered."""
    proof: bool
    """The sender says that it has lasting value as documentation."""
    place: str
    updated: bool
    """New content came after she had put it away."""
    delete_at: datetime | None
    folders: list[str]
    """Ids of her own folders that it is in."""


@dataclass(frozen=True, slots=True)
class Format:
    """Whether a file is fit to be kept for life: the `pdfa_…` columns of `DocumentText`."""

    status: str = ""
    level: str = ""
    lacks: Sequence[str] = ()
    checked_by: str = ""


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
    expires_at: datetime | None
    """When the source lets go of it."""
    gone: bool
    """The source no longer has it, and neither have we."""
    not_given: str
    """Why the source does not give it to her, in its words; empty where it does."""
    pages: int
    """0 where we do not know (yet)."""
    warnings: Sequence[str]
    """What was found to be unusual about the file: the codes of `DocumentText.warnings`."""
    links: Sequence[dict[str, Any]]
    """[{"url", "page"}]: where links inside the document lead."""
    format: Format
    copied: bool
    """We have made a PDF of it."""
    not_copied: str
    """Why we could not (`AccessCopy.reason`); empty where we did, will, or need not."""

    @property
    def lacking(self) -> bool:
        """Whether it is not here and may still be had."""
        return not (self.kept or self.gone or self.not_given)


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """Where the letter came from, by one channel."""

    id: UUID
    source: str
    sent_at: datetime
    fetched_at: datetime
    sender_verified: str
    provenance: dict[str, str]
    expires_at: datetime | None
    keep_by: datetime | None
    """When the source lets go of what is not kept here, as it says or as we assume."""
    kept_unseen: bool
    """Its content was fetched though she had not opened it."""
    gone_at: datetime | None
    """When the source said that it no longer has it."""
    withdrawn_at: datetime | None
    needs_confirmation: bool
    has_more: bool
    """Its source has more of it, which comes when she opens it."""
    matched_by: str
    """Why it is taken for the same letter as the first, empty for that one (`matching.py`)."""


@dataclass(frozen=True, slots=True)
class Apart:
    """A copy that she has made a letter of its own: she may put it back."""

    delivery_id: UUID
    source: str
    letter_id: UUID
    """The other letter: the copy's own, or the one that it was split from."""


@dataclass(frozen=True, slots=True)
class EventLine:
    """One line of the timeline."""

    kind: str
    at: datetime
    by_viewer: bool
    detail: dict[str, Any]
    is_own: bool = True
    """The letter is to the viewer herself, who is "you" in the words."""


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
    case_id: UUID | None
    documentary_value: bool | None
    actions: list[dict[str, Any]]
    reply_forms: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    versions: list[dict[str, str]]
    """What it says in other languages; locked: the public titles alone."""
    payment: dict[str, Any] | None
    signing: dict[str, str] | None
    appointments: list[dict[str, Any]]
    proofs: list[dict[str, str]]
    handled_by: str
    documents: Sequence[DocumentLine]
    copied: bool
    """We have made a PDF of its own text."""
    not_copied: str
    """As of a document."""
    deliveries: Sequence[DeliveryLine]
    apart: Sequence[Apart]
    events: Sequence[EventLine]
    body_language: str = ""
    """Where it is another than the letter's."""


@dataclass(frozen=True, slots=True)
class ThreadLetter:
    """A letter in the thread of its case."""

    row: Row
    hidden: bool
    """She has not yet agreed that the sender is told of the opening."""
    messages: Sequence[dict[str, Any]]


ROWS = cast("LetterQuerySet", Letter.objects.values_list(*ROW_FIELDS))
"""Where reads of the list begin: what a row shows is looked up in the model once, not each time."""


def rows(letters: LetterQuerySet, viewer: Viewer, limit: int) -> list[Row]:
    """Return at most `limit` rows of `letters`, that come of ROWS, in one query."""
    found = cast("Iterable[Sequence[Any]]", letters[:limit])
    return [make_row(viewer, *values) for values in found]


def thread_letters(letters: LetterQuerySet, viewer: Viewer, limit: int) -> list[ThreadLetter]:
    """Return at most `limit` of `letters`, with what the sender wrote in their threads (1 query).

    What the viewer may not read has no business in a thread: it raises ValueError.
    """
    found = []
    for letter in letters.only(*ROW_FIELDS, "messages", "asks_receipt", "opened_at")[:limit]:
        if not viewer.may_read(letter.security_level):
            raise ValueError("a letter above the level of the session")
        hidden = letter.asks_receipt and letter.opened_at is None
        messages = [] if hidden else letter.messages
        found.append(ThreadLetter(row_of(letter, viewer), hidden, messages))
    return found


def row_of(letter: Letter, viewer: Viewer) -> Row:
    """Return what the list would show of `letter`."""
    return make_row(viewer, *(getattr(letter, name) for name in ROW_FIELDS))


def make_row(
    viewer: Viewer,
    letter_id: UUID,
    sender_name: str,
    source: str,
    other_sources: str,
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
    incomplete: bool,
    withdrawn_at: datetime | None,
    on_paper_at: datetime | None,
    returned_at: datetime | None,
    documentary_value: bool | None,
    place: str,
    updated: bool,
    delete_at: datetime | None,
    folders: list[str],
) -> Row:
    """Return the row of what ROW_FIELDS names, in that order."""
    locked = not viewer.may_read(security_level)
    return Row(
        id=letter_id,
        sender_name=sender_name,
        source=source,
        other_sources=other_sources,
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
        incomplete=incomplete,
        withdrawn=withdrawn_at is not None,
        on_paper_at=None if locked else on_paper_at,
        returned_at=None if locked else returned_at,
        proof=bool(documentary_value) and not locked,
        place=place,
        updated=updated,
        delete_at=delete_at,
        folders=folders,
    )


def searched_levels(viewer: Viewer) -> list[int]:
    """Return the levels of letters whose title and content the viewer may search."""
    return [level for level in SecurityLevel.values if viewer.may_read(level)]


def searched_head(viewer: Viewer) -> Case:
    """Return the expression of what of a letter's head counts for her order of hits."""
    readable = When(security_level__in=searched_levels(viewer), then="search__head")
    return Case(readable, default="search__open_head", output_field=TextField())


def readable(letters: LetterQuerySet, viewer: Viewer) -> LetterQuerySet:
    """Narrow `letters` to those whose content she may read in this session."""
    return letters.filter(
        Q(asks_receipt=False) | Q(opened_at__isnull=False),
        security_level__in=searched_levels(viewer),
    )


PASSAGE_MAX = 50_000
"""Characters of a document that are looked through for what to quote."""


def passages(viewer: Viewer, letter_ids: Sequence[UUID]) -> dict[UUID, list[tuple[str, str]]]:
    """Return what of these letters may be quoted: (name of the document or "", text), in 2 queries.

    Nothing of a letter above the session's level, or whose receipt she has not agreed to.
    """
    found: dict[UUID, list[tuple[str, str]]] = {}
    letters = readable(Letter.objects.visible_to(viewer), viewer).filter(id__in=list(letter_ids))
    for letter_id, body in letters.values_list("id", Left("body", PASSAGE_MAX)):
        found[letter_id] = [("", body)]
    texts = DocumentText.objects.filter(
        citizen_id=viewer.citizen_id,
        document__letter_id__in=list(found),
        document__replaced_at=None,
        state=DocumentText.State.DONE,
    ).order_by("-document__is_main", "document__position")
    columns = ("document__letter_id", "document__title", "document__name")
    for letter_id, title, name, text in texts.values_list(*columns, Left("text", PASSAGE_MAX)):
        found[letter_id].append((title or name, text))
    return found


def page_of(letter: Letter, viewer: Viewer) -> LetterPage:
    """Return what the letter page may show; reads documents, deliveries and events (3 queries).

    Below the letter's level neither documents nor events are read.
    """
    locked = not viewer.may_read(letter.security_level)
    hidden = locked or (letter.asks_receipt and letter.opened_at is None)
    own = {"citizen_id": letter.citizen_id, "letter_id": letter.id}
    deliveries = list(
        Delivery.objects.filter(
            Q(letter_id=letter.id) | Q(split_from_id=letter.id), citizen_id=letter.citizen_id
        )
        .annotate(copied=_copied())
        .order_by("fetched_at", "id")
    )
    copied = [each.copied or "" for each in deliveries if each.source == letter.source]
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
        case_id=None if hidden else letter.case_id,
        documentary_value=letter.documentary_value,
        actions=[] if hidden else letter.actions,
        reply_forms=[] if hidden else letter.reply_forms,
        messages=[] if hidden else letter.messages,
        versions=_versions(letter, locked=locked, hidden=hidden),
        payment=None if hidden else letter.payment,
        signing=None if hidden else letter.signing,
        appointments=[] if hidden else letter.appointments,
        proofs=[] if hidden else letter.proofs,
        handled_by=letter.handled_by,
        documents=documents,
        copied=not hidden and COPIED in copied,
        not_copied="" if hidden or COPIED in copied else max(copied, default=""),
        deliveries=[_delivery_line(each) for each in deliveries if each.letter_id == letter.id],
        apart=[] if hidden else _apart(letter, deliveries),
        events=[
            EventLine(
                event.kind,
                event.at,
                event.actor_id == viewer.actor_id,
                event.detail,
                viewer.is_herself,
            )
            for event in events
        ],
    )


COPIED = "copied"


def _versions(letter: Letter, *, locked: bool, hidden: bool) -> list[dict[str, str]]:
    """Return what may be shown of the letter in other languages: hidden, no more than a title."""
    if not hidden:
        return list(letter.versions)
    name = "public_title" if locked else "title"
    return [
        {"language": each["language"], "title": each[name]}
        for each in letter.versions
        if each[name]
    ]


def shown_documents(letter: Letter) -> list[DocumentLine]:
    """Return the letter's present documents, the main one first (1 query).

    What came by several channels stands once, and one document is the main one: that of the
    channel whose words stand for the letter, where it has one.
    """
    found: Iterable[Sequence[Any]] = (
        Document.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id, replaced_at=None)
        .annotate(copied=_copied())
        .order_by("-is_main", "position")
        .values_list(*DOCUMENT_FIELDS, *(ORIGIN_FIELDS if letter.other_sources else ()))
    )
    if letter.other_sources:
        found = _each_once(letter, found)
    return [
        DocumentLine(
            id=document_id,
            name=name,
            title=title or name,
            media_type=media_type,
            size=size,
            is_main=is_main,
            kept=blob_id is not None,
            expires_at=expires_at,
            gone=gone_at is not None and blob_id is None,
            not_given=not_given,
            pages=pages or 0,
            warnings=warnings or (),
            links=links or (),
            format=Format(*pdfa) if pdfa[0] else Format(),
            copied=copied == COPIED,
            not_copied="" if copied == COPIED else copied or "",
        )
        for document_id, name, title, media_type, size, is_main, blob_id, *rest in found
        for expires_at, gone_at, not_given, pages, warnings, links, *pdfa, copied in (rest,)
    ]


def _copied() -> Subquery:
    """Say of a document, or of a delivery's text: COPIED, or why we could not make a PDF of it."""
    state = AccessCopy.State
    own = AccessCopy.objects.filter(citizen_id=OuterRef("citizen_id"), id=OuterRef("id"))
    said = Case(
        When(state=state.DONE, blob_id__isnull=False, then=Value(COPIED)),
        When(Q(state=state.FAILED) & ~Q(reason=access_copies.EMPTY), then="reason"),
    )
    return Subquery(own.values(said=said)[:1], output_field=TextField())


def _each_once(letter: Letter, found: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
    """Return documents by channel, without those that a channel before had, and one main one.

    Takes DOCUMENT_FIELDS with ORIGIN_FIELDS after them; gives DOCUMENT_FIELDS.
    """
    width, is_main = len(DOCUMENT_FIELDS), DOCUMENT_FIELDS.index("is_main")
    brought_by: dict[str, UUID] = {}
    kept: list[Sequence[Any]] = []
    # Sorting is stable: within a channel they stay in the order they came in.
    for row in sorted(found, key=lambda row: (not row[is_main], row[-1] != letter.source, row[-3])):
        delivery_id, sha256, _ = row[width:]
        if sha256 and brought_by.setdefault(sha256, delivery_id) != delivery_id:
            continue
        first = row[is_main] and not kept
        kept.append((*row[:is_main], first, *row[is_main + 1 : width]))
    return kept


def _apart(letter: Letter, deliveries: Iterable[Delivery]) -> list[Apart]:
    return [
        Apart(
            each.id,
            each.source,
            each.split_from_id if each.letter_id == letter.id else each.letter_id,
        )
        for each in deliveries
        if each.split_from_id
    ]


def _delivery_line(delivery: Delivery) -> DeliveryLine:
    return DeliveryLine(
        id=delivery.id,
        source=delivery.source,
        sent_at=delivery.sent_at,
        fetched_at=delivery.fetched_at,
        sender_verified=delivery.sender_verified,
        provenance=delivery.provenance,
        expires_at=delivery.expires_at,
        keep_by=delivery.keep_by,
        kept_unseen=delivery.kept_unseen_at is not None,
        gone_at=delivery.gone_at,
        withdrawn_at=delivery.withdrawn_at,
        has_more=delivery.has_more,
        matched_by=delivery.matched_by,
        needs_confirmation=delivery.needs_confirmation,
    )
