"""The made-up certificate authority of the simulated DPI, and who has certificates from it.

Everything follows from the keys in the folder: the same key gives the same certificate, so that
processes that make one at the same time make the same.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from connectors.addresses import simulators_url
from connectors.dpi.envelope import Identity
from connectors.keys import ensure_rsa_key
from connectors.world.agencies import AGENCIES
from connectors.world.model import Agency, Channel

VALID_FROM = datetime(2016, 1, 1, tzinfo=UTC)
VALID_UNTIL = datetime(2056, 1, 1, tzinfo=UTC)
REVOKED = "revoked"
EXPIRED = datetime(2019, 1, 1, tzinfo=UTC)
AUTHORITY_NAME = "Samlepost simulated CA"
ISSUER_NAME = "Samlepost simulated CA for businesses"
SUPPLIERS = {Channel.DIGIPOST: "984661185", Channel.EBOKS: "922020175"}
SUPPLIER_NAMES = {Channel.DIGIPOST: "Digipost", Channel.EBOKS: "e-Boks"}
PURPOSES = ("decryption", "signing")
OCSP_PATH = "/dpi/ocsp"
ROOT_LIST, ISSUER_LIST = "root.crl", "issuer.crl"
LISTS_PATH = "/dpi/crl/"


class Authority:
    """Issues certificates; its own, the agencies' and the suppliers' keys lie in `folder`.

    As with the real ones, an authority between it and the agencies issues theirs, and these name
    where to ask whether they are revoked (`responder.py`, at the simulators' address).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ensure_rsa_key(folder / "authority.key.pem")
        self._issuer_key = ensure_rsa_key(folder / "issuer.key.pem")
        self._agencies_key = ensure_rsa_key(folder / "agencies.key.pem")
        name = _name(AUTHORITY_NAME, "Samlepost", "310091081")
        self.certificate = _certificate(self._key.public_key(), self._key, name, True, name)
        self.issuer = _certificate(
            self._issuer_key.public_key(),
            self._key,
            _name(ISSUER_NAME, "Samlepost", "310091081"),
            True,
            name,
            more=[_list_at(ROOT_LIST)],
        )
        self.certificate_file = folder / "authority.pem"
        _write(self.certificate_file, self.certificate)
        self._agencies: dict[str, Identity] = {}

    def agency(self, agency: Agency) -> Identity:
        """Return an agency's enterprise certificate; one key pair serves them all."""
        if agency.slug not in self._agencies:
            self._agencies[agency.slug] = self._of_agency(agency, "simulated")
        return self._agencies[agency.slug]

    def expired_agency(self, agency: Agency) -> Identity:
        """Return an agency's certificate that ran out long ago, for a message that is refused."""
        return self._of_agency(agency, "expired", EXPIRED)

    def revoked_agency(self, agency: Agency) -> Identity:
        """Return an agency's certificate that the responder calls revoked, as above."""
        return self._of_agency(agency, REVOKED)

    def revoked_serials(self) -> list[int]:
        """Return the numbers of every agency's revoked certificate."""
        return [_serial(_agency_name(each, REVOKED)) for each in AGENCIES]

    def responder(self) -> Identity:
        """Return who answers for the authority of businesses (RFC 6960 §4.2.2.2)."""
        key = ensure_rsa_key(self.folder / "responder.key.pem")
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
        name = _name("Samlepost simulated responder", "Samlepost", "310091081")
        certificate = _certificate(
            key.public_key(),
            self._issuer_key,
            name,
            False,
            self.issuer.subject,
            more=[purposes, x509.OCSPNoCheck()],
        )
        return Identity(key, certificate)

    def signing(self, which: str) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
        """Return who signs one of the two lists, and the key. Raises KeyError."""
        return {
            ROOT_LIST: (self.certificate, self._key),
            ISSUER_LIST: (self.issuer, self._issuer_key),
        }[which]

    def _of_agency(self, agency: Agency, kind: str, until: datetime = VALID_UNTIL) -> Identity:
        certificate = _certificate(
            self._agencies_key.public_key(),
            self._issuer_key,
            _agency_name(agency, kind),
            False,
            self.issuer.subject,
            until=until,
            more=[_ocsp_at(), _list_at(ISSUER_LIST)],
        )
        return Identity(self._agencies_key, certificate, (self.issuer, self.certificate))

    def supplier(self, channel: Channel, purpose: str) -> tuple[Path, Path]:
        """Return the files of a mailbox supplier's key and certificate for one of PURPOSES."""
        key_file = self.folder / f"{channel.value}-{purpose}.key.pem"
        certificate_file = self.folder / f"{channel.value}-{purpose}.pem"
        key = ensure_rsa_key(key_file)
        supplier = SUPPLIER_NAMES[channel]
        name = _name(f"{supplier} {purpose} simulated", supplier, SUPPLIERS[channel])
        issuer = self.certificate.subject
        _write(certificate_file, _certificate(key.public_key(), self._key, name, False, issuer))
        return key_file, certificate_file


def _name(common_name: str, organisation: str, org_number: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "NO"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"NTRNO-{org_number}"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64]),
        ]
    )


def _agency_name(agency: Agency, kind: str) -> x509.Name:
    return _name(f"{agency.name} {kind}", agency.name, agency.org_number)


def _serial(subject: x509.Name) -> int:
    return uuid.uuid5(uuid.NAMESPACE_X500, subject.rfc4514_string()).int >> 1


def _ocsp_at() -> x509.AuthorityInformationAccess:
    address = x509.UniformResourceIdentifier(simulators_url() + OCSP_PATH)
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, address)]
    )


def _list_at(name: str) -> x509.CRLDistributionPoints:
    address = x509.UniformResourceIdentifier(f"{simulators_url()}{LISTS_PATH}{name}")
    return x509.CRLDistributionPoints([x509.DistributionPoint([address], None, None, None)])


def _certificate(
    public_key: rsa.RSAPublicKey,
    signing_key: rsa.RSAPrivateKey,
    subject: x509.Name,
    is_authority: bool,
    issuer: x509.Name,
    until: datetime = VALID_UNTIL,
    more: Sequence[x509.ExtensionType] = (),
) -> x509.Certificate:
    serial = _serial(subject)
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=not is_authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder(issuer, subject, public_key, serial)
        .not_valid_before(VALID_FROM)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
            critical=False,
        )
    )
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def _write(path: Path, certificate: x509.Certificate) -> None:
    """Write the file unless it holds just this; whole or not at all, and readable meanwhile."""
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    if path.exists() and path.read_bytes() == pem:
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex}")
    fresh.write_bytes(pem)
    fresh.replace(path)
