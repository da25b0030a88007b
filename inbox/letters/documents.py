"""Reading a document: the check of who may, and the bytes from the archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from inbox.archive import store
from inbox.archive.models import Blob
from inbox.citizens.viewer import Viewer
from inbox.letters.models import AccessCopy, Document, DocumentText, Letter
from inbox.letters.open import get_letter
from inbox.letters.presentation import shown_documents


class LevelTooLow(Exception):
    """The letter is hers, but this session's level does not suffice to read it."""


class NotOpened(Exception):
    """The letter asks for her consent before it is opened."""


def find_document(viewer: Viewer, letter_id: UUID, document_id: UUID) -> Document:
    """Return a document that the viewer may read and whose bytes we have.

    Raises Letter.DoesNotExist, Document.DoesNotExist, LevelTooLow or NotOpened.
    """
    letter = _readable_letter(viewer, letter_id)
    return _kept_documents(letter).get(id=document_id)


def find_letter_with_documents(viewer: Viewer, letter_id: UUID) -> tuple[Letter, list[Document]]:
    """Return a letter that the viewer may read and its present documents, the main one first.

    Those whose bytes we do not have are left out. Raises Letter.DoesNotExist, LevelTooLow or
    NotOpened.
    """
    letter = _readable_letter(viewer, letter_id)
    present = _kept_documents(letter).filter(replaced_at=None)
    if letter.other_sources:
        by_id = {document.id: document for document in present}
        return letter, [by_id[line.id] for line in shown_documents(letter) if line.id in by_id]
    return letter, list(present.order_by("-is_main", "position"))


def find_appointment(viewer: Viewer, letter_id: UUID, number: int) -> tuple[Letter, dict[str, Any]]:
    """Return the letter's appointment of that place among them, from 0.

    Raises Letter.DoesNotExist, LevelTooLow, NotOpened, or IndexError where it has no such one.
    """
    letter = _readable_letter(viewer, letter_id)
    return letter, letter.appointments[number]


def find_kept_documents(letter: Letter) -> dict[UUID, dict[str, Document]]:
    """Return what is kept of a letter that may be read: by delivery, by path in the archive."""
    kept: dict[UUID, dict[str, Document]] = {}
    for document in _kept_documents(letter):
        kept.setdefault(document.delivery_id, {})[document.blob.path] = document
    return kept


def find_text(
    viewer: Viewer, letter_id: UUID, document_id: UUID
) -> tuple[Letter, Document, DocumentText | None]:
    """Return a document that the viewer may read, with its text where there is a row of it.

    Raises Letter.DoesNotExist, Document.DoesNotExist, LevelTooLow or NotOpened.
    """
    letter = _readable_letter(viewer, letter_id)
    document = _kept_documents(letter).get(id=document_id)
    text = DocumentText.objects.filter(citizen_id=letter.citizen_id, id=document.id).first()
    return letter, document, text


def find_texts(viewer: Viewer, letter_id: UUID, limit: int) -> dict[UUID, str]:
    """Return what has been read of a letter's first `limit` documents, by document.

    Raises Letter.DoesNotExist, LevelTooLow or NotOpened.
    """
    letter = _readable_letter(viewer, letter_id)
    present = _kept_documents(letter).filter(replaced_at=None).order_by("-is_main", "position")
    found = present.filter(texts__state=DocumentText.State.DONE)[:limit]
    return {key: text for key, text in found.values_list("id", "texts__text") if text}


def find_copy(
    viewer: Viewer, letter_id: UUID, document_id: UUID | None
) -> tuple[Letter, str, Blob]:
    """Return letter, title and PDF that we have made: of a document, or of the letter's own text.

    Raises Letter.DoesNotExist, AccessCopy.DoesNotExist, LevelTooLow or NotOpened; the last for
    any letter that nobody has opened.
    """
    letter = _readable_letter(viewer, letter_id)
    if letter.opened_at is None:
        raise NotOpened
    made = AccessCopy.objects.select_related("blob").filter(
        citizen_id=letter.citizen_id,
        delivery__letter_id=letter.id,
        state=AccessCopy.State.DONE,
        blob_id__isnull=False,
    )
    if document_id is None:
        copy = made.filter(id=F("delivery_id"), delivery__source=letter.source).latest("made_at")
        return letter, letter.title, copy.blob
    copy = made.get(id=document_id)
    document = Document.objects.get(citizen_id=letter.citizen_id, id=document_id)
    return letter, document.title or document.name, copy.blob


def _readable_letter(viewer: Viewer, letter_id: UUID) -> Letter:
    letter = get_letter(viewer, letter_id)
    if not viewer.may_read(letter.security_level):
        raise LevelTooLow
    if letter.asks_receipt and letter.opened_at is None:
        raise NotOpened
    return letter


def _kept_documents(letter: Letter) -> QuerySet[Document]:
    return Document.objects.select_related("blob").filter(
        citizen_id=letter.citizen_id, letter_id=letter.id, blob_id__isnull=False
    )


class Reader:
    """Reads several documents, the archive's object of each opened once: one query for each."""

    def __init__(self) -> None:
        self._opened: dict[UUID, store.Opened] = {}

    def stream(self, document: Document) -> Iterator[bytes]:
        """As `stream`."""
        blob = document.blob
        if blob.package_id not in self._opened:
            self._opened[blob.package_id] = store.opened(blob.citizen_id, blob.package_id)
        return self._opened[blob.package_id].chunks(blob.path, blob.version)


def stream(document: Document) -> Iterator[bytes]:
    """Yield the document's bytes in chunks. Raises archive errors before the first chunk."""
    return Reader().stream(document)
