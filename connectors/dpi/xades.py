"""The package's own signature: XAdES-BES in an ASiC-E container, in the profile of DPI.

Sources: docs.digdir.no DPI `nyinf/dokumentpakke/dokumentpakke_sikkerhet` (the profile), ETSI TS
101 903 (XAdES) and 102 918 (ASiC), W3C XML Signature 1.1, and Digdir's own sender
(efm-integrasjonspunkt, `CreateSignature.java`), which writes file names as `URLEncoder` does.
signxml fails on Digdir's published package of 2014: it canonicalises elements in place.
Everything outside the profile is refused, and only bytes that the signature covers are read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from connectors.dpi.envelope import Identity, Signer, signer_of
from connectors.dpi.package import MIMETYPE
from connectors.dpi.refusal import Refusal
from connectors.dpi.trust import check_chain, decode_chain

SIGNATURES = "META-INF/signatures.xml"
OPENDOCUMENT_MANIFEST = "META-INF/manifest.xml"
"""The profile forbids it, and Digdir's own published packages of 2022 and 2023 have it."""
SIGNATURES_MAX_BYTES = 1_000_000
ASIC = "http://uri.etsi.org/02918/v1.2.1#"
ASIC_OLD = "http://uri.etsi.org/2918/v1.2.1#"
"""How Digdir's own sender spells it."""
DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
SIGNED_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N_11 = "http://www.w3.org/2006/12/xml-c14n11"
"""Apart from attributes in the namespace `xml`, which are refused, both give the same bytes."""
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA1 = "http://www.w3.org/2000/09/xmldsig#sha1"
WHOSE = "the package's signature"


@dataclass(frozen=True, slots=True)
class _Reference:
    """What SignedInfo says of one file, or of the signed properties."""

    id: str
    uri: str
    type: str
    digest: bytes


def verify_signature(
    files: Mapping[str, bytes], anchors: Sequence[x509.Certificate], at: datetime
) -> Signer:
    """Verify that one trusted signer signed every file of the package, and return who it is.

    Certificates are judged at `at`. Raises Refusal.
    """
    signature = _signature_in(files)
    info, value, key_info, holder = _parts(
        signature, DS, "SignedInfo", "SignatureValue", "KeyInfo", "Object"
    )
    [qualifying] = _parts(holder, XADES, "QualifyingProperties")
    [properties] = _parts(qualifying, XADES, "SignedProperties")
    if qualifying.get("Target") != f"#{signature.get('Id')}":
        raise Refusal("the signed properties belong to another signature")

    signed = _canonical(info)
    references = _references(_parsed(signed))
    file_references = [each for each in references if not each.type]
    covered = _covered(file_references, files)
    chain = decode_chain(_certificates(key_info), WHOSE)
    verified = check_chain(chain, anchors, at, WHOSE)
    _check_value(chain[0], _bytes_of(value), signed)
    _check_properties(properties, references, chain[0])
    for name, reference in covered.items():
        if not _same(reference.digest, hashlib.sha256(files[name]).digest()):
            raise Refusal("a file in the package is not the one that was signed")
    return replace(signer_of(chain[0]), chain=verified)


