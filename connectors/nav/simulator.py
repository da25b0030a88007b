"""NAV as nav.no shows it: varsler and the archive's documents, in SQLite.

What is sent as a notice is a beskjed, as a task an oppgave, as a letter without documents an
innboks; all else is a journalpost in the archive.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from connectors import clock
from connectors.contract import LEVEL_HIGH, Kind
from connectors.maskinporten.simulator import CLIENT_ID, CLIENT_KEY, TokenChecker
from connectors.nav import api, dokarkiv
from connectors.simulation import Simulator, State, apply_faults
from connectors.world.model import Channel, Person, SimulatedLetter

LABEL = "NAV (nav.no)"
KEPT = timedelta(days=365)
TYPES = {Kind.NOTICE: "beskjed", Kind.TASK: "oppgave"}
FILE_TYPES = {"application/pdf": "PDFA", "image/jpeg": "JPEG", "image/png": "PNG"}
MEDIA_TYPES = {"PDFA": "application/pdf", "PDF": "application/pdf", "JPEG": "image/jpeg"}
THEMES = {
    "AAP": "Arbeidsavklaringspenger",
    "BAR": "Barnetrygd",
    "DAG": "Dagpenger",
    "FOR": "Foreldre- og svangerskapspenger",
    "GEN": "Generell",
    "HJE": "Hjelpemidler",
    "KON": "Kontantstøtte",
    "OMS": "Omsorgspenger, pleiepenger og opplæringspenger",
    "PEN": "Pensjon",
    "SYK": "Sykepenger",
    "UFO": "Uføretrygd",
}
TABLES = (
    "CREATE TABLE IF NOT EXISTS varsler (id TEXT PRIMARY KEY, person TEXT, high INTEGER,"
    " item TEXT)",
    "CREATE INDEX IF NOT EXISTS varsler_of_person ON varsler (person)",
    "CREATE TABLE IF NOT EXISTS journalposter (id TEXT PRIMARY KEY, person TEXT, row TEXT)",
    "CREATE INDEX IF NOT EXISTS journalposter_of_person ON journalposter (person)",
    "CREATE TABLE IF NOT EXISTS files (uuid TEXT PRIMARY KEY, person TEXT, content BLOB)",
)


class NavSimulator(Simulator):
    """The two services of nav.no; `api.py` serves them."""

    channels = (Channel.NAV_NO,)

    def __init__(self, state: State, keys_dir: Path) -> None:
        super().__init__(state)
        self.tokens = TokenChecker(keys_dir)
        with state.transaction() as db:
            for table in TABLES:
                db.execute(table)
        apply_faults(self.app, state, Channel.NAV_NO.value)
        api.add_routes(self.app, self)

    def send(self, letter: SimulatedLetter) -> str:
        """Make a varsel or a journalpost of a letter; sent again, it is a change."""
        with self.state.transaction() as db:
            return _put(db, letter)

    def send_many(self, letters: Sequence[SimulatedLetter]) -> None:
        """Send letters in one transaction."""
        with self.state.transaction() as db:
            for letter in letters:
                _put(db, letter)

    def forget(self, person: Person) -> None:
        """Remove everything of the person's."""
        with self.state.transaction() as db:
            for table in ("varsler", "journalposter", "files"):
                db.execute(f"DELETE FROM {table} WHERE person = ?", (person.national_id,))

    def expire_latest(self, person: Person, channel: Channel) -> bool:
        """Destroy the documents of the newest journalpost that has any."""
        with self.state.transaction() as db:
            found = db.execute(
                "SELECT id, row FROM journalposter WHERE person = ? ORDER BY rowid DESC",
                (person.national_id,),
            )
            for identifier, text in found.fetchall():
                row = json.loads(text)
                if any(not each.get("kassert") for each in row["dokumenter"]):
                    for each in row["dokumenter"]:
                        each["kassert"] = True
                    _keep_row(db, identifier, person.national_id, row)
                    return True
        return False

    def send_garbage(self, person: Person, channel: Channel) -> str:
        """List a varsel of no known type whose date is none."""
        identifier = str(uuid4())
        self.put_varsel(person, {"type": "annet", "varselId": identifier, "opprettet": "i går"})
        return identifier

    def put_varsel(self, person: Person, item: Mapping[str, Any], *, high: bool = False) -> None:
        """List a varsel as it stands, its text for sessions of level high alone if `high`."""
        with self.state.transaction() as db:
            _keep_varsel(db, str(item["varselId"]), person.national_id, dict(item), high)

    def put_row(
        self, person: Person, row: Mapping[str, Any], files: Mapping[str, bytes] | None = None
    ) -> None:
        """Archive a row of dokarkiv's; `files` by the uuid of the file."""
        with self.state.transaction() as db:
            _keep_row(db, str(row["journalpostId"]), person.national_id, dict(row))
            for uuid, content in (files or {}).items():
                _keep_file(db, uuid, person.national_id, content)

    def close(self, identifier: str) -> None:
        """Close a varsel, as whoever made it does."""
        with self.state.transaction() as db:
            _close(db, identifier, clock.now())

    def delete(self, identifier: str) -> None:
        """Take a varsel or a journalpost off the lists for good."""
        with self.state.transaction() as db:
            for table in ("varsler", "journalposter"):
                db.execute(f"DELETE FROM {table} WHERE id = ?", (identifier,))

    def close_for(self, person: str, identifier: str) -> str | None:
        """Close a beskjed for its person; returns the type of the varsel, None if it is not hers.

        What is no beskjed stays open.
        """
        with self.state.transaction() as db:
            found = db.execute(
                "SELECT item FROM varsler WHERE id = ? AND person = ?", (identifier, person)
            ).fetchone()
            if found is None:
                return None
            kind = str(json.loads(found["item"])["type"])
            if kind == "beskjed":
                _close(db, identifier, clock.now())
        return kind

    def varsler(self, person: str, *, high: bool) -> list[dict[str, Any]]:
        """Return all varsler of a person, newest first, as a session of that level sees them."""
        now = clock.now()
        with self.state.transaction() as db:
            found = db.execute(
                "SELECT id, high, item FROM varsler WHERE person = ? ORDER BY rowid DESC", (person,)
            ).fetchall()
            items = []
            for row in found:
                item = json.loads(row["item"])
                made, until = _time(item.get("opprettet")), _time(item.get("aktivFremTil"))
                if made and made + KEPT <= now:
                    db.execute("DELETE FROM varsler WHERE id = ?", (row["id"],))
                    continue
                if until and until <= now and item.get("aktiv"):
                    item = _close(db, row["id"], until)
                if row["high"] and not high:
                    item["innhold"] = None
                items.append(item)
        return items

    def overview(self, person: str, themes: Sequence[str]) -> dict[str, Any]:
        """Return a person's Dokumentoversikt: journalposter flat, by theme and by case."""
        rows = self.state.connection().execute(
            "SELECT row FROM journalposter WHERE person = ?", (person,)
        )
        shown = [dokarkiv.shown(json.loads(each["row"]), person) for each in rows]
        found = [each for each in shown if each and (not themes or each["tema"] in themes)]
        found.sort(key=lambda each: each["datoSortering"], reverse=True)
        return {
            "journalposter": found,
            "tema": [
                {
                    "kode": code,
                    "navn": THEMES.get(code, code),
                    "journalposter": [each for each in found if each["tema"] == code],
                }
                for code in sorted({each["tema"] for each in found if each["tema"]})
            ],
            "fagsak": [
                {
                    "fagsakId": number,
                    "fagsaksystem": system,
                    "tema": theme,
                    "journalposter": [
                        each for each in found if (each["sak"] or {}).get("fagsakId") == number
                    ],
                }
                for number, system, theme in sorted(
                    {
                        (each["sak"]["fagsakId"], each["sak"]["fagsaksystem"] or "", each["tema"])
                        for each in found
                        if each["sak"] and each["sak"]["fagsakId"]
                    }
                )
            ],
        }

    def document(
        self, person: str, journalpost: str, document: str, variant: str
    ) -> tuple[str, bytes] | str | None:
        """Return media type and bytes, the code for which they are not given, None if unknown."""
        db = self.state.connection()
        found = db.execute(
            "SELECT person, row FROM journalposter WHERE id = ?", (journalpost,)
        ).fetchone()
        if found is None:
            return None
        if found["person"] != person:
            return "bruker_matcher_ikke_token"
        row = json.loads(found["row"])
        for each in row["dokumenter"]:
            for file in each["fildetaljer"]:
                if (str(each["dokumentInfoId"]), file["format"]) != (document, variant):
                    continue
                if codes := dokarkiv.refusals(row, each, file, person):
                    return codes[0]
                kept = db.execute(
                    "SELECT content FROM files WHERE uuid = ?", (dokarkiv.file_name(each, file),)
                ).fetchone()
                media_type = MEDIA_TYPES.get(str(file.get("type") or "PDF"), "image/png")
                return (media_type, bytes(kept["content"])) if kept else None
        return None


