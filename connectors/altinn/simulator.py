"""An Altinn that remembers: Dialogporten and Correspondence with their side effects, in SQLite.

GET of a dialog writes its seen log, GET of a correspondence sets Fetched, as in Altinn; a list
sets nothing. What was marked is read by tests through `marks`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from connectors import clock
from connectors.altinn import access, api, wire
from connectors.contract import Version
from connectors.keys import signing_key
from connectors.maskinporten.simulator import CLIENT_ID, CLIENT_KEY, TokenChecker
from connectors.simulation import Simulator, State, apply_faults
from connectors.world.drafts import OSLO
from connectors.world.family import RELATIONS
from connectors.world.model import (
    Channel,
    Enterprise,
    Person,
    SimulatedDocument,
    SimulatedLetter,
)
from connectors.world.persons import ENTERPRISES, PERSONS

PLATFORM_KEY = "altinn-platform.pem"
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
            for person in PERSONS:
                _give_roles(db, person)
            # What an older simulator has marked and not logged.
            db.execute(
                "INSERT INTO seen_log SELECT dialog, dialog, MAX(at, updated) FROM marks JOIN"
                " dialogs ON dialogs.id = dialog WHERE kind = 'seen' AND NOT EXISTS"
                " (SELECT 1 FROM seen_log WHERE seen_log.dialog = marks.dialog)"
            )
        apply_faults(self.app, state, Channel.ALTINN.value, access.too_many)
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
        """Remove the letters of the person and of her enterprises, with their marks.

        For whom she may act is as in the made-up world again.
        """
        with self.state.transaction() as db:
            own = (each for each in ENTERPRISES if each.holders[0] == person)
            for number in (person.national_id, *(each.org_number for each in own)):
                for row in _rows_of(db, number):
                    _remove(db, row["id"], row["correspondence"])
            db.execute("DELETE FROM roles WHERE person = ?", (person.national_id,))
            _give_roles(db, person)
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

    def purge(self, dialog: str) -> None:
        """Let Altinn delete a letter for good: it is listed no more, and asking for it is 404."""
        with self.state.transaction() as db:
            row = db.execute(
                "SELECT correspondence FROM dialogs WHERE id = ?", (dialog,)
            ).fetchone()
            _remove(db, dialog, row["correspondence"])

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

    def marks(self, whose: Person | Enterprise) -> dict[str, set[str]]:
        """Return the ids of somebody's dialogs that are "seen", "fetched" and "read"."""
        found: dict[str, set[str]] = {kind: set() for kind in MARKS}
        for row in self.state.connection().execute(
            "SELECT kind, dialog FROM marks JOIN dialogs ON dialogs.id = marks.dialog"
            " WHERE person = ?",
            (whose.org_number if isinstance(whose, Enterprise) else whose.national_id,),
        ):
            found[row["kind"]].add(row["dialog"])
        return found

    def mark(self, dialog: str, kind: str) -> None:
        """Set a mark that the reader has caused; the first one stands."""
        with self.state.transaction() as db:
            _mark(db, dialog, kind, wire.stamp(clock.now()))

    def confirm(self, dialog: str) -> bool:
        """Note the confirmation of a letter, which is listed anew; False when there was one."""
        now = clock.now()
        with self.state.transaction() as db:
            row = db.execute("SELECT person, said FROM dialogs WHERE id = ?", (dialog,)).fetchone()
            said = json.loads(row["said"])
            if said["handled_at"]:
                return False
            said |= {"handled_at": wire.stamp(now)}
            db.execute(
                "UPDATE dialogs SET said = ?, updated = ? WHERE id = ?",
                (json.dumps(said), _next_updated(db, row["person"], now), dialog),
            )
        return True

    def expire_continuation_tokens(self) -> None:
        """Let every continuation token given until now be refused."""
        with self.state.transaction() as db:
            db.execute("INSERT INTO paging VALUES (1)")

    def paging_generation(self) -> int:
        """Return how many times the continuation tokens have expired."""
        row = self.state.connection().execute("SELECT COUNT(*) AS many FROM paging").fetchone()
        return int(row["many"])

    def authorise(self, person: Person, enterprise: Enterprise, **said: bool) -> None:
        """Let a person act for an enterprise; `said` as the wire has it, a key role by default."""
        with self.state.transaction() as db:
            _give_role(db, person, enterprise.org_number, enterprise.name, None, **said)

    def dismiss(self, person: Person, enterprise: Enterprise) -> None:
        """Let a person act for an enterprise no longer."""
        with self.state.transaction() as db:
            db.execute(
                "UPDATE roles SET said = NULL WHERE person = ? AND party = ?",
                (person.national_id, enterprise.org_number),
            )

    def parties(self, person: str) -> list[wire.Json]:
        """Return the AuthorizedParty of everybody for whom a person may act, herself first."""
        rows = self.state.connection().execute(
            "SELECT * FROM roles WHERE person = ? AND said IS NOT NULL ORDER BY name", (person,)
        )
        others = [
            wire.party(row["party"], row["name"], row["born"], **json.loads(row["said"]))
            for row in rows
            if not row["born"] or _is_minor(date.fromisoformat(row["born"]))
        ]
        return [wire.party(person, hasKeyRole=True, isCurrentEndUser=True), *others]

    def enterprises(self, person: str) -> list[str]:
        """Return the organisation numbers of the enterprises whose letters a person may have."""
        rows = self.state.connection().execute(
            "SELECT party FROM roles WHERE person = ? AND born IS NULL AND said IS NOT NULL",
            (person,),
        )
        return [row["party"] for row in rows]

    def listing(
        self,
        *parties: str,
        order: str,
        between: Mapping[str, tuple[str, str]],
        labels: Sequence[str],
        before: tuple[str, str],
        limit: int,
    ) -> list[wire.Stored]:
        """Return the dialogs of parties as they are listed, newest first, strictly after `before`.

        A party is an identity number or an organisation number. `order` and the names of `between`
        are those of COLUMNS. Of `labels` one is enough.
        """
        where, values = [f"({COLUMNS[order]}, dialogs.id) < (?, ?)"], [*before]
        for name, bounds in between.items():
            where.append(f"{COLUMNS[name]} BETWEEN ? AND ?")
            values += bounds
        if labels:
            anyone = " OR ".join(["COALESCE(contexts.labels, ?) LIKE ?"] * len(labels))
            where.append(f"({anyone})")
            for label in labels:
                values += [DEFAULT, f'%"{label}"%']
        db = self.state.connection()
        rows = db.execute(
            f"{SELECT} AND {' AND '.join(where)}"
            f" ORDER BY {COLUMNS[order]} DESC, dialogs.id DESC LIMIT ?",
            (json.dumps(parties), wire.stamp(clock.now()), *values, limit),
        )
        return [_stored(db, row) for row in rows]

    def find(self, column: str, identifier: str, person: str) -> wire.Stored | None:
        """Return a letter by "id" or "correspondence", hers or her enterprise's, or None."""
        db = self.state.connection()
        parties = json.dumps([person, *self.enterprises(person)])
        row = db.execute(
            f"{SELECT} AND dialogs.{column} = ?", (parties, wire.stamp(clock.now()), identifier)
        ).fetchone()
        if row is None:
            return None
        attachments = db.execute(
            "SELECT * FROM attachments WHERE correspondence = ? ORDER BY position",
            (row["correspondence"],),
        )
        return _stored(db, row, [dict(each) for each in attachments])

    def see(self, dialog: str) -> None:
        """Note that she has got a dialog: once for each state of it, and it is unopened no more."""
        now = wire.stamp(clock.now())
        with self.state.transaction() as db:
            _mark(db, dialog, "seen", now)
            row = db.execute(
                f"SELECT {UPDATED} AS changed, contexts.labels FROM dialogs"
                " LEFT JOIN touched ON touched.dialog = dialogs.id"
                " LEFT JOIN contexts ON contexts.dialog = dialogs.id WHERE dialogs.id = ?",
                (dialog,),
            ).fetchone()
            last = db.execute(
                "SELECT MAX(at) AS at FROM seen_log WHERE dialog = ?", (dialog,)
            ).fetchone()
            if not last["at"] or last["at"] <= row["changed"]:
                at = max(now, row["changed"])
                db.execute("INSERT INTO seen_log VALUES (?, ?, ?)", (str(uuid4()), dialog, at))
            if "MarkedAsUnopened" in (row["labels"] or ""):
                _relabel(db, dialog, (), ("MarkedAsUnopened",))

    def set_labels(
        self, revisions: Mapping[str, str], added: Sequence[str], removed: Sequence[str]
    ) -> str | None:
        """Change the labels of dialogs, all or none; returns the last one's new revision.

        `revisions` are those that the caller has seen, "" where it does not mind: None when one
        is another by now.
        """
        revision = ""
        with self.state.transaction() as db:
            for dialog, expected in revisions.items():
                if expected and expected != wire.revision(dialog, _revision(db, dialog)):
                    return None
            for dialog in revisions:
                revision = _relabel(db, dialog, added, removed)
        return revision

    def label_log(self, dialog: str) -> list[tuple[str, str, str, bool]]:
        """Return every change of a dialog's labels.

        Each is (time, "set" or "remove", label, whether the service owner caused it).
        """
        rows = self.state.connection().execute(
            "SELECT * FROM label_changes WHERE dialog = ? ORDER BY rowid", (dialog,)
        )
        return [(row["at"], row["action"], row["label"], bool(row["by_sender"])) for row in rows]

    def touch(self, dialog: str, *, silently: bool = False, **said: Any) -> None:
        """Change what is said of a letter beside its content: `updatedAt` moves alone.

        Unless `silently`, it is back in her inbox (`UpdateDialogCommand.cs`, IsSilentUpdate).
        """
        with self.state.transaction() as db:
            row = db.execute("SELECT person, said FROM dialogs WHERE id = ?", (dialog,)).fetchone()
            changed = json.dumps(json.loads(row["said"]) | said)
            db.execute("UPDATE dialogs SET said = ? WHERE id = ?", (changed, dialog))
            at = _next_updated(db, row["person"], clock.now())
            db.execute("INSERT OR REPLACE INTO touched VALUES (?, ?)", (dialog, at))
            if not silently:
                _relabel(db, dialog, ("Default",), (), by_sender=True)

    def transmit(
        self,
        dialog: str,
        title: str,
        *,
        kind: str = "Information",
        summary: str = "",
        body: str = "",
        by_her: bool = False,
        urls: Sequence[str] = (),
        files: Sequence[SimulatedDocument] = (),
        ways_out: Sequence[tuple[str, str, datetime | None]] = (),
        versions: Sequence[Version] = (),
    ) -> None:
        """Add a transmission to a dialog; `body` is a text that it embeds.

        `urls` are attachments on the service owner's pages, `files` those that take the dialog's
        token, `ways_out` are navigational actions: title, address, and until when.
        """
        with self.state.transaction() as db:
            stored = db.execute("SELECT said FROM dialogs WHERE id = ?", (dialog,)).fetchone()
            before = json.loads(stored["said"]).get("transmissions", [])
            kept: list[dict[str, str]] = []
            for file in files:
                identifier = wire.part_id(dialog, f"file-{len(before)}-{len(kept)}")
                _keep_file(db, identifier, dialog, len(kept), file, clock.now())
                names = {name: getattr(file, name) for name in ("name", "title", "media_type")}
                kept.append({"id": identifier, **names})
        said = {"title": title, "type": kind, "summary": summary, "by_her": by_her, "body": body}
        said |= {"urls": list(urls), "at": wire.stamp(clock.now()), "files": kept}
        said["ways_out"] = [
            (label, url, wire.stamp(until) if until else "") for label, url, until in ways_out
        ]
        said["versions"] = [
            {name: getattr(each, name) for name in wire.VERSION_FIELDS} for each in versions
        ]
        self.touch(dialog, transmissions=[*before, said])

    def newest(self, person: Person) -> str | None:
        """Return the id of the person's newest letter that can be read; None without one."""
        row = (
            self.state.connection()
            .execute(
                "SELECT id FROM dialogs WHERE person = ? AND visible_from <= ?"
                " AND json_extract(said, '$.garbage') IS NULL ORDER BY updated DESC LIMIT 1",
                (person.national_id, wire.stamp(clock.now())),
            )
            .fetchone()
        )
        return row["id"] if row else None

    def text(self, dialog: str, key: str) -> str | None:
        """Return a text that the service owner holds itself (`wire.text_of`)."""
        row = (
            self.state.connection()
            .execute("SELECT said FROM dialogs WHERE id = ?", (dialog,))
            .fetchone()
        )
        return wire.text_of(json.loads(row["said"]), key) if row else None

    def file(self, dialog: str, identifier: str) -> bytes | None:
        """Return a file of a dialog or its transmissions; None where there is none."""
        row = (
            self.state.connection()
            .execute(
                "SELECT contents.content FROM attachments JOIN contents USING (sha256)"
                " WHERE attachments.id = ? AND attachments.correspondence IN"
                " (?, (SELECT correspondence FROM dialogs WHERE id = ?))",
                (identifier, dialog, dialog),
            )
            .fetchone()
        )
        return bytes(row["content"]) if row else None

    def offer(
        self, dialog: str, name: str, title: str, *, method: str, prompt: str = "", url: str = ""
    ) -> None:
        """Give a dialog a GUI action, at the service owner's (`api.py`) or at another address."""
        row = (
            self.state.connection()
            .execute("SELECT said FROM dialogs WHERE id = ?", (dialog,))
            .fetchone()
        )
        services = json.loads(row["said"]).get("services", {})
        services[name] = {"title": title, "method": method, "prompt": prompt, "url": url}
        self.touch(dialog, services=services)

    def serve(self, dialog: str, name: str, method: str) -> int:
        """Do what a GUI action stands for; returns how often that was done by now."""
        with self.state.transaction() as db:
            db.execute("INSERT INTO served VALUES (?, ?, ?)", (dialog, name, method))
        return self.served(dialog, name)

    def served(self, dialog: str, name: str) -> int:
        """Return how often the service owner was asked for that."""
        where = "SELECT COUNT(*) AS many FROM served WHERE dialog = ? AND name = ?"
        row = self.state.connection().execute(where, (dialog, name)).fetchone()
        return int(row["many"])

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
                "look_again_seconds": "0",
            },
        }
    ]


