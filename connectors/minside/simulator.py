"""Agencies that host letters themselves, each with its feed, in SQLite.

The feed is a journal: a letter that changes is written once more at its end, and a cursor is a
place in it. Deleting takes the documents, never the letter's entry, and has an entry of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from flask import Flask

from connectors import clock
from connectors.addresses import web_addresses
from connectors.contract import LEVEL_HIGH, Appointment, Payment, ReplyForm, Signing
from connectors.maskinporten.simulator import CLIENT_ID, CLIENT_KEY, TokenChecker, issue_token
from connectors.maskinporten.verify import ORGANISATION
from connectors.minside import api, pages, threads
from connectors.minside.connector import PING_SCOPE
from connectors.minside.feed import FEEDS, append, append_note, latest, stamp
from connectors.pings import address_of
from connectors.simulation import Simulator, State, apply_faults, protect_pages
from connectors.world.agencies import agency
from connectors.world.model import Agency, Channel, Person, SimulatedLetter

PAGE_SIZE = 100
RETENTION_DAYS = {"bergen": 5 * 365}
"""Of agencies whose letters do not say when they are deleted: the rule is the source's setting."""
HEALTH = frozenset({"helsenorge", "pasientpost"})
"""Nothing of these is below level high, whatever a letter says: their sources' setting."""
HERE = Path(__file__).parent
TABLES = (
    "CREATE TABLE IF NOT EXISTS feed (position INTEGER PRIMARY KEY AUTOINCREMENT, agency TEXT,"
    " person TEXT, id TEXT, item TEXT)",
    "CREATE INDEX IF NOT EXISTS feed_of_person ON feed (agency, person, position)",
    "CREATE INDEX IF NOT EXISTS feed_by_letter ON feed (agency, id)",
    "CREATE TABLE IF NOT EXISTS documents (agency TEXT, id TEXT, letter TEXT, person TEXT,"
    " media_type TEXT, sha256 TEXT, deleted_at TEXT, PRIMARY KEY (agency, id))",
    "CREATE INDEX IF NOT EXISTS documents_of ON documents (agency, letter)",
    "CREATE INDEX IF NOT EXISTS documents_by_content ON documents (sha256)",
    "CREATE INDEX IF NOT EXISTS documents_of_person ON documents (person)",
    "CREATE TABLE IF NOT EXISTS contents (sha256 TEXT PRIMARY KEY, content BLOB)",
    "CREATE TABLE IF NOT EXISTS receipts (agency TEXT, idempotency_key TEXT, letter TEXT,"
    " person TEXT, kind TEXT, at TEXT, PRIMARY KEY (agency, idempotency_key))",
    "CREATE TABLE IF NOT EXISTS expired_cursors (agency TEXT)",
    threads.TABLE,
    *pages.TABLES,
    "CREATE INDEX IF NOT EXISTS replies_of ON replies (agency, person, answered)",
)


