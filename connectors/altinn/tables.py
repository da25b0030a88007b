"""The simulated Altinn's tables in SQLite: how a letter is put there, marked, labelled and read."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors import clock
from connectors.altinn import wire
from connectors.world.model import SimulatedDocument, SimulatedLetter

MARKS = ("seen", "fetched", "read")
DEFAULT = json.dumps(["Default"])
"""The labels of a dialog that nobody has labelled, as they are stored."""
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
    "CREATE TABLE IF NOT EXISTS contexts (dialog TEXT PRIMARY KEY, labels TEXT, revision INTEGER)",
    "CREATE TABLE IF NOT EXISTS label_changes (dialog TEXT, at TEXT, action TEXT, label TEXT,"
    " by_sender INTEGER)",
    "CREATE INDEX IF NOT EXISTS label_changes_of ON label_changes (dialog)",
    "CREATE TABLE IF NOT EXISTS seen_log (id TEXT PRIMARY KEY, dialog TEXT, at TEXT)",
    "CREATE INDEX IF NOT EXISTS seen_log_of ON seen_log (dialog)",
    "CREATE TABLE IF NOT EXISTS touched (dialog TEXT PRIMARY KEY, at TEXT)",
    "CREATE TABLE IF NOT EXISTS served (dialog TEXT, name TEXT, method TEXT)",
    "CREATE TABLE IF NOT EXISTS roles (person TEXT, party TEXT, name TEXT, born TEXT, said TEXT,"
    " PRIMARY KEY (person, party))",
)
UPDATED = "MAX(dialogs.updated, COALESCE(touched.at, ''))"
COLUMNS = {
    "content": "dialogs.updated",
    "updated": UPDATED,
    "created": "COALESCE(json_extract(dialogs.said, '$.sent_at'), dialogs.updated)",
}
"""What dialogs are ordered and filtered by."""
SELECT = (
    f"SELECT dialogs.*, {UPDATED} AS changed, contexts.labels, contexts.revision FROM dialogs"
    " LEFT JOIN contexts ON contexts.dialog = dialogs.id"
    " LEFT JOIN touched ON touched.dialog = dialogs.id"
    " WHERE dialogs.person IN (SELECT value FROM json_each(?)) AND dialogs.visible_from <= ?"
)
OF_DIALOG = ("contexts", "label_changes", "seen_log", "touched", "marks", "served")
"""Tables with what is noted of a dialog."""
OF_CONTENT = ("seen_log", "touched", "marks", "served")
"""Those of what it said before it was replaced; her labels' history stays."""


def put(db: sqlite3.Connection, letter: SimulatedLetter) -> str:
    """Store a letter, in the place of what it said before; returns its dialog's id."""
    dialog = wire.version7(letter.key, letter.sent_at)
    correspondence = wire.part_id(letter.key, "correspondence")
    remove(db, dialog, correspondence, OF_CONTENT)
    relabel(db, dialog, ("Default",), (), by_sender=True)
    person, visible_from = letter.recipient_number, letter.visible_from
    hidden = visible_from is not None and visible_from > clock.now()
    if hidden and visible_from:
        updated = wire.stamp(visible_from)
    else:
        updated = next_updated(db, person, letter.sent_at)
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
    if letter.handled_at:
        at = wire.stamp(letter.handled_at)
        db.execute("INSERT INTO touched VALUES (?, ?)", (dialog, at))
    if letter.opened_at:
        for kind in MARKS:
            mark(db, dialog, kind, wire.stamp(letter.opened_at))
        seen = (wire.part_id(dialog, "seen"), dialog, max(updated, wire.stamp(letter.opened_at)))
        db.execute("INSERT INTO seen_log VALUES (?, ?, ?)", seen)
    return dialog


def next_updated(db: sqlite3.Connection, person: str, moment: datetime) -> str:
    """The server's own time, which never goes back: later than everything listed already."""
    row = db.execute(
        f"SELECT MAX({UPDATED}) AS newest FROM dialogs"
        " LEFT JOIN touched ON touched.dialog = dialogs.id"
        " WHERE person = ? AND visible_from <= ?",
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
    identifier = wire.part_id(letter.key, f"attachment-{position}")
    keep_file(db, identifier, correspondence, position, document, letter.sent_at, letter.expires_at)


def keep_file(
    db: sqlite3.Connection,
    identifier: str,
    of: str,
    position: int,
    document: SimulatedDocument,
    at: datetime,
    expires_at: datetime | None = None,
) -> None:
    """Store a file `of` a correspondence, or of a dialog's transmissions."""
    sha256 = hashlib.sha256(document.content).hexdigest()
    db.execute("INSERT OR IGNORE INTO contents VALUES (?, ?)", (sha256, document.content))
    db.execute(
        "INSERT INTO attachments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            identifier,
            of,
            position,
            document.name,
            document.title,
            document.media_type,
            sha256,
            hashlib.md5(document.content, usedforsecurity=False).hexdigest(),
            wire.stamp(at),
            wire.stamp(expires_at) if expires_at else None,
        ),
    )


