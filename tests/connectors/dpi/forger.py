"""Forges messages from Digdir's published one: what must stay right is encrypted and signed anew.

The published signer's key is not published. So the tests trust a root of their own beside the
genuine ones, and a certificate from it, in the sample's organisation number, signs the message.
Its key is the published one of `eksempel`, which the packages are encrypted to as well.
"""

from __future__ import annotations

import base64
import hashlib
import io
import warnings
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from connectors.contract import IncomingLetter
from connectors.dpi import cms
from connectors.dpi.envelope import Identity, load_certificates, load_identity, peek, sign_envelope
from connectors.dpi.package import MIMETYPE, MIMETYPE_VALUE, open_package
from connectors.dpi.reading import Reader
from connectors.dpi.xades import DS, SIGNATURES, XADES, signed_files
from connectors.keys import ensure_rsa_key
from tests.connectors.dpi.place import DATA, SAMPLE_ID

ORG, SUPPLIER = "991825827", "922020175"
AT = datetime(2022, 3, 16, 14, tzinfo=UTC)
FROM, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
ANCHORS = ("Buypass_Class_3_Test4_CA_3.pem", "Buypass_Class_3_Test4_Root_CA.pem")
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Forger:
    """The published message in its parts, certificates of every kind, and a reader to judge."""

    def __init__(self, keys: Path) -> None:
        ours = load_identity(str(DATA / "eksempel.key.pem"), str(DATA / "eksempel.pem"), "x")
        self.key, self.mailbox = ours.key, ours.certificate
        self.root_key = ensure_rsa_key(keys / "forger-root.key.pem")
        self.issuer_key = ensure_rsa_key(keys / "forger-issuer.key.pem")
        self.root = certificate("Root", self.root_key, "Root", self.root_key, ca=True)
        self.issuer = certificate("Issuer", self.issuer_key, "Root", self.root_key, ca=True)
        self.honest = self.identity()
        self.envelope = (DATA / "digital-forretningsmelding.jwt").read_text()
        self.encrypted = (DATA / "digital-dokumentpakke.cms").read_bytes()
        self.package = (DATA / "digital-dokumentpakke.zip").read_bytes()
        self.files = open_package(self.package)
        genuine = load_certificates(",".join(str(DATA / name) for name in ANCHORS), "anchors")
        self.reader = Reader(SUPPLIER, [*genuine, self.root], [ours], AT)

    def identity(self, **changes: Any) -> Identity:
        """Return a signer whose certificate, or issuer (`issuer_*`), differs in `changes`."""
        of_issuer = {
            name.removeprefix("issuer_"): changes.pop(name)
            for name in list(changes)
            if name.startswith("issuer_")
        }
        issuer = certificate(
            "Issuer", self.issuer_key, "Root", self.root_key, **{"ca": True, **of_issuer}
        )
        fields = {"issuer": "Issuer", "signing_key": self.issuer_key, **changes}
        leaf = certificate("Leaf", fields.pop("key", self.key), **fields)
        return Identity(self.key, leaf, (issuer, self.root))

    def reason(self, envelope: str, encrypted: bytes) -> str:
        """Return why the message is refused; "" when it is read."""
        found = self.reader.understand(SAMPLE_ID, envelope, encrypted)
        if isinstance(found, IncomingLetter):
            return ""
        assert [part.content for part in found.raw] == [envelope.encode(), encrypted]
        return found.reason

    def of_encrypted(self, encrypted: bytes) -> str:
        """Return why this encrypted package is refused, in a message signed for it."""
        payload = peek(self.envelope)
        digest = base64.b64encode(hashlib.sha256(encrypted).digest()).decode()
        body = payload["standardBusinessDocument"]["digital"]
        body["dokumentpakkefingeravtrykk"]["digestValue"] = digest
        return self.reason(sign_envelope(payload, self.honest), encrypted)

    def of_package(self, package: bytes) -> str:
        """Return why this package is refused, where all around it is in order."""
        return self.of_encrypted(cms.encrypt(package, self.mailbox))

    def of_files(self, files: Mapping[str, bytes]) -> str:
        """Return why a package of these files is refused."""
        return self.of_package(zipped(files))

    def of_xml(self, *changes: tuple[str, str]) -> str:
        """Return why the published package is refused with these changes in its signature."""
        xml = self.files[SIGNATURES].decode()
        for old, new in changes:
            assert old in xml
            xml = xml.replace(old, new, 1)
        return self.of_files({**self.files, SIGNATURES: xml.encode()})

    def documents(self) -> dict[str, bytes]:
        """Return the published files that are signed."""
        return {name: self.files[name] for name in ("manifest.xml", "Test.txt")}

    def of_signer(self, signer: Identity, at: datetime = AT) -> str:
        """Return why the published files are refused when `signer` signs them."""
        return self.of_files(signed_files(self.documents(), signer, at))

    def of_resigned(self, change: Callable[[etree._Element], object]) -> str:
        """Return why it is refused with `change` to the signature and its value made anew."""
        files = signed_files(self.documents(), self.honest, AT)
        root = etree.fromstring(files[SIGNATURES])
        change(root)
        info, value = one(root, DS, "SignedInfo"), one(root, DS, "SignatureValue")
        properties = one(root, XADES, "SignedProperties")
        digest = info.findall(f"{{{DS}}}Reference/{{{DS}}}DigestValue")[-1]
        digest.text = base64.b64encode(hashlib.sha256(canonical(properties)).digest()).decode()
        made = self.honest.key.sign(canonical(info), padding.PKCS1v15(), hashes.SHA256())
        value.text = base64.b64encode(made).decode()
        return self.of_files({**files, SIGNATURES: etree.tostring(root)})


