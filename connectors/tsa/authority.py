"""Time-stamp tokens of RFC 3161 in strict DER, signed by a made-up authority."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from connectors.keys import ensure_rsa_key

POLICY = "1.3.6.1.4.1.99999.1"
"""A made-up policy, below an enterprise number that nobody has."""
VALID = datetime(2016, 1, 1, tzinfo=UTC), datetime(2056, 1, 1, tzinfo=UTC)
DIGEST_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}


class BadRequest(ValueError):
    """A request that gets no token: the name of RFC 3161's failure (section 2.4.2)."""


class Rejection(core.Sequence):  # type: ignore[misc]
    """A TimeStampResp without a token, which asn1crypto takes to be obligatory."""

    _fields: ClassVar = [("status", tsp.PKIStatusInfo)]


class TimestampAuthority:
    """Issues tokens. Keys lie in a folder; certificates follow from them, the same each time."""

    def __init__(self, folder: Path) -> None:
        root_key = ensure_rsa_key(folder / "root.key.pem")
        self._key = ensure_rsa_key(folder / "signer.key.pem")
        self.root = _certificate("Samlepost simulated TSA root", root_key, root_key, None)
        self.certificate = _certificate(
            "Samlepost simulated TSA", self._key, root_key, self.root.subject
        )
        self.root_file = folder / "root.pem"
        _write(self.root_file, self.root)

    def answer(self, request: bytes, now: datetime) -> bytes:
        """Return the DER of the response to the DER of a request, granted or rejected."""
        try:
            token = self._token(_read(request), now)
        except BadRequest as failure:
            status = {"status": "rejection", "fail_info": {str(failure)}}
            rejected: bytes = Rejection({"status": status}).dump()
            return rejected
        granted: bytes = tsp.TimeStampResp(
            {"status": {"status": "granted"}, "time_stamp_token": token}
        ).dump()
        return granted

    def _token(self, request: tsp.TimeStampReq, now: datetime) -> cms.ContentInfo:
        said: dict[str, object] = {
            "version": "v1",
            "policy": POLICY,
            "message_imprint": request["message_imprint"],
            "serial_number": uuid.uuid4().int >> 1,
            "gen_time": now.astimezone(UTC).replace(microsecond=0),
        }
        if request["nonce"].native is not None:
            said["nonce"] = request["nonce"].native
        info: bytes = tsp.TSTInfo(said).dump()
        own = asn1_x509.Certificate.load(self.certificate.public_bytes(serialization.Encoding.DER))
        # DER wants sets sorted (X.690 section 11.6): asn1crypto sorts them when it writes them.
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [hashlib.sha256(info).digest()]},
                {
                    "type": "signing_certificate_v2",
                    "values": [{"certs": [{"cert_hash": hashlib.sha256(own.dump()).digest()}]}],
                },
            ]
        )
        signature = self._key.sign(attributes.dump(), padding.PKCS1v15(), hashes.SHA256())
        sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
        signer = {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                "issuer_and_serial_number",
                {"issuer": own.issuer, "serial_number": own.serial_number},
            ),
            "digest_algorithm": sha256,
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_rsa"},
            "signature": signature,
        }
        signed = {
            "version": "v3",
            "digest_algorithms": [sha256],
            "encap_content_info": {
                "content_type": "tst_info",
                "content": core.ParsableOctetString(info),
            },
            "signer_infos": [signer],
        }
        if request["cert_req"].native:
            signed["certificates"] = [own]
        return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)})


def _read(request: bytes) -> tsp.TimeStampReq:
    try:
        read = tsp.TimeStampReq.load(request, strict=True)
        imprint = read["message_imprint"]
        algorithm = imprint["hash_algorithm"]["algorithm"].native
        digest, policy = imprint["hashed_message"].native, read["req_policy"].native
        if read["version"].native != "v1" or read["extensions"].native:
            raise BadRequest("unaccepted_extensions")
    except BadRequest:
        raise
    except (ValueError, TypeError, KeyError):
        raise BadRequest("bad_data_format") from None
    if DIGEST_SIZES.get(algorithm) != len(digest):
        raise BadRequest("bad_alg")
    if policy not in (None, POLICY):
        raise BadRequest("unaccepted_policy")
    return read


def _certificate(
    name: str, key: rsa.RSAPrivateKey, signing_key: rsa.RSAPrivateKey, issuer: x509.Name | None
) -> x509.Certificate:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "NO"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Samlepost"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    is_root = issuer is None
    serial = uuid.uuid5(uuid.NAMESPACE_X500, subject.rfc4514_string()).int >> 1
    public = key.public_key()
    builder = (
        x509.CertificateBuilder(issuer or subject, subject, public, serial)
        .not_valid_before(VALID[0])
        .not_valid_after(VALID[1])
        .add_extension(x509.BasicConstraints(is_root, None), critical=True)
        .add_extension(_usage(is_root), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
            critical=False,
        )
    )
    if not is_root:  # RFC 3161 section 2.3: this purpose alone, and critical
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(purposes, critical=True)
    return builder.sign(signing_key, hashes.SHA256())


def _write(path: Path, certificate: x509.Certificate) -> None:
    """Write the file unless it holds just this; whole or not at all."""
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    if not path.exists() or path.read_bytes() != pem:
        fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        fresh.write_bytes(pem)
        fresh.replace(path)


def _usage(is_root: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_root,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_root,
        crl_sign=is_root,
        encipher_only=False,
        decipher_only=False,
    )
