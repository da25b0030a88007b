"""The zip of all her letters: one folder a letter, and an index that any browser opens.

Made while it is sent. In memory lie a batch of letters and the zip's list of names; the rows of
the index wait in a file until all letters have passed.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import Any
from uuid import UUID

from django.template.loader import render_to_string
from django.utils.translation import gettext, ngettext, override

from inbox.archive import store
from inbox.archive.store import Damaged, Missing
from inbox.citizens.models import ContactDetails
from inbox.citizens.viewer import Viewer
from inbox.letters import saved_searches
from inbox.letters.documents import stream
from inbox.letters.export import Exported, everything
from inbox.letters.models import Document, Letter, Reply
from inbox.sync.freshness import freshness
from inbox.sync.models import OutboundReceipt
from inbox.web.body import render_body
from inbox.web.dates import OSLO, Calendar
from inbox.web.files import file_name, file_name_of
from inbox.web.zipped import unique_names

FORMAT = "samlepost-export/1"
FOLDER_LENGTH_MAX = 100
ANSWERS = "answers"
"""The folder beside a letter's documents with the files of her answers."""
RECEIPTS = "receipts"
"""The folder with the signed receipts that its senders were sent."""
CONTACT = (
    "status",
    "reserved",
    "may_be_notified",
    "email",
    "email_confirmed_at",
    "email_fresh_until",
    "mobile",
    "mobile_confirmed_at",
    "mobile_fresh_until",
    "language",
    "mailbox_supplier",
    "asked_at",
    "answered_at",
)
"""What of her contact details is hers to take along."""
INDEX_IN_MEMORY_BYTES = 1_000_000
CHUNK_BYTES = 65_536

log = logging.getLogger("samlepost.export")

Entry = tuple[str, datetime, Iterator[bytes]]


@dataclass(slots=True)
class _File:
    """A document on its way into the zip."""

    document: Document
    name: str
    """Inside the letter's folder; empty when there are no bytes."""
    fault: str = ""
    """Why it is not there, or not whole."""


@dataclass(slots=True)
class _Sent:
    """A file that she has put beside an answer, on its way into the zip."""

    reply: Reply
    said: Mapping[str, Any]
    """As in `Reply.attachments`."""
    name: str
    """Inside the letter's folder; empty when it could not be read."""