def make(state_dir: Path, keys_dir: Path) -> NavSimulator:
    """Make the simulator with its state in `state_dir` and its keys in `keys_dir`."""
    return NavSimulator(State(state_dir / "nav.sqlite3"), keys_dir)


def sources(base_url: str, keys_dir: Path) -> list[dict[str, Any]]:
    """Return nav.no as a source; `base_url` is the simulators' address."""
    return [
        {
            "slug": Channel.NAV_NO.value,
            "label": LABEL,
            "connector": "nav",
            "recipient_kind": "national_id",
            "settings": {
                "label": LABEL,
                "base_url": f"{base_url}/nav",
                "documents_url": f"{base_url}/nav",
                "maskinporten_url": f"{base_url}/maskinporten",
                "client_id": CLIENT_ID,
                "private_key_file": str(keys_dir / CLIENT_KEY),
            },
        }
    ]


def _put(db: sqlite3.Connection, letter: SimulatedLetter) -> str:
    is_varsel = letter.kind in TYPES or not letter.documents
    return _put_varsel(db, letter) if is_varsel else _put_row(db, letter)


def _put_varsel(db: sqlite3.Connection, letter: SimulatedLetter) -> str:
    identifier = str(uuid5(NAMESPACE_URL, f"samlepost:nav:{letter.key}"))
    kind = TYPES.get(letter.kind, "innboks")
    link = letter.action_url or ("" if kind == "beskjed" else "https://www.nav.no/minside")
    item = {
        "type": kind,
        "varselId": identifier,
        "aktiv": letter.handled_at is None,
        "innhold": {"spraakkode": letter.language, "tekst": letter.title, "link": link or None},
        "eksternVarslingSendt": False,
        "eksternVarslingKanaler": [],
        "opprettet": _iso(letter.sent_at),
        "aktivFremTil": _iso(letter.expires_at) if letter.expires_at else None,
        "inaktivert": _iso(letter.handled_at) if letter.handled_at else None,
    }
    high = letter.security_level >= LEVEL_HIGH
    _keep_varsel(db, identifier, letter.person.national_id, item, high)
    return identifier


