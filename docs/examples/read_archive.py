"""Reads a file out of the archive without Samlepost: its folder, a backup of the keys, a root key.

    python read_archive.py OBJECT_FOLDER keys.jsonl ROOT_KEY_FILE files/0001.pdf > brev.pdf

Needs Python 3.11 and the package `cryptography`. docs/archive-format.md explains each step.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap


def object_key(object_id: str, keys: Path, root_key: bytes) -> bytes:
    """Unwrap the root key's owner key, then the owner's object key."""
    lines = [json.loads(line) for line in keys.read_text().splitlines()]
    wrapped = next(line for line in lines if line.get("object") == object_id)
    owner = next(
        line for line in lines if line.get("owner") == wrapped["owner"] and "object" not in line
    )
    owner_key = aes_key_unwrap(root_key, bytes.fromhex(owner["wrapped"]))
    return aes_key_unwrap(owner_key, bytes.fromhex(wrapped["wrapped"]))


def frames(stored: bytes, key: bytes, place: str) -> Iterator[bytes]:
    """Decrypt frame by frame; a changed, cut or moved one raises InvalidTag."""
    magic, salt, body = stored[:8], stored[8:40], stored[40:]
    assert magic == b"SLPARC01", "not a file of the archive"
    derived = HKDF(SHA256(), 32, salt, b"samlepost-file/1|" + place.encode()).derive(key)
    cipher, size = AESGCM(derived), 1024 * 1024 + 16
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    for number, piece in enumerate(pieces):
        is_last = number == len(pieces) - 1
        yield cipher.decrypt(number.to_bytes(11, "big") + bytes([is_last]), piece, None)


def main(folder: str, keys: str, root_key_file: str, path: str) -> None:
    """Find the file by the inventory, check its digest, write its plaintext."""
    inventory = json.loads(Path(folder, "inventory.json").read_text())
    state = inventory["versions"][inventory["head"]]["state"]
    sha512 = next(digest for digest, paths in state.items() if f"{path}.enc" in paths)
    name = inventory["manifest"][sha512][0]
    stored = Path(folder, name).read_bytes()
    assert hashlib.sha512(stored).hexdigest() == sha512, f"{name} has changed"
    object_id = inventory["id"].removeprefix("urn:uuid:")
    root_key = bytes.fromhex(Path(root_key_file).read_text().strip())
    key = object_key(object_id, Path(keys), root_key)
    for plain in frames(stored, key, f"{object_id}/{name}"):
        sys.stdout.buffer.write(plain)


if __name__ == "__main__":
    main(*sys.argv[1:])