@dataclass(slots=True)
class Export:
    """One export in the making, in one language."""

    viewer: Viewer
    name: str
    """Whose letters they are."""
    at: datetime
    language: str
    labels: Mapping[str, str]
    _letters: int = 0
    _without_content: Counter[str] = field(default_factory=Counter)
    _withheld: int = 0
    _faults: int = 0
    _in_bin: int = 0

    def entries(self) -> Iterator[Entry]:
        """Yield the zip's files; `index.html` is the last one, when it is known what is in it."""
        moment = self.at.astimezone(OSLO)
        with SpooledTemporaryFile(INDEX_IN_MEMORY_BYTES) as rows:
            for each in everything(self.viewer):
                folder = f"letters/{_folder(each.letter)}"
                files = self._files(each)
                yield from self._documents(folder, each, files)
                sent = _sent(each.replies)
                yield from self._beside_answers(folder, sent)
                yield from _signed_receipts(folder, each)
                when = each.letter.received_at.astimezone(OSLO)
                yield f"{folder}/letter.html", when, iter([self._letter_page(each, files, sent)])
                yield f"{folder}/letter.json", when, iter([_metadata(each, files, sent)])
                rows.write(self._row(folder, each, files))
            yield "searches.json", moment, iter([_searches(self.viewer)])
            yield "contact.json", moment, iter([_contact(self.viewer)])
            yield "sources.json", moment, iter([_sources(self.viewer)])
            rows.seek(0)
            head, foot = self._index()
            body = iter(lambda: rows.read(CHUNK_BYTES), b"")
            yield "index.html", moment, chain([head], body, [foot])

    def _files(self, each: Exported) -> list[_File]:
        self._letters += 1
        self._withheld += each.withheld
        self._in_bin += each.letter.place == Letter.Place.BIN
        present = [document for document in each.documents if document.blob_id]
        names = unique_names(
            ["letter.html", "letter.json", ANSWERS, RECEIPTS, *map(file_name_of, present)]
        )[4:]
        by_id = {document.id: name for document, name in zip(present, names, strict=True)}
        files = [_File(document, by_id.get(document.id, "")) for document in each.documents]
        lacks = any(not file.name for file in files) or each.letter.content != Letter.Content.KEPT
        if lacks and not each.withheld:
            self._without_content[each.letter.source] += 1
        return files

    def _documents(self, folder: str, each: Exported, files: Sequence[_File]) -> Iterator[Entry]:
        when = each.letter.received_at.astimezone(OSLO)
        for file in files:
            if not file.name:
                file.fault = "not kept"
                continue
            try:
                chunks = stream(file.document)
                first = next(chunks, b"")
            except (Missing, Damaged, OSError) as error:
                self._note(file, error)
                file.name = ""
                continue
            yield f"{folder}/{file.name}", when, self._whole(file, first, chunks)

    def _whole(self, file: _File, first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """One damaged file must not cost her the others: it ends early, and is said to."""
        yield first
        try:
            yield from chunks
        except (Damaged, OSError) as error:
            self._note(file, error)

    def _note(self, file: _File, error: Exception) -> None:
        log.error("document %s could not be exported: %s", file.document.id, type(error).__name__)
        file.fault = "damaged"
        self._faults += 1

    def _beside_answers(self, folder: str, sent: Sequence[_Sent]) -> Iterator[Entry]:
        for file in sent:
            try:
                chunks = store.read_chunks(UUID(file.said["id"]), file.said["path"])
                first = next(chunks, b"")
            except (Missing, Damaged, OSError) as error:
                self._note_answer(file, error)
                file.name = ""
                continue
            when = file.reply.updated_at.astimezone(OSLO)
            yield f"{folder}/{file.name}", when, self._whole_answer(file, first, chunks)

    def _whole_answer(self, file: _Sent, first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
        yield first
        try:
            yield from chunks
        except (Damaged, OSError) as error:
            self._note_answer(file, error)

    def _note_answer(self, file: _Sent, error: Exception) -> None:
        log.error("a file of answer %s is not whole: %s", file.reply.id, type(error).__name__)
        self._faults += 1

    def _letter_page(self, each: Exported, files: Sequence[_File], sent: Sequence[_Sent]) -> bytes:
        letter = each.letter
        with override(self.language):
            context = {
                "language": self.language,
                "letter": letter,
                "title": _title(letter),
                "received": Calendar(self.at, self.language).moment(letter.received_at),
                "due": Calendar(self.at, self.language).full_day(letter.due_at)
                if letter.due_at
                else "",
                "source": self.labels.get(letter.source, letter.source),
                "withheld": each.withheld,
                "incomplete": letter.content != Letter.Content.KEPT,
                "body": "" if each.withheld else render_body(letter.body, letter.body_media_type),
                "files": [
                    (file.name, file.document.title or file.document.name, file.fault)
                    for file in files
                ],
                "thread": _thread(each, sent, Calendar(self.at, self.language)),
            }
            return render_to_string("web/export_letter.html", context).encode()

    def _row(self, folder: str, each: Exported, files: Sequence[_File]) -> bytes:
        with override(self.language):
            context = {
                "address": f"{folder}/letter.html",
                "title": _title(each.letter),
                "lang": each.letter.language,
                "sender": each.letter.sender_name,
                "source": self.labels.get(each.letter.source, each.letter.source),
                "received": Calendar(self.at, self.language).full_day(each.letter.received_at),
                "files": sum(bool(file.name) for file in files),
                "in_bin": each.letter.place == Letter.Place.BIN,
                "incomplete": each.letter.content != Letter.Content.KEPT
                or each.withheld
                or any(file.fault for file in files),
            }
            return render_to_string("web/export_row.html", context).encode()

    def _index(self) -> tuple[bytes, bytes]:
        """Return what stands before and after the rows."""
        with override(self.language):
            context = {
                "language": self.language,
                "name": self.name,
                "at": Calendar(self.at, self.language).moment(self.at),
                "letters": ngettext("{n} letter", "{n} letters", self._letters).format(
                    n=self._letters
                ),
                "bin": ngettext(
                    "The archive and the bin are included: {n} letter lies in the bin.",
                    "The archive and the bin are included: {n} letters lie in the bin.",
                    self._in_bin,
                ).format(n=self._in_bin),
                "gaps": self._gaps(),
                "mark": "@@rows@@",
            }
            page = render_to_string("web/export_index.html", context)
        head, _, foot = page.partition("@@rows@@")
        return head.encode(), foot.encode()

    def _gaps(self) -> list[str]:
        """Say what is not in the zip, and why."""
        said = [
            ngettext(
                "{source}: we do not keep the content of {n} letter. Open it to fetch it.",
                "{source}: we do not keep the content of {n} letters. Open them to fetch it.",
                count,
            ).format(source=self.labels.get(source, source), n=count)
            for source, count in sorted(self._without_content.items())
        ]
        if self._withheld:
            said.append(
                ngettext(
                    "The content of {n} unopened letter whose sender wants a receipt is left out.",
                    "The content of {n} unopened letters whose senders want a receipt is left out.",
                    self._withheld,
                ).format(n=self._withheld)
            )
        if self._faults:
            said.append(
                ngettext(
                    "{n} document could not be read whole. We have been told.",
                    "{n} documents could not be read whole. We have been told.",
                    self._faults,
                ).format(n=self._faults)
            )
        return said


def _title(letter: Letter) -> str:
    return letter.title or gettext("Letter from %(sender)s") % {"sender": letter.sender_name}


def _folder(letter: Letter) -> str:
    """Return a folder's name that is no other letter's: the end of the id tells two apart."""
    day = letter.received_at.astimezone(OSLO).date().isoformat()
    said = file_name(f"{day} {letter.sender_name} {letter.title}".replace("/", "-"), "")
    cut = said.encode()[:FOLDER_LENGTH_MAX].decode(errors="ignore").rstrip(" .")
    return f"{cut} {letter.id.hex[-12:]}"


def _sent(replies: Sequence[Reply]) -> list[_Sent]:
    """Return the files of her answers, under names that are no two files'."""
    found = [(reply, said) for reply in replies for said in reply.attachments]
    names = unique_names([file_name(said["name"], said["media_type"]) for _, said in found])
    return [
        _Sent(reply, said, f"{ANSWERS}/{name}")
        for (reply, said), name in zip(found, names, strict=True)
    ]


def _thread(each: Exported, sent: Sequence[_Sent], calendar: Calendar) -> list[dict[str, Any]]:
    """Return her answers and the sender's, the oldest first."""
    entries: list[dict[str, Any]] = [
        {
            "at": reply.updated_at,
            "author": "",
            "text": reply.text or reply.choice_label,
            "is_sent": reply.state == Reply.State.DONE,
            "reference": reply.reference,
            "files": [(file.name, file.said["name"]) for file in sent if file.reply is reply],
        }
        for reply in each.replies
    ]
    for message in [] if each.withheld else each.letter.messages:
        at = datetime.fromisoformat(message["at"])
        side = gettext("From your side") if message.get("from_her") else each.letter.sender_name
        parts = (message.get("title", ""), message["text"], message.get("body", ""))
        text = "\n\n".join(filter(None, parts))
        author = message["author"] or side
        entries.append({"at": at, "author": author, "text": text, "files": []})
    entries.sort(key=lambda entry: entry["at"])
    return [entry | {"moment": calendar.moment(entry["at"])} for entry in entries]


def _metadata(each: Exported, files: Sequence[_File], sent: Sequence[_Sent]) -> bytes:
    """Return what we know of the letter as JSON; names are those of our tables."""
    letter = each.letter
    said: dict[str, Any] = {
        "format": FORMAT,
        "id": str(letter.id),
        "sender": {"name": letter.sender_name, "org_number": letter.sender.org_number},
        "title": letter.title,
        "public_title": letter.public_title,
        "language": letter.language,
        "place": letter.place,
        "kind": letter.kind,
        "security_level": letter.security_level,
        "received_at": letter.received_at,
        "withheld": each.withheld,
        "deliveries": [
            {
                "source": delivery.source,
                "external_id": delivery.external_id,
                "sent_at": delivery.sent_at,
                "fetched_at": delivery.fetched_at,
                "expires_at": delivery.expires_at,
                "withdrawn_at": delivery.withdrawn_at,
                "sender_verified": delivery.sender_verified,
                "provenance": delivery.provenance,
                "receipts": [
                    {
                        "kind": receipt.kind,
                        "at": receipt.at,
                        "sent_at": receipt.sent_at,
                        "file": _receipt_name(receipt) if receipt.signed else None,
                    }
                    for receipt in delivery.receipts.all()
                ],
            }
            for delivery in each.deliveries
        ],
    }
    if not each.withheld:
        said |= {
            "body": letter.body,
            "body_media_type": letter.body_media_type,
            "due_at": letter.due_at,
            "needs_action": letter.needs_action,
            "handled_at": letter.handled_at,
            "opened_at": letter.opened_at,
            "unread": letter.unread,
            "content": letter.content,
            "case_reference": letter.case_reference,
            "documentary_value": letter.documentary_value,
            "expires_at": letter.expires_at,
            "on_paper_at": letter.on_paper_at,
            "returned_at": letter.returned_at,
            "actions": letter.actions,
            "appointments": letter.appointments,
            "proofs": letter.proofs,
            "documents": [_document(file) for file in files],
            "answers": [_answer(reply, sent) for reply in each.replies],
            "messages": letter.messages,
            "versions": letter.versions,
            "events": [
                {"kind": event.kind, "at": event.at, "detail": event.detail}
                for event in each.events
            ],
        }
    return json.dumps(said, ensure_ascii=False, indent=2, default=_text).encode()


def _signed_receipts(folder: str, each: Exported) -> Iterator[Entry]:
    """What the sender was told, as signed by us: whoever has the file can prove it."""
    for delivery in each.deliveries:
        for receipt in delivery.receipts.all():
            if receipt.signed:
                name = f"{folder}/{_receipt_name(receipt)}"
                yield name, receipt.at.astimezone(OSLO), iter([receipt.signed.encode()])


def _receipt_name(receipt: OutboundReceipt) -> str:
    return f"{RECEIPTS}/{receipt.kind}-{receipt.id.hex[-12:]}.jwt"


def _answer(reply: Reply, sent: Sequence[_Sent]) -> dict[str, Any]:
    return {
        "state": reply.state,
        "choice": reply.choice,
        "choice_label": reply.choice_label,
        "text": reply.text,
        "written_at": reply.updated_at,
        "sent_at": reply.sent_at,
        "reference": reply.reference,
        "attachments": [
            {
                "file": file.name or None,
                **{key: file.said[key] for key in ("name", "media_type", "size", "sha256")},
            }
            for file in sent
            if file.reply is reply
        ],
    }


def _searches(viewer: Viewer) -> bytes:
    """Return her saved searches as JSON: each a name and the query string of the search page."""
    said = {
        "format": FORMAT,
        "searches": [
            {"name": each.name, "query": each.query, "saved_at": each.saved_at}
            for each in saved_searches.of(viewer)
        ],
    }
    return json.dumps(said, ensure_ascii=False, indent=2, default=_text).encode()


def _sources(viewer: Viewer) -> bytes:
    """Return her sources as JSON, and since when she lets us keep copies of a source's letters."""
    said = {
        "format": FORMAT,
        "sources": [
            {
                "source": each.slug,
                "label": each.label,
                "connected": each.connected,
                "keeps_since": each.keeps_since,
            }
            for each in freshness(viewer.citizen_id)
        ],
    }
    return json.dumps(said, ensure_ascii=False, indent=2, default=_text).encode()


def _contact(viewer: Viewer) -> bytes:
    """Return what the contact register says of her as JSON; names are those of our table."""
    found = ContactDetails.objects.filter(citizen_id=viewer.citizen_id).values(*CONTACT).first()
    said = {"format": FORMAT, "contact": found if found and found["status"] else None}
    return json.dumps(said, ensure_ascii=False, indent=2, default=_text).encode()


def _document(file: _File) -> dict[str, Any]:
    document = file.document
    return {
        "file": file.name or None,
        "fault": file.fault or None,
        "name": document.name,
        "title": document.title,
        "media_type": document.media_type,
        "is_main": document.is_main,
        "replaced_at": document.replaced_at,
        "size": document.blob.size if document.blob_id else document.size,
        "sha256": document.blob.sha256 if document.blob_id else None,
    }


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
