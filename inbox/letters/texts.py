"""The text of documents, made after the letter has come: rows that wait, read one by one.

The bytes come from the archive and are read by a process of its own (`extract.py`), so that a
hostile document can take neither the worker nor the other documents with it.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Timer
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from inbox.archive import store
from inbox.letters import extract, indexing
from inbox.letters.models import Document, DocumentText

log = logging.getLogger("samlepost.texts")

State = DocumentText.State
BATCH = 100
ATTEMPTS_MAX = 3
RETRY_AFTER = timedelta(minutes=1)
SIZE_MAX = 50 * 2**20
"""Bytes; a larger document is kept and shown, but not read."""
WALL_SECONDS = 40.0
"""For one document; the process itself gives up after `extract.CPU_SECONDS` of work."""


class Unreadable(Exception):
    """The process that read the document did not live to answer."""


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
    lease = timezone.now() + timedelta(seconds=settings.SYNC_LEASE_SECONDS + WALL_SECONDS)
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


def _ask(reader: Reader, document: Document) -> extract.Answer:
    blob = document.blob
    if blob.size > SIZE_MAX:
        return extract.failure("too_large")
    content = store.read_bytes(blob.citizen_id, blob.package_id, blob.path, version=blob.version)
    media_type = document.media_type.partition(";")[0].strip().lower()
    return reader.read(content, media_type)


def _save(text: DocumentText, answer: extract.Answer) -> None:
    with transaction.atomic():
        DocumentText.objects.filter(citizen_id=text.citizen_id, id=text.id).update(
            state=State.FAILED if answer["failed"] else State.DONE,
            text=answer["text"].replace("\x00", ""),
            pages=answer["pages"],
            links=answer["links"],
            warnings=answer["warnings"],
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


class Reader:
    """The process that reads documents; a new one is started when it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Reader]:
        """Give a reader, and end its process afterwards."""
        reader = cls()
        try:
            yield reader
        finally:
            reader.stop()

    def read(self, content: bytes, media_type: str) -> extract.Answer:
        """Return what `extract.text_of` makes of the bytes. Raises Unreadable."""
        process = self._started()
        assert process.stdin and process.stdout
        request = json.dumps({"size": len(content), "media_type": media_type})
        limit = Timer(WALL_SECONDS, process.kill)
        limit.start()
        line = b""
        try:
            process.stdin.write(request.encode() + b"\n" + content)
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:  # it died while it was written to
            line = b""
        finally:
            limit.cancel()
        if not line.endswith(b"\n"):
            self.stop()
            raise Unreadable
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """End the process, if one runs."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(Path(extract.__file__))],
                env={},  # it reads strangers' files: what is secret here is not for it
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process
