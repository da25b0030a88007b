"""A time-stamping authority over HTTP, RFC 3161 section 3.4: see README.md."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from flask import Flask, Response, request

from connectors.simulation import Simulator, State, apply_faults
from connectors.tsa.authority import TimestampAuthority
from connectors.world.model import Person

FAULTS = "tsa"
"""The name of its fault dial."""
REQUEST_MAX = 10_000


class TsaSimulator(Simulator):
    """`POST /stamp` takes a request, `GET /root.pem` gives the root. It delivers no letters."""

    def __init__(self, state: State, keys_dir: Path) -> None:
        super().__init__(state)
        self.authority = TimestampAuthority(keys_dir / "tsa")
        self.app.config["MAX_CONTENT_LENGTH"] = REQUEST_MAX
        apply_faults(self.app, state, FAULTS)
        _add_routes(self.app, self.authority)

    def forget(self, person: Person) -> None:
        """Nothing is kept of a person here."""


def make(state_dir: Path, keys_dir: Path) -> TsaSimulator:
    """Make the simulator with its state in `state_dir` and its keys in `keys_dir`/tsa."""
    return TsaSimulator(State(state_dir / "tsa.sqlite3"), keys_dir)


def _add_routes(app: Flask, authority: TimestampAuthority) -> None:
    @app.post("/stamp")
    def stamp() -> Response:
        # Tokens tell the real time, whatever the shared clock says: they are evidence.
        answer = authority.answer(request.get_data(), datetime.now(UTC))
        return Response(answer, content_type="application/timestamp-reply")

    @app.get("/root.pem")
    def root() -> Response:
        pem = authority.root.public_bytes(serialization.Encoding.PEM)
        return Response(pem, content_type="application/x-pem-file")
