"""SvarUt with one receiving system: SvarInn's queue, and `lest` and `metadata` (version 2)."""

from __future__ import annotations

import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Response, jsonify, request, url_for
from werkzeug.exceptions import HTTPException

from connectors import clock
from connectors.maskinporten.simulator import CLIENT_ID, CLIENT_KEY, TokenChecker
from connectors.simulation import Simulator, State, apply_faults
from connectors.svarut.connector import SCOPE
from connectors.svarut.consignments import (
    VARIANTS,
    Consignment,
    broken,
    consignment,
    consignment_id,
)
from connectors.svarut.credentials import INTEGRATION_ID, USERNAME, Credentials
from connectors.world.agencies import agency
from connectors.world.model import Channel, Person, SimulatedDocument, SimulatedLetter

BODY_MAX_BYTES = 100_000
TABLES = (
    "CREATE TABLE IF NOT EXISTS consignments (position INTEGER PRIMARY KEY AUTOINCREMENT, "
    "id TEXT UNIQUE, person TEXT, state TEXT DEFAULT 'waiting', entry TEXT, package BLOB, "
    "metadata TEXT, is_garbage INTEGER DEFAULT 0, is_gone INTEGER DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS readings (consignment TEXT PRIMARY KEY, fnr TEXT, at TEXT, "
    "system TEXT)",
    "CREATE TABLE IF NOT EXISTS failures (position INTEGER PRIMARY KEY AUTOINCREMENT, "
    "consignment TEXT, reason TEXT, permanent INTEGER)",
)
WAITING = "SELECT id, entry FROM consignments WHERE state = 'waiting' ORDER BY position"
INSERT = (
    "INSERT OR IGNORE INTO consignments (id, person, entry, package, metadata, is_garbage) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """What the receiving system has said of a letter that it could not read."""

    consignment: str
    reason: str
    permanent: bool


class SvarutSimulator(Simulator):
    """The queue. `readings`, `failures` and `redeliver` are for tests and the control page."""

    channels = (Channel.SVARUT,)
    broken_variants: Mapping[str, str] = {name: label for name, (label, _) in VARIANTS.items()}

    def __init__(self, state: State, keys_dir: Path) -> None:
        super().__init__(state)
        self.credentials = Credentials(keys_dir / "svarut")
        with state.transaction() as db:
            for table in TABLES:
                db.execute(table)
        _add_routes(self, TokenChecker(keys_dir))

    def send(self, letter: SimulatedLetter) -> str:
        """Put the letter in the queue; sending the same key again changes nothing."""
        found = self.state.connection().execute(
            "SELECT 1 FROM consignments WHERE id = ?", (consignment_id(letter),)
        )
        if found.fetchone() is None:
            self.put(letter.person, consignment(letter, self.credentials.certificate))
        return consignment_id(letter)

    def send_garbage(self, person: Person, channel: Channel) -> str:
        """Send something broken: the first of VARIANTS, in turn."""
        count = self.state.connection().execute(
            "SELECT count(*) FROM consignments WHERE is_garbage = 1"
        )
        variant = list(VARIANTS)[int(count.fetchone()[0]) % len(VARIANTS)]
        return self.send_broken(person, channel, variant)

    def send_broken(self, person: Person, channel: Channel, variant: str) -> str:
        """Send a letter that is broken in one of `broken_variants`; returns its id."""
        certificate = self.credentials.certificate
        made = broken(consignment(_stub(person), certificate), variant, certificate)
        self.put(person, made, is_garbage=True)
        return made.id

    def put(self, person: Person, made: Consignment, is_garbage: bool = False) -> None:
        """Put a consignment in the queue as it is; one whose id is known is left out."""
        entry, metadata = json.dumps(made.entry), json.dumps(made.metadata)
        row = (made.id, person.slug, entry, made.package, metadata, int(is_garbage))
        with self.state.transaction() as db:
            db.execute(INSERT, row)

    def forget(self, person: Person) -> None:
        """Remove the person's letters and what was said of them."""
        own = "(SELECT id FROM consignments WHERE person = ?)"
        with self.state.transaction() as db:
            for table in ("readings", "failures"):
                db.execute(f"DELETE FROM {table} WHERE consignment IN {own}", (person.slug,))
            db.execute("DELETE FROM consignments WHERE person = ?", (person.slug,))

    def expire_latest(self, person: Person, channel: Channel) -> bool:
        """Let the files of the person's newest letter be gone."""
        with self.state.transaction() as db:
            changed = db.execute(
                "UPDATE consignments SET is_gone = 1 WHERE position = (SELECT max(position) "
                "FROM consignments WHERE person = ? AND is_gone = 0)",
                (person.slug,),
            )
        return changed.rowcount == 1

    def redeliver(self, identifier: str) -> None:
        """Put a letter that was acknowledged back in its queue, as when that was lost."""
        with self.state.transaction() as db:
            db.execute("UPDATE consignments SET state = 'waiting' WHERE id = ?", (identifier,))

    def waiting(self) -> list[str]:
        """Return the ids of what waits, oldest first."""
        return [row["id"] for row in self.state.connection().execute(WAITING)]

    def readings(self) -> list[dict[str, str]]:
        """Return what was said to be read: consignment, fnr, at, system."""
        found = self.state.connection().execute("SELECT * FROM readings ORDER BY rowid")
        return [dict(row) for row in found]

    def failures(self) -> list[Failure]:
        """Return what was said that could not be read, oldest first."""
        found = self.state.connection().execute(
            "SELECT consignment, reason, permanent FROM failures ORDER BY position"
        )
        return [Failure(row[0], row[1], bool(row[2])) for row in found]

    def acknowledge(self, identifier: str, state: str) -> bool:
        """Take a letter off the queue; False when there is no such letter."""
        with self.state.transaction() as db:
            changed = db.execute(
                "UPDATE consignments SET state = ? WHERE id = ?", (state, identifier)
            )
        return bool(changed.rowcount)

    def fail(self, identifier: str, reason: str, permanent: bool) -> bool:
        """Take word that a letter could not be read; it waits on unless that is permanent."""
        if not self.acknowledge(identifier, "failed" if permanent else "waiting"):
            return False
        with self.state.transaction() as db:
            db.execute(
                "INSERT INTO failures (consignment, reason, permanent) VALUES (?, ?, ?)",
                (identifier, reason, int(permanent)),
            )
        return True

    def read(self, identifier: str, said: Mapping[str, Any]) -> bool:
        """Take word that a person has read her letter, once; False when it is not hers."""
        row = self.find(identifier)
        if row is None or json.loads(row["entry"])["mottaker"].get("fnr") != said["fnr"]:
            return False
        with self.state.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO readings VALUES (?, ?, ?, ?)",
                (identifier, said["fnr"], said["tidspunkt"], said.get("eksterntSystemnavn", "")),
            )
        return True

    def find(self, identifier: str) -> Any:
        """Return a consignment's row, None if there is none."""
        found = self.state.connection().execute(
            "SELECT * FROM consignments WHERE id = ?", (identifier,)
        )
        return found.fetchone()


