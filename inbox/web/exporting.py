"""A copy of her letters: a bag with one folder a letter, and an index that any browser opens.

Made as it is written. In memory lie a batch of letters and the zip's list of names; the rows of
the index and the manifests wait in files until all letters have passed.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import Any
from uuid import UUID

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.translation import gettext, ngettext, override

from inbox.archive import store
from inbox.archive.bag.evidence import Evidence, log_files
from inbox.archive.bag.writing import Bag, Entry, plain_name
from inbox.archive.store import Damaged, Missing
from inbox.citizens.viewer import Viewer
from inbox.letters.body import render_body
from inbox.letters.documents import Reader
from inbox.letters.export import EVERYTHING, Exported, Part, everything
from inbox.letters.models import Letter, Reply
from inbox.web import export_said
from inbox.web.dates import OSLO, Calendar
from inbox.web.export_said import RECEIPTS, File, Sent
from inbox.web.files import file_name, file_name_of
from inbox.web.zipped import unique_names

FOLDER_LENGTH_MAX = 100
ANSWERS = "answers"
"""The folder beside a letter's documents with the files of her answers."""
EVIDENCE = "evidence"
"""The folder with what proves the letter's deliveries."""
TAKEN = ("letter.html", "letter.json", "premis.xml", ANSWERS, RECEIPTS, EVIDENCE)
"""Names in a letter's folder that no document may have."""
INDEX_IN_MEMORY_BYTES = 1_000_000
CHUNK_BYTES = 65_536

log = logging.getLogger("samlepost.export")


