"""National identity numbers and mailbox addresses: found by a blind index, kept encrypted.

The keys stand outside the database (IDENTITY_KEY): who has the tables alone can neither read
a number nor find out whose it is by trying them all (research: trust.md T15).
"""

from __future__ import annotations

import hmac
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from hashlib import sha256
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from inbox.citizens.models import Citizen, Identifier

NONCE_BYTES = 12
NATIONAL_ID_WEIGHTS = ((3, 7, 6, 1, 8, 9, 4, 5, 2, 1), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
"""With each check digit weighted 1, both sums divide by 11 (Skatteetaten, "Fødselsnummer")."""
ELEVEN_DIGITS = re.compile(r"(?<!\d)\d{6} ?\d{5}(?!\d)")
ORGANISATION_WEIGHTS = (3, 2, 7, 6, 5, 4, 3, 2, 1)


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


def holds_national_id(text: str) -> bool:
    """Say whether a national identity number stands in `text`, also with a space after six."""
    return any(is_national_id(each.replace(" ", "")) for each in ELEVEN_DIGITS.findall(text))


def is_organisation_number(value: str) -> bool:
    """Say whether `value` can be an organisation number: nine digits, the last one a check digit.

    Weights from Brønnøysundregistrene, "Organisasjonsnummeret".
    """
    if len(value) != 9 or not (value.isascii() and value.isdecimal()):
        return False
    return sum(int(d) * w for d, w in zip(value, ORGANISATION_WEIGHTS, strict=True)) % 11 == 0


class Taken(Exception):
    """The value names another citizen here: what is hers never becomes somebody else's silently."""


def identify(citizen: Citizen, kind: str, value: str, supplier: str = "") -> Identifier:
    """Record that `value` names `citizen` today; what did before goes on naming her.

    `supplier` is that of a mailbox. Raises Taken, also for a value that another claims.
    """
    index = blind_index(kind, value)
    with transaction.atomic():
        known = Identifier.objects.filter(kind=kind, blind_index=index).first()
        if known and (known.citizen_id != citizen.pk or known.claimed_by_id):
            raise Taken
        own = Identifier.objects.filter(citizen=citizen, kind=kind, current=True)
        own.exclude(blind_index=index).update(current=False)
        identifier = known or Identifier(citizen=citizen, kind=kind, blind_index=index)
        identifier.ciphertext, identifier.current = encrypt(kind, value), True
        identifier.supplier = supplier or identifier.supplier
        identifier.save()
    return identifier


def naming() -> QuerySet[Identifier]:
    """Return the identifiers by which active citizens are found."""
    return Identifier.objects.filter(
        kind__in=Identifier.Kind.values, citizen__is_active=True, claimed_by=None
    )


def find_citizen(kind: str, value: str) -> Citizen | None:
    """Return the active citizen whom `value` names, or None."""
    found = naming().filter(kind=kind, blind_index=blind_index(kind, value))
    identifier = found.select_related("citizen").first()
    return identifier.citizen if identifier else None


def citizens_by_value(kind: str, values: set[str]) -> dict[str, Citizen]:
    """Return the active citizens named by `values`, in one query; unknown values are absent."""
    by_index = {blind_index(kind, value): value for value in values}
    found = naming().filter(kind=kind, blind_index__in=list(by_index)).select_related("citizen")
    return {by_index[bytes(row.blind_index)]: row.citizen for row in found}


def national_id_of(citizen_id: UUID | str) -> str:
    """Return the citizen's national identity number. Raises Identifier.DoesNotExist."""
    row = Identifier.objects.get(
        citizen_id=citizen_id, kind=Identifier.Kind.NATIONAL_ID, current=True
    )
    return _decrypt(row.kind, bytes(row.ciphertext))


def organisation_of(citizen_id: UUID | str) -> str:
    """Return an enterprise's organisation number. Raises Identifier.DoesNotExist."""
    row = Identifier.objects.get(
        citizen_id=citizen_id, kind=Identifier.Kind.ORGANISATION, current=True
    )
    return _decrypt(row.kind, bytes(row.ciphertext))


def named_by(citizen_id: UUID) -> tuple[str, str, str]:
    """Return her name, and by which kind of identifier and which value she is known (1 query).

    A person by her national identity number, an enterprise by its organisation number; both empty
    for one who has none.
    """
    kinds = (Identifier.Kind.NATIONAL_ID, Identifier.Kind.ORGANISATION)
    own = Identifier.objects.filter(citizen_id=citizen_id, kind__in=kinds, current=True)
    row = own.select_related("citizen").first()
    if row is None:
        found = Citizen.objects.filter(pk=citizen_id).values_list("name", flat=True).first()
        return found or "", "", ""
    return row.citizen.name, row.kind, _decrypt(row.kind, bytes(row.ciphertext))


def national_ids_of(citizen_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the national identity numbers of several, in one query; who has none is absent."""
    rows = Identifier.objects.filter(
        kind=Identifier.Kind.NATIONAL_ID, current=True, citizen_id__in=list(citizen_ids)
    )
    return {row.citizen_id: _decrypt(row.kind, bytes(row.ciphertext)) for row in rows}


def current_address(citizen_id: UUID | str) -> Identifier | None:
    """Return the address of her digital mailbox, encrypted; None when she has none (1 query)."""
    return Identifier.objects.filter(
        citizen_id=citizen_id,
        kind=Identifier.Kind.MAILBOX_ADDRESS,
        current=True,
        claimed_by=None,
    ).first()


def mailbox_address_of(citizen_id: UUID | str, supplier: str = "") -> str:
    """Return her digital mailbox's address. Raises Identifier.DoesNotExist.

    With `supplier` also when her mailbox is at another supplier than that.
    """
    row = current_address(citizen_id)
    if row is None or (supplier and row.supplier not in ("", supplier)):
        raise Identifier.DoesNotExist
    return _decrypt(row.kind, bytes(row.ciphertext))


def seal(purpose: str, text: str) -> str:
    """Encrypt what holds an identity number and must be kept; only `unseal` reads it again."""
    return b64encode(encrypt(purpose, text)).decode()


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


def encrypt(kind: str, value: str) -> bytes:
    """Return the value as `Identifier.ciphertext` keeps it."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(_key(b"value")).encrypt(nonce, value.encode(), kind.encode())


def _decrypt(kind: str, ciphertext: bytes) -> str:
    nonce, sealed = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:]
    return AESGCM(_key(b"value")).decrypt(nonce, sealed, kind.encode()).decode()
