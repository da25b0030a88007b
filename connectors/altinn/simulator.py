"""An Altinn that remembers: Dialogporten and Correspondence with their side effects, in SQLite.

GET of a dialog writes its seen log, GET of a correspondence sets Fetched, as in Altinn; a list
sets nothing. What was marked is read by tests through `marks`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from connectors import clock
from connectors.altinn import access, api, roles, tables, wire
from connectors.contract import Version
from connectors.keys import signing_key
from connectors.maskinporten.simulator import CLIENT_ID, CLIENT_KEY, TokenChecker
from connectors.simulation import Simulator, State, apply_faults
from connectors.world.model import (
    Channel,
    Enterprise,
    Person,
    SimulatedDocument,
    SimulatedLetter,
)
from connectors.world.persons import ENTERPRISES, PERSONS

PLATFORM_KEY = "altinn-platform.pem"


class AltinnSimulator(Simulator):
    """Letters, attachments and marks of everybody, and the APIs in front of them (`api.py`)."""

    channels = (Channel.ALTINN,)

    def __init__(self, state: State, keys_dir: Path) -> None:
        super().__init__(state)
        self.machine_tokens = TokenChecker(keys_dir)
        self.platform_key = signing_key(keys_dir / PLATFORM_KEY)
        with state.transaction() as db:
            for table in tables.TABLES:
                db.execute(table)
            for person in PERSONS:
                roles.give_roles(db, person)
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
            return tables.put(db, letter)

    def send_many(self, letters: Sequence[SimulatedLetter]) -> None:
        """Publish letters in one transaction."""
        with self.state.transaction() as db:
            for letter in letters:
                tables.put(db, letter)

    def forget(self, person: Person) -> None:
        """Remove the letters of the person and of her enterprises, with their marks.

        For whom she may act is as in the made-up world again.
        """
        with self.state.transaction() as db:
            own = (each for each in ENTERPRISES if each.holders[0] == person)
            for number in (person.national_id, *(each.org_number for each in own)):
                for row in tables.rows_of(db, number):
                    tables.remove(db, row["id"], row["correspondence"])
            db.execute("DELETE FROM roles WHERE person = ?", (person.national_id,))
            roles.give_roles(db, person)
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
            tables.remove(db, dialog, row["correspondence"])

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
                    tables.next_updated(db, person.national_id, now),
                    json.dumps({"garbage": True}),
                ),
            )
        return identifier

    def marks(self, whose: Person | Enterprise) -> dict[str, set[str]]:
        """Return the ids of somebody's dialogs that are "seen", "fetched" and "read"."""
        found: dict[str, set[str]] = {kind: set() for kind in tables.MARKS}
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
            tables.mark(db, dialog, kind, wire.stamp(clock.now()))

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
                (json.dumps(said), tables.next_updated(db, row["person"], now), dialog),
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
            roles.give_role(db, person, enterprise.org_number, enterprise.name, None, **said)

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
            "SELECT * FROM roles WHERE person = ? AND said IS NOT NULL ORDER BY name",
            (person,),
        )
        others = [
            wire.party(row["party"], row["name"], row["born"], **json.loads(row["said"]))
            for row in rows
            if not row["born"] or roles.is_minor(date.fromisoformat(row["born"]))
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
        are those of tables.COLUMNS. Of `labels` one is enough.
        """
        where, values = [f"({tables.COLUMNS[order]}, dialogs.id) < (?, ?)"], [*before]
        for name, bounds in between.items():
            where.append(f"{tables.COLUMNS[name]} BETWEEN ? AND ?")
            values += bounds
        if labels:
            anyone = " OR ".join(["COALESCE(contexts.labels, ?) LIKE ?"] * len(labels))
            where.append(f"({anyone})")
            for label in labels:
                values += [tables.DEFAULT, f'%"{label}"%']
        db = self.state.connection()
        rows = db.execute(
            f"{tables.SELECT} AND {' AND '.join(where)}"
            f" ORDER BY {tables.COLUMNS[order]} DESC, dialogs.id DESC LIMIT ?",
            (json.dumps(parties), wire.stamp(clock.now()), *values, limit),
        )
        return [tables.stored(db, row) for row in rows]

    def find(self, column: str, identifier: str, person: str) -> wire.Stored | None:
        """Return a letter by "id" or "correspondence", hers or her enterprise's, or None."""
        db = self.state.connection()
        parties = json.dumps([person, *self.enterprises(person)])
        row = db.execute(
            f"{tables.SELECT} AND dialogs.{column} = ?",
            (parties, wire.stamp(clock.now()), identifier),
        ).fetchone()
        if row is None:
            return None
        attachments = db.execute(
            "SELECT * FROM attachments WHERE correspondence = ? ORDER BY position",
            (row["correspondence"],),
        )
        return tables.stored(db, row, [dict(each) for each in attachments])

    def see(self, dialog: str) -> None:
        """Note that she has got a dialog: once for each state of it, and it is unopened no more."""
        now = wire.stamp(clock.now())
        with self.state.transaction() as db:
            tables.mark(db, dialog, "seen", now)
            row = db.execute(
                f"SELECT {tables.UPDATED} AS changed, contexts.labels FROM dialogs"
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
                tables.relabel(db, dialog, (), ("MarkedAsUnopened",))

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
                if expected and expected != wire.revision(dialog, tables.revision(db, dialog)):
                    return None
            for dialog in revisions:
                revision = tables.relabel(db, dialog, added, removed)
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
            at = tables.next_updated(db, row["person"], clock.now())
            db.execute("INSERT OR REPLACE INTO touched VALUES (?, ?)", (dialog, at))
            if not silently:
                tables.relabel(db, dialog, ("Default",), (), by_sender=True)

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
                tables.keep_file(db, identifier, dialog, len(kept), file, clock.now())
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
