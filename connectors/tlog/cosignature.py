"""A witness's timestamped signature on a checkpoint, c2sp.org/tlog-cosignature (Ed25519, v1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.tlog.note import BadNote, Signature, VerifierKey, public_bytes, split_vkey

TIMESTAMP_SIZE = 8
VALUE_SIZE = TIMESTAMP_SIZE + 64


@dataclass(frozen=True)
class CosignerKey(VerifierKey):
    """A witness's public key (0x04)."""

    kind: ClassVar[int] = 0x04

    def verify(self, text: str, signature: Signature) -> None:
        """Check a cosignature of a checkpoint's text. Raises BadNote."""
        self.check(signature.value[TIMESTAMP_SIZE:], message(text, timestamp(signature)))


@dataclass(frozen=True)
class Cosigner:
    """A witness's private key."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> CosignerKey:
        """The public key that goes with it."""
        return CosignerKey(self.name, public_bytes(self.key))

    def sign(self, text: str, at: int) -> Signature:
        """Return the cosignature of a checkpoint's text at a POSIX time in seconds."""
        value = at.to_bytes(TIMESTAMP_SIZE, "big") + self.key.sign(message(text, at))
        return Signature(self.name, self.verifier.key_id, value)


def message(text: str, at: int) -> bytes:
    """Return what is signed."""
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def timestamp(signature: Signature) -> int:
    """Return when a cosignature was made, in seconds of POSIX time. Raises BadNote for no such."""
    if len(signature.value) != VALUE_SIZE:
        raise BadNote("not a cosignature")
    at = int.from_bytes(signature.value[:TIMESTAMP_SIZE], "big")
    if not 0 < at < 2**63:
        raise BadNote("a cosignature without a time")
    return at


def read_vkey(vkey: str) -> CosignerKey:
    """Return the witness's key that is written so. Raises BadNote."""
    name, key_id, kind, public = split_vkey(vkey)
    key = CosignerKey(name, public)
    if kind != CosignerKey.kind or key.key_id != key_id:
        raise BadNote("not a witness's key for Ed25519")
    return key