def one(root: etree._Element, namespace: str, local: str) -> etree._Element:
    """Return the first element of that name."""
    return next(root.iter(f"{{{namespace}}}{local}"))


def canonical(element: etree._Element) -> bytes:
    """Return the element's canonical bytes as a document of its own."""
    alone = etree.fromstring(etree.tostring(element, with_tail=False))
    return bytes(etree.tostring(alone, method="c14n"))


def deflated(files: Mapping[str, bytes]) -> bytes:
    """Return the files as a container just as they come, all of them packed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def zipped(files: Mapping[str, bytes], *more: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """Return the files as a container, mimetype first and stored, and then `more` as it is."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile itself warns of a name given twice
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(MIMETYPE, MIMETYPE_VALUE, zipfile.ZIP_STORED)
            for name, content in (*files.items(), *more):
                if name != MIMETYPE or (name, content) in more:
                    archive.writestr(name, content)
    return buffer.getvalue()


def certificate(
    subject: str,
    key: Key,
    issuer: str,
    signing_key: rsa.RSAPrivateKey,
    *,
    ca: bool = False,
    is_signer: bool | None = None,
    may_issue: bool | None = None,
    path_length: int | None = None,
    valid: tuple[datetime, datetime] = (FROM, UNTIL),
    org_number: str = ORG,
) -> x509.Certificate:
    """Return a certificate that says what is asked for, sound or not."""
    may_sign = not ca if is_signer is None else is_signer
    signs_certificates = ca if may_issue is None else may_issue
    usage = x509.KeyUsage(
        may_sign, False, True, False, False, signs_certificates, False, False, False
    )
    named = [x509.NameAttribute(NameOID.COMMON_NAME, subject)]
    if org_number:
        named.append(x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"NTRNO-{org_number}"))
    names = [x509.NameAttribute(NameOID.COMMON_NAME, issuer)]
    names.append(x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, f"NTRNO-{ORG}"))
    return (
        x509.CertificateBuilder(x509.Name(names), x509.Name(named), key.public_key(), 17)
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
        .add_extension(usage, critical=True)
        .sign(signing_key, hashes.SHA256())
    )
