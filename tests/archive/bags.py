"""Bags for tests: written to a folder, and a log with keys of its own that has what was sealed."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from inbox.archive.bag.writing import Entry


def unpack(entries: Iterable[Entry], place: Path) -> Path:
    """Write a bag's files below `place`; return the bag's folder."""
    base = ""
    for name, _, chunks in entries:
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join(chunks))
        base = name.partition("/")[0]
    return place / base


def unzip(zipped: Path, place: Path) -> Path:
    """Unpack a zip that a test has made itself; return the bag's folder."""
    with ZipFile(zipped) as archive:
        assert archive.testzip() is None
        archive.extractall(place)
        return place / archive.namelist()[0].partition("/")[0]


def verify(bag: Path, *keys: str) -> subprocess.CompletedProcess[str]:
    """Run the bag's own verify.py as a stranger would: alone, without a network where that goes."""
    alone = ["unshare", "-rn"] if _may_unshare() else []
    line = [*alone, sys.executable, "-I", "verify.py", *keys]
    return subprocess.run(
        line, cwd=bag, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"}
    )


def _may_unshare() -> bool:
    if not shutil.which("unshare"):
        return False
    return (
        subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0
    )


def canonical(said: Any) -> bytes:
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def tree_root(leaves: list[bytes]) -> bytes:
    """Return MTH(D) as RFC 9162, section 2.1.1 defines it."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree_root(leaves[:cut]) + tree_root(leaves[cut:])).digest()


def tree_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """Return PATH(m, D) as RFC 9162, section 2.1.3.1 defines it."""
    if len(leaves) == 1:
        return []
    cut = 1 << (len(leaves) - 1).bit_length() - 1
    if index < cut:
        return [*tree_path(index, leaves[:cut]), tree_root(leaves[cut:])]
    return [*tree_path(index - cut, leaves[cut:]), tree_root(leaves[:cut])]


class Log:
    """A log of a few leaves, by the C2SP specifications, with a witness."""

    origin, witness = "log.example/tests", "witness.example/tests"

    def __init__(self) -> None:
        self.key, self.witness_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        self.leaves = [b"another's", b"somebody else's"]

    def add(self, seal: bytes) -> int:
        said = json.loads(seal)
        leaf = {
            "commitment": hashlib.sha256(seal).hexdigest(),
            "event": "put",
            "inventory": "0" * 128,
        }
        leaf |= {"object": said["object"], "v": 1, "version": said["version"]}
        self.leaves.append(canonical(leaf))
        return len(self.leaves) - 1

    def keys(self) -> list[str]:
        pairs = [(self.origin, 1, self.key), (self.witness, 4, self.witness_key)]
        return [_vkey(name, kind, key)[1] for name, kind, key in pairs]

    def checkpoint(self) -> str:
        root = base64.b64encode(tree_root(self.leaves)).decode()
        text = f"{self.origin}\n{len(self.leaves)}\n{root}\n"
        at = 1_790_000_000
        cosigned = f"cosignature/v1\ntime {at}\n{text}".encode()
        lines = [
            _line(self.origin, 1, self.key, self.key.sign(text.encode())),
            _line("stranger.example", 1, self.witness_key, bytes(64)),
            _line(
                self.witness,
                4,
                self.witness_key,
                at.to_bytes(8, "big") + self.witness_key.sign(cosigned),
            ),
        ]
        return text + "\n" + "".join(lines)

    def proof(self, index: int) -> str:
        leaf = base64.b64encode(self.leaves[index]).decode()
        path = [base64.b64encode(each).decode() for each in tree_path(index, self.leaves)]
        lines = ["c2sp.org/tlog-proof@v1", f"extra {leaf}", f"index {index}", *path, ""]
        return "\n".join(lines) + "\n" + self.checkpoint()


def _vkey(name: str, kind: int, key: Ed25519PrivateKey) -> tuple[bytes, str]:
    public = bytes([kind]) + key.public_key().public_bytes_raw()
    digest = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    return digest, f"{name}+{digest.hex()}+{base64.b64encode(public).decode()}"


def _line(name: str, kind: int, key: Ed25519PrivateKey, signature: bytes) -> str:
    blob = _vkey(name, kind, key)[0] + signature
    return f"— {name} {base64.b64encode(blob).decode()}\n"
