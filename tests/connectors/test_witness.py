"""The witness over HTTP: what c2sp.org/tlog-witness says it answers."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from werkzeug.test import Client, TestResponse

from connectors.tlog import checkpoint, cosignature, merkle, note, tiles
from connectors.tlog.checkpoint import Checkpoint
from connectors.tlog.cosignature import Cosigner
from connectors.tlog.encoding import to_base64
from connectors.tlog.note import Note, Signer
from connectors.tlog.tiles import Tiles
from connectors.witness.app import make_app
from connectors.witness.ledger import Ledger

ORIGIN = "log.example/a"
NOW = 1_790_000_000
PLACE = f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
WITNESS = Cosigner("witness.example/w", Ed25519PrivateKey.generate())


class Log:
    """A log of which each size can be shown, and another one that parts from it after `shared`."""

    def __init__(self, folder: Path, name: str = "a", shared: int = 0, key=None) -> None:
        self.signer = Signer(ORIGIN, key or Ed25519PrivateKey.generate())
        entries = [b"%s %d" % (b"a" if n < shared else name.encode(), n) for n in range(300)]
        tiles.write(folder, tiles.grow(Tiles(folder, 0), entries))
        self.tiles = Tiles(folder, 300)

    def checkpoint(self, size: int) -> str:
        text = Checkpoint(ORIGIN, size, merkle.root(size, self.tiles)).text()
        return Note(text, (self.signer.sign(text),)).encode()

    def request(self, old: int, new: int, path: list[bytes] | None = None) -> str:
        if path is None:
            path = merkle.consistency_proof(old, new, self.tiles) if old <= new else []
        return "\n".join([f"old {old}", *map(to_base64, path), "", self.checkpoint(new)])


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


@pytest.fixture
def client(tmp_path: Path, log: Log) -> Client:
    return serve(tmp_path, log)


def serve(tmp_path: Path, log: Log) -> Client:
    ledger = Ledger(tmp_path / "witness", WITNESS, [log.signer.verifier], lambda: NOW)
    return Client(make_app(ledger))


def add(client: Client, body: str) -> TestResponse:
    return client.post("/add-checkpoint", data=body.encode())


def test_it_signs_what_continues_what_it_signed_and_shows_it(
    client: Client, log: Log, tmp_path: Path
):
    assert client.get(PLACE).status_code == 404
    for old, new in ((0, 1), (1, 7), (7, 7), (7, 300)):
        answer = add(client, log.request(old, new))
        assert answer.status_code == 200, answer.text
        (line,) = note.read_signatures(answer.text)
        text = checkpoint.read(log.checkpoint(new))[1].text
        WITNESS.verifier.verify(text, line)
        assert cosignature.timestamp(line) == NOW
    again = serve(tmp_path, log)  # as after a restart
    shown = again.get(PLACE)
    assert shown.status_code == 200
    head, signed = checkpoint.read(shown.text)
    assert head.size == 300
    note.opened(signed, [WITNESS.verifier])
    note.opened(signed, [log.signer.verifier])
    assert checkpoint.read(again.get(f"{PLACE}?at=299").text)[0].size == 7
    assert again.get(f"{PLACE}?at=0").status_code == 404
    assert again.get(f"{PLACE}?at=many").status_code == 400
    assert again.get("/00/checkpoint").status_code == 404


def test_it_says_which_size_it_signed_last(client: Client, log: Log):
    answer = add(client, log.request(3, 7))
    assert (answer.status_code, answer.text) == (409, "0\n")
    assert answer.content_type == "text/x.tlog.size"
    add(client, log.request(0, 7))
    for old, new in ((0, 9), (3, 9), (3, 3)):
        answer = add(client, log.request(old, new))
        assert (answer.status_code, answer.text) == (409, "7\n")


def test_it_signs_no_other_history(client: Client, log: Log, tmp_path: Path):
    add(client, log.request(0, 7))
    other = Log(tmp_path / "other", "b", shared=5, key=log.signer.key)
    same_size = add(client, other.request(7, 7))
    grown = add(client, other.request(7, 9))
    assert (same_size.status_code, grown.status_code) == (422, 422)
    cut = add(client, log.request(7, 5, []))
    assert cut.status_code == 400
    path = merkle.consistency_proof(7, 9, log.tiles)
    for wrong in ([], path[:-1], [*path, path[0]], [*path[1:], path[0]]):
        assert add(client, log.request(7, 9, wrong)).status_code == 422
    assert checkpoint.read(client.get(PLACE).text)[0].size == 7
    assert add(client, log.request(7, 9)).status_code == 200


def test_what_comes_first_needs_no_proof_and_may_have_none(client: Client, log: Log):
    assert add(client, log.request(0, 5, [bytes(32)])).status_code == 422
    text = Checkpoint(ORIGIN, 0, bytes(32)).text()
    empty = Note(text, (log.signer.sign(text),)).encode()
    assert add(client, f"old 0\n\n{empty}").status_code == 422


def test_only_the_logs_own_signature_counts(client: Client, log: Log, tmp_path: Path):
    stranger = Log(tmp_path / "stranger", "a")
    assert add(client, stranger.request(0, 5)).status_code == 403
    body = log.request(0, 5)
    forged = body.replace(body[-10:-4], "AAAAAA")
    assert add(client, forged).status_code == 403
    elsewhere = log.request(0, 5).replace(ORIGIN, "log.example/b")
    assert add(client, elsewhere).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0\n",
        b"old -1\n\n",
        b"old 01\n\ncheckpoint",
        b"new 0\n\n",
        b"old 0\nnot base64\n\n",
        b"old 0\nAAAA\n\n",
        b"old 0\n" + b"AAAA\n" * 64 + b"\n",
        b"old 0\n\nno checkpoint",
        b"\xff\xfe",
    ],
)
def test_what_cannot_be_read_is_a_bad_request(client: Client, body: bytes):
    assert client.post("/add-checkpoint", data=body).status_code == 400


def test_a_request_that_is_too_long_is_not_read(client: Client):
    assert client.post("/add-checkpoint", data=b"x" * 300_000).status_code == 413


def test_the_command_prints_its_key_and_keeps_it(tmp_path: Path):
    command = [sys.executable, "-m", "connectors.witness", "--directory", str(tmp_path)]
    command += ["--name", "witness.example/w", "--print-key"]
    first = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    again = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert first == again
    assert cosignature.read_vkey(first.strip()).name == "witness.example/w"
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
