"""Forged messages, encryption and containers around Digdir's published package."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from asn1crypto import cms as asn1
from asn1crypto.core import Null
from cryptography.hazmat.primitives import serialization
from joserfc import jws
from joserfc.jwk import RSAKey

from connectors.dpi import cms
from connectors.dpi.envelope import peek, sign_envelope
from connectors.dpi.manifest import File, Manifest, build_manifest
from connectors.dpi.package import MANIFEST, MIMETYPE
from connectors.dpi.xades import SIGNATURES, signed_files
from tests.connectors.dpi.forger import AT, FROM, Forger, certificate, deflated, zipped

pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length")
Case = tuple[Callable[[Forger], str], str]


def _entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry


def _with_flag(package: bytes, flag: int) -> bytes:
    """Set a general purpose flag of the last file, in both of its headers."""
    changed = bytearray(package)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.rfind(signature) + offset
        changed[at : at + 2] = struct.pack("<H", struct.unpack_from("<H", changed, at)[0] | flag)
    return bytes(changed)


def _zip64(package: bytes) -> bytes:
    locator = b"PK\x06\x07" + bytes(16)
    return package[:-22] + locator + package[-22:]


def _attachments(forger: Forger, count: int) -> str:
    files = [File(f"{n:03d}.txt", "text/plain") for n in range(count)]
    manifest = Manifest(f"0192:{991825827}", File("Test.txt", "text/plain"), tuple(files))
    named = {file.href: b"a" for file in files}
    signed = {MANIFEST: build_manifest(manifest), "Test.txt": b"Test", **named}
    return forger.of_files(signed_files(signed, forger.honest, AT))


ZIPS: dict[str, Case] = {
    "the same name twice": (
        lambda f: f.of_package(zipped(f.files, ("Test.txt", b"Nei!"))),
        "the same name",
    ),
    "signatures.xml twice": (
        lambda f: f.of_package(zipped(f.files, (SIGNATURES, f.files[SIGNATURES]))),
        "the same name",
    ),
    "a name that leads out": (
        lambda f: f.of_package(zipped(f.files, ("../Test.txt", b"a"))),
        "leads out",
    ),
    "an absolute name": (lambda f: f.of_package(zipped(f.files, ("/Test.txt", b"a"))), "leads out"),
    "a drive": (lambda f: f.of_package(zipped(f.files, ("C:Test.txt", b"a"))), "leads out"),
    "a symbolic link": (
        lambda f: f.of_package(zipped(f.files, (_entry("l.txt", 0o120777), b"/etc/hostname"))),
        "not a file",
    ),
    "a device": (
        lambda f: f.of_package(zipped(f.files, (_entry("d", 0o020666), b""))),
        "not a file",
    ),
    "a folder": (lambda f: f.of_package(zipped(f.files, ("mappe/", b""))), "not a file"),
    "a bomb": (
        lambda f: f.of_package(zipped(f.files, ("b.txt", bytes(20_000_000)))),
        "grows more than",
    ),
    "a package in a package": (
        lambda f: f.of_package(zipped({"pakke.asice": f.package})),
        "is not signed",
    ),
    "a package in a signed package": (
        lambda f: f.of_files(signed_files({"pakke.asice": f.package}, f.honest, AT)),
        "no manifest",
    ),
    "211 files": (
        lambda f: f.of_package(zipped(f.files, *((f"{n}.txt", b"a") for n in range(211)))),
        "more than 210 files",
    ),
    "201 attachments": (lambda f: _attachments(f, 201), "more than 200 attachments"),
    "another mimetype": (
        lambda f: f.of_package(f.package.replace(b"asic-e+zip", b"asic-s+zip")),
        "ZIP container",
    ),
    "mimetype is last": (
        lambda f: f.of_package(deflated({**f.documents(), MIMETYPE: f.files[MIMETYPE]})),
        "begin with its mimetype",
    ),
    "mimetype is packed": (
        lambda f: f.of_package(deflated({MIMETYPE: f.files[MIMETYPE]})),
        "begin with its mimetype",
    ),
    "broken off": (lambda f: f.of_package(f.package[:-200]), "not a ZIP container"),
    "broken off at the end": (lambda f: f.of_package(f.package[:-5]), "with its end record"),
    "something behind": (lambda f: f.of_package(f.package + b"mer"), "with its end record"),
    "something in front": (lambda f: f.of_package(b"mer" + zipped(f.files)), "ZIP container"),
    "ZIP64": (lambda f: f.of_package(_zip64(zipped(f.files))), "ZIP64"),
    "an encrypted file": (
        lambda f: f.of_package(_with_flag(zipped(f.files), 1)),
        "encrypted or packed",
    ),
    "a wrong checksum": (
        lambda f: f.of_package(zipped(f.files).replace(b"application/vnd", b"apPlication/vnd", 1)),
        "not a sound ZIP container",
    ),
    "no ZIP": (lambda f: f.of_package(b"hei"), "not a ZIP container"),
}


def _envelope_with(forger: Forger, header: dict[str, Any], key: Any) -> str:
    body = json.dumps(peek(forger.envelope)).encode()
    registry = jws.JWSRegistry(algorithms=[header["alg"]])
    registry.max_header_length = registry.max_payload_length = 100_000
    return jws.serialize_compact(header, body, key, registry=registry)


def _x5c(*certificates: Any) -> list[str]:
    return [
        base64.b64encode(each.public_bytes(serialization.Encoding.DER)).decode()
        for each in certificates
    ]


def _unsigned(forger: Forger) -> str:
    head = {"alg": "none", "x5c": _x5c(forger.honest.certificate, *forger.honest.chain)}
    first = base64.urlsafe_b64encode(json.dumps(head).encode()).decode().rstrip("=")
    return f"{first}.{forger.envelope.split('.')[1]}."


def _by_public_key(forger: Forger) -> str:
    """The signer's public key as the secret of an HMAC: works where the header is believed."""
    pem = forger.honest.certificate.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = {"alg": "HS256", "x5c": _x5c(forger.honest.certificate, *forger.honest.chain)}
    body = base64.urlsafe_b64encode(json.dumps(peek(forger.envelope)).encode()).decode()
    first = base64.urlsafe_b64encode(json.dumps(head).encode()).decode().rstrip("=")
    signed = f"{first}.{body.rstrip('=')}"
    tag = hmac.digest(pem, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(tag).decode().rstrip('=')}"


