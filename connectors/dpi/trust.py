"""Which certificates are believed: chains to the anchors of the configuration.

`cryptography.x509.verification` builds and judges the chain: names, signatures, validity of every
certificate, path length, RSA of at least 2048 bits, no SHA-1. Its profile for web sites does not
fit enterprise certificates (no alternative name, key usages of their own), so the extensions are
judged by the policies below: RFC 5280 §4.2.1.9 (an issuer is a CA) and §4.2.1.3 (key usage).
Whether they are revoked is asked afterwards: `evidence.py`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from connectors.dpi.refusal import Refusal

KEY_BITS_MIN = 2048
CERTIFICATES_MAX = 6
"""How many a signature may carry; the genuine chains have three."""
ISSUERS_BETWEEN_MAX = 3
MALFORMED = (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm)


def decode_chain(encoded: Sequence[str], whose: str) -> list[x509.Certificate]:
    """Return the certificates of a signature, the signer's first; `whose` names it in a reason.

    Raises Refusal when there is none, too many, one that cannot be read, or a signer's key that
    is not RSA of at least 2048 bits.
    """
    if not 1 <= len(encoded) <= CERTIFICATES_MAX:
        raise Refusal(f"{whose} does not carry 1 to {CERTIFICATES_MAX} certificates")
    try:
        chain = [
            x509.load_der_x509_certificate(base64.b64decode("".join(each.split()), validate=True))
            for each in encoded
        ]
        key = chain[0].public_key()
    except (*MALFORMED, AttributeError):
        raise Refusal(f"{whose} carries something that is not a certificate") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < KEY_BITS_MIN:
        raise Refusal(f"the key of {whose} is not RSA of at least {KEY_BITS_MIN} bits")
    return chain


def check_chain(
    chain: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    at: datetime,
    whose: str,
) -> tuple[x509.Certificate, ...]:
    """Check that the first of `chain` is a signer's and leads to one of `anchors`.

    Returns the way, from the signer to the anchor, all of it valid at `at`. The rest of the chain
    only helps to find it; none of it is believed. Raises Refusal.
    """
    signer = chain[0]
    if not _may_sign(signer):
        raise Refusal(f"the certificate of {whose} is not one for signatures")
    verifier = (
        PolicyBuilder()
        .store(Store(list(anchors)))
        .time(at)
        .max_chain_depth(ISSUERS_BETWEEN_MAX)
        .extension_policies(ca_policy=ISSUER, ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        found = verifier.verify(signer, list(chain[1:])).chain
    except (VerificationError, *MALFORMED):
        if not signer.not_valid_before_utc <= at <= signer.not_valid_after_utc:
            raise Refusal(
                f"the certificate of {whose} was not valid when the message was judged"
            ) from None
        raise Refusal(
            f"the certificate of {whose} is not issued by an authority that we trust"
        ) from None
    if len(found) < 2:
        # An anchor is there to issue certificates; it does not sign letters itself.
        raise Refusal(f"the certificate of {whose} is not issued by an authority that we trust")
    return tuple(found)


def _may_sign(certificate: x509.Certificate) -> bool:
    """Whether it is a signer's: no authority's, and with a key for signatures."""
    try:
        extensions = certificate.extensions
    except MALFORMED:
        return False
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            return False
        if isinstance(value, x509.KeyUsage) and not (
            value.digital_signature or value.content_commitment
        ):
            return False
    return True


def _is_authority(
    policy: Policy, certificate: x509.Certificate, extension: x509.BasicConstraints
) -> None:
    if not extension.ca:
        raise ValueError("not an authority")


def _may_issue(policy: Policy, certificate: x509.Certificate, extension: x509.KeyUsage) -> None:
    if not extension.key_cert_sign:
        raise ValueError("its key is not for certificates")


ISSUER = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
    .require_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_issue)
)
