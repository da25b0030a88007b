"""Private keys of the demo: made on first use, kept in a folder, never in the repository."""

from __future__ import annotations

import os
import uuid
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import RSAKey

KEY_BITS = 2048


def ensure_rsa_key(path: Path) -> rsa.RSAPrivateKey:
    """Return the private key in the PEM file at `path`, making it (mode 0600) if it is not there.

    Several processes may ask at once: one of them makes the key, all of them get that one.
    """
    try:
        return load_rsa_key(path)
    except FileNotFoundError:
        pass
    _keep(path, rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS))
    return load_rsa_key(path)


def ensure_ed25519_key(path: Path) -> Ed25519PrivateKey:
    """As `ensure_rsa_key`, for a key that signs with Ed25519."""
    try:
        return load_ed25519_key(path)
    except FileNotFoundError:
        _keep(path, Ed25519PrivateKey.generate())
        return load_ed25519_key(path)


def load_ed25519_key(path: Path) -> Ed25519PrivateKey:
    """Return the private key in the PEM file at `path`.

    Raises FileNotFoundError when it is not there, ValueError or TypeError when it is no such key.
    """
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path.name} holds no Ed25519 key")
    return key


def _keep(path: Path, key: rsa.RSAPrivateKey | Ed25519PrivateKey) -> None:
    """Write a key (PEM, mode 0600) unless another process has been first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # another process was first: its key counts
    finally:
        fresh.unlink()


def signing_key(path: Path) -> RSAKey:
    """Return the key at `path` (made on first use) as a JWK whose `kid` is its thumbprint.

    The thumbprint is that of RFC 7638. Raises ValueError when the file holds no RSA key.
    """
    ensure_rsa_key(path)
    return read_signing_key(path)


def read_signing_key(path: Path) -> RSAKey:
    """Like `signing_key`, but raises FileNotFoundError when the file is not there."""
    return _parsed_signing_key(path, _version(path))


def load_rsa_key(path: Path) -> rsa.RSAPrivateKey:
    """Return the private key in the PEM file at `path`.

    Raises FileNotFoundError when it is not there, ValueError or TypeError when it is no RSA key.
    """
    return _parsed_rsa_key(path, _version(path))


def _version(path: Path) -> tuple[int, int, int]:
    """What changes when the file does, so that a key is parsed once and a new one is noticed."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


# Checking a key's numbers takes 40 ms and a connector is made for every run: parsed keys are kept.
@lru_cache(maxsize=64)
def _parsed_signing_key(path: Path, version: tuple[int, int, int]) -> RSAKey:
    pem = path.read_bytes()
    kid = RSAKey.import_key(pem).thumbprint()
    return RSAKey.import_key(pem, {"kid": kid, "alg": "RS256", "use": "sig"})


@lru_cache(maxsize=64)
def _parsed_rsa_key(path: Path, version: tuple[int, int, int]) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"{path.name} holds no RSA key")
    return key
