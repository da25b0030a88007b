"""Signed notes, c2sp.org/signed-note: a text, and lines that sign it with Ed25519.

A key is known by its name and by a short id; verifier keys (`name+id+key`) carry both. The kinds
of signature that are ours: 0x01, a note's own, and 0x04, a witness's (`cosignature.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from connectors.tlog.encoding import from_base64, to_base64

SIGNATURES_MAX = 64
"""Signatures that are read of one note; at least 16 must be (section Format)."""
NOTE_MAX = 1_000_000
"""Characters of a note."""
DASH = "\u2014 "


class BadNote(ValueError):
    """Not a signed note, or not signed by whom it must be signed by."""


@dataclass(frozen=True)
class Signature:
    """One signature line: whose it says it is, and the bytes."""

    name: str
    key_id: bytes
    """Four bytes."""
    value: bytes
    """Without the key id."""

    def line(self) -> str:
        """Return the line, with its newline."""
        return f"{DASH}{self.name} {to_base64(self.key_id + self.value)}\n"


@dataclass(frozen=True)
class Note:
    """A text with its signatures, none of them verified."""

    text: str
    """With its last newline."""
    signatures: tuple[Signature, ...] = ()

    def encode(self) -> str:
        """Return the whole note."""
        return f"{self.text}\n{''.join(each.line() for each in self.signatures)}"

    def with_signatures(self, more: Iterable[Signature]) -> Note:
        """Return the note with further signatures; one that is there already is not repeated."""
        return Note(self.text, tuple(dict.fromkeys([*self.signatures, *more])))


@dataclass(frozen=True)
class VerifierKey:
    """A public key that signs notes by itself (0x01)."""

    kind: ClassVar[int] = 0x01
    name: str
    public: bytes
    """The 32 bytes of RFC 8032."""

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name || newline || kind || public key)."""
        return hashlib.sha256(
            self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        ).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes([self.kind]) + self.public)}"

    def is_of(self, signature: Signature) -> bool:
        """Say whether a signature says that it was made with this key."""
        return (signature.name, signature.key_id) == (self.name, self.key_id)

    def verify(self, text: str, signature: Signature) -> None:
        """Check a signature of `text`. Raises BadNote."""
        self.check(signature.value, text.encode())

    def check(self, value: bytes, message: bytes) -> None:
        """Check the bare Ed25519 signature of a message. Raises BadNote."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(value, message)
        except (InvalidSignature, ValueError):
            raise BadNote(f"the signature of {self.name} is false") from None


@dataclass(frozen=True)
class Signer:
    """A private key that signs notes."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> VerifierKey:
        """The public key that goes with it."""
        return VerifierKey(self.name, public_bytes(self.key))

    def sign(self, text: str) -> Signature:
        """Return the signature of a text that ends with a newline."""
        return Signature(self.name, self.verifier.key_id, self.key.sign(text.encode()))


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """Return the 32 bytes of the public key."""
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def check_name(name: str) -> str:
    """Return a key's name. Raises BadNote for an empty one, and one with a space or a plus."""
    if not name or "+" in name or any(each.isspace() or each < " " for each in name):
        raise BadNote("not the name of a key")
    return name


def split_vkey(vkey: str) -> tuple[str, bytes, int, bytes]:
    """Return name, id, kind and public key of a verifier key. Raises BadNote."""
    name, _, rest = vkey.partition("+")
    key_id, _, material = rest.partition("+")
    try:
        raw_id, raw = bytes.fromhex(key_id), from_base64(material)
    except ValueError:
        raise BadNote("not a verifier key") from None
    if len(key_id) != 8 or key_id != key_id.lower() or len(raw) != 33:
        raise BadNote("not a verifier key")
    return check_name(name), raw_id, raw[0], raw[1:]


def read_vkey(vkey: str) -> VerifierKey:
    """Return the verifier key of kind 0x01 that is written so. Raises BadNote."""
    name, key_id, kind, public = split_vkey(vkey)
    key = VerifierKey(name, public)
    if kind != VerifierKey.kind or key.key_id != key_id:
        raise BadNote("not a verifier key for Ed25519")
    return key


def read(encoded: str) -> Note:
    """Return text and signatures of a note, unverified. Raises BadNote for what is none."""
    if len(encoded) > NOTE_MAX:
        raise BadNote("the note is too long")
    if any(each < " " and each != "\n" for each in encoded):
        raise BadNote("control characters in a note")
    text, blank, lines = encoded.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise BadNote("not a signed note")
    signatures = [_read_line(line) for line in lines[:-1].split("\n")]
    if len(signatures) > SIGNATURES_MAX:
        raise BadNote("too many signatures")
    return Note(text + "\n", tuple(signatures))


def opened(note: Note, keys: Sequence[VerifierKey]) -> list[Signature]:
    """Return the signatures of known keys, all of them verified.

    Raises BadNote when there is none, or when one that bears a known key's name and id is false.
    """
    verified = []
    for signature in note.signatures:
        for key in keys:
            if key.is_of(signature):
                key.verify(note.text, signature)
                verified.append(signature)
    if not verified:
        raise BadNote("no signature of a known key")
    return verified


def read_signatures(lines: str) -> list[Signature]:
    """Return the signatures of bare signature lines. Raises BadNote."""
    if not lines.endswith("\n"):
        raise BadNote("not signature lines")
    return [_read_line(line) for line in lines[:-1].split("\n")]


def _read_line(line: str) -> Signature:
    parts = line.removeprefix(DASH).split(" ")
    if not line.startswith(DASH) or len(parts) != 2:
        raise BadNote("not a signature line")
    try:
        raw = from_base64(parts[1])
    except ValueError:
        raise BadNote("a signature is not base64") from None
    if len(raw) < 5:
        raise BadNote("a signature is too short")
    return Signature(check_name(parts[0]), raw[:4], raw[4:])