def _add_routes(simulator: SvarutSimulator, tokens: TokenChecker) -> None:
    app = simulator.app
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX_BYTES
    apply_faults(app, simulator.state, Channel.SVARUT.value)
    password = simulator.credentials.password_file.read_text()
    integration = simulator.credentials.integration_password_file.read_text()

    @app.before_request
    def authorize() -> Response | None:
        if request.path.startswith("/tjenester/"):
            given = request.authorization
            is_ours = given is not None and given.type == "basic" and given.username == USERNAME
            if not is_ours or not _same(given.password if given else None, password):
                return _error(401, "Ugyldig brukernavn eller passord")
            return None
        try:
            tokens.claims(request.headers.get("Authorization", ""), SCOPE)
        except PermissionError as error:
            return _error(401, str(error))
        if request.headers.get("IntegrasjonId") != INTEGRATION_ID or not _same(
            request.headers.get("IntegrasjonPassord"), integration
        ):
            return _error(401, "Ukjent integrasjon")
        return None

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return _error(error.code or 500, error.name)

    @app.get("/tjenester/svarinn/mottaker/hentNyeForsendelser")
    def listing() -> Response:
        found = simulator.state.connection().execute(WAITING)
        return jsonify(
            [
                {
                    **json.loads(row["entry"]),
                    "downloadUrl": url_for("download", identifier=row["id"], _external=True),
                }
                for row in found
            ]
        )

    @app.get("/tjenester/svarinn/forsendelse/<uuid:identifier>")
    def download(identifier: uuid.UUID) -> Response:
        row = simulator.find(str(identifier))
        if row is None:
            return _error(404, "Ukjent forsendelse")
        if row["is_gone"]:
            return _error(410, "Forsendelsen er slettet")
        several = len(json.loads(row["entry"])["filmetadata"]) > 1
        name = "dokumenter.zip" if several else "dokument"
        return Response(
            bytes(row["package"]),
            content_type="application/zip" if several else "application/octet-stream",
            headers={"Content-Disposition": f"attachment; filename={name}"},
        )

    @app.post("/tjenester/svarinn/kvitterMottak/forsendelse/<uuid:identifier>")
    def acknowledge(identifier: uuid.UUID) -> Response:
        if not simulator.acknowledge(str(identifier), "taken"):
            return _error(404, "Ukjent forsendelse")
        return Response(status=200)

    @app.post("/tjenester/svarinn/mottakFeilet/forsendelse/<uuid:identifier>")
    def fail(identifier: uuid.UUID) -> Response:
        said = request.get_json()
        reason, permanent = said.get("feilmelding"), said.get("permanent")
        if not isinstance(reason, str) or not isinstance(permanent, bool):
            return _error(400, "feilmelding og permanent må være med")
        if not simulator.fail(str(identifier), reason, permanent):
            return _error(404, "Ukjent forsendelse")
        return Response(status=200)

    @app.get("/api/v2/forsendelser/<uuid:identifier>/metadata")
    def metadata(identifier: uuid.UUID) -> Response:
        row = simulator.find(str(identifier))
        if row is None:
            return _error(404, "Ukjent forsendelse")
        return jsonify(json.loads(row["metadata"]))

    @app.post("/api/v2/forsendelser/<uuid:identifier>/lest")
    def read(identifier: uuid.UUID) -> Response:
        said = request.get_json()
        if not simulator.read(str(identifier), said):
            return _error(404, "Ukjent forsendelse")
        return Response(status=204)


