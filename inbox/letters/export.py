"""Everything of hers, letter by letter, for her to take away.

Read by keyset in batches: memory and the number of queries for a batch stay the same however many
letters there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from inbox.archive.models import Blob
from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters.documents import LevelTooLow
from inbox.letters.models import (
    Delivery,
    Document,
    DocumentText,
    Event,
    Letter,
    Placement,
    Reply,
)
from inbox.letters.queries import LetterQuerySet

BATCH = 100


@dataclass(frozen=True, slots=True)
class DocumentFormat:
    """What reading a document told of its file, as `DocumentText` has it."""

    warnings: list[str]
    pdfa_status: str
    pdfa_level: str
    pdfa_lacks: list[str]
    pdfa_checked_by: str


@dataclass(slots=True)
class Exported:
    """One letter with all that belongs to it."""

    letter: Letter
    withheld: bool
    """She has not agreed to the receipt that the sender wants of the opening: no content."""
    documents: list[Document] = field(default_factory=list)
    """The main one first; then those that the sender has replaced since. Empty if withheld."""
    deliveries: list[Delivery] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    """Her answers, drafts included, the oldest first."""
    folders: list[dict[str, str]] = field(default_factory=list)
    """Her own folders that it is in: {"name", "color"}."""
    formats: dict[UUID, DocumentFormat] = field(default_factory=dict)
    """What was found of the documents' files, by document."""
    media_types: dict[tuple[UUID, str], str] = field(default_factory=dict)
    """What is kept of its deliveries: media types by archive object and path."""


@dataclass(frozen=True, slots=True)
class Part:
    """Which of her letters are meant: all, those of one case, or those in one folder of hers."""

    case_id: UUID | None = None
    folder_id: UUID | None = None

    def of(self, viewer: Viewer) -> LetterQuerySet:
        """Return the letters, in no order."""
        found = Letter.objects.visible_to(viewer)
        if self.case_id:
            found = found.filter(case_id=self.case_id)
        if self.folder_id:
            found = found.filter(placements__folder_id=self.folder_id)
        return found


EVERYTHING = Part()


def everything(viewer: Viewer, part: Part = EVERYTHING) -> Iterator[Exported]:
    """Yield each of the viewer's letters that are meant, the newest first.

    That a letter is taken away does not count as opening it. Raises LevelTooLow below the highest
    level, at the first letter.
    """
    if not viewer.may_read(SecurityLevel.HIGH):
        raise LevelTooLow
    found = part.of(viewer).select_related("sender").newest_first()
    batch = list(found[:BATCH])
    while batch:
        yield from _with_parts(viewer.citizen_id, batch)
        batch = list(found.after(batch[-1].received_at, batch[-1].id)[:BATCH])


def _with_parts(citizen_id: UUID, letters: Sequence[Letter]) -> Iterable[Exported]:
    hers = {"citizen_id": citizen_id, "letter_id__in": [letter.id for letter in letters]}
    made = {
        letter.id: Exported(letter, withheld=letter.asks_receipt and letter.opened_at is None)
        for letter in letters
    }
    documents: dict[UUID, list[Document]] = defaultdict(list)
    for document in (
        Document.objects.select_related("blob")
        .filter(**hers)
        .order_by("-is_main", "position", "id")
    ):
        documents[document.letter_id].append(document)
    for letter_id, each in made.items():
        if not each.withheld:
            # Sorting keeps the order within each of the two.
            of_it = documents[letter_id]
            each.documents = sorted(of_it, key=lambda one: one.replaced_at is not None)
    for letter_id, *found in _formats(citizen_id, made):
        made[letter_id].formats[found[0]] = DocumentFormat(*found[1:])
    deliveries = Delivery.objects.filter(**hers).prefetch_related("receipts")
    for delivery in deliveries.order_by("fetched_at", "id"):
        made[delivery.letter_id].deliveries.append(delivery)
    for event in Event.objects.filter(**hers).order_by("at", "id"):
        if not made[event.letter_id].withheld:
            made[event.letter_id].events.append(event)
    for reply in Reply.objects.filter(**hers).order_by("updated_at", "id"):
        made[reply.letter_id].replies.append(reply)
    for letter_id, name, color in _placements(citizen_id, made):
        made[letter_id].folders.append({"name": name, "color": color})
    packages = {each.id: each.letter_id for one in made.values() for each in one.deliveries}
    for package_id, path, media_type in _kept(citizen_id, packages):
        made[packages[package_id]].media_types[package_id, path] = media_type
    return made.values()


def _kept(citizen_id: UUID, packages: Iterable[UUID]) -> QuerySet[Blob, tuple[UUID, str, str]]:
    """Return archive object, path and media type of every file kept, the newest version last."""
    found = Blob.objects.filter(citizen_id=citizen_id, package_id__in=list(packages))
    return found.order_by("version").values_list("package_id", "path", "media_type")


def _formats(citizen_id: UUID, letters: Iterable[UUID]) -> QuerySet[DocumentText, tuple[Any, ...]]:
    """Return letter, document and what DocumentFormat has of each document that has been read."""
    found = DocumentText.objects.filter(
        citizen_id=citizen_id, document__letter_id__in=list(letters)
    )
    names = [each.name for each in fields(DocumentFormat)]
    return found.values_list("document__letter_id", "id", *names)


def _placements(
    citizen_id: UUID, letters: Iterable[UUID]
) -> QuerySet[Placement, tuple[UUID, str, str]]:
    """Return letter, name and colour for each folder of hers that a letter is in."""
    found = Placement.objects.filter(citizen_id=citizen_id, letter_id__in=list(letters))
    return found.order_by("folder__name").values_list("letter_id", "folder__name", "folder__color")
