"""Secrets kept with three persons, of whom any two can give them back: Shamir's secret sharing.

Adi Shamir, "How to share a secret", 1979, over GF(2^8) with the polynomial of AES (0x11b), byte by
byte: a share is the value at 1, 2 or 3 of a random line through the secret at 0. One share alone
says nothing of it. Recovering needs no settings and no database:

    python -m inbox.archive.escrow FOLDER SHARE SHARE
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

FORMAT = "samlepost-escrow/1"
SHARES = (1, 2, 3)
DIGEST_BYTES = 4


class BadShare(ValueError):
    """The shares are none, do not go together, or were mistyped."""


def split(secret: bytes) -> dict[int, bytes]:
    """Return three shares, by their numbers; any two give the secret back."""
    slopes = os.urandom(len(secret))
    return {
        x: bytes(byte ^ _times(slope, x) for byte, slope in zip(secret, slopes, strict=True))
        for x in SHARES
    }


def join(first: tuple[int, bytes], second: tuple[int, bytes]) -> bytes:
    """Return the secret of two shares with their numbers: the line through them, at 0.

    Any two shares give something; that it is the secret, its digest says (`recover`).
    """
    (x1, y1), (x2, y2) = first, second
    if x1 == x2 or len(y1) != len(y2):
        raise BadShare("two different shares of the same secrets are needed")
    by = _inverse(x1 ^ x2)
    return bytes(
        _times(a, _times(x2, by)) ^ _times(b, _times(x1, by)) for a, b in zip(y1, y2, strict=True)
    )


def write(folder: Path, secrets: Mapping[str, bytes]) -> int:
    """Write `share-1.txt` to `share-3.txt` of secrets by name, fit to be printed."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = {x: [FORMAT, f"share {x} of 3; any two give back what is split"] for x in SHARES}
    for name, secret in sorted(secrets.items()):
        for x, share in split(secret).items():
            lines[x] += [f"{name} {_digest(name, secret)} {share.hex()}"]
    for x in SHARES:
        descriptor = os.open(
            folder / f"share-{x}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
        )
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write("\n".join(lines[x]) + "\n")
    return len(SHARES)


def recover(first: Path, second: Path) -> dict[str, bytes]:
    """Return the secrets of two shares, by name. Raises BadShare, or OSError."""
    (x1, mine), (x2, theirs) = _read(first), _read(second)
    found = {}
    for name, (digest, share) in mine.items():
        other = theirs.get(name)
        if other is None or other[0] != digest:
            raise BadShare(f"the shares are not of the same {name}")
        secret = join((x1, share), (x2, other[1]))
        if _digest(name, secret) != digest:
            raise BadShare(f"a share of {name} is mistyped")
        found[name] = secret
    return found


def _read(path: Path) -> tuple[int, dict[str, tuple[str, bytes]]]:
    try:
        head, number, *rest = path.read_text("ascii").split("\n")
        if head != FORMAT or not number.startswith("share "):
            raise ValueError
        parts = [line.split(" ") for line in rest if line]
        shares = {name: (digest, bytes.fromhex(share)) for name, digest, share in parts}
        return int(number.split(" ")[1]), shares
    except ValueError:
        raise BadShare(f"{path.name} is no share") from None


def _digest(name: str, secret: bytes) -> str:
    return hashlib.sha256(f"{FORMAT}|{name}|".encode() + secret).hexdigest()[: 2 * DIGEST_BYTES]


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = (a << 1) ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def _inverse(a: int) -> int:
    found = 1
    for _ in range(254):  # a^254, as a^255 is 1
        found = _times(found, a)
    return found


def main(folder: str, first: str, second: str) -> None:
    """Write each secret to a file of its name, as settings take it: a key as hex digits."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, secret in recover(Path(first), Path(second)).items():
        path = Path(folder) / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret if name.endswith(".pem") else secret.hex().encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