class MinsideSimulator(Simulator):
    """Feeds, documents and receipts of the agencies; `api.py` serves them."""

    channels = tuple(channel for channel, _ in FEEDS.values())

    def __init__(self, state: State, keys_dir: Path) -> None:
        super().__init__(state)
        self.app = Flask(
            __name__, static_folder=str(HERE / "static"), template_folder=str(HERE / "templates")
        )
        protect_pages(self.app, frames=[web_addresses()[0]])
        self.tokens = TokenChecker(keys_dir)
        self._keys_dir = keys_dir
        with state.transaction() as db:
            for table in TABLES:
                db.execute(table)
        apply_faults(self.app, state, {slug: channel.value for slug, (channel, _) in FEEDS.items()})
        api.add_routes(self.app, self)
        pages.add_routes(self.app, self)

    def send(self, letter: SimulatedLetter) -> str:
        """Put a letter at the end of its agency's feed; sent again, it is a change."""
        with self.state.transaction() as db:
            return _put(db, letter)

    def send_many(self, letters: Sequence[SimulatedLetter]) -> None:
        """Put letters in their feeds in one transaction."""
        with self.state.transaction() as db:
            for letter in letters:
                _put(db, letter)

    def channel_of(self, slug: str) -> Channel:
        """Return the channel by which an agency's letters come."""
        return FEEDS[slug][0]

    def forget(self, person: Person) -> None:
        """Remove the person's entries, documents and receipts at all of them."""
        with self.state.transaction() as db:
            for table in ("feed", "documents", "receipts", "replies", "page_sessions"):
                db.execute(f"DELETE FROM {table} WHERE person = ?", (person.national_id,))
            db.execute(
                "DELETE FROM contents WHERE NOT EXISTS"
                " (SELECT 1 FROM documents WHERE documents.sha256 = contents.sha256)"
            )

    def expire_latest(self, person: Person, channel: Channel) -> bool:
        """Delete the newest letter that has documents: its entry stays, and one says that."""
        now, slug = clock.now(), _slug(channel)
        with self.state.transaction() as db:
            row = db.execute(
                "SELECT id FROM feed WHERE agency = ? AND person = ? AND EXISTS"
                " (SELECT 1 FROM documents WHERE documents.agency = feed.agency"
                " AND letter = feed.id AND (deleted_at IS NULL OR deleted_at > ?))"
                " ORDER BY position DESC LIMIT 1",
                (slug, person.national_id, stamp(now)),
            ).fetchone()
            if row is None:
                return False
            db.execute(
                "UPDATE documents SET deleted_at = ? WHERE agency = ? AND letter = ?",
                (stamp(now - timedelta(seconds=1)), slug, row["id"]),
            )
            append_note(db, slug, person.national_id, row["id"], "deleted", now)
        return True

    def purge(self, person: Person, channel: Channel) -> int:
        """Delete all of a person's letters at an agency; returns how many there were.

        Their own entries leave the feed, their documents answer 410, and one entry for each says
        that it is deleted.
        """
        now, slug = clock.now(), _slug(channel)
        own = (slug, person.national_id)
        with self.state.transaction() as db:
            rows = db.execute(
                "SELECT id FROM feed WHERE agency = ? AND person = ? AND id != ''"
                " GROUP BY id ORDER BY MIN(position)",
                own,
            ).fetchall()
            db.execute("DELETE FROM feed WHERE agency = ? AND person = ? AND id != ''", own)
            db.execute(
                "UPDATE documents SET deleted_at = ? WHERE agency = ? AND person = ?"
                " AND (deleted_at IS NULL OR deleted_at > ?)",
                (stamp(now), *own, stamp(now)),
            )
            for row in rows:
                append_note(db, slug, person.national_id, row["id"], "deleted", now)
        return len(rows)

    def send_garbage(self, person: Person, channel: Channel) -> str:
        """Put an item in the feed that lacks its title and whose date is none."""
        identifier = str(uuid4())
        item = {"id": identifier, "type": "letter", "title": None, "sent_at": "i går"}
        with self.state.transaction() as db:
            append(db, _slug(channel), person.national_id, identifier, item)
        return identifier

    def change(self, channel: Channel, identifier: str, **fields: Any) -> None:
        """Write a letter to the feed once more with other values in the fields named."""
        slug = _slug(channel)
        with self.state.transaction() as db:
            row = db.execute(
                "SELECT person, item FROM feed WHERE agency = ? AND id = ?"
                " ORDER BY position DESC LIMIT 1",
                (slug, identifier),
            ).fetchone()
            append(db, slug, row["person"], identifier, json.loads(row["item"]) | fields)

    def note(self, person: Person, channel: Channel, identifier: str, event: str) -> None:
        """Write to the feed what has happened to a letter: handled, withdrawn or deleted."""
        with self.state.transaction() as db:
            slug = _slug(channel)
            append_note(db, slug, person.national_id, identifier, event, clock.now())

    def ping_proof(self, channel: Channel) -> str:
        """Return the agency's own token for its pings."""
        slug = _slug(channel)
        return issue_token(
            self._keys_dir,
            client_id=slug,
            consumer_org=f"{ORGANISATION}{agency(slug).org_number}",
            scope=PING_SCOPE,
            audience=address_of(channel),
        )

    def take_reply(self, slug: str, person: str, body: Any) -> str:
        """Take an answer; see `threads.take`."""
        with self.state.transaction() as db:
            return threads.take(db, slug, person, body)

    def answer(self, person: Person, channel: Channel, words: str = "") -> bool:
        """Let the agency answer the person's newest reply now; False when there is none."""
        with self.state.transaction() as db:
            return threads.answer_latest(db, _slug(channel), person.national_id, words, clock.now())

    def close_thread(self, person: Person, channel: Channel, reason: str) -> bool:
        """Close her newest letter that can be answered; False when there is none."""
        with self.state.transaction() as db:
            return threads.close_latest(db, _slug(channel), person.national_id, reason)

    def replies(self, person: Person) -> list[dict[str, Any]]:
        """Return what a person has answered: agency, letter, reference, said."""
        found = self.state.connection().execute(
            "SELECT agency, letter, reference, said FROM replies WHERE person = ? ORDER BY rowid",
            (person.national_id,),
        )
        return [dict(row) | {"said": json.loads(row["said"])} for row in found]

    def expire_cursors(self, channel: Channel) -> None:
        """Let every cursor that the agency has given until now be unknown."""
        with self.state.transaction() as db:
            db.execute("INSERT INTO expired_cursors VALUES (?)", (_slug(channel),))

    def receipts(self, person: Person) -> list[dict[str, str]]:
        """Return the receipts taken for a person: agency, letter, kind, at."""
        found = self.state.connection().execute(
            "SELECT agency, letter, kind, at FROM receipts WHERE person = ? ORDER BY rowid",
            (person.national_id,),
        )
        return [dict(row) for row in found]

    def page(self, slug: str, person: str, cursor: str | None) -> dict[str, Any]:
        """Return one page of the feed. Raises LookupError for a cursor that is not known."""
        db = self.state.connection()
        if db.execute(
            "SELECT 1 FROM replies WHERE agency = ? AND person = ? AND answered = 0",
            (slug, person),
        ).fetchone():
            with self.state.transaction():
                threads.answer_due(db, slug, person, clock.now())
        generation = _generation(db, slug)
        after = _read_cursor(cursor, generation) if cursor else 0
        rows = db.execute(
            "SELECT position, item FROM feed WHERE agency = ? AND person = ? AND position > ?"
            " ORDER BY position LIMIT ?",
            (slug, person, after, PAGE_SIZE + 1),
        ).fetchall()
        shown = rows[:PAGE_SIZE]
        last = shown[-1]["position"] if shown else after
        return {
            "items": [_with_addresses(slug, json.loads(row["item"])) for row in shown],
            "next_cursor": _write_cursor(last, generation),
            "more": len(rows) > PAGE_SIZE,
        }

    def document(self, slug: str, person: str, identifier: str) -> tuple[str, bytes] | None:
        """Return media type and bytes, None if there is none. Raises LookupError once deleted."""
        db = self.state.connection()
        row = db.execute(
            "SELECT media_type, deleted_at, content FROM documents JOIN contents USING (sha256)"
            " WHERE agency = ? AND id = ? AND person = ?",
            (slug, identifier, person),
        ).fetchone()
        if row is None:
            return None
        if row["deleted_at"] and row["deleted_at"] <= stamp(clock.now()):
            raise LookupError("deleted")
        return row["media_type"], bytes(row["content"])

    def take_receipt(self, slug: str, person: str, receipt: dict[str, str]) -> bool:
        """Keep a receipt once; False when the person has no such letter."""
        with self.state.transaction() as db:
            try:
                item = latest(db, slug, person, receipt["id"])
            except LookupError:
                return False
            taken = db.execute(
                "INSERT OR IGNORE INTO receipts VALUES (?, ?, ?, ?, ?, ?)",
                (
                    slug,
                    receipt["idempotency_key"],
                    receipt["id"],
                    person,
                    receipt["kind"],
                    receipt["at"],
                ),
            )
            if taken.rowcount and receipt["kind"] in ("handled", "reopened"):
                done = receipt["kind"] == "handled"
                said = {
                    "handled_at": receipt["at"] if done else None,
                    "handled_by": "Du, i Samlepost" if done else None,
                }
                append(db, slug, person, receipt["id"], item | said)
        return True