def signed_files(files: Mapping[str, bytes], signer: Identity, at: datetime) -> dict[str, bytes]:
    """Return the files with a signature over all of them, made by `signer` at `at`."""
    root = etree.fromstring(f'<XAdESSignatures xmlns="{ASIC}"/>')
    signature = etree.fromstring(f'<Signature xmlns="{DS}" Id="Signature"/>')
    root.append(signature)
    info = _add(signature, DS, "SignedInfo")
    _add(info, DS, "CanonicalizationMethod", Algorithm=C14N)
    _add(info, DS, "SignatureMethod", Algorithm=RSA_SHA256)
    for position, (name, content) in enumerate(files.items()):
        reference = _add(info, DS, "Reference", Id=f"ID_{position}", URI=_url_encoded(name))
        _add_digest(reference, SHA256, hashlib.sha256(content).digest())
    value = _add(signature, DS, "SignatureValue")
    data = _add(_add(signature, DS, "KeyInfo"), DS, "X509Data")
    for certificate in (signer.certificate, *signer.chain):
        der = certificate.public_bytes(serialization.Encoding.DER)
        _add(data, DS, "X509Certificate").text = base64.b64encode(der).decode()
    holder = _add(signature, DS, "Object")
    properties = _add_properties(holder, signer.certificate, at, files)
    reference = _add(info, DS, "Reference", Type=SIGNED_PROPERTIES, URI="#SignedProperties")
    _add(_add(reference, DS, "Transforms"), DS, "Transform", Algorithm=C14N)
    _add_digest(reference, SHA256, hashlib.sha256(_canonical(properties)).digest())
    made = signer.key.sign(_canonical(info), padding.PKCS1v15(), hashes.SHA256())
    value.text = base64.b64encode(made).decode()
    xml = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=False)
    return {**files, SIGNATURES: bytes(xml)}


def _signature_in(files: Mapping[str, bytes]) -> etree._Element:
    """The one signature of the package, in a document of the simplest kind."""
    inside = [name for name in files if name.startswith("META-INF/")]
    if SIGNATURES not in inside:
        raise Refusal("the package is not signed")
    if set(inside) - {SIGNATURES, OPENDOCUMENT_MANIFEST}:
        raise Refusal("META-INF holds more than the package's signature")
    root = _parsed(files[SIGNATURES])
    if root.tag not in (f"{{{ASIC}}}XAdESSignatures", f"{{{ASIC_OLD}}}XAdESSignatures"):
        raise Refusal("signatures.xml is not an XAdES signature")
    if sum(1 for _ in root.iter(f"{{{DS}}}Signature")) > 1:
        raise Refusal("the package has more than one signature")
    ids = []
    for element in root.iter():
        if not isinstance(element.tag, str):
            raise Refusal("signatures.xml has comments or instructions")
        if any(str(name).startswith("{") for name in element.attrib):
            raise Refusal("signatures.xml has attributes that do not belong there")
        ids += [content for name, content in element.attrib.items() if str(name).lower() == "id"]
    if len(set(ids)) != len(ids):
        raise Refusal("two elements in signatures.xml have the same Id")
    [signature] = _parts(root, DS, "Signature")
    return signature


def _parsed(xml: bytes) -> etree._Element:
    """Parse with neither network nor entities; a document type is refused."""
    if len(xml) > SIGNATURES_MAX_BYTES:
        raise Refusal("signatures.xml is too large")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    try:
        root = etree.fromstring(xml, parser)
    except (etree.XMLSyntaxError, ValueError):
        # A document type may be what makes it unreadable, as where its entities grow.
        if b"<!DOCTYPE" in xml:
            raise Refusal("signatures.xml has a document type declaration") from None
        raise Refusal("signatures.xml is not well-formed XML") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Refusal("signatures.xml has a document type declaration")
    return root


def _canonical(element: etree._Element) -> bytes:
    """The element's canonical bytes, parsed alone first.

    Canonicalised in place, lxml adds `xmlns=""` that no signer wrote.
    """
    alone = _parsed(bytes(etree.tostring(element, with_tail=False)))
    try:
        return bytes(etree.tostring(alone, method="c14n", with_comments=False))
    except etree.C14NError:
        raise Refusal("signatures.xml has no canonical form") from None


def _parts(parent: etree._Element, namespace: str, *names: str) -> list[etree._Element]:
    """The children of `parent`, which must be just `names`, in that order."""
    children = list(parent)
    if [child.tag for child in children] != [f"{{{namespace}}}{each}" for each in names]:
        local = etree.QName(parent).localname
        raise Refusal(f"{local} in signatures.xml does not hold just {', '.join(names)}")
    return children