def _put(db: sqlite3.Connection, letter: SimulatedLetter) -> str:
    dialog = wire.version7(letter.key, letter.sent_at)
    correspondence = wire.part_id(letter.key, "correspondence")
    _remove(db, dialog, correspondence, OF_CONTENT)
    _relabel(db, dialog, ("Default",), (), by_sender=True)
    person, visible_from = letter.recipient_number, letter.visible_from
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
    if letter.handled_at:
        at = wire.stamp(letter.handled_at)
        db.execute("INSERT INTO touched VALUES (?, ?)", (dialog, at))
    if letter.opened_at:
        for kind in MARKS:
            _mark(db, dialog, kind, wire.stamp(letter.opened_at))
        seen = (wire.part_id(dialog, "seen"), dialog, max(updated, wire.stamp(letter.opened_at)))
        db.execute("INSERT INTO seen_log VALUES (?, ?, ?)", seen)
    return dialog


def _next_updated(db: sqlite3.Connection, person: str, moment: datetime) -> str:
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
    _keep_file(
        db, identifier, correspondence, position, document, letter.sent_at, letter.expires_at
    )


def _keep_file(
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


def _mark(db: sqlite3.Connection, dialog: str, kind: str, at: str) -> None:
    db.execute("INSERT OR IGNORE INTO marks VALUES (?, ?, ?)", (dialog, kind, at))


def _remove(
    db: sqlite3.Connection, dialog: str, correspondence: str, tables: Sequence[str] = OF_DIALOG
) -> None:
    db.execute("DELETE FROM dialogs WHERE id = ?", (dialog,))
    for table in tables:
        db.execute(f"DELETE FROM {table} WHERE dialog = ?", (dialog,))
    db.execute("DELETE FROM attachments WHERE correspondence IN (?, ?)", (correspondence, dialog))


def _rows_of(db: sqlite3.Connection, number: str) -> list[sqlite3.Row]:
    return db.execute(
        "SELECT id, correspondence FROM dialogs WHERE person = ?", (number,)
    ).fetchall()


def _give_roles(db: sqlite3.Connection, person: Person) -> None:
    """Let a person act for her children and enterprises, but for what has been changed since."""
    for enterprise in ENTERPRISES:
        if person in enterprise.holders:
            _give_role(db, person, enterprise.org_number, enterprise.name, None, changes=False)
    for each in RELATIONS:
        if each.helper == person and each.born:
            child, born = each.principal, each.born.isoformat()
            name = child.name.upper()
            _give_role(db, person, child.national_id, name, born, changes=False, hasKeyRole=False)


def _give_role(
    db: sqlite3.Connection,
    person: Person,
    party: str,
    name: str,
    born: str | None,
    *,
    changes: bool = True,
    **said: bool,
) -> None:
    db.execute(
        f"INSERT OR {'REPLACE' if changes else 'IGNORE'} INTO roles VALUES (?, ?, ?, ?, ?)",
        (person.national_id, party, name, born, json.dumps({"hasKeyRole": True} | said)),
    )


def _is_minor(born: date) -> bool:
    """Say whether somebody is not yet 18; who was born on 29 February is on 1 March."""
    today = clock.now().astimezone(OSLO).date()
    return (today.year - born.year, today.month, today.day) < (18, born.month, born.day)


def _relabel(
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
    count, now = _revision(db, dialog), wire.stamp(clock.now())
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


def _revision(db: sqlite3.Connection, dialog: str) -> int:
    row = db.execute("SELECT revision FROM contexts WHERE dialog = ?", (dialog,)).fetchone()
    return int(row["revision"]) if row else 0


def _stored(
    db: sqlite3.Connection,
    row: sqlite3.Row,
    attachments: Sequence[Mapping[str, Any]] = (),
) -> wire.Stored:
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