def make(state_dir: Path, keys_dir: Path) -> SvarutSimulator:
    """Make the simulator with its state in `state_dir` and its keys in `keys_dir`/svarut."""
    return SvarutSimulator(State(state_dir / "svarut.sqlite3"), keys_dir)


def sources(base_url: str, keys_dir: Path) -> list[dict[str, Any]]:
    """Return the receiving system as a source; `base_url` is the simulators' address."""
    credentials = Credentials(keys_dir / "svarut")
    return [
        {
            "slug": Channel.SVARUT.value,
            "connector": "svarut",
            "label": "SvarUt (kommuner)",
            "recipient_kind": "national_id",
            "shared_queue": True,
            "settings": {
                "label": "SvarUt (kommuner)",
                "base_url": f"{base_url}/svarut",
                "username": USERNAME,
                "password_file": str(credentials.password_file),
                "decryption_key_file": str(credentials.key_file),
                "decryption_certificate_file": str(credentials.certificate_file),
                "maskinporten_url": f"{base_url}/maskinporten",
                "client_id": CLIENT_ID,
                "private_key_file": str(keys_dir / CLIENT_KEY),
                "integration_id": INTEGRATION_ID,
                "integration_password_file": str(credentials.integration_password_file),
            },
        }
    ]


def _stub(person: Person) -> SimulatedLetter:
    title = "Et brev som ikke kan leses"
    documents: Sequence[SimulatedDocument] = (
        SimulatedDocument("brev.pdf", title, "application/pdf", b"%PDF-1.7 stub", is_main=True),
    )
    return SimulatedLetter(
        key=f"garbage-{uuid.uuid4()}",
        channel=Channel.SVARUT,
        person=person,
        agency=agency("stavanger"),
        title=title,
        sent_at=clock.now(),
        documents=documents,
    )


def _same(given: str | None, expected: str) -> bool:
    return hmac.compare_digest((given or "").encode(), expected.strip().encode())


def _error(status: int, message: str) -> Response:
    """As `ErrorMessage` of the second version's interfaces."""
    answer = jsonify(
        {
            "timestamp": round(clock.now().timestamp() * 1000),
            "status": status,
            "error": message,
            "errorId": str(uuid.uuid4()),
            "message": message,
        }
    )
    answer.status_code = status
    return answer