def _main_first(documents: Sequence[SimulatedDocument]) -> Iterator[SimulatedDocument]:
    yield from sorted(documents, key=lambda document: not document.is_main)


def mark(db: sqlite3.Connection, dialog: str, kind: str, at: str) -> None:
    """Set one of MARKS on a dialog; the first one stays."""
    db.execute("INSERT OR IGNORE INTO marks VALUES (?, ?, ?)", (dialog, kind, at))


def remove(
    db: sqlite3.Connection, dialog: str, correspondence: str, tables: Sequence[str] = OF_DIALOG
) -> None:
    """Delete a dialog with its attachments and what `tables` have of it."""
    db.execute("DELETE FROM dialogs WHERE id = ?", (dialog,))
    for table in tables:
        db.execute(f"DELETE FROM {table} WHERE dialog = ?", (dialog,))
    db.execute("DELETE FROM attachments WHERE correspondence IN (?, ?)", (correspondence, dialog))


def rows_of(db: sqlite3.Connection, number: str) -> list[sqlite3.Row]:
    """Return id and correspondence of each dialog of a party."""
    return db.execute(
        "SELECT id, correspondence FROM dialogs WHERE person = ?", (number,)
    ).fetchall()


def relabel(
    db: sqlite3.Connection,
    dialog: str,
    added: Sequence[str],
    removed: Sequence[str],
    *,
    by_sender: bool = False,
) -> str:
    """Change a dialog's labels; returns its revision, another one where anything has changed."""
    row = db.execute("SELECT labels FROM contexts WHERE dialog = ?", (dialog,)).fetchone()
    before: list[str] = json.loads(row["labels"] if row else DEFAULT)
    after = [label for label in before if label not in removed]
    for label in added:
        if label in wire.PLACES:
            after = [each for each in after if each not in wire.PLACES]
        if label not in after:
            after.append(label)
    if not any(label in wire.PLACES for label in after):
        after.append("Default")
    count, now = revision(db, dialog), wire.stamp(clock.now())
    changes = [("set", label) for label in after if label not in before]
    changes += [("remove", label) for label in before if label not in after]
    if not changes:
        return wire.revision(dialog, count)
    db.execute(
        "INSERT OR REPLACE INTO contexts VALUES (?, ?, ?)", (dialog, json.dumps(after), count + 1)
    )
    db.executemany(
        "INSERT INTO label_changes VALUES (?, ?, ?, ?, ?)",
        [
            (dialog, now, action, label, by_sender)
            for action, label in changes
            if label != "Default"
        ],
    )
    return wire.revision(dialog, count + 1)


def revision(db: sqlite3.Connection, dialog: str) -> int:
    """Return how often a dialog's labels have changed."""
    row = db.execute("SELECT revision FROM contexts WHERE dialog = ?", (dialog,)).fetchone()
    return int(row["revision"]) if row else 0


def stored(
    db: sqlite3.Connection,
    row: sqlite3.Row,
    attachments: Sequence[Mapping[str, Any]] = (),
) -> wire.Stored:
    """Return a row of SELECT as a letter."""
    marks = db.execute("SELECT kind, at FROM marks WHERE dialog = ?", (row["id"],))
    seen = db.execute("SELECT id, at FROM seen_log WHERE dialog = ? ORDER BY at", (row["id"],))
    return wire.Stored(
        dialog=row["id"],
        correspondence=row["correspondence"],
        party=row["person"],
        updated=row["updated"],
        changed=row["changed"],
        said=json.loads(row["said"]),
        marks={mark["kind"]: mark["at"] for mark in marks},
        seen=[(each["id"], each["at"]) for each in seen],
        labels=json.loads(row["labels"] or DEFAULT),
        revision=row["revision"] or 0,
        attachments=attachments,
    )