def _references(info: etree._Element) -> list[_Reference]:
    """Read SignedInfo from its canonical bytes: algorithms first, then what is referred to."""
    if len(info) < 2:
        raise Refusal("SignedInfo in signatures.xml is not complete")
    method, algorithm, *rest = info
    if method.tag != f"{{{DS}}}CanonicalizationMethod" or _only(method) not in (C14N, C14N_11):
        raise Refusal("the signature is canonicalised in a way outside DPI's profile")
    if algorithm.tag != f"{{{DS}}}SignatureMethod" or _only(algorithm) != RSA_SHA256:
        raise Refusal("the signature is made with another algorithm than RSA with SHA-256")
    if any(each.tag != f"{{{DS}}}Reference" for each in rest):
        raise Refusal("SignedInfo in signatures.xml holds more than references")
    return [_reference(each) for each in rest]


def _reference(element: etree._Element) -> _Reference:
    kind = element.get("Type", "")
    transforms: tuple[str, ...] = ()
    if len(element) == 3:
        first, method, value = _parts(element, DS, "Transforms", "DigestMethod", "DigestValue")
        transforms = tuple(_only(each) for each in first)
    else:
        method, value = _parts(element, DS, "DigestMethod", "DigestValue")
    if kind not in ("", SIGNED_PROPERTIES):
        raise Refusal("the signature refers to something of an unknown type")
    if transforms != ((C14N,) if kind else ()):
        raise Refusal("the signature changes a file before it is compared")
    if _only(method) != SHA256:
        raise Refusal("a reference in the signature is not made with SHA-256")
    return _Reference(element.get("Id", ""), element.get("URI", ""), kind, _bytes_of(value))


def _covered(references: Sequence[_Reference], files: Mapping[str, bytes]) -> dict[str, _Reference]:
    """Match references and files one to one. Nothing may be left over on either side."""
    outside = [each for each in files if not each.startswith("META-INF/")]
    spelled: dict[str, set[str]] = {}
    for name in outside:
        for spelling in {name, _url_encoded(name), quote(name)}:
            spelled.setdefault(spelling, set()).add(name)
    covered: dict[str, _Reference] = {}
    for reference in references:
        names = spelled.get(reference.uri, set())
        if len(names) != 1:
            raise Refusal("the signature refers to something that is not a file of the package")
        [name] = names
        if name in covered:
            raise Refusal("the signature refers to a file twice")
        covered[name] = reference
    # The profile counts mimetype among the files; published packages leave it unsigned. It can
    # only be what it must be.
    if set(outside) - covered.keys() - {MIMETYPE}:
        raise Refusal("the signature does not cover every file of the package")
    return covered


def _certificates(key_info: etree._Element) -> list[str]:
    [data] = _parts(key_info, DS, "X509Data")
    if any(each.tag != f"{{{DS}}}X509Certificate" for each in data):
        raise Refusal("X509Data in signatures.xml does not hold just certificates")
    return [each.text or "" for each in data]


