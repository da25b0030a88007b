"""The simulated suppliers' side of uploading to one's own mailbox: checked and kept once."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Flask, Response, jsonify, request

from connectors import clock
from connectors.dpi.authority import SUPPLIER_NAMES, SUPPLIERS
from connectors.dpi.own_mailbox import DOCUMENT_PART, METADATA_PART, PATH, SCOPE
from connectors.dpi.problem import problem
from connectors.dpi.refusal import Refusal
from connectors.fields import WrongField, moment, table, text
from connectors.maskinporten.simulator import TokenChecker
from connectors.simulation import State
from connectors.world.model import Channel, Person
from connectors.world.persons import PERSONS

ENDPOINT = "upload"
UPLOAD_MAX_BYTES = 60_000_000
KEY_MAX = 64
TITLE_MAX = 1000
TYPES = {
    *["application/pdf", "text/plain", "text/html", "image/png", "image/jpeg", "image/gif"],
    *["application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"],
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
"""What the made-up suppliers take; which types the real ones take is theirs to say."""
TABLE = (
    "CREATE TABLE IF NOT EXISTS uploads (position INTEGER PRIMARY KEY AUTOINCREMENT, "
    "channel TEXT, person TEXT, key TEXT, reference TEXT, at TEXT, title TEXT, sender TEXT, "
    "level INTEGER, files TEXT, UNIQUE (channel, person, key))"
)
BY_ORG_NUMBER = {number: channel for channel, number in SUPPLIERS.items()}


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What lies in a person's mailbox because she put it there."""

    channel: Channel
    person: str
    key: str
    reference: str
    at: datetime
    title: str
    sender: str
    level: int
    files: Sequence[dict[str, Any]]
    """[{"name", "media_type", "size", "sha256"}]"""


def add_route(app: Flask, state: State, tokens: TokenChecker) -> None:
    """Add the upload. Whose mailbox it is, her token says; `kanal` says at which supplier."""

    @app.post(f"/{PATH}", endpoint=ENDPOINT)
    def upload() -> Response:
        request.max_content_length = UPLOAD_MAX_BYTES
        claims = tokens.claims(request.headers.get("Authorization", ""), SCOPE)
        channel = BY_ORG_NUMBER.get(request.args.get("kanal", ""))
        if channel is None:
            return problem(404, "Ukjent kanal")
        files = [
            (each.filename or "", each.mimetype, each.read())
            for each in request.files.getlist(DOCUMENT_PART)
        ]
        try:
            part = request.files.get(METADATA_PART)
            said = table(json.loads(part.read() if part else b""), METADATA_PART)
            with state.transaction() as db:
                reference, at = take(db, channel, str(claims.get("pid") or ""), said, files)
        except ValueError as error:
            return problem(400, f"Opplastingen er ikke som den skal være: {error}")
        except Refusal as refusal:
            return problem(422, str(refusal))
        answer = jsonify(referanse=reference, mottatt=at)
        answer.status_code = 201
        return answer


def take(
    db: sqlite3.Connection,
    channel: Channel,
    national_id: str,
    said: Any,
    files: Sequence[tuple[str, str, bytes]],
) -> tuple[str, str]:
    """Keep an upload once; returns its reference and when it came. In a transaction.

    Raises WrongField for what is no upload, Refusal (in words for her) for one that the supplier
    does not take.
    """
    key = text(said, "id", longest=KEY_MAX)
    title = text(said, "tittel", longest=TITLE_MAX)
    sender = text(said, "avsender", longest=TITLE_MAX)
    moment(said, "sendt")
    level = said.get("sikkerhetsnivaa")
    if level not in (3, 4):
        raise WrongField("sikkerhetsnivaa is 3 or 4")
    person = _owner(channel, national_id, text(said, "postkasseadresse", longest=255))
    known = db.execute(
        "SELECT reference, at FROM uploads WHERE channel = ? AND person = ? AND key = ?",
        (channel.value, person.slug, key),
    ).fetchone()
    if known:
        return str(known["reference"]), str(known["at"])
    supplier = SUPPLIER_NAMES[channel]
    if not files:
        raise Refusal(f"{supplier} tar ikke imot et brev uten dokumenter.")
    for name, media_type, _ in files:
        if media_type not in TYPES:
            raise Refusal(f"{supplier} tar ikke imot filer av denne typen: {name[:80]}.")
    kept = [
        {
            "name": name,
            "media_type": media_type,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for name, media_type, content in files
    ]
    reference, at = str(uuid.uuid4()), clock.now().isoformat()
    db.execute(
        "INSERT INTO uploads (channel, person, key, reference, at, title, sender, level, files) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(channel.value, person.slug, key, reference, at, title, sender, level),
            json.dumps(kept),
        ),
    )
    return reference, at


def uploaded(db: sqlite3.Connection, person: Person) -> list[Uploaded]:
    """Return what the person has put into her mailbox, oldest first."""
    found = db.execute("SELECT * FROM uploads WHERE person = ? ORDER BY position", (person.slug,))
    return [
        Uploaded(
            channel=Channel(row["channel"]),
            person=row["person"],
            key=row["key"],
            reference=row["reference"],
            at=datetime.fromisoformat(row["at"]),
            title=row["title"],
            sender=row["sender"],
            level=row["level"],
            files=json.loads(row["files"]),
        )
        for row in found
    ]


def _owner(channel: Channel, national_id: str, address: str) -> Person:
    for person in PERSONS:
        if person.national_id == national_id and person.mailbox_supplier is channel:
            if person.mailbox_address.casefold() == address.casefold():
                return person
            break
    raise Refusal(f"Du har ikke denne postkassen hos {SUPPLIER_NAMES[channel]}.")
