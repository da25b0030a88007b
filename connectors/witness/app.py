"""The witness's HTTP interface: c2sp.org/tlog-witness, with one more parameter for auditors."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask, Response, request

from connectors.keys import ensure_ed25519_key
from connectors.tlog import note
from connectors.tlog.cosignature import Cosigner
from connectors.tlog.encoding import from_decimal
from connectors.witness.ledger import Ledger, Refusal

BODY_MAX = 200_000
"""Bytes of a request: 63 hashes and a note with room for signatures of others."""
TEXT = "text/plain; charset=utf-8"


def make_app(ledger: Ledger) -> Flask:
    """Return the application of one witness."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX

    @app.post("/add-checkpoint")
    def add_checkpoint() -> Response:
        try:
            body = request.get_data().decode("utf-8")
            return Response(ledger.add_checkpoint(body), content_type=TEXT)
        except UnicodeDecodeError:
            return Response("not UTF-8\n", 400, content_type=TEXT)
        except Refusal as refusal:
            if refusal.size is not None:
                size = f"{refusal.size}\n"
                return Response(size, refusal.status, content_type="text/x.tlog.size")
            return Response(f"{refusal}\n", refusal.status, content_type=TEXT)

    @app.get("/<origin_hash>/checkpoint")
    def checkpoint(origin_hash: str) -> Response:
        """Answer with the newest; with `?at=N` (ours) with the newest of no more than N leaves."""
        try:
            at = from_decimal(request.args["at"]) if "at" in request.args else None
        except ValueError:
            return Response("at must be a number\n", 400, content_type=TEXT)
        found = ledger.signed(origin_hash, at)
        if found is None:
            return Response("nothing was signed\n", 404, content_type=TEXT)
        return Response(found, content_type=TEXT)

    return app


def cosigner(directory: Path, name: str) -> Cosigner:
    """Return the witness's key, which is made on first use in its own folder."""
    return Cosigner(note.check_name(name), ensure_ed25519_key(directory / "key.pem"))


def ledger_of_environment() -> Ledger:
    """Make the witness of WITNESS_DIR, WITNESS_NAME and WITNESS_LOGS (verifier keys, by space)."""
    directory = Path(os.environ["WITNESS_DIR"])
    logs = [note.read_vkey(vkey) for vkey in os.environ["WITNESS_LOGS"].split()]
    return Ledger(directory, cosigner(directory, os.environ["WITNESS_NAME"]), logs)


def wsgi() -> Flask:
    """Return the application that the server serves."""
    return make_app(ledger_of_environment())