def _check_value(certificate: x509.Certificate, value: bytes, signed: bytes) -> None:
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)  # decode_chain lets nothing else through
    try:
        key.verify(value, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise Refusal("the package's signature does not match its certificate") from None


def _check_properties(
    properties: etree._Element, references: Sequence[_Reference], certificate: x509.Certificate
) -> None:
    """Check that the signed properties are those that were signed, and what they say."""
    signed = _canonical(properties)
    found = [each for each in references if each.type]
    if len(found) != 1 or found[0].uri != f"#{properties.get('Id')}":
        raise Refusal("the signature does not refer to its signed properties just once")
    if not _same(found[0].digest, hashlib.sha256(signed).digest()):
        raise Refusal("the signed properties are not those that were signed")
    of_signature, of_files = _parts(
        _parsed(signed), XADES, "SignedSignatureProperties", "SignedDataObjectProperties"
    )
    time, signing = _parts(of_signature, XADES, "SigningTime", "SigningCertificate")
    _check_named(signing, certificate)
    if not certificate.not_valid_before_utc <= _moment(time) <= certificate.not_valid_after_utc:
        raise Refusal("the package was signed outside its certificate's validity")
    described = [_described(each) for each in of_files]
    ids = {f"#{each.id}" for each in references if each.id}
    if len(set(described)) != len(described) or not ids.issuperset(described):
        raise Refusal("the signed properties describe something that is not a file")


def _check_named(signing: etree._Element, certificate: x509.Certificate) -> None:
    [named] = _parts(signing, XADES, "Cert")
    digest, issuer = _parts(named, XADES, "CertDigest", "IssuerSerial")
    method, value = _parts(digest, DS, "DigestMethod", "DigestValue")
    # SHA-1 is what the profile asks for, here and nowhere else.
    algorithm = {SHA1: hashes.SHA1(), SHA256: hashes.SHA256()}.get(_only(method))
    if algorithm is None:
        raise Refusal("the signing certificate is named with an unknown digest")
    _, serial = _parts(issuer, DS, "X509IssuerName", "X509SerialNumber")
    if not _same(_bytes_of(value), certificate.fingerprint(algorithm)) or (
        serial.text or ""
    ).strip() != str(certificate.serial_number):
        raise Refusal("the signature names another certificate than the one it carries")


def _described(element: etree._Element) -> str:
    if element.tag != f"{{{XADES}}}DataObjectFormat":
        raise Refusal("the signed properties hold more than the formats of files")
    _parts(element, XADES, "MimeType")
    return element.get("ObjectReference", "")


def _moment(element: etree._Element) -> datetime:
    try:
        moment = datetime.fromisoformat((element.text or "").strip())
    except ValueError:
        raise Refusal("the signing time is not a time") from None
    if moment.tzinfo is None:
        raise Refusal("the signing time has no time zone")
    return moment


def _only(element: etree._Element) -> str:
    """The algorithm that an element names; it must name nothing else."""
    named = element.get("Algorithm") or ""
    return named if len(element) == 0 and len(element.attrib) == 1 else ""


def _bytes_of(element: etree._Element) -> bytes:
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("signatures.xml has a value that is not base64") from None


def _same(one: bytes, other: bytes) -> bool:
    return hmac.compare_digest(one, other)


def _url_encoded(name: str) -> str:
    """The name as Java's `URLEncoder` writes it."""
    return quote_plus(name, safe="*").replace("~", "%7E")


def _add(parent: etree._Element, namespace: str, local: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{namespace}}}{local}", attributes)


def _add_digest(parent: etree._Element, algorithm: str, digest: bytes) -> None:
    _add(parent, DS, "DigestMethod", Algorithm=algorithm)
    _add(parent, DS, "DigestValue").text = base64.b64encode(digest).decode()


def _add_properties(
    holder: etree._Element, certificate: x509.Certificate, at: datetime, names: Iterable[str]
) -> etree._Element:
    qualifying = etree.fromstring(
        f'<QualifyingProperties xmlns="{XADES}" xmlns:ds="{DS}" Target="#Signature"/>'
    )
    holder.append(qualifying)
    properties = _add(qualifying, XADES, "SignedProperties", Id="SignedProperties")
    of_signature = _add(properties, XADES, "SignedSignatureProperties")
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds")
    _add(of_signature, XADES, "SigningTime").text = moment
    named = _add(_add(of_signature, XADES, "SigningCertificate"), XADES, "Cert")
    _add_digest(_add(named, XADES, "CertDigest"), SHA1, certificate.fingerprint(hashes.SHA1()))
    issuer = _add(named, XADES, "IssuerSerial")
    _add(issuer, DS, "X509IssuerName").text = certificate.issuer.rfc4514_string()
    _add(issuer, DS, "X509SerialNumber").text = str(certificate.serial_number)
    of_files = _add(properties, XADES, "SignedDataObjectProperties")
    for position, name in enumerate(names):
        described = _add(of_files, XADES, "DataObjectFormat", ObjectReference=f"#ID_{position}")
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        _add(described, XADES, "MimeType").text = media_type
    return properties