def make(state_dir: Path, keys_dir: Path) -> MinsideSimulator:
    """Make the simulator with its state in `state_dir` and its keys in `keys_dir`."""
    return MinsideSimulator(State(state_dir / "minside.sqlite3"), keys_dir)


def sources(base_url: str, keys_dir: Path) -> list[dict[str, Any]]:
    """Return the agencies as sources; `base_url` is the simulators' address."""
    return [
        {
            "slug": channel.value,
            "label": label,
            "connector": "minside",
            "recipient_kind": "national_id",
            "settings": {
                "label": label,
                "base_url": f"{base_url}/minside/{slug}/v1",
                "maskinporten_url": f"{base_url}/maskinporten",
                "client_id": CLIENT_ID,
                "private_key_file": str(keys_dir / CLIENT_KEY),
                "org_number": agency(slug).org_number,
                "pages_url": pages.pages_url(slug),
                **({"retention_days": str(RETENTION_DAYS[slug])} if slug in RETENTION_DAYS else {}),
                **({"level_min": str(LEVEL_HIGH)} if slug in HEALTH else {}),
            },
        }
        for slug, (channel, label) in FEEDS.items()
    ]


def _slug(channel: Channel) -> str:
    return next(slug for slug, (own, _) in FEEDS.items() if own is channel)


