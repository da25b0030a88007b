"""The signed business message: a JWS whose certificate says who signed it.

Sources: docs.digdir.no DPI `nyinf/forretningsmeldinger` (RS256, `x5c`), RFC 7515 §4.1.6,
ETSI EN 319 412-1 §5.1.4 (`NTRNO-` before a Norwegian organisation number).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from connectors.contract import Misconfigured
from connectors.dpi.refusal import Refusal
from connectors.keys import load_rsa_key

KEY_BITS_MIN = 2048
ENVELOPE_MAX_BYTES = 1_000_000
PROBLEMS = (JoseError, ValueError, TypeError, KeyError, RecursionError)
ORG_NUMBER = re.compile(r"(?:NTRNO-)?([0-9]{9})")


class _Registry(jws.JWSRegistry):
    """joserfc's own limits leave no room for a certificate in the header."""

    max_header_length = 16_384
    max_payload_length = ENVELOPE_MAX_BYTES


REGISTRY = _Registry(algorithms=["RS256"])


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed, as the certificate says."""

    org_number: str
    name: str
    """The certificate's common name."""
    organisation: str
    """The organisation's name in the certificate."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key with its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate


def open_envelope(
    token: str, anchors: Sequence[x509.Certificate], at: datetime
) -> tuple[dict[str, Any], Signer]:
    """Verify a signed message and return its payload and who signed it.

    The signature must be made with the first certificate of `x5c`, and that certificate issued
    directly by one of `anchors` and valid at `at`. Raises Refusal.
    """
    certificate = _certificate_in(token)
    _check_issued(certificate, anchors, at)
    key = RSAKey.import_key(
        certificate.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    try:
        signed = jws.deserialize_compact(token.strip(), key, registry=REGISTRY)
    except PROBLEMS:
        raise Refusal("the message's signature does not match its certificate") from None
    return _object(signed.payload), signer_of(certificate)


def peek(token: str) -> dict[str, Any]:
    """Return the payload without believing a word of it; empty when there is none to read."""
    try:
        signed = jws.extract_compact(token.strip().encode(), registry=REGISTRY)
        return _object(signed.payload)
    except (*PROBLEMS, Refusal):
        return {}


def sign_envelope(payload: dict[str, Any], identity: Identity) -> str:
    """Return the payload as a JWS (RS256) that carries the signer's certificate."""
    der = identity.certificate.public_bytes(serialization.Encoding.DER)
    header = {"alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    key = RSAKey.import_key(identity.key)
    return jws.serialize_compact(header, body, key, registry=REGISTRY)


def signer_of(certificate: x509.Certificate) -> Signer:
    """Read who a certificate belongs to. Raises Refusal when it names no organisation number.

    The number stands in serialNumber (2.5.4.5) of older certificates and in
    organizationIdentifier (2.5.4.97) of newer ones.
    """
    found = None
    for oid in (NameOID.ORGANIZATION_IDENTIFIER, NameOID.SERIAL_NUMBER):
        found = found or ORG_NUMBER.fullmatch(_subject(certificate, oid))
    if found is None:
        raise Refusal("the certificate names no organisation number")
    return Signer(
        org_number=found[1],
        name=_subject(certificate, NameOID.COMMON_NAME),
        organisation=_subject(certificate, NameOID.ORGANIZATION_NAME),
    )


def load_certificates(path: str, setting: str) -> list[x509.Certificate]:
    """Read a PEM file of one or several certificates. Raises Misconfigured naming `setting`."""
    try:
        return x509.load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError):
        raise Misconfigured(f"{setting} cannot be read as certificates in PEM") from None


def load_identity(key_path: str, certificate_path: str, what: str) -> Identity:
    """Read a key and its certificate. Raises Misconfigured when they do not belong together."""
    certificate = load_certificates(certificate_path, f"{what}_certificate_file")[0]
    try:
        key = load_rsa_key(Path(key_path))
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        raise Misconfigured(f"{what}_key_file cannot be read as a private key in PEM") from None
    if key.public_key() != certificate.public_key():
        raise Misconfigured(f"{what}_key_file is not the RSA key of {what}_certificate_file")
    return Identity(key, certificate)


def _certificate_in(token: str) -> x509.Certificate:
    try:
        header = jws.extract_compact(token.strip().encode(), registry=REGISTRY).headers()
        der = base64.b64decode(header["x5c"][0], validate=True)
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
    except (*PROBLEMS, binascii.Error, IndexError, UnsupportedAlgorithm):
        raise Refusal("the message is not a signed message with a certificate") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < KEY_BITS_MIN:
        raise Refusal("the certificate's key is not RSA of at least 2048 bits")
    return certificate


def _check_issued(
    certificate: x509.Certificate, anchors: Sequence[x509.Certificate], at: datetime
) -> None:
    if not any(_issued_by(certificate, anchor, at) for anchor in anchors):
        raise Refusal("the certificate is not issued by an authority that we trust")
    if not _valid(certificate, at):
        raise Refusal("the certificate was not valid when the message was judged")


def _issued_by(certificate: x509.Certificate, anchor: x509.Certificate, at: datetime) -> bool:
    try:
        certificate.verify_directly_issued_by(anchor)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return _valid(anchor, at)


def _valid(certificate: x509.Certificate, at: datetime) -> bool:
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _subject(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str:
    values = certificate.subject.get_attributes_for_oid(oid)
    return str(values[0].value).strip() if values else ""


def _object(payload: bytes) -> dict[str, Any]:
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        raise Refusal("the message is not JSON") from None
    if not isinstance(value, dict):
        raise Refusal("the message is not a JSON object")
    return value