def _signed(forger: Forger, **changes: Any) -> str:
    return sign_envelope(peek(forger.envelope), replace(forger.honest, **changes))


def _for_another(forger: Forger) -> str:
    payload = peek(forger.envelope)
    body = payload["standardBusinessDocument"]["digital"]
    body["dokumentpakkefingeravtrykk"]["digestValue"] = "A" * 43 + "="
    return sign_envelope(payload, forger.honest)


MESSAGE_NOT_TRUSTED = "the certificate of the message is not issued by an authority"

ENVELOPES: dict[str, tuple[Callable[[Forger], str], str]] = {
    "alg none": (_unsigned, "signature does not match"),
    "HS256 with the public key": (_by_public_key, "signature does not match"),
    "RS512": (
        lambda f: _envelope_with(
            f,
            {"alg": "RS512", "x5c": _x5c(f.honest.certificate, *f.honest.chain)},
            RSAKey.import_key(f.key),
        ),
        "signature does not match",
    ),
    "the stranger's certificate first": (
        lambda f: _envelope_with(
            f,
            {
                "alg": "RS256",
                "x5c": _x5c(
                    certificate("Leaf", f.key, "Leaf", f.key), f.honest.certificate, *f.honest.chain
                ),
            },
            RSAKey.import_key(f.key),
        ),
        MESSAGE_NOT_TRUSTED,
    ),
    "another's certificate": (lambda f: _signed(f, key=f.issuer_key), "signature does not match"),
    "seven certificates": (lambda f: _signed(f, chain=(f.issuer,) * 6), "1 to 6 certificates"),
    "no certificate": (
        lambda f: _envelope_with(f, {"alg": "RS256", "x5c": []}, RSAKey.import_key(f.key)),
        "1 to 6 certificates",
    ),
    "a key in the header": (
        lambda f: _envelope_with(
            f,
            {"alg": "RS256", "jwk": RSAKey.import_key(f.key).as_dict(private=False)},
            RSAKey.import_key(f.key),
        ),
        "not a signed message with a certificate",
    ),
    "an issuer that is no authority": (
        lambda f: sign_envelope(peek(f.envelope), f.identity(issuer_ca=False)),
        MESSAGE_NOT_TRUSTED,
    ),
    "self-signed": (
        lambda f: _signed(f, certificate=certificate("Leaf", f.key, "Leaf", f.key)),
        MESSAGE_NOT_TRUSTED,
    ),
    "expired": (
        lambda f: sign_envelope(peek(f.envelope), f.identity(valid=(FROM, AT.replace(day=1)))),
        "was not valid when the message was judged",
    ),
    "a changed payload": (
        lambda f: f.envelope.replace(
            f.envelope.split(".")[1][:40], _signed(f).split(".")[1][:39] + "A"
        ),
        "signature does not match",
    ),
    "another package": (_for_another, "not the one that the message was signed for"),
}


