"""Letters as a connector would hand them over, for tests of what happens next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from connectors.contract import (
    IncomingDocument,
    IncomingLetter,
    RawPart,
    Recipient,
    RecipientKind,
    ReplyForm,
    ReplyKind,
    SenderRef,
)
from inbox.archive import store
from inbox.archive.deposit import package_rows
from inbox.letters import record
from inbox.letters.receive import Arrival
from inbox.letters.record import What

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
NAV = SenderRef("NAV", "889640782", "source")
PDF = b"%PDF-1.7 made up\n%%EOF\n"


WRITE = ReplyForm(
    "skriv",
    ReplyKind.TEXT,
    "Skriv til NAV",
    text_max=100,
    attachments_max=2,
    attachment_types=("application/pdf", "image/png"),
    attachment_bytes_max=1000,
    settles=False,
)
"""A form of free text, small enough to be overfilled."""


def incoming(external_id: str = "1", **changes: Any) -> IncomingLetter:
    """A letter with one document, at level 3, sent an hour ago."""
    letter = IncomingLetter(
        external_id=external_id,
        recipient=Recipient(RecipientKind.NATIONAL_ID, "unused"),
        sender=NAV,
        title="Du må sende dokumentasjon",
        public_title="Brev fra NAV",
        summary="Vi mangler lønnsslipp.",
        sent_at=datetime(2026, 11, 23, 7, 0, tzinfo=UTC),
        security_level=3,
        language="nb",
        documents=[IncomingDocument("brev.pdf", "application/pdf", is_main=True, content=PDF)],
        raw=[RawPart("item.json", b"{}", "application/json")],
    )
    return replace(letter, **changes)


def arrival(citizen_id: UUID, letter: IncomingLetter, source: str = "altinn", **kw: Any) -> Arrival:
    """An arrival whose bytes are in the archive."""
    made = Arrival(citizen_id, source, letter, NOW, **kw)
    files = {f"original/{part.name}": part.content for part in letter.raw}
    media_types = {f"original/{part.name}": part.media_type for part in letter.raw}
    for position, document in enumerate(letter.documents):
        files[f"files/{position:04d}.pdf"] = document.content or b""
        media_types[f"files/{position:04d}.pdf"] = document.media_type
    paths = [path for path in files if path.startswith("files/")]
    said = record.of_arrival(made, What.RECEIVED, record.owner_of(citizen_id), paths)
    write = store.add_version if store.exists(made.delivery_id) else store.put
    stored = record.keep(
        said, made.delivery_id, files, write=write, note="", media_types=media_types
    )
    made.package, blobs = package_rows(citizen_id, stored, media_types)
    made.blobs = [blob for blob in blobs if blob.path.startswith("files/")]
    made.raw_blobs = [blob for blob in blobs if blob.path.startswith("original/")]
    return made
