"""National identity numbers and mailbox addresses: found by a blind index, kept encrypted.

The keys stand outside the database (IDENTITY_KEY): who has the tables alone can neither read
a number nor find out whose it is by trying them all (research: trust.md T15).
"""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, b64encode
from hashlib import sha256
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from inbox.citizens.models import Citizen, Identifier

NONCE_BYTES = 12
NATIONAL_ID_WEIGHTS = ((3, 7, 6, 1, 8, 9, 4, 5, 2, 1), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
"""With each check digit weighted 1, both sums divide by 11 (Skatteetaten, "Fødselsnummer")."""


def blind_index(kind: str, value: str) -> bytes:
    """Return the 32-byte HMAC-SHA-256 by which `value` is looked up."""
    message = f"{kind}:{_normal(kind, value)}".encode()
    return hmac.new(_key(b"blind index"), message, sha256).digest()


def is_national_id(value: str) -> bool:
    """Say whether `value` can be a national identity number: eleven digits, two of them checks."""
    if len(value) != 11 or not (value.isascii() and value.isdecimal()):
        return False
    digits = [int(digit) for digit in value]
    return all(
        sum(digit * weight for digit, weight in zip(digits, weights, strict=False)) % 11 == 0
        for weights in NATIONAL_ID_WEIGHTS
    )


def identify(citizen: Citizen, kind: str, value: str) -> Identifier:
    """Record that `value` names `citizen`, moving it from whoever had it before."""
    identifier, _ = Identifier.objects.update_or_create(
        kind=kind,
        blind_index=blind_index(kind, value),
        defaults={"citizen": citizen, "ciphertext": _encrypt(kind, value)},
    )
    return identifier


def find_citizen(kind: str, value: str) -> Citizen | None:
    """Return the active citizen whom `value` names, or None."""
    identifier = (
        Identifier.objects.select_related("citizen")
        .filter(kind=kind, blind_index=blind_index(kind, value), citizen__is_active=True)
        .first()
    )
    return identifier.citizen if identifier else None


def citizens_by_value(kind: str, values: set[str]) -> dict[str, Citizen]:
    """Return the active citizens named by `values`, in one query; unknown values are absent."""
    by_index = {blind_index(kind, value): value for value in values}
    found = Identifier.objects.select_related("citizen").filter(
        kind=kind, blind_index__in=list(by_index), citizen__is_active=True
    )
    return {by_index[bytes(row.blind_index)]: row.citizen for row in found}


def national_id_of(citizen_id: UUID | str) -> str:
    """Return the citizen's national identity number. Raises Identifier.DoesNotExist."""
    row = Identifier.objects.get(citizen_id=citizen_id, kind=Identifier.Kind.NATIONAL_ID)
    return _decrypt(row.kind, bytes(row.ciphertext))


def seal(purpose: str, text: str) -> str:
    """Encrypt what holds an identity number and must be kept; only `unseal` reads it again."""
    return b64encode(_encrypt(purpose, text)).decode()


def unseal(purpose: str, sealed: str) -> str:
    """Return what was sealed for this purpose. Raises InvalidTag or ValueError."""
    return _decrypt(purpose, b64decode(sealed))


def _normal(kind: str, value: str) -> str:
    value = value.strip()
    # DPI mailbox addresses are compared without regard to case ("ola.nordmann#9YDT").
    return value.casefold() if kind == Identifier.Kind.MAILBOX_ADDRESS else value


def _key(purpose: bytes) -> bytes:
    root = bytes.fromhex(settings.IDENTITY_KEY)
    return HKDF(SHA256(), length=32, salt=None, info=b"samlepost identity " + purpose).derive(root)


def _encrypt(kind: str, value: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_key(b"value")).encrypt(nonce, value.encode(), kind.encode())


def _decrypt(kind: str, ciphertext: bytes) -> str:
    nonce, sealed = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:]
    return AESGCM(_key(b"value")).decrypt(nonce, sealed, kind.encode()).decode()
