"""A log with its witness and its time-stamping authority, in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from django.db import connection

from connectors import http
from connectors.simulation import State, mounted
from connectors.tlog.cosignature import Cosigner
from connectors.tsa.simulator import TsaSimulator
from connectors.witness.app import cosigner, make_app
from connectors.witness.ledger import Ledger
from inbox.archive import proof
from inbox.archive.proof import log


@dataclass
class Outside:
    """Who stands outside of the archive; either can be away."""

    tsa: TsaSimulator
    witness: Cosigner
    witness_directory: Path
    witness_is_away: bool = False


@pytest.fixture
def home(settings, tmp_path: Path) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    settings.ARCHIVE_LOG_KEY_FILE = str(tmp_path / "keys" / "archive-log.pem")
    settings.ARCHIVE_PROOF = "log"
    return settings.ARCHIVE_DIR


@pytest.fixture
def outside(settings, home: Path, tmp_path: Path, _keys: Path, monkeypatch) -> Iterator[Outside]:
    """ARCHIVE_PROOF=full, with a witness and a time-stamping authority that answer."""
    directory = tmp_path / "witness"
    witness = cosigner(directory, "witness.example/w")
    ledger = Ledger(directory, witness, [log.log_key()])
    tsa = TsaSimulator(State(":memory:"), _keys)
    made = Outside(tsa, witness, directory)
    settings.ARCHIVE_PROOF = "full"
    settings.ARCHIVE_WITNESS_URL = "http://127.0.0.1:8020"
    settings.ARCHIVE_WITNESS_KEY = str(witness.verifier)
    settings.ARCHIVE_TSA_URL = "http://127.0.0.1:8010/tsa/stamp"
    settings.ARCHIVE_TSA_CERTIFICATES_FILE = str(tsa.authority.root_file)
    app = make_app(ledger)

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away", request=request)

    def transport(base_url: str) -> httpx.BaseTransport:
        if base_url == "http://127.0.0.1:8010":
            return httpx.WSGITransport(app=mounted({"tsa": tsa}))
        if made.witness_is_away:
            return httpx.MockTransport(away)
        return httpx.WSGITransport(app=app)

    monkeypatch.setattr(http, "transport_for", transport)
    yield made


def entry(number: int) -> proof.Entry:
    """Return the entry of a made-up object with this number."""
    inventory = hashlib.sha512(str(number).encode()).hexdigest()
    return proof.Entry.put(
        UUID(int=number), 1, inventory, hashlib.sha256(b"%d" % number).hexdigest()
    )


def record(*numbers: int) -> None:
    proof.record([entry(number) for number in numbers])


@contextmanager
def superuser() -> Iterator[None]:
    """Be somebody whom no trigger stops."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
    yield
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = DEFAULT")
