"""A contact and reservation register of the made-up persons.

Source: Digdir docs `_docs/Kontaktregisteret/oppslagstjenesten_rest.md` and `krr_attributter.md`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, Response, jsonify, request

from connectors import clock
from connectors.dpi.authority import SUPPLIERS, Authority
from connectors.krr.client import ACTIVE, DELETED, PERSONS_MAX, UNKNOWN, fresh_until
from connectors.maskinporten.simulator import TokenChecker
from connectors.simulation import Simulator, State, apply_faults
from connectors.world.contacts import RegisteredContact, contact_of
from connectors.world.model import Channel, Person
from connectors.world.persons import PERSONS, by_slug

CONTACT_SCOPE = "krr:global/kontaktinformasjon.read"
MAILBOX_SCOPE = "krr:global/digitalpost.read"
FAULTS = "krr"
"""The name of its fault dial."""
OSLO = ZoneInfo("Europe/Oslo")
MOMENTS = ("email_confirmed_at", "mobile_confirmed_at", "reserved_at")


class KrrSimulator(Simulator):
    """Look-ups of persons; `change` is the hand of a person on her own entry."""

    def __init__(self, state: State, keys_dir: Path) -> None:
        super().__init__(state)
        self._authority = Authority(keys_dir / "dpi")
        self._by_number = {person.national_id: person for person in PERSONS}
        with state.transaction() as db:
            db.execute("CREATE TABLE IF NOT EXISTS entries (person TEXT PRIMARY KEY, said TEXT)")
        apply_faults(self.app, state, FAULTS)
        _add_routes(self.app, self, TokenChecker(keys_dir))

    def registered(self, person: Person) -> RegisteredContact:
        """Return what is registered of a person now."""
        row = (
            self.state.connection()
            .execute("SELECT said FROM entries WHERE person = ?", (person.slug,))
            .fetchone()
        )
        return _read(row["said"]) if row else contact_of(person)

    def change(self, slug: str, **changes: Any) -> RegisteredContact:
        """Change fields of a person's entry; what she names anew is confirmed now.

        Raises KeyError for an unknown person, TypeError for an unknown field.
        """
        person = by_slug(slug)
        for channel in ("email", "mobile"):
            if channel in changes:
                moment = clock.now() if changes[channel] else None
                changes.setdefault(f"{channel}_confirmed_at", moment)
        changed = replace(self.registered(person), **changes)
        with self.state.transaction() as db:
            db.execute(
                "INSERT INTO entries VALUES (?, ?) "
                "ON CONFLICT (person) DO UPDATE SET said = excluded.said",
                (person.slug, json.dumps(asdict(changed), default=datetime.isoformat)),
            )
        return changed

    def forget(self, person: Person) -> None:
        """Set the person's entry back to what it was at first."""
        with self.state.transaction() as db:
            db.execute("DELETE FROM entries WHERE person = ?", (person.slug,))

    def entry(self, national_id: str, *, contact: bool, mailbox: bool) -> dict[str, Any]:
        """Return a person's entry as the register writes it, without what is beyond the scopes."""
        person = self._by_number.get(national_id)
        said = self.registered(person) if person else RegisteredContact(is_registered=False)
        status = DELETED if said.is_deleted else ACTIVE if said.is_registered else UNKNOWN
        entry: dict[str, Any] = {
            "personidentifikator": national_id,
            "reservasjon": "JA" if said.reserved_at else "NEI",
            "status": status,
        }
        if said.reserved_at:
            entry["reservasjonstidspunkt"] = _written(said.reserved_at)
        if contact:
            reachable = status == ACTIVE and not said.reserved_at and _is_reachable(said)
            entry["varslingsstatus"] = "KAN_VARSLES" if reachable else "KAN_IKKE_VARSLES"
        if status != ACTIVE:
            return entry
        if contact:
            if said.email or said.mobile:
                entry["kontaktinformasjon"] = _channels(said)
            if said.language:
                entry["spraak"] = said.language
        if mailbox and said.mailbox_address and said.mailbox_supplier:
            entry["digitalpost"] = {
                "postkasseadresse": said.mailbox_address,
                "postkasseleverandoeradresse": SUPPLIERS[said.mailbox_supplier],
            }
            _, certificate = self._authority.supplier(said.mailbox_supplier, "decryption")
            entry["sertifikat"] = certificate.read_text("ascii")
        return entry


def make(state_dir: Path, keys_dir: Path) -> KrrSimulator:
    """Make the simulator with its state in `state_dir`; the suppliers' keys lie in `keys_dir`."""
    return KrrSimulator(State(state_dir / "krr.sqlite3"), keys_dir)


def _add_routes(app: Flask, simulator: KrrSimulator, tokens: TokenChecker) -> None:
    @app.post("/rest/v2/personer")
    def persons() -> Response:
        authorization = request.headers.get("Authorization", "")
        allowed = [
            _is_allowed(tokens, authorization, scope) for scope in (CONTACT_SCOPE, MAILBOX_SCOPE)
        ]
        if not any(allowed):
            return _refusal(401, "the token gives access to nothing here")
        body = request.get_json(silent=True)
        numbers = body.get("personidentifikatorer") if isinstance(body, dict) else None
        if not isinstance(numbers, list) or not 1 <= len(numbers) <= PERSONS_MAX:
            return _refusal(400, f"personidentifikatorer must name 1 to {PERSONS_MAX} persons")
        if not all(
            isinstance(each, str) and each.isdecimal() and len(each) == 11 for each in numbers
        ):
            return _refusal(400, "personidentifikatorer must be of eleven digits each")
        contact, mailbox = allowed
        return jsonify(
            personer=[
                simulator.entry(each, contact=contact, mailbox=mailbox)
                for each in dict.fromkeys(numbers)
            ]
        )


def _is_allowed(tokens: TokenChecker, authorization: str, scope: str) -> bool:
    try:
        tokens.claims(authorization, scope)
    except PermissionError:
        return False
    return True


def _refusal(status: int, description: str) -> Response:
    answer = jsonify(error="invalid_request", error_description=description)
    answer.status_code = status
    return answer


def _is_reachable(said: RegisteredContact) -> bool:
    channels = ((said.email, said.email_confirmed_at), (said.mobile, said.mobile_confirmed_at))
    return any(
        value and confirmed and clock.now() < fresh_until(confirmed)
        for value, confirmed in channels
    )


def _channels(said: RegisteredContact) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value, confirmed in (
        ("epostadresse", said.email, said.email_confirmed_at),
        ("mobiltelefonnummer", said.mobile, said.mobile_confirmed_at),
    ):
        if value:
            found[name] = value
        if value and confirmed:
            found[f"{name}_oppdatert"] = _written(confirmed)
    return found


def _written(moment: datetime) -> str:
    """A time as the register writes it: an offset of hours alone ("2023-06-29T10:14:52+02")."""
    return moment.astimezone(OSLO).isoformat(timespec="seconds")[:-3]


def _read(text: str) -> RegisteredContact:
    said = json.loads(text)
    for name in MOMENTS:
        said[name] = datetime.fromisoformat(said[name]) if said[name] else None
    supplier = said["mailbox_supplier"]
    said["mailbox_supplier"] = Channel(supplier) if supplier else None
    return RegisteredContact(**said)
