"""What an authority says of one of its certificates, once it is verified: an OCSP answer, or a CRL.

Sources: RFC 6960 §3.2 and §4.2.2 (who may sign an OCSP answer, and until when it counts), RFC 5280
§5 and §6.3 (certificate revocation lists). Pure: nothing is fetched here. Delta lists, indirect
lists and lists of some reasons alone are outside the profile: they are no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

CLOCKS_DIFFER = timedelta(minutes=5)
"""How far an authority's clock may be ahead of ours."""
WITHOUT_END = timedelta(hours=1)
"""How long an OCSP answer counts that does not say until when."""
Value = TypeVar("Value", bound=x509.ExtensionType)
MALFORMED = (ValueError, TypeError, KeyError, UnsupportedAlgorithm, x509.DuplicateExtension)
DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


class NoAnswer(Exception):
    """There is no answer that may be believed; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the authority says of the certificate, verified."""

    revoked_at: datetime | None
    """None: it is not revoked."""
    this_update: datetime
    next_update: datetime


def ocsp_addresses(certificate: x509.Certificate) -> list[str]:
    """Return where the certificate says that OCSP is spoken (RFC 5280 §4.2.2.1)."""
    found = _value(certificate, x509.AuthorityInformationAccess) or ()
    return _urls(
        each.access_location
        for each in found
        if each.access_method == AuthorityInformationAccessOID.OCSP
    )


def list_addresses(certificate: x509.Certificate) -> list[str]:
    """Return where the certificate says that its authority's list lies (RFC 5280 §4.2.1.13)."""
    found = _value(certificate, x509.CRLDistributionPoints) or ()
    whole = (each for each in found if each.full_name and not (each.reasons or each.crl_issuer))
    return _urls(name for each in whole for name in each.full_name or ())


def question(certificate: x509.Certificate, issuer: x509.Certificate) -> ocsp.OCSPRequest:
    """Return the OCSP request. SHA-1 only names the issuer here, and every responder knows it."""
    return ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1()).build()


def judge_ocsp(
    content: bytes, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
) -> Answer:
    """Return what an OCSP response (DER) says of `certificate` at `at`. Raises NoAnswer."""
    try:
        response = ocsp.load_der_ocsp_response(content)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise NoAnswer(f"the responder answered {response.response_status.name.lower()}")
        if not any(_signed_by(response, key) for key in _responders(response, issuer, at)):
            raise NoAnswer("the answer is not signed by the issuer or for it")
        said = next(
            (each for each in response.responses if _is_about(each, certificate, issuer)), None
        )
        if said is None:
            raise NoAnswer("the answer is about another certificate")
        until = said.next_update_utc or said.this_update_utc + WITHOUT_END
        _check_fresh(said.this_update_utc, until, at)
        match said.certificate_status:
            case ocsp.OCSPCertStatus.GOOD:
                return Answer(None, said.this_update_utc, until)
            case ocsp.OCSPCertStatus.REVOKED:
                return Answer(
                    said.revocation_time_utc or said.this_update_utc, said.this_update_utc, until
                )
    except MALFORMED:
        raise NoAnswer("the answer cannot be read") from None
    raise NoAnswer("the responder does not know the certificate")


def judge_list(
    content: bytes, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
) -> Answer:
    """Return what the issuer's list (DER) says of `certificate` at `at`. Raises NoAnswer."""
    try:
        revoked = x509.load_der_x509_crl(content)
        usage = _value(issuer, x509.KeyUsage)
        if (
            revoked.issuer != issuer.subject
            or (usage is not None and not usage.crl_sign)
            or not isinstance(revoked.signature_hash_algorithm, DIGESTS)
            or not revoked.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
        ):
            raise NoAnswer("the list is not signed by the issuer")
        _check_complete(revoked, certificate)
        if revoked.next_update_utc is None:
            raise NoAnswer("the list does not say until when it counts")
        _check_fresh(revoked.last_update_utc, revoked.next_update_utc, at)
        entry = revoked.get_revoked_certificate_by_serial_number(certificate.serial_number)
        revoked_at = entry.revocation_date_utc if entry else None
        return Answer(revoked_at, revoked.last_update_utc, revoked.next_update_utc)
    except MALFORMED:
        raise NoAnswer("the list cannot be read") from None


def _check_fresh(since: datetime, until: datetime, at: datetime) -> None:
    if since > at + CLOCKS_DIFFER:
        raise NoAnswer("the answer is from the future")
    if until < at:
        raise NoAnswer("the answer is out of date")


def _is_about(
    said: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate
) -> bool:
    asked = (
        ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, said.hash_algorithm).build()
    )
    return (said.serial_number, said.issuer_name_hash, said.issuer_key_hash) == (
        asked.serial_number,
        asked.issuer_name_hash,
        asked.issuer_key_hash,
    )


def _responders(
    response: ocsp.OCSPResponse, issuer: x509.Certificate, at: datetime
) -> Iterator[x509.Certificate]:
    """The issuer, and whom it has certified to answer for it (RFC 6960 §4.2.2.2)."""
    yield issuer
    for each in response.certificates:
        purposes = _value(each, x509.ExtendedKeyUsage) or ()
        if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
            continue
        if not each.not_valid_before_utc <= at <= each.not_valid_after_utc:
            continue
        try:
            each.verify_directly_issued_by(issuer)
        except (*MALFORMED, InvalidSignature):
            continue
        yield each


def _signed_by(response: ocsp.OCSPResponse, responder: x509.Certificate) -> bool:
    key, digest = responder.public_key(), response.signature_hash_algorithm
    if not isinstance(digest, DIGESTS):
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(digest))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _check_complete(revoked: x509.CertificateRevocationList, certificate: x509.Certificate) -> None:
    """Check that the list would name the certificate. A part of a list names others alone."""
    authority = _value(certificate, x509.BasicConstraints)
    is_authority = authority is not None and authority.ca
    for extension in revoked.extensions:
        value = extension.value
        if isinstance(value, x509.IssuingDistributionPoint):
            partial = (
                value.indirect_crl
                or value.only_some_reasons
                or value.relative_name
                or value.only_contains_attribute_certs
                or (value.only_contains_ca_certs and not is_authority)
                or (value.only_contains_user_certs and is_authority)
            )
            elsewhere = value.full_name and not (
                set(_urls(value.full_name)) & set(list_addresses(certificate))
            )
            if partial or elsewhere:
                raise NoAnswer("the list is not the one that the certificate would be in")
        elif isinstance(value, x509.DeltaCRLIndicator) or (
            extension.critical and isinstance(value, x509.UnrecognizedExtension)
        ):
            raise NoAnswer("the list is of a kind that is not read")


def _value(certificate: x509.Certificate, kind: type[Value]) -> Value | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (*MALFORMED, x509.ExtensionNotFound):
        return None


def _urls(names: Iterable[x509.GeneralName]) -> list[str]:
    found = (name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
    return [each for each in found if each.lower().startswith(("http://", "https://"))]
