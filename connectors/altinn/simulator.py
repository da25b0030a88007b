"""An Altinn that remembers: Dialogporten and Correspondence with their side effects, in SQLite.

GET of a dialog writes its seen log, GET of a correspondence sets Fetched, as in Altinn; a list
sets nothing. What was marked is read by tests through `marks`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from connectors import clock
from connectors.altinn import api, wire
from connectors.keys import signing_key
from connectors.maskinporten.simulator import CLIENT_ID, CLIENT_KEY, TokenChecker
from connectors.simulation import Simulator, State, apply_faults
from connectors.world.model import Channel, Person, SimulatedDocument, SimulatedLetter

PLATFORM_KEY = "altinn-platform.pem"
MARKS = ("seen", "fetched", "read")
TABLES = (
    "CREATE TABLE IF NOT EXISTS dialogs (id TEXT PRIMARY KEY, correspondence TEXT UNIQUE,"
    " person TEXT, updated TEXT, visible_from TEXT, said TEXT)",
    "CREATE INDEX IF NOT EXISTS dialogs_of_person ON dialogs (person, updated, id)",
    "CREATE TABLE IF NOT EXISTS attachments (id TEXT PRIMARY KEY, correspondence TEXT,"
    " position INTEGER, name TEXT, title TEXT, media_type TEXT, sha256 TEXT, md5 TEXT,"
    " created TEXT, expires_at TEXT)",
    "CREATE INDEX IF NOT EXISTS attachments_of ON attachments (correspondence, position)",
    "CREATE INDEX IF NOT EXISTS attachments_by_content ON attachments (sha256)",
    "CREATE TABLE IF NOT EXISTS contents (sha256 TEXT PRIMARY KEY, content BLOB)",
    "CREATE TABLE IF NOT EXISTS marks (dialog TEXT, kind TEXT, at TEXT,"
    " PRIMARY KEY (dialog, kind))",
    "CREATE TABLE IF NOT EXISTS paging (generation INTEGER)",
)
LIST = (
    "SELECT dialogs.*, marks.at AS seen FROM dialogs"
    " LEFT JOIN marks ON marks.dialog = dialogs.id AND marks.kind = 'seen'"
    " WHERE person = ? AND visible_from <= ? AND updated BETWEEN ? AND ?"
    " AND (updated, id) < (?, ?) ORDER BY updated DESC, id DESC LIMIT ?"
)


class AltinnSimulator(Simulator):
    """Letters, attachments and marks of everybody, and the APIs in front of them (`api.py`)."""

    channels = (Channel.ALTINN,)

    def __init__(self, state: State, keys_dir: Path) -> None:
        super().__init__(state)
        self.machine_tokens = TokenChecker(keys_dir)
        self.platform_key = signing_key(keys_dir / PLATFORM_KEY)
        with state.transaction() as db:
            for table in TABLES:
                db.execute(table)
        apply_faults(self.app, state, Channel.ALTINN.value)
        api.add_routes(self.app, self)

    def send(self, letter: SimulatedLetter) -> str:
        """Publish a letter; returns its dialog's id. Sending it again replaces it."""
        with self.state.transaction() as db:
            return _put(db, letter)

    def send_many(self, letters: Sequence[SimulatedLetter]) -> None:
        """Publish letters in one transaction."""
        with self.state.transaction() as db:
            for letter in letters:
                _put(db, letter)

    def forget(self, person: Person) -> None:
        """Remove the person's letters with their marks."""
        with self.state.transaction() as db:
            for row in _rows_of(db, person):
                _remove(db, row["id"], row["correspondence"])
            db.execute(
                "DELETE FROM contents WHERE NOT EXISTS"
                " (SELECT 1 FROM attachments WHERE attachments.sha256 = contents.sha256)"
            )

    def expire_latest(self, person: Person, channel: Channel) -> bool:
        """Let the attachments of the newest letter that has any expire."""
        past = wire.stamp(clock.now() - timedelta(minutes=1))
        with self.state.transaction() as db:
            row = db.execute(
                "SELECT correspondence FROM dialogs WHERE person = ? AND EXISTS (SELECT 1 FROM"
                " attachments WHERE attachments.correspondence = dialogs.correspondence"
                " AND (expires_at IS NULL OR expires_at > ?)) ORDER BY updated DESC LIMIT 1",
                (person.national_id, past),
            ).fetchone()
            if row is None:
                return False
            db.execute(
                "UPDATE attachments SET expires_at = ? WHERE correspondence = ?",
                (past, row["correspondence"]),
            )
        return True

    def send_garbage(self, person: Person, channel: Channel) -> str:
        """Publish a dialog whose list item no mapping can read."""
        now = clock.now()
        identifier = wire.version7(str(uuid4()), now)
        with self.state.transaction() as db:
            db.execute(
                "INSERT INTO dialogs VALUES (?, ?, ?, ?, '', ?)",
                (
                    identifier,
                    str(uuid4()),
                    person.national_id,
                    _next_updated(db, person.national_id, now),
                    json.dumps({"garbage": True}),
                ),
            )
        return identifier

    def marks(self, person: Person) -> dict[str, set[str]]:
        """Return the ids of the person's dialogs that are "seen", "fetched" and "read"."""
        found: dict[str, set[str]] = {kind: set() for kind in MARKS}
        for row in self.state.connection().execute(
            "SELECT kind, dialog FROM marks JOIN dialogs ON dialogs.id = marks.dialog"
            " WHERE person = ?",
            (person.national_id,),
        ):
            found[row["kind"]].add(row["dialog"])
        return found

    def mark(self, dialog: str, kind: str) -> None:
        """Set a mark that the reader has caused; the first one stands."""
        with self.state.transaction() as db:
            _mark(db, dialog, kind, wire.stamp(clock.now()))

    def confirm(self, dialog: str) -> None:
        """Note the first confirmation of a letter: it is done with that, and listed anew."""
        now = clock.now()
        with self.state.transaction() as db:
            row = db.execute("SELECT person, said FROM dialogs WHERE id = ?", (dialog,)).fetchone()
            said = json.loads(row["said"])
            if said["handled_at"]:
                return
            said |= {"handled_at": wire.stamp(now)}
            db.execute(
                "UPDATE dialogs SET said = ?, updated = ? WHERE id = ?",
                (json.dumps(said), _next_updated(db, row["person"], now), dialog),
            )

    def expire_continuation_tokens(self) -> None:
        """Let every continuation token given until now be refused."""
        with self.state.transaction() as db:
            db.execute("INSERT INTO paging VALUES (1)")

    def paging_generation(self) -> int:
        """Return how many times the continuation tokens have expired."""
        row = self.state.connection().execute("SELECT COUNT(*) AS many FROM paging").fetchone()
        return int(row["many"])

    def listing(
        self, person: str, since: str, until: str, before: tuple[str, str], limit: int
    ) -> list[wire.Stored]:
        """Return a person's dialogs as they are listed, newest first, strictly after `before`."""
        now = wire.stamp(clock.now())
        rows = self.state.connection().execute(LIST, (person, now, since, until, *before, limit))
        return [_stored(row, {"seen": row["seen"]} if row["seen"] else {}) for row in rows]

    def find(self, column: str, identifier: str, person: str) -> wire.Stored | None:
        """Return one of the person's letters by "id" or "correspondence", None if not hers."""
        db = self.state.connection()
        row = db.execute(
            f"SELECT * FROM dialogs WHERE {column} = ? AND person = ? AND visible_from <= ?",
            (identifier, person, wire.stamp(clock.now())),
        ).fetchone()
        if row is None:
            return None
        marks = db.execute("SELECT kind, at FROM marks WHERE dialog = ?", (row["id"],))
        attachments = db.execute(
            "SELECT * FROM attachments WHERE correspondence = ? ORDER BY position",
            (row["correspondence"],),
        )
        return _stored(
            row, {mark["kind"]: mark["at"] for mark in marks}, [dict(each) for each in attachments]
        )

    def content(self, sha256: str) -> bytes:
        """Return an attachment's bytes."""
        row = (
            self.state.connection()
            .execute("SELECT content FROM contents WHERE sha256 = ?", (sha256,))
            .fetchone()
        )
        return bytes(row["content"])


