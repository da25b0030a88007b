"""Forged signatures in Digdir's published package: each refused for its own reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree

from connectors.dpi import cms
from connectors.dpi.package import MANIFEST, MIMETYPE
from connectors.dpi.xades import C14N, DS, SHA1, SHA256, SIGNATURES, XADES, signed_files
from tests.connectors.dpi.forger import AT, FROM, UNTIL, Forger, certificate, one

pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length")
Case = tuple[Callable[[Forger], str], str]


def test_the_published_message_is_read(forger: Forger) -> None:
    assert forger.reason(forger.envelope, forger.encrypted) == ""


@pytest.mark.parametrize(
    "harmless",
    [
        lambda f: f.of_package(f.package),
        lambda f: f.of_files(f.files),
        lambda f: f.of_files({name: f.files[name] for name in f.files if name != MIMETYPE}),
        lambda f: f.of_signer(f.honest),
        lambda f: f.of_files(
            signed_files({MIMETYPE: f.files[MIMETYPE], **f.documents()}, f.honest, AT)
        ),
        lambda f: f.of_resigned(lambda root: None),
        lambda f: f.of_resigned(
            lambda root: one(root, DS, "CanonicalizationMethod").set(
                "Algorithm", "http://www.w3.org/2006/12/xml-c14n11"
            )
        ),
        lambda f: f.of_encrypted(cms.encrypt(f.package, f.mailbox)),
    ],
)
def test_what_the_forger_makes_is_read_when_nothing_is_forged(
    forger: Forger, harmless: Callable[[Forger], str]
) -> None:
    assert harmless(forger) == ""


def moved_signed_info(forger: Forger) -> str:
    """The signed references hide in an Object; what stands in their place was never signed."""
    xml = forger.files[SIGNATURES].decode()
    start, end = xml.index("<SignedInfo>"), xml.index("</SignedInfo>") + len("</SignedInfo>")
    signed = xml[start:end]
    digest = "Uy6qvZV0iA2/drm4zACDLCCm7BE9aCKZVQ16bg80XiU="
    changed = re.sub(r' Id="[^"]*"', "", signed.replace(digest, "A" * 43 + "="))
    xml = xml.replace(signed, changed).replace("<Object>", f"<Object>{signed}", 1)
    return forger.of_files({**forger.files, SIGNATURES: xml.encode()})


def second_signature(forger: Forger) -> str:
    xml = forger.files[SIGNATURES].decode()
    start, end = xml.index("<Signature "), xml.index("</Signature>") + len("</Signature>")
    xml = xml[:end] + xml[start:end] + xml[end:]
    return forger.of_files({**forger.files, SIGNATURES: xml.encode()})


def wrapped_signature(forger: Forger) -> str:
    """The genuine signature in an Object of a new one, its Id intact."""
    xml = forger.files[SIGNATURES].decode()
    start, end = xml.index("<Signature "), xml.index("</Signature>") + len("</Signature>")
    genuine = xml[start:end]
    outer = genuine.replace("<Object>", f"<Object>{genuine}", 1)
    return forger.of_files({**forger.files, SIGNATURES: (xml[:start] + outer + xml[end:]).encode()})


FIRST = '<Reference Id="ID_1" URI="Test.txt">'
MANIFEST_REFERENCE = (
    '<Reference Id="ID_0" URI="manifest.xml">'
    f'<DigestMethod Algorithm="{SHA256}"/>'
    "<DigestValue>fsYagZyLUUBLd/W90BgEk1UXCpoB2ZSnVBIV5/ncp4s=</DigestValue></Reference>"
)
CERT_DIGEST = "YcP8iUkr83Fh+RA9FKx8DxwXQOk="
ROOT_ELEMENT = "<XAdESSignatures"
DECLARED = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>'
LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
NOT_A_FILE = "refers to something that is not a file"
NOT_TRUSTED = "the certificate of the package's signature is not issued by an authority"

SIGNATURE: dict[str, Case] = {
    "moved SignedInfo": (moved_signed_info, "Object in signatures.xml does not hold just"),
    "second signature": (second_signature, "more than one signature"),
    "wrapped signature": (wrapped_signature, "more than one signature"),
    "extra reference": (
        lambda f: f.of_xml(
            (
                FIRST,
                '<Reference URI="Nei.txt"><DigestMethod '
                f'Algorithm="{SHA256}"/><DigestValue>AA==</DigestValue></Reference>{FIRST}',
            )
        ),
        NOT_A_FILE,
    ),
    "the same file twice": (
        lambda f: f.of_xml((FIRST, MANIFEST_REFERENCE.replace("ID_0", "ID_9") + FIRST)),
        "refers to a file twice",
    ),
    "a reference left out": (lambda f: f.of_xml((MANIFEST_REFERENCE, "")), "does not cover every"),
    "a reference that leads out": (
        lambda f: f.of_xml(('URI="Test.txt"', 'URI="../Test.txt"')),
        NOT_A_FILE,
    ),
    "a reference by http": (
        lambda f: f.of_xml(('URI="Test.txt"', 'URI="http://127.0.0.1/Test.txt"')),
        NOT_A_FILE,
    ),
    "a reference by file": (
        lambda f: f.of_xml(('URI="Test.txt"', 'URI="file:///etc/hostname"')),
        NOT_A_FILE,
    ),
    "a reference to the whole document": (
        lambda f: f.of_xml(('URI="Test.txt"', 'URI=""')),
        NOT_A_FILE,
    ),
    "needless percent-encoding": (
        lambda f: f.of_xml(('URI="Test.txt"', 'URI="%54est.txt"')),
        NOT_A_FILE,
    ),
    "an encoded way out": (
        lambda f: f.of_xml(('URI="Test.txt"', 'URI="a/%2e%2e/Test.txt"')),
        NOT_A_FILE,
    ),
    "a transform on a file": (
        lambda f: f.of_xml(
            (FIRST, f'{FIRST}<Transforms><Transform Algorithm="{C14N}"/></Transforms>')
        ),
        "changes a file before",
    ),
    "XSLT on the properties": (
        lambda f: f.of_xml(
            (
                f'<Transform Algorithm="{C14N}"/>',
                '<Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>',
            )
        ),
        "changes a file before",
    ),
    "SHA-1 of a file": (
        lambda f: f.of_xml(
            (
                f'{FIRST}<DigestMethod Algorithm="{SHA256}"',
                f'{FIRST}<DigestMethod Algorithm="{SHA1}"',
            )
        ),
        "not made with SHA-256",
    ),
    "RSA with SHA-1": (
        lambda f: f.of_xml(
            (
                "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
                "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            )
        ),
        "another algorithm than RSA",
    ),
    "HMAC": (
        lambda f: f.of_xml(
            (
                "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
                "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            )
        ),
        "another algorithm than RSA",
    ),
    "exclusive canonicalisation": (
        lambda f: f.of_xml(
            (
                f'<CanonicalizationMethod Algorithm="{C14N}"',
                '<CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"',
            )
        ),
        "canonicalised in a way outside",
    ),
    "a wrong digest, unsigned": (
        lambda f: f.of_xml(("Uy6qvZV0iA2/drm4", "AAAAvZV0iA2/drm4")),
        "does not match its certificate",
    ),
    "a wrong digest, signed": (
        lambda f: f.of_resigned(lambda root: _set(one(root, DS, "DigestValue"), "AAAA")),
        "not the one that was signed",
    ),
    "another value": (
        lambda f: f.of_xml(("hRBURV0Xknso8rYPHfV6", "AAAARV0Xknso8rYPHfV6")),
        "does not match its certificate",
    ),
    "a value that is not base64": (
        lambda f: f.of_xml(("hRBURV0Xknso8rYPHfV6", "!!!!RV0Xknso8rYPHfV6")),
        "not base64",
    ),
    "a changed file": (
        lambda f: f.of_files({**f.files, "Test.txt": b"Nei!"}),
        "not the one that was signed",
    ),
    "a changed manifest": (
        lambda f: f.of_files(
            {**f.files, MANIFEST: f.files[MANIFEST].replace(b"Test.txt<", b"Nei<")}
        ),
        "not the one that was signed",
    ),
    "a file that is not covered": (
        lambda f: f.of_files({**f.files, "mer.pdf": b"%PDF"}),
        "does not cover every file",
    ),
    "a hidden file beside META-INF": (
        lambda f: f.of_files({**f.files, "meta-inf/mer.pdf": b"%PDF"}),
        "does not cover every file",
    ),
    "changed properties": (
        lambda f: f.of_xml(("2022-03-16T14:16:08.883", "2022-03-15T14:16:08.883")),
        "signed properties are not those",
    ),
    "properties of another signature": (
        lambda f: f.of_xml(('Target="#Signature"', 'Target="#Annen"')),
        "belong to another signature",
    ),
    "no reference to the properties": (
        lambda f: f.of_resigned(
            lambda root: list(root.iter(f"{{{DS}}}Reference"))[-1].set("URI", "#Annet")
        ),
        "just once",
    ),
    "the same Id twice": (
        lambda f: f.of_xml(('Id="ID_1"', 'Id="SignedProperties"')),
        "the same Id",
    ),
    "another certificate named": (
        lambda f: f.of_resigned(
            lambda root: _set(one(one(root, XADES, "CertDigest"), DS, "DigestValue"), CERT_DIGEST)
        ),
        "names another certificate",
    ),
    "another serial number named": (
        lambda f: f.of_resigned(lambda root: _set(one(root, DS, "X509SerialNumber"), "1")),
        "names another certificate",
    ),
    "MD5 of the certificate": (
        lambda f: f.of_resigned(
            lambda root: one(one(root, XADES, "CertDigest"), DS, "DigestMethod").set(
                "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#md5"
            )
        ),
        "an unknown digest",
    ),
    "a signing time that is none": (
        lambda f: f.of_resigned(lambda root: _set(one(root, XADES, "SigningTime"), "i går")),
        "signing time is not a time",
    ),
    "a signing time without a zone": (
        lambda f: f.of_resigned(
            lambda root: _set(one(root, XADES, "SigningTime"), "2022-03-16T14:16:08")
        ),
        "no time zone",
    ),
    "an extra property": (
        lambda f: f.of_resigned(
            lambda root: etree.SubElement(
                one(root, XADES, "SignedSignatureProperties"), f"{{{XADES}}}SignerRole"
            )
        ),
        "SignedSignatureProperties in signatures.xml does not hold just",
    ),
    "a description of nothing": (
        lambda f: f.of_resigned(
            lambda root: one(root, XADES, "DataObjectFormat").set("ObjectReference", "#ID_77")
        ),
        "describe something that is not a file",
    ),
    "a key instead of a certificate": (
        lambda f: f.of_resigned(lambda root: _empty(one(root, DS, "X509Data"), "X509SKI")),
        "does not hold just certificates",
    ),
    "no certificate": (
        lambda f: f.of_resigned(lambda root: _empty(one(root, DS, "X509Data"))),
        "does not carry 1 to 6 certificates",
    ),
    "a certificate that is none": (
        lambda f: f.of_resigned(lambda root: _set(one(root, DS, "X509Certificate"), "AAAA")),
        "not a certificate",
    ),
    "a comment": (lambda f: f.of_xml(("<SignedInfo>", "<SignedInfo><!-- -->")), "comments"),
    "a relative namespace": (
        lambda f: f.of_xml(("<SignedInfo>", '<SignedInfo xmlns:x="etc">')),
        "has no canonical form",
    ),
    "an attribute of XML's own": (
        lambda f: f.of_xml(("<SignedInfo>", '<SignedInfo xml:lang="no">')),
        "attributes that do not",
    ),
    "DOCTYPE": (
        lambda f: f.of_xml((DECLARED, f"{DECLARED}<!DOCTYPE XAdESSignatures>")),
        "document type declaration",
    ),
    "billion laughs": (
        lambda f: f.of_xml(
            (DECLARED, f'{DECLARED}<!DOCTYPE x [<!ENTITY a0 "ha">{LAUGHS}]>'),
            ("<SignedInfo>", "<SignedInfo>&a11;"),
        ),
        "document type declaration",
    ),
    "an external entity": (
        lambda f: f.of_xml(
            (DECLARED, f'{DECLARED}<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'),
            ("<SignedInfo>", "<SignedInfo>&a;"),
        ),
        "document type declaration",
    ),
    "an external document type": (
        lambda f: f.of_xml((DECLARED, f'{DECLARED}<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">')),
        "document type declaration",
    ),
    "another root": (
        lambda f: f.of_files({**f.files, SIGNATURES: b"<html/>"}),
        "not an XAdES signature",
    ),
    "not XML": (lambda f: f.of_files({**f.files, SIGNATURES: b"<XAdES"}), "not well-formed"),
    "signatures.xml of 2 MB": (
        lambda f: f.of_xml(("</XAdESSignatures>", " " * 2_000_000 + "</XAdESSignatures>")),
        "grows more than",
    ),
    "unsigned": (lambda f: f.of_files(f.documents()), "is not signed"),
    "two signatures.xml": (
        lambda f: f.of_files({**f.files, "META-INF/signatures2.xml": f.files[SIGNATURES]}),
        "more than the package's signature",
    ),
}

CHAINS: dict[str, Case] = {
    "self-signed": (
        lambda f: f.of_signer(
            replace(f.honest, certificate=certificate("Leaf", f.key, "Leaf", f.key))
        ),
        NOT_TRUSTED,
    ),
    "a wrong chain": (
        lambda f: f.of_signer(
            replace(f.honest, certificate=certificate("Leaf", f.key, "Issuer", f.key))
        ),
        NOT_TRUSTED,
    ),
    "no chain": (lambda f: f.of_signer(replace(f.honest, chain=())), NOT_TRUSTED),
    "an issuer that is no authority": (
        lambda f: f.of_signer(f.identity(issuer_ca=False, issuer_may_issue=True)),
        NOT_TRUSTED,
    ),
    "an issuer that may not issue": (
        lambda f: f.of_signer(f.identity(issuer_may_issue=False)),
        NOT_TRUSTED,
    ),
    "an issuer of another name": (lambda f: f.of_signer(f.identity(issuer="Annen")), NOT_TRUSTED),
    "an issuer that has expired": (
        lambda f: f.of_signer(f.identity(issuer_valid=(FROM, AT.replace(day=1)))),
        NOT_TRUSTED,
    ),
    "a path that is too long": (lambda f: f.of_signer(_below_path_length_zero(f)), NOT_TRUSTED),
    "another signer's certificate": (
        lambda f: f.of_signer(f.identity(key=f.issuer_key)),
        "does not match its certificate",
    ),
    "an authority's certificate": (
        lambda f: f.of_signer(f.identity(ca=True, is_signer=True)),
        "not one for signatures",
    ),
    "a certificate not for signatures": (
        lambda f: f.of_signer(f.identity(is_signer=False)),
        "not one for signatures",
    ),
    "a key of 1024 bits": (
        lambda f: f.of_signer(f.identity(key=rsa.generate_private_key(65537, 1024))),
        "not RSA of at least 2048 bits",
    ),
    "an elliptic curve": (
        lambda f: f.of_signer(f.identity(key=ec.generate_private_key(ec.SECP256R1()))),
        "not RSA of at least 2048 bits",
    ),
    "expired, signed while valid": (
        lambda f: f.of_signer(f.identity(valid=(FROM, AT.replace(day=1))), AT.replace(month=2)),
        "was not valid when the message was judged",
    ),
    "valid, signed before it was": (
        lambda f: f.of_signer(f.honest, datetime(2019, 12, 31, tzinfo=UTC)),
        "signed outside its certificate's validity",
    ),
    "valid, signed after it will be": (
        lambda f: f.of_signer(f.honest, UNTIL.replace(month=2)),
        "signed outside its certificate's validity",
    ),
    "seven certificates": (
        lambda f: f.of_signer(replace(f.honest, chain=(f.issuer,) * 6)),
        "1 to 6 certificates",
    ),
    "no organisation number": (
        lambda f: f.of_signer(f.identity(org_number="")),
        "names no organisation number",
    ),
    "another organisation": (
        lambda f: f.of_signer(f.identity(org_number="974761076")),
        "another organisation",
    ),
}


def _set(element: etree._Element, text: str) -> None:
    element.text = text


def _empty(data: etree._Element, instead: str = "") -> None:
    for child in list(data):
        data.remove(child)
    if instead:
        etree.SubElement(data, f"{{{DS}}}{instead}").text = "AAAA"


def _below_path_length_zero(forger: Forger) -> Any:
    """An issuer that may have no authority below it has one."""
    strict = certificate(
        "Issuer", forger.issuer_key, "Root", forger.root_key, ca=True, path_length=0
    )
    below = certificate("Below", forger.root_key, "Issuer", forger.issuer_key, ca=True)
    leaf = certificate("Leaf", forger.key, "Below", forger.root_key)
    return replace(forger.honest, certificate=leaf, chain=(below, strict, forger.root))


@pytest.mark.parametrize("name", SIGNATURE)
def test_a_forged_signature_is_refused(forger: Forger, name: str) -> None:
    forge, reason = SIGNATURE[name]
    assert reason in forge(forger)


@pytest.mark.parametrize("name", CHAINS)
def test_a_certificate_that_is_not_to_be_trusted_is_refused(forger: Forger, name: str) -> None:
    forge, reason = CHAINS[name]
    assert reason in forge(forger)