def _enveloped(forger: Forger, change: Callable[[Any], object]) -> bytes:
    """The package encrypted as it should be, then changed in its ASN.1."""
    info = asn1.ContentInfo.load(cms.encrypt(forger.package, forger.mailbox))
    change(info["content"])
    return bytes(info.dump(force=True))


def _recipient(enveloped: Any) -> Any:
    return enveloped["recipient_infos"][0].chosen


def _algorithm(enveloped: Any) -> Any:
    return _recipient(enveloped)["key_encryption_algorithm"]


def _content(enveloped: Any) -> Any:
    return enveloped["encrypted_content_info"]


def _replaced(enveloped: Any, **changes: Any) -> None:
    info = _content(enveloped)
    fresh = {name: changes.get(name, info[name]) for name in ("content_type", "encrypted_content")}
    fresh["content_encryption_algorithm"] = changes["content_encryption_algorithm"]
    enveloped["encrypted_content_info"] = fresh


def _other_oaep(digest: str, label: bytes = b"") -> Any:
    def change(enveloped: Any) -> None:
        parameters: dict[str, Any] = {
            "hash_algorithm": {"algorithm": digest},
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": digest}},
        }
        if label:
            parameters["p_source_algorithm"] = {"algorithm": "p_specified", "parameters": label}
        _recipient(enveloped)["key_encryption_algorithm"] = {
            "algorithm": "rsaes_oaep",
            "parameters": parameters,
        }

    return change


def _two_recipients(enveloped: Any) -> None:
    enveloped["recipient_infos"] = [enveloped["recipient_infos"][0]] * 2


def _changed(encrypted: bytes) -> bytes:
    middle = len(encrypted) // 2
    return encrypted[:middle] + bytes(16) + encrypted[middle + 16 :]


