"""What we understood of a letter, kept in its archive object beside its bytes (`record.json`).

With it the database's letters can be made anew from the archive alone (`rebuild.py`). Every version
of a delivery's object has one, which tells what that version was made for. `keep` is the only way
by which a delivery's files reach the archive. The format is in docs/archive-format.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from connectors.contract import IncomingLetter, PaperNotice, PaperStep, Thread, ThreadMessage
from inbox.archive import store
from inbox.citizens.identity import named_by
from inbox.letters.receive import Arrival, document_digest
from inbox.letters.record_json import from_plain, to_plain

RECORD = "record.json"
FORMAT = "samlepost-record/1"
JSON = "application/json"

Files = Mapping[str, bytes | Iterable[bytes]]


class Unreadable(ValueError):
    """It is no record that this version of Samlepost reads."""


class What(StrEnum):
    """What a version of the object was made for."""

    RECEIVED = "received"
    """The letter came: the first version."""
    CHANGED = "changed"
    """Its source sent other documents under the same id."""
    CONTENT = "content"
    """What the source had withheld was fetched."""
    DOCUMENTS = "documents"
    """Some of its documents could not be had before, and were fetched."""
    THREAD = "thread"
    """What was written under it was listed."""
    CORRECTED = "corrected"
    """She said something else of a paper of her own."""
    PAPER = "paper"
    """Word of it on paper came."""


@dataclass(frozen=True)
class Owner:
    """Whose letter it is: her id here, and how she is found should nothing else be left."""

    id: UUID
    name: str = ""
    kind: str = ""
    """The contract's RecipientKind of `value`: a national identity or an organisation number."""
    value: str = ""


@dataclass(frozen=True)
class Kept:
    """Where the bytes of one of the letter's documents are, or why they are nowhere."""

    path: str = ""
    """Logical path in the object; empty: they are not kept."""
    version: int = 0
    """Which version of the object has the path; 0: this one."""
    gone: bool = False
    """The source no longer had it."""
    not_given: str = ""
    """Why the source did not give it to her."""


@dataclass(frozen=True)
class OnPaper:
    """Word of the letter on paper, as the contract's PaperNotice has it."""

    external_id: str
    step: PaperStep
    at: datetime
    org_number: str


@dataclass(frozen=True)
class Record:
    """One version's record. Of later versions it holds no moment: the same again is no version."""

    what: What
    owner: Owner
    source: str
    letter: IncomingLetter | None = None
    """As the contract has it, without the bytes; each document with the sha256 of its bytes."""
    documents: Sequence[Kept] = ()
    """One for each of the letter's documents."""
    received_at: datetime | None = None
    """By the shared clock. These four are told of the first version alone."""
    history: bool = False
    """Older than her connection to the source: it was never unread."""
    place: str = ""
    letter_id: UUID | None = None
    """The letter that it became, unless it was found to be the same as one that was here."""
    messages: Sequence[ThreadMessage] = ()
    paper: OnPaper | None = None

    def to_json(self) -> bytes:
        """Return the bytes that are kept."""
        said = to_plain(self) | {"format": FORMAT}
        return json.dumps(said, ensure_ascii=False, sort_keys=True, indent=1).encode()


def read(raw: bytes) -> Record:
    """Read a record. Raises Unreadable."""
    try:
        said = json.loads(raw)
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        return from_plain(Record, said)
    except ValueError as error:
        raise Unreadable(f"{RECORD}: {error}") from error


def owner_of(citizen_id: UUID) -> Owner:
    """Return what a record says of whose letter it is (1 query)."""
    name, kind, value = named_by(citizen_id)
    return Owner(citizen_id, name, kind, value)


def of_arrival(arrival: Arrival, what: What, owner: Owner, paths: Sequence[str | None]) -> Record:
    """Return the record of a letter that comes, changes or is fetched.

    `paths` says of each document under which path its bytes are now kept, None where they are not;
    then they may be in an older version (`arrival.blobs`), or be gone.
    """
    letter = arrival.incoming
    documents = [
        replace(each, content=None, sha256=document_digest(each)) for each in letter.documents
    ]
    record = Record(
        what,
        owner,
        arrival.source,
        replace(letter, documents=documents),
        [_kept(arrival, position, path) for position, path in enumerate(paths)],
    )
    if what is not What.RECEIVED:
        return record
    return replace(
        record,
        received_at=arrival.fetched_at,
        history=arrival.history,
        place=arrival.place,
        letter_id=arrival.letter_id,
    )


def of_thread(thread: Thread, source: str, owner: Owner) -> Record:
    """Return the record of what was written under a letter."""
    return Record(What.THREAD, owner, source, messages=thread.messages)


def of_paper(notice: PaperNotice, source: str, owner: Owner) -> Record:
    """Return the record of word of a letter on paper."""
    said = OnPaper(notice.external_id, notice.step, notice.at, notice.org_number)
    return Record(What.PAPER, owner, source, paper=said)


def keep(
    record: Record,
    object_id: UUID,
    files: Files,
    *,
    write: store.Writer,
    note: str,
    media_types: Mapping[str, str],
    source: str = "",
    events: Sequence[store.Happened] = (),
) -> store.Stored:
    """Archive a delivery's files with their record. `write` and what it raises are the store's.

    `source` is the delivery's, where that is not the record's.
    """
    return write(
        record.owner.id,
        object_id,
        {**files, RECORD: record.to_json()},
        note=note,
        media_types={**media_types, RECORD: JSON},
        source=source or record.source,
        events=events,
    )


def _kept(arrival: Arrival, position: int, path: str | None) -> Kept:
    before: Any = arrival.blob_of(position)
    if path:
        return Kept(path)
    if before is not None:
        return Kept(before.path, before.version)
    return Kept(gone=position in arrival.gone, not_given=arrival.not_given.get(position, ""))