def _put(db: sqlite3.Connection, letter: SimulatedLetter) -> str:
    slug = _slug(letter.channel)
    identifier = str(uuid5(NAMESPACE_URL, f"samlepost:minside:{slug}:{letter.key}"))
    documents = _keep_documents(db, slug, identifier, letter)
    item = {**_described(letter), "id": identifier, "documents": documents}
    if slug in RETENTION_DAYS:
        del item["deleted_at_source"]
    if letter.agency_task:
        url = pages.task_path(identifier)
        item["link"] = {"url": url, "label": letter.agency_task, "takes_return": True}
        if letter.signing:
            item["signing"]["url"] = url
    append(db, slug, letter.person.national_id, identifier, item)
    return identifier


def _with_addresses(slug: str, item: dict[str, Any]) -> dict[str, Any]:
    """Complete the paths of an item: a world may be served at another address than it was made."""
    for part in (item.get("link"), item.get("signing")):
        if part and (part.get("url") or "").startswith("/"):
            part["url"] = pages.pages_url(slug) + part["url"]
    return item


def _keep_documents(
    db: sqlite3.Connection, slug: str, letter_id: str, letter: SimulatedLetter
) -> list[dict[str, Any]]:
    listed = []
    for position, document in enumerate(letter.documents):
        sha256 = hashlib.sha256(document.content).hexdigest()
        identifier = f"{letter_id}-{position}-{sha256[:12]}"
        db.execute("INSERT OR IGNORE INTO contents VALUES (?, ?)", (sha256, document.content))
        db.execute(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                slug,
                identifier,
                letter_id,
                letter.person.national_id,
                document.media_type,
                sha256,
                _time(letter.expires_at),
            ),
        )
        listed.append(
            {
                "id": identifier,
                "name": document.name,
                "title": document.title,
                "media_type": document.media_type,
                "size": len(document.content),
                "sha256": sha256,
                "main": document.is_main,
            }
        )
    return listed


def _described(letter: SimulatedLetter) -> dict[str, Any]:
    own: Agency = letter.agency
    return {
        "type": letter.kind.value,
        "title": letter.title,
        "public_title": letter.public_title or None,
        "summary": letter.summary or None,
        "language": letter.language,
        "security_level": letter.security_level,
        "sent_at": _time(letter.sent_at),
        "visible_from": _time(letter.visible_from),
        "due_at": _time(letter.due_at),
        "deleted_at_source": _time(letter.expires_at),
        "case_reference": letter.case_reference or None,
        "sender": {"name": own.name, "org_number": own.org_number},
        "link": {"url": letter.action_url, "label": letter.action_label or None}
        if letter.action_url
        else None,
        "needs_action": letter.needs_action,
        "wants_opening_receipt": letter.wants_opening_receipt,
        "documentary_value": letter.documentary_value,
        "opened_at": _time(letter.opened_at),
        "handled_at": _time(letter.handled_at),
        "reply_forms": [_form(form) for form in letter.reply_forms],
        "payment": _payment(letter.payment) if letter.payment else None,
        "signing": _signing(letter.signing) if letter.signing else None,
        "appointments": _appointments(letter.appointment) if letter.appointment else [],
        "also_sent_as": list(letter.same_as),
    }


def _form(form: ReplyForm) -> dict[str, Any]:
    return asdict(form) | {"kind": form.kind.value}


def _payment(payment: Payment) -> dict[str, Any]:
    return asdict(payment) | {"due_at": _time(payment.due_at)}


def _signing(signing: Signing) -> dict[str, Any]:
    return {"status": signing.status.value, "url": signing.url or None, "at": _time(signing.at)}


def _appointments(meeting: Appointment) -> list[dict[str, Any]]:
    said = {"title": meeting.title, "place": meeting.place or None, "note": meeting.note or None}
    return [
        said | {"starts_at": _time(start), "ends_at": _time(end)} for start, end in meeting.times
    ]


def _time(moment: datetime | None) -> str | None:
    return stamp(moment) if moment else None


def _generation(db: sqlite3.Connection, slug: str) -> int:
    row = db.execute("SELECT COUNT(*) FROM expired_cursors WHERE agency = ?", (slug,)).fetchone()
    return int(row[0])


def _write_cursor(position: int, generation: int) -> str:
    return base64.urlsafe_b64encode(f"{generation}.{position}".encode()).decode()


def _read_cursor(cursor: str, generation: int) -> int:
    try:
        given, _, position = base64.urlsafe_b64decode(cursor).decode().partition(".")
        if int(given) == generation:
            return int(position)
    except ValueError:
        pass
    raise LookupError("the cursor is not known")