ENCRYPTED: dict[str, tuple[Callable[[Forger], bytes], str]] = {
    "two recipients": (lambda f: _enveloped(f, _two_recipients), "exactly one key"),
    "no recipient": (
        lambda f: _enveloped(f, lambda e: e.__setitem__("recipient_infos", [])),
        "exactly one key",
    ),
    "RSA with PKCS 1 v1.5": (
        lambda f: _enveloped(
            f,
            lambda e: _recipient(e).__setitem__(
                "key_encryption_algorithm", {"algorithm": "rsaes_pkcs1v15"}
            ),
        ),
        "RSAES-OAEP",
    ),
    "OAEP with SHA-512": (lambda f: _enveloped(f, _other_oaep("sha512")), "outside DPI's profile"),
    "OAEP with a label": (
        lambda f: _enveloped(f, _other_oaep("sha256", b"x")),
        "outside DPI's profile",
    ),
    "AES-128": (
        lambda f: _enveloped(
            f,
            lambda e: _replaced(
                e, content_encryption_algorithm={"algorithm": "aes128_cbc", "parameters": bytes(16)}
            ),
        ),
        "AES-256-CBC",
    ),
    "triple DES": (
        lambda f: _enveloped(
            f,
            lambda e: _replaced(
                e,
                content_encryption_algorithm={
                    "algorithm": "tripledes_3key",
                    "parameters": bytes(8),
                },
            ),
        ),
        "AES-256-CBC",
    ),
    "GCM": (
        lambda f: _enveloped(
            f,
            lambda e: _replaced(
                e,
                content_encryption_algorithm={
                    "algorithm": "2.16.840.1.101.3.4.1.46",
                    "parameters": None,
                },
            ),
        ),
        "AES-256-CBC",
    ),
    "another key": (
        lambda f: cms.encrypt(f.package, f.honest.certificate),
        "another key than ours",
    ),
    "a key that is not for ours": (
        lambda f: _enveloped(f, lambda e: _recipient(e).__setitem__("encrypted_key", bytes(256))),
        "cannot be decrypted with ours",
    ),
    "version 2": (
        lambda f: _enveloped(f, lambda e: e.__setitem__("version", "v2")),
        "outside DPI's profile",
    ),
    "fields without a signature": (
        lambda f: _enveloped(
            f,
            lambda e: e.__setitem__("unprotected_attrs", [{"type": "1.2.3", "values": [Null()]}]),
        ),
        "outside DPI's profile",
    ),
    "word of the originator": (
        lambda f: _enveloped(f, lambda e: e.__setitem__("originator_info", {"certs": []})),
        "outside DPI's profile",
    ),
    "signed only": (
        lambda f: cms.encrypt(f.package, f.mailbox).replace(
            bytes.fromhex("2a864886f70d010703"), bytes.fromhex("2a864886f70d010702"), 1
        ),
        "the package is not encrypted",
    ),
    "a million empty chunks": (
        lambda f: f.encrypted.replace(b"\x24\x80", b"").replace(
            b"\xa0\x80\x04", b"\xa0\x80" + b"\x04\x00" * 1_000_000 + b"\x04", 1
        ),
        "not encrypted as DPI prescribes",
    ),
    "broken off": (lambda f: f.encrypted[:-100], "not encrypted as DPI prescribes"),
    "something behind": (lambda f: f.encrypted + b"mer", "not encrypted as DPI prescribes"),
    "changed content": (
        lambda f: _changed(cms.encrypt(f.package, f.mailbox)),
        "not a sound ZIP",
    ),
    "not CMS": (lambda f: f.package, "not encrypted as DPI prescribes"),
    "nothing": (lambda f: b"", "not encrypted as DPI prescribes"),
}


@pytest.mark.parametrize("name", ZIPS)
def test_a_broken_container_is_refused(forger: Forger, name: str) -> None:
    forge, reason = ZIPS[name]
    assert reason in forge(forger)


@pytest.mark.parametrize("name", ENVELOPES)
def test_a_forged_message_is_refused(forger: Forger, name: str) -> None:
    forge, reason = ENVELOPES[name]
    assert reason in forger.reason(forge(forger), forger.encrypted)


@pytest.mark.parametrize("name", ENCRYPTED)
def test_another_encryption_is_refused(forger: Forger, name: str) -> None:
    forge, reason = ENCRYPTED[name]
    assert reason in forger.of_encrypted(forge(forger))