def _put_row(db: sqlite3.Connection, letter: SimulatedLetter) -> str:
    identifier, person = _number(letter.key), letter.person.national_id
    documents = []
    for position, document in enumerate(letter.documents):
        uuid = str(uuid5(NAMESPACE_URL, f"samlepost:nav:{letter.key}:{position}"))
        _keep_file(db, uuid, person, document.content)
        file = {
            "format": "ARKIV",
            "stoerrelse": str(len(document.content)),
            "type": FILE_TYPES.get(document.media_type, "PDFA"),
            "uuid": uuid,
            "skjerming": "POL" if document.withheld else None,
        }
        documents.append(
            {
                "dokumentInfoId": int(_number(f"{letter.key}:{position}")),
                "kategori": None,
                "fildetaljer": [file],
                "tittel": document.title,
            }
        )
    case = {"tema": letter.theme or "GEN"}
    if letter.case_reference:
        case |= {"fagsakNr": letter.case_reference, "applikasjon": "IT01"}
    party = {"id": person, "navn": letter.person.name, "type": "FNR"}
    sent_at = _iso(letter.sent_at)
    row = {
        "journalpostId": int(identifier),
        "type": "U",
        "fagomraade": letter.theme or "GEN",
        "status": "E",
        "saksrelasjon": {"sak": case},
        "relevanteDatoer": {"opprettet": sent_at, "journalfoert": sent_at, "ekspedert": sent_at},
        "avsenderMottaker": party,
        "bruker": {"id": person, "type": "PERSON"},
        "dokumenter": documents,
        "innhold": letter.title,
        "utsendingskanal": "SDP" if letter.same_as else "NAV_NO",
    }
    _keep_row(db, identifier, person, row)
    return identifier


def _keep_varsel(
    db: sqlite3.Connection, identifier: str, person: str, item: dict[str, Any], high: bool
) -> None:
    db.execute(
        "INSERT INTO varsler VALUES (?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET high = excluded.high, item = excluded.item",
        (identifier, person, high, json.dumps(item, ensure_ascii=False)),
    )


def _keep_row(db: sqlite3.Connection, identifier: str, person: str, row: dict[str, Any]) -> None:
    db.execute(
        "INSERT INTO journalposter VALUES (?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET row = excluded.row",
        (identifier, person, json.dumps(row, ensure_ascii=False)),
    )


def _keep_file(db: sqlite3.Connection, uuid: str, person: str, content: bytes) -> None:
    db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", (uuid, person, content))


def _close(db: sqlite3.Connection, identifier: str, at: datetime) -> dict[str, Any]:
    text = db.execute("SELECT item FROM varsler WHERE id = ?", (identifier,)).fetchone()["item"]
    item: dict[str, Any] = json.loads(text)
    if item["aktiv"]:
        item |= {"aktiv": False, "inaktivert": _iso(at)}
        kept = json.dumps(item, ensure_ascii=False)
        db.execute("UPDATE varsler SET item = ? WHERE id = ?", (kept, identifier))
    return item


def _number(key: str) -> str:
    """Return nine digits that stay the same for a key."""
    return str(400_000_000 + int(hashlib.sha256(key.encode()).hexdigest()[:12], 16) % 599_999_999)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None
