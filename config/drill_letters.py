"""The letters of the drill: made through the real intake, listed, judged and taken out again.

Needs Django and what `make test` needs (ocfl-py).
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import ocfl
from django.conf import settings
from ocfl.layout import Layout
from ocfl.layout_registry import add_layout

from config.drill import BATCH, PEOPLE, Failed
from connectors import clock
from connectors.contract import (
    Account,
    Batch,
    Connector,
    IncomingDocument,
    IncomingLetter,
    Kind,
    RawPart,
    SenderRef,
)
from connectors.world.persons import by_slug
from inbox.archive.models import Holding
from inbox.archive.ocfl import LAYOUT
from inbox.archive.proof import sequence
from inbox.archive.proof.timestamps import stamp
from inbox.archive.proof.witness import cosign
from inbox.citizens.identity import identify
from inbox.citizens.models import Citizen, Identifier, InboxState, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import filing, folders
from inbox.letters.models import Document, Letter, Placement
from inbox.sync.intake import Intake, take_in
from inbox.sync.models import Mailbox, Source
from inbox.web.exporting import Contents
from inbox.web.zipped import zip_stream

SENDERS = (
    SenderRef("NAV", "889640782", "source"),
    SenderRef("Skatteetaten", "974761076", "source"),
    SenderRef("Oslo kommune", "958935420", "source"),
)
FEW = "tormod"
"""Who has exactly as many letters as are taken out."""


def make(letters: int, few: int) -> None:
    """Let so many letters come, `few` of them to one citizen; change some, put some away."""
    source = Source.objects.create(slug="altinn", label="Altinn", connector="example")
    shares = {slug: (letters - few) // (len(PEOPLE) - 1) for slug in PEOPLE if slug != FEW}
    shares[PEOPLE[0]] += letters - few - sum(shares.values())
    for slug, count in (shares | {FEW: min(few, letters)}).items():
        citizen, intake = _citizen(slug, source)
        numbers = range(count)
        for start in range(0, count, BATCH):
            some = numbers[start : start + BATCH]
            take_in(intake, Batch([_letter(intake, slug, each) for each in some]), _nothing)
        # Some are sent once more, with a new document.
        again = [_letter(intake, slug, each, edition=2) for each in numbers if each % 25 == 0]
        take_in(intake, Batch(again), _nothing)
        _live_with(Viewer(citizen.id, SecurityLevel.HIGH))


def prove() -> None:
    """Have the log grow over all of it, witnessed and time-stamped. Raises Failed."""
    sequence()
    if settings.ARCHIVE_PROOF == "full" and not (cosign() and stamp()):
        raise Failed("the witness or the time-stamping authority did not sign")


def snapshot() -> dict[str, list[Any]]:
    """Return every letter: what it says, the digests of its documents, and what she did with it."""
    documents: dict[str, list[Any]] = {}
    kept = Document.objects.filter(blob_id__isnull=False).order_by("replaced_at", "position")
    for letter_id, name, sha256 in kept.values_list("letter_id", "name", "blob__sha256"):
        documents.setdefault(str(letter_id), []).append([name, sha256])
    placed: dict[str, list[str]] = {}
    for letter_id, name in Placement.objects.values_list("letter_id", "folder__name"):
        placed.setdefault(str(letter_id), []).append(name)
    fields = ("citizen__name", "title", "sender_name", "received_at", "due_at", "body")
    hers = ("place", "unread", "opened_at", "security_level")
    return {
        str(row[0]): [str(each) for each in row[1:]]
        + [sorted(documents.get(str(row[0]), []))]
        + [sorted(placed.get(str(row[0]), []))]
        for row in Letter.objects.values_list("id", *fields, *hers)
    }


def judge() -> None:
    """Have ocfl-py validate the whole store. Raises Failed."""
    add_layout(LAYOUT, _HashedNTuple)
    root = ocfl.StorageRoot(root=str(Path(settings.ARCHIVE_DIR) / "ocfl"))
    root.registered_extensions.append(LAYOUT)
    if not root.validate(log_warnings=True, max_errors=5) or root.errors:
        raise Failed(f"ocfl-py: {root.log.status_str()}")
    held = Holding.objects.filter(removed_at=None).count()
    if not root.good_objects == root.num_objects == held:
        raise Failed(f"ocfl-py finds {root.good_objects} good objects, there ought to be {held}")


def take_out(folder: Path, wanted: int) -> None:
    """Export a citizen's letters and run what checks them, by itself. Raises Failed."""
    citizen = min(Citizen.objects.all(), key=lambda each: abs(_letters_of(each) - wanted))
    export = Contents(
        Viewer(citizen.id, SecurityLevel.HIGH),
        citizen.name,
        clock.now(),
        "nb",
        {"altinn": "Altinn"},
    )
    folder.mkdir(exist_ok=True)
    with (folder / "bag.zip").open("wb") as file:
        file.writelines(zip_stream(export.entries()))
    with ZipFile(folder / "bag.zip") as bag:
        bag.extractall(folder)
    (program,) = folder.glob("*/verify.py")
    done = subprocess.run(
        [sys.executable, "-I", program.name],
        cwd=program.parent,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or export.letters != _letters_of(citizen):
        raise Failed(f"verify.py: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _letters_of(citizen: Citizen) -> int:
    return Letter.objects.filter(citizen=citizen).count()


def _citizen(slug: str, source: Source) -> tuple[Citizen, Intake]:
    person = by_slug(slug)
    citizen = Citizen(name=person.name, email=f"{slug}@example.org")
    citizen.set_unusable_password()
    citizen.save()
    InboxState.objects.create(citizen=citizen)
    identify(citizen, Identifier.Kind.NATIONAL_ID, person.national_id)
    mailbox = Mailbox.objects.create(
        citizen=citizen, source=source, connected_at=clock.now() - timedelta(days=4000)
    )
    account = Account(person.national_id)
    return citizen, Intake(source, Connector({}), account, mailbox, still_ours=_nothing)


def _letter(intake: Intake, slug: str, number: int, edition: int = 1) -> IncomingLetter:
    assert intake.account
    sender = SENDERS[number % len(SENDERS)]
    title = f"Vedtak {number} fra {sender.name}"
    sent: datetime = clock.now() - timedelta(days=number % 700, minutes=number)
    document = IncomingDocument(
        f"vedtak-{number}.pdf",
        "application/pdf",
        title,
        is_main=True,
        content=_pdf(f"{title} til {slug}, utgave {edition}"),
    )
    raw = f'{{"number": {number}, "edition": {edition}}}'.encode()
    return IncomingLetter(
        external_id=f"{slug}-{number}",
        recipient=intake.account.recipient,
        sender=sender,
        title=title,
        public_title=f"Brev fra {sender.name}",
        summary="Du har fått et vedtak.",
        body=f"Saken din er avgjort. Nummeret er {number}.",
        # The time is not the second edition's own: the same letter, sent once more.
        sent_at=sent.replace(hour=8, minute=number % 60, second=0, microsecond=0),
        security_level=3 if number % 5 else 4,
        kind=Kind.DECISION,
        case_reference=f"2026/{number // 3}",
        due_at=sent + timedelta(days=21) if number % 7 == 0 else None,
        documents=[document],
        raw=[RawPart("item.json", raw, "application/json")],
    )


def _live_with(viewer: Viewer) -> None:
    letters = list(Letter.objects.filter(citizen_id=viewer.citizen_id).order_by("title"))
    ids = [letter.id for letter in letters]
    folder = folders.create(viewer, "Huset")
    filing.put(viewer, ids[::6], folder.id, into=True)
    filing.move(viewer, ids[::7], Letter.Place.FILED)
    filing.move(viewer, ids[1::40], Letter.Place.BIN)
    filing.mark(viewer, ids[::3], unread=False)


def _nothing() -> None:
    pass


def _pdf(text: str) -> bytes:
    """Return a page with one line of text: a PDF by ISO 32000-1, 7.5, with nothing to spare."""
    shown = text.encode("cp1252", "replace").replace(b"(", b"\\(").replace(b")", b"\\)")
    stream = b"BT /F1 12 Tf 72 770 Td (" + shown + b") Tj ET"
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
        b"/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        font,
    ]
    written, places = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj%s endobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    head = b"xref\n0 %d\n0000000000 65535 f \n" % size
    foot = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, len(written))
    return written + head + table + foot


class _HashedNTuple(Layout):  # type: ignore[misc]
    """Layout 0004, which ocfl-py does not bring."""

    def __init__(self) -> None:
        self.NAME = LAYOUT
        self.DESCRIPTION = "hashed n-tuple"
        self.PARAMS = {
            "digestAlgorithm": lambda value: value == "sha256",
            "tupleSize": lambda value: value == 3,
            "numberOfTuples": lambda value: value == 2,
            "shortObjectRoot": lambda value: value is False,
        }

    def identifier_to_path(self, identifier: str) -> str:
        digest = hashlib.sha256(identifier.encode()).hexdigest()
        return f"{digest[:3]}/{digest[3:6]}/{digest}"