@dataclass(slots=True)
class Contents:
    """What one copy holds, in one language, as it is made."""

    viewer: Viewer
    name: str
    """Whose letters they are."""
    at: datetime
    language: str
    labels: Mapping[str, str]
    part: Part = EVERYTHING
    letters: int = 0
    """How many letters it has so far."""
    _without_content: Counter[str] = field(default_factory=Counter)
    _withheld: int = 0
    _faults: int = 0
    _in_bin: int = 0
    _unproved: int = 0
    _heads: set[str] = field(default_factory=set)

    def entries(self) -> Iterator[Entry]:
        """Yield the bag's files; `index.html` when it is known what is in it."""
        moment = self.at.astimezone(OSLO)
        info = [
            ("Source-Organization", "Samlepost"),
            ("External-Description", "Letters from public bodies, as their recipient took them."),
            ("Bag-Software-Agent", f"Samlepost {settings.VERSION}"),
        ]
        bag = Bag(f"Samlepost {moment:%Y-%m-%d}", moment, info)
        with SpooledTemporaryFile(INDEX_IN_MEMORY_BYTES) as rows:

            def tags() -> Iterator[Entry]:
                rows.seek(0)
                head, foot = self._index()
                body = iter(lambda: rows.read(CHUNK_BYTES), b"")
                yield "index.html", moment, chain([head], body, [foot])

            yield from bag.entries(self._payload(moment, rows.write), tags())

    def _payload(self, moment: datetime, write_row: Any) -> Iterator[Entry]:
        for each in everything(self.viewer, self.part):
            folder = f"letters/{_folder(each.letter)}"
            when = each.letter.received_at.astimezone(OSLO)
            files = self._files(each)
            yield from self._documents(folder, each, files)
            sent = _sent(each.replies)
            yield from self._beside_answers(folder, sent)
            for name, signed in export_said.signed_receipts(each):
                yield f"{folder}/{name}", when, [signed]
            evidence = _evidence(each, files)
            for kept in evidence:
                for name, chunks in kept.files():
                    yield f"{folder}/{name}", when, chunks
                self._faults += bool(kept.fault) and not any(file.fault for file in files)
                self._heads |= kept.heads
            proved = _proved(evidence)
            self._unproved += proved != "logged" and not each.withheld
            page = self._letter_page(each, files, sent, proved)
            yield f"{folder}/letter.html", when, [page]
            said = export_said.letter(each, files, sent, evidence)
            yield f"{folder}/letter.json", when, [said]
            yield f"{folder}/premis.xml", when, [export_said.premis_of(each, files, sent, evidence)]
            write_row(self._row(f"data/{folder}", each, files))
        yield "searches.json", moment, [export_said.searches(self.viewer)]
        yield "contact.json", moment, [export_said.contact(self.viewer)]
        yield "sources.json", moment, [export_said.sources(self.viewer)]
        for name, content in log_files(self._heads):
            yield f"log/{name}", moment, [content]

    def _files(self, each: Exported) -> list[File]:
        self.letters += 1
        self._withheld += each.withheld
        self._in_bin += each.letter.place == Letter.Place.BIN
        present = [document for document in each.documents if document.blob_id]
        wanted = [plain_name(file_name_of(document)) for document in present]
        names = unique_names([*TAKEN, *wanted])[len(TAKEN) :]
        by_id = {document.id: name for document, name in zip(present, names, strict=True)}
        files = [File(document, by_id.get(document.id, "")) for document in each.documents]
        lacks = any(not file.name for file in files) or each.letter.content != Letter.Content.KEPT
        if lacks and not each.withheld:
            self._without_content[each.letter.source] += 1
        return files

    def _documents(self, folder: str, each: Exported, files: Sequence[File]) -> Iterator[Entry]:
        when, reader = each.letter.received_at.astimezone(OSLO), Reader()
        for file in files:
            if not file.name:
                file.fault = "not kept"
                continue
            try:
                chunks = reader.stream(file.document)
                first = next(chunks, b"")
            except (Missing, Damaged, OSError) as error:
                self._note(file, error)
                file.name = ""
                continue
            yield f"{folder}/{file.name}", when, self._whole(file, first, chunks)

    def _whole(self, file: File, first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """One damaged file must not cost her the others: it ends early, and is said to."""
        yield first
        try:
            yield from chunks
        except (Damaged, OSError) as error:
            self._note(file, error)

    def _note(self, file: File, error: Exception) -> None:
        log.error("document %s could not be exported: %s", file.document.id, type(error).__name__)
        file.fault = "damaged"
        self._faults += 1

    def _beside_answers(self, folder: str, sent: Sequence[Sent]) -> Iterator[Entry]:
        for file in sent:
            try:
                chunks = store.read_chunks(
                    file.reply.citizen_id, UUID(file.said["id"]), file.said["path"]
                )
                first = next(chunks, b"")
            except (Missing, Damaged, OSError) as error:
                self._note_answer(file, error)
                file.name = ""
                continue
            when = file.reply.updated_at.astimezone(OSLO)
            yield f"{folder}/{file.name}", when, self._whole_answer(file, first, chunks)

    def _whole_answer(self, file: Sent, first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
        yield first
        try:
            yield from chunks
        except (Damaged, OSError) as error:
            self._note_answer(file, error)

    def _note_answer(self, file: Sent, error: Exception) -> None:
        log.error("a file of answer %s is not whole: %s", file.reply.id, type(error).__name__)
        self._faults += 1

    def _letter_page(
        self, each: Exported, files: Sequence[File], sent: Sequence[Sent], proved: str
    ) -> bytes:
        letter = each.letter
        with override(self.language):
            calendar = Calendar(self.at, self.language)
            context = {
                "language": self.language,
                "letter": letter,
                "title": _title(letter),
                "received": calendar.moment(letter.received_at),
                "due": calendar.full_day(letter.due_at) if letter.due_at else "",
                "source": self.labels.get(letter.source, letter.source),
                "withheld": each.withheld,
                "incomplete": letter.content != Letter.Content.KEPT,
                "body": "" if each.withheld else render_body(letter.body, letter.body_media_type),
                "files": [
                    (file.name, file.document.title or file.document.name, file.fault)
                    for file in files
                ],
                "thread": _thread(each, sent, calendar),
                "proved": proved,
            }
            return render_to_string("web/export_letter.html", context).encode()

    def _row(self, folder: str, each: Exported, files: Sequence[File]) -> bytes:
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
                "is_all": self.part == EVERYTHING,
                "at": Calendar(self.at, self.language).moment(self.at),
                "letters": ngettext("{n} letter", "{n} letters", self.letters).format(
                    n=self.letters
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
        """Say what is not in the copy, and why."""
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
        if self._unproved:
            said.append(
                ngettext(
                    "The proof of {n} letter: it is not yet in the log.",
                    "The proof of {n} letters: they are not yet in the log.",
                    self._unproved,
                ).format(n=self._unproved)
            )
        return said


def _title(letter: Letter) -> str:
    return letter.title or gettext("Letter from %(sender)s") % {"sender": letter.sender_name}


def _folder(letter: Letter) -> str:
    """Return a folder's name that is no other letter's: the end of the id tells two apart."""
    day = letter.received_at.astimezone(OSLO).date().isoformat()
    said = file_name(f"{day} {letter.sender_name} {letter.title}".replace("/", "-"), "")
    cut = plain_name(said).encode()[:FOLDER_LENGTH_MAX].decode(errors="ignore").rstrip(" .")
    return f"{cut} {letter.id.hex[-12:]}"


def _sent(replies: Sequence[Reply]) -> list[Sent]:
    """Return the files of her answers, under names that are no two files'."""
    found = [(reply, said) for reply in replies for said in reply.attachments]
    wanted = [plain_name(file_name(said["name"], said["media_type"])) for _, said in found]
    return [
        Sent(reply, said, f"{ANSWERS}/{name}")
        for (reply, said), name in zip(found, unique_names(wanted), strict=True)
    ]


def _evidence(each: Exported, files: Sequence[File]) -> list[Evidence]:
    """Return what proves each delivery; of a letter that she has not opened nothing leaves."""
    if each.withheld:
        return []
    here = {file.document.blob.sha256: file.name for file in files if file.name and not file.fault}
    return [
        Evidence(delivery.citizen_id, delivery.id, f"{EVIDENCE}/{number}", here)
        for number, delivery in enumerate(each.deliveries, 1)
    ]


def _proved(evidence: Sequence[Evidence]) -> str:
    """Say how far a letter can be proved: "logged", "sealed" or ""."""
    versions = [version for each in evidence for version in each.laid_out]
    if versions and all(version["proof"] for version in versions):
        return "logged"
    return "sealed" if versions and all(version["seal"] for version in versions) else ""


def _thread(each: Exported, sent: Sequence[Sent], calendar: Calendar) -> list[dict[str, Any]]:
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