def make(state_dir: Path, keys_dir: Path) -> AltinnSimulator:
    """Make the simulator with its state in `state_dir` and its keys in `keys_dir`."""
    return AltinnSimulator(State(state_dir / "altinn.sqlite3"), keys_dir)


def sources(base_url: str, keys_dir: Path) -> list[dict[str, Any]]:
    """Return the source as Samlepost should configure it; `base_url` is the simulators' own."""
    return [
        {
            "slug": Channel.ALTINN.value,
            "label": "Altinn",
            "connector": "altinn",
            "recipient_kind": "national_id",
            "settings": {
                "base_url": f"{base_url}/altinn",
                "maskinporten_url": f"{base_url}/maskinporten",
                "client_id": CLIENT_ID,
                "private_key_file": str(keys_dir / CLIENT_KEY),
            },
        }
    ]


def _put(db: sqlite3.Connection, letter: SimulatedLetter) -> str:
    dialog = wire.version7(letter.key, letter.sent_at)
    correspondence = wire.part_id(letter.key, "correspondence")
    _remove(db, dialog, correspondence)
    person, visible_from = letter.person.national_id, letter.visible_from
    hidden = visible_from is not None and visible_from > clock.now()
    if hidden and visible_from:
        updated = wire.stamp(visible_from)
    else:
        updated = _next_updated(db, person, letter.sent_at)
    db.execute(
        "INSERT INTO dialogs VALUES (?, ?, ?, ?, ?, ?)",
        (
            dialog,
            correspondence,
            person,
            updated,
            wire.stamp(visible_from) if visible_from else "",
            json.dumps(wire.said_by(letter)),
        ),
    )
    for position, document in enumerate(_main_first(letter.documents)):
        _attach(db, letter, correspondence, position, document)
    if letter.opened_at:
        for kind in MARKS:
            _mark(db, dialog, kind, wire.stamp(letter.opened_at))
    return dialog


