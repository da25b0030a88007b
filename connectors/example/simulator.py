"""The example agency: one table, one path. `send` is how a letter comes into being."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from flask import request

from connectors.maskinporten.simulator import TokenChecker
from connectors.simulation import Simulator, State, apply_faults
from connectors.world.model import Channel, Person, SimulatedLetter

from .connector import SCOPE

TABLE = "CREATE TABLE IF NOT EXISTS letters (number INTEGER PRIMARY KEY, person TEXT, item TEXT)"
PAGE = "SELECT number, item FROM letters WHERE person = ? AND number > ? ORDER BY number LIMIT 20"


class ExampleSimulator(Simulator):
    def send(self, letter: SimulatedLetter) -> str:
        said = {"title": letter.title, "text": letter.body, "sent": letter.sent_at.isoformat()}
        return self._put(letter.person, {"id": letter.key, **said})

    def send_garbage(self, person: Person, channel: Channel) -> str:
        return self._put(person, {"id": str(uuid4()), "title": 7})

    def forget(self, person: Person) -> None:
        with self.state.transaction() as db:
            db.execute("DELETE FROM letters WHERE person = ?", (person.national_id,))

    def _put(self, person: Person, item: dict[str, Any]) -> str:
        row = (person.national_id, json.dumps(item))
        with self.state.transaction() as db:
            db.execute("INSERT INTO letters (person, item) VALUES (?, ?)", row)
        return str(item["id"])


def make(state_dir: Path, keys_dir: Path) -> ExampleSimulator:
    simulator = ExampleSimulator(State(state_dir / "example.sqlite3"))
    tokens, state, app = TokenChecker(keys_dir), simulator.state, simulator.app
    state.connection().execute(TABLE)
    apply_faults(app, state, "example")
    app.register_error_handler(PermissionError, lambda _: ("no good token", 401))

    @app.get("/letters")
    def letters() -> list[dict[str, Any]]:
        person = tokens.claims(request.headers.get("Authorization", ""), SCOPE)["pid"]
        rows = state.connection().execute(PAGE, (person, request.args["after"]))
        return [{"number": row["number"], **json.loads(row["item"])} for row in rows]

    return simulator
