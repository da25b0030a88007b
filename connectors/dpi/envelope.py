"""The signed business message: a JWS whose certificate says who signed it.

Sources: docs.digdir.no DPI `nyinf/forretningsmeldinger` (RS256, `x5c`), RFC 7515 §4.1.6,
ETSI EN 319 412-1 §5.1.4 (`NTRNO-` before a Norwegian organisation number).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from connectors.contract import Misconfigured
from connectors.dpi.refusal import Refusal
from connectors.dpi.trust import check_chain, decode_chain
from connectors.keys import load_rsa_key

ENVELOPE_MAX_BYTES = 1_000_000
PROBLEMS = (JoseError, ValueError, TypeError, KeyError, RecursionError)
ORG_NUMBER = re.compile(r"(?:NTRNO-)?([0-9]{9})")


class _Registry(jws.JWSRegistry):
    """joserfc's own limits leave no room for a certificate in the header."""

    max_header_length = 32_768
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
    chain: tuple[x509.Certificate, ...] = field(default=(), compare=False, repr=False)
    """The way that was verified, from the certificate to the anchor."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key with its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()
    """The issuers of `certificate`, nearest first, that are sent along with it."""


def open_envelope(
    token: str,
    anchors: Sequence[x509.Certificate],
    at: datetime,
    helpers: Sequence[x509.Certificate] = (),
) -> tuple[dict[str, Any], Signer]:
    """Verify a signed message and return its payload and who signed it.

    The signature must be made with the first certificate of `x5c`, from which a chain, valid at
    `at`, leads to one of `anchors`; the other certificates of `x5c` and `helpers` may be part of
    it. Raises Refusal.
    """
    chain = _chain_in(token)
    verified = check_chain([*chain, *helpers], anchors, at, "the message")
    certificate = chain[0]
    key = RSAKey.import_key(
        certificate.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    try:
        signed = jws.deserialize_compact(token.strip(), key, registry=REGISTRY)
    except PROBLEMS:
        raise Refusal("the message's signature does not match its certificate") from None
    return _object(signed.payload), replace(signer_of(certificate), chain=verified)


def peek(token: str) -> dict[str, Any]:
    """Return the payload without believing a word of it; empty when there is none to read."""
    try:
        signed = jws.extract_compact(token.strip().encode(), registry=REGISTRY)
        return _object(signed.payload)
    except (*PROBLEMS, Refusal):
        return {}


def sign_envelope(payload: dict[str, Any], identity: Identity) -> str:
    """Return the payload as a JWS (RS256) that carries the signer's certificate and its chain."""
    chain = [
        certificate.public_bytes(serialization.Encoding.DER)
        for certificate in (identity.certificate, *identity.chain)
    ]
    header = {"alg": "RS256", "x5c": [base64.b64encode(der).decode() for der in chain]}
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


def load_certificates(paths: str, setting: str) -> list[x509.Certificate]:
    """Read PEM files of one or several certificates each; `paths` are separated by commas.

    Raises Misconfigured naming `setting`.
    """
    try:
        return [
            certificate
            for path in _split(paths)
            for certificate in x509.load_pem_x509_certificates(Path(path).read_bytes())
        ]
    except (OSError, ValueError):
        raise Misconfigured(f"{setting} cannot be read as certificates in PEM") from None


def load_identities(key_paths: str, certificate_paths: str, what: str) -> list[Identity]:
    """Read several keys and their certificates, in the same order; paths as above.

    Raises Misconfigured when there are not as many, or a pair does not belong together.
    """
    keys, certificates = _split(key_paths), _split(certificate_paths)
    if len(keys) != len(certificates) or not keys:
        raise Misconfigured(f"{what}_key_file and {what}_certificate_file name no pairs")
    return [load_identity(*pair, what) for pair in zip(keys, certificates, strict=True)]


def load_identity(key_path: str, certificate_path: str, what: str) -> Identity:
    """Read a key and its certificate, behind which its issuers may stand in the same file.

    Raises Misconfigured when they do not belong together.
    """
    certificate, *chain = load_certificates(certificate_path, f"{what}_certificate_file")
    try:
        key = load_rsa_key(Path(key_path))
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        raise Misconfigured(f"{what}_key_file cannot be read as a private key in PEM") from None
    if key.public_key() != certificate.public_key():
        raise Misconfigured(f"{what}_key_file is not the RSA key of {what}_certificate_file")
    return Identity(key, certificate, tuple(chain))


def _split(paths: str) -> list[str]:
    """Return the paths of a setting that may name several, separated by commas."""
    return [path.strip() for path in paths.split(",") if path.strip()]


def _chain_in(token: str) -> list[x509.Certificate]:
    try:
        encoded = jws.extract_compact(token.strip().encode(), registry=REGISTRY).headers()["x5c"]
    except PROBLEMS:
        encoded = None
    if not isinstance(encoded, list):
        raise Refusal("the message is not a signed message with a certificate")
    return decode_chain(encoded, "the message")


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