def _next_updated(db: sqlite3.Connection, person: str, moment: datetime) -> str:
    """The server's own time, which never goes back: later than everything listed already."""
    row = db.execute(
        "SELECT MAX(updated) AS newest FROM dialogs WHERE person = ? AND visible_from <= ?",
        (person, wire.stamp(clock.now())),
    ).fetchone()
    if row["newest"]:
        newest = datetime.fromisoformat(row["newest"])
        moment = max(moment.astimezone(UTC), newest + timedelta(milliseconds=1))
    return wire.stamp(moment)


def _attach(
    db: sqlite3.Connection,
    letter: SimulatedLetter,
    correspondence: str,
    position: int,
    document: SimulatedDocument,
) -> None:
    sha256 = hashlib.sha256(document.content).hexdigest()
    db.execute("INSERT OR IGNORE INTO contents VALUES (?, ?)", (sha256, document.content))
    db.execute(
        "INSERT INTO attachments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            wire.part_id(letter.key, f"attachment-{position}"),
            correspondence,
            position,
            document.name,
            document.title,
            document.media_type,
            sha256,
            hashlib.md5(document.content, usedforsecurity=False).hexdigest(),
            wire.stamp(letter.sent_at),
            wire.stamp(letter.expires_at) if letter.expires_at else None,
        ),
    )


def _main_first(documents: Sequence[SimulatedDocument]) -> Iterator[SimulatedDocument]:
    yield from sorted(documents, key=lambda document: not document.is_main)


def _mark(db: sqlite3.Connection, dialog: str, kind: str, at: str) -> None:
    db.execute("INSERT OR IGNORE INTO marks VALUES (?, ?, ?)", (dialog, kind, at))


def _remove(db: sqlite3.Connection, dialog: str, correspondence: str) -> None:
    db.execute("DELETE FROM dialogs WHERE id = ?", (dialog,))
    db.execute("DELETE FROM marks WHERE dialog = ?", (dialog,))
    db.execute("DELETE FROM attachments WHERE correspondence = ?", (correspondence,))


def _rows_of(db: sqlite3.Connection, person: Person) -> list[sqlite3.Row]:
    return db.execute(
        "SELECT id, correspondence FROM dialogs WHERE person = ?", (person.national_id,)
    ).fetchall()


def _stored(
    row: sqlite3.Row,
    marks: Mapping[str, str],
    attachments: Sequence[Mapping[str, Any]] = (),
) -> wire.Stored:
    return wire.Stored(
        dialog=row["id"],
        correspondence=row["correspondence"],
        person=row["person"],
        updated=row["updated"],
        said=json.loads(row["said"]),
        marks=marks,
        attachments=attachments,
    )
