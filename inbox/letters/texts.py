"""The text of documents, made after the letter has come: rows that wait, read one by one.

The bytes come from the archive and are read by a process of its own (`extract.py`), so that a
hostile document can take neither the worker nor the other documents with it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from inbox.archive import store
from inbox.letters import extract, indexing, verapdf
from inbox.letters.apart import Answer, Apart, Died
from inbox.letters.models import Document, DocumentText

log = logging.getLogger("samlepost.texts")

State = DocumentText.State
Pdfa = DocumentText.Pdfa
BATCH = 100
ATTEMPTS_MAX = 3
RETRY_AFTER = timedelta(minutes=1)
SIZE_MAX = 50 * 2**20
"""Bytes; a larger document is kept and shown, but not read."""
WALL_SECONDS = 40.0
"""For one document; the process itself gives up after `apart.CPU_SECONDS` of work."""
Unreadable = Died


def waiting(documents: Iterable[Document]) -> list[DocumentText]:
    """Return unsaved rows for those of `documents` whose bytes are kept."""
    now = timezone.now()
    return [
        DocumentText(citizen_id=document.citizen_id, id=document.id, due_at=now)
        for document in documents
        if document.blob_id
    ]


def read_due() -> int:
    """Read the documents that wait; returns how many texts there are more."""
    now = timezone.now()
    due = DocumentText.objects.filter(_free(), state=State.WAITING, due_at__lte=now)
    keys = list(due.order_by("due_at").values_list("citizen_id", "id")[:BATCH])
    if not keys:
        return 0
    with Reader.running() as reader:
        return sum(read(citizen_id, document_id, reader) for citizen_id, document_id in keys)


def read(citizen_id: UUID, document_id: UUID, reader: Reader) -> bool:
    """Read one document; False when it failed or somebody else has it in hand."""
    row = DocumentText.objects.filter(citizen_id=citizen_id, id=document_id)
    lasts = settings.SYNC_LEASE_SECONDS + WALL_SECONDS + verapdf.WALL_SECONDS
    lease = timezone.now() + timedelta(seconds=lasts)
    claimed = row.filter(_free(), state=State.WAITING).update(
        lease_until=lease, attempts=F("attempts") + 1
    )
    if not claimed:
        return False
    text = row.select_related("document__blob").get()
    try:
        answer = _ask(reader, text.document)
    except Unreadable:
        _later(text, "broken")
        return False
    except (store.Missing, store.Damaged, OSError) as error:
        log.error("document %s cannot be read: %s", document_id, type(error).__name__)
        _later(text, "missing")
        return False
    _save(text, answer)
    return not answer["failed"]


def _ask(reader: Reader, document: Document) -> Answer:
    blob = document.blob
    if blob.size > SIZE_MAX:
        return extract.failure("too_large")
    content = store.read_bytes(blob.citizen_id, blob.package_id, blob.path, version=blob.version)
    media_type = document.media_type.partition(";")[0].strip().lower()
    answer = reader.read(content, media_type)
    return answer | {"judged": judged(answer["pdfa"], content)}


def judged(claim: Mapping[str, Any] | None, content: bytes) -> dict[str, Any]:
    """Return the `pdfa_…` columns of a file of which `pdfa.look_at` says `claim`.

    What is no more than claimed becomes `validated` by veraPDF alone, and by that for the very
    level that it claims; what veraPDF finds fault with is no more than claimed.
    """
    if not claim:
        return {"pdfa_level": "", "pdfa_status": "", "pdfa_lacks": [], "pdfa_checked_by": ""}
    status = Pdfa.CLAIMED if claim["lacks"] else Pdfa.CHECKED
    lacks, checked_by = claim["lacks"], f"Samlepost {settings.VERSION}"
    if verapdf.is_there():
        try:
            report = verapdf.validate(content)
        except verapdf.NoReport as error:
            log.warning("veraPDF gave no report: %s", error)
        else:
            passed = report.compliant and report.level == claim["level"]
            status = Pdfa.VALIDATED if passed else Pdfa.CLAIMED
            lacks = [] if passed else [*lacks, "validation"]
            checked_by = f"veraPDF {report.version}"
    return {
        "pdfa_level": claim["level"],
        "pdfa_status": status,
        "pdfa_lacks": lacks,
        "pdfa_checked_by": checked_by,
    }


def _save(text: DocumentText, answer: Answer) -> None:
    with transaction.atomic():
        DocumentText.objects.filter(citizen_id=text.citizen_id, id=text.id).update(
            state=State.FAILED if answer["failed"] else State.DONE,
            text=answer["text"].replace("\x00", ""),
            pages=answer["pages"],
            links=answer["links"],
            warnings=answer["warnings"],
            **answer.get("judged", {}),
            lease_until=None,
        )
        indexing.write_letter(text.citizen_id, text.document.letter_id)


def _later(text: DocumentText, warning: str) -> None:
    """Try again in a while: the machine, not the document, may have been at fault."""
    given_up = text.attempts >= ATTEMPTS_MAX
    DocumentText.objects.filter(citizen_id=text.citizen_id, id=text.id).update(
        state=State.FAILED if given_up else State.WAITING,
        warnings=[warning] if given_up else [],
        due_at=timezone.now() + RETRY_AFTER,
        lease_until=None,
    )


def _free() -> Q:
    return Q(lease_until=None) | Q(lease_until__lt=timezone.now())


class Reader(Apart):
    """The process that reads documents; a new one is started when it has died."""

    module = "inbox.letters.extract"
    wall_seconds = WALL_SECONDS

    def read(self, content: bytes, media_type: str) -> Answer:
        """Return what `extract.text_of` makes of the bytes. Raises Unreadable."""
        return self.ask({"media_type": media_type}, content)
