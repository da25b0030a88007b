"""Forged and broken messages: each refused for its own reason, and kept."""

from __future__ import annotations

import base64
import io
import json
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from connectors.dpi.authority import Authority
from connectors.dpi.envelope import Identity, peek, sign_envelope
from connectors.dpi.package import (
    MANIFEST,
    MIMETYPE,
    MIMETYPE_VALUE,
    build_package,
    open_package,
)
from connectors.dpi.refusal import Refusal
from connectors.dpi.sender import Message, package_files
from connectors.world.model import Channel
from tests.connectors.dpi.place import (
    KARI,
    NAV,
    SAMPLE_ID,
    SENT,
    Place,
    drained,
    letter,
)


def only_reason(place: Place) -> str:
    letters, unreadable = drained(place.connector())
    assert not letters
    assert [part.name for part in unreadable[0].raw] == ["sbd.jwt", "asic.cms"]
    assert drained(place.connector()) == ([], []), "what is refused leaves the queue"
    return unreadable[0].reason


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile itself warns of a name given twice
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries:
                archive.writestr(name, content)
    return buffer.getvalue()


def manifest_xml() -> bytes:
    return dict(package_files(letter()))[MANIFEST]


def test_a_changed_payload_is_refused(place: Place) -> None:
    message = place.dpi.sender.message(letter())
    head, body, signature = message.envelope.split(".")
    text = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    changed = base64.urlsafe_b64encode(text.replace(b"Brev fra NAV", b"Brev fra MEG"))
    place.put(message, f"{head}.{changed.decode().rstrip('=')}.{signature}")
    assert "signature does not match" in only_reason(place)


def test_an_unsigned_message_is_refused(place: Place) -> None:
    message = place.dpi.sender.message(letter())
    head, body, _ = message.envelope.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    none = base64.urlsafe_b64encode(json.dumps({**header, "alg": "none"}).encode()).decode()
    place.put(message, f"{none.rstrip('=')}.{body}.")
    assert "signature does not match" in only_reason(place)


def test_a_certificate_from_another_authority_is_refused(place: Place, tmp_path: Path) -> None:
    message = place.dpi.sender.message(letter())
    stranger = Authority(tmp_path / "stranger").agency(NAV)
    place.put(message, sign_envelope(peek(message.envelope), stranger))
    assert "not issued by an authority" in only_reason(place)


def test_an_agencys_certificate_does_not_issue_others(place: Place, tmp_path: Path) -> None:
    honest = place.dpi.authority.agency(NAV)
    builder = x509.CertificateBuilder(
        honest.certificate.subject,
        honest.certificate.subject,
        honest.key.public_key(),
        1,
    )
    day = timedelta(days=1)
    present = datetime.now(UTC)
    builder = builder.not_valid_before(present - day).not_valid_after(present + 3000 * day)
    algorithm = honest.certificate.signature_hash_algorithm
    leaf = Identity(honest.key, builder.sign(honest.key, algorithm))  # type: ignore[arg-type]
    message = place.dpi.sender.message(letter())
    place.put(message, sign_envelope(peek(message.envelope), leaf))
    assert "not issued by an authority" in only_reason(place)


def test_a_sender_that_is_not_the_signer_is_refused(place: Place) -> None:
    place.forged(lambda document: None, signer="skatteetaten")
    assert "not the organisation of the certificate" in only_reason(place)


def test_the_others_letter_is_refused(place: Place) -> None:
    message = place.dpi.sender.message(letter(channel=Channel.EBOKS))
    fields = {name: getattr(message, name) for name in Message.__slots__}
    place.dpi.put([Message(**{**fields, "channel": Channel.DIGIPOST})])
    assert "another mailbox supplier" in only_reason(place)


def test_a_package_for_another_key_is_refused(place: Place) -> None:
    key, certificate = place.dpi.authority.supplier(Channel.EBOKS, "decryption")
    place.dpi.send(letter())
    connector = place.connector(
        decryption_key_file=str(key), decryption_certificate_file=str(certificate)
    )
    _, [refused] = drained(connector)
    assert "another key" in refused.reason
    assert len(place.connector().reread(None, refused.external_id, refused.raw).letters) == 1


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "missing field": (lambda d: d["digital"].pop("ikkesensitivtittel"), "ikkesensitivtittel"),
    "extra field": (lambda d: d["digital"].update(mer=1), "does not belong"),
    "level 5": (lambda d: d["digital"].update(sikkerhetsnivaa=5), "sikkerhetsnivaa"),
    "level as text": (lambda d: d["digital"].update(sikkerhetsnivaa="4"), "sikkerhetsnivaa"),
    "level true": (lambda d: d["digital"].update(sikkerhetsnivaa=True), "sikkerhetsnivaa"),
    "long title": (lambda d: d["digital"].update(ikkesensitivtittel="x" * 256), "too long"),
    "no time zone": (
        lambda d: d["digital"].update(virkningstidspunkt="2026-11-23T09:00:00"),
        "virkningstidspunkt",
    ),
    "not a date": (lambda d: d["digital"].update(virkningsdato="23.11.2026"), "virkningsdato"),
    "opening receipt as text": (
        lambda d: d["digital"].update(aapningskvittering="JA"),
        "aapningskvittering",
    ),
    "eleven repetitions": (
        lambda d: d["digital"].update(
            varsler={
                "smsvarsel": {
                    "mobiltelefonnummer": "12345678",
                    "varslingstekst": "Hei",
                    "repetisjoner": [1] * 11,
                }
            }
        ),
        "repetisjoner",
    ),
    "another digest": (
        lambda d: d["digital"]["dokumentpakkefingeravtrykk"].update(digestMethod="sha1"),
        "digestMethod",
    ),
    "unknown type": (
        lambda d: (
            d["standardBusinessDocumentHeader"]["documentIdentification"].update(type="fysiskpost"),
            d.update(fysiskpost=d.pop("digital")),
        ),
        "messages of type fysiskpost",
    ),
    "moved from another mailbox": (
        lambda d: (
            d["standardBusinessDocumentHeader"]["documentIdentification"].update(type="flyttet"),
            d.update(
                flyttet={
                    **d.pop("digital"),
                    "tidspunkt": "2026-11-20T09:30:00Z",
                    "mottakstidspunkt": "2025-01-31",
                    "aapnet": True,
                }
            ),
        ),
        "not by its sender",
    ),
    "body of another type": (lambda d: d.update(feil=d.pop("digital")), "not of the type"),
    "on behalf of another": (
        lambda d: d["digital"]["avsender"]["virksomhetsidentifikator"].update(
            value="0192:974761076"
        ),
        "not made out to the letter's author",
    ),
    "another identifier": (
        lambda d: d["standardBusinessDocumentHeader"]["documentIdentification"].update(
            instanceIdentifier=SAMPLE_ID
        ),
        "another identifier",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_message_outside_the_schema_is_refused(place: Place, change: str) -> None:
    alter, reason = CHANGES[change]

    def apply(document: dict[str, Any]) -> None:
        alter(document)

    place.forged(apply)
    assert reason in only_reason(place)


def symlink() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("lenke.pdf")
    entry.external_attr = 0o120777 << 16
    return entry


def hostile_packages() -> Iterator[Any]:
    main, good = ("vedtak.pdf", b"a"), (MANIFEST, manifest_xml())
    for name, package, reason in (
        ("zip bomb", zipped(good, ("vedtak.pdf", b"\0" * 20_000_000)), "grows more than"),
        ("51 MB", zipped(good, *((f"{n}.bin", b"\0" * 17_000_000) for n in "abc")), "unpacks"),
        ("name twice", zipped(good, main, main), "same name"),
        ("name that leads out", zipped(good, ("../vedtak.pdf", b"a")), "leads out"),
        ("name with a detour", zipped(good, ("a/./vedtak.pdf", b"a")), "leads out"),
        ("absolute name", zipped(good, ("/vedtak.pdf", b"a")), "leads out"),
        ("backslash", zipped(good, ("..\\vedtak.pdf", b"a")), "leads out"),
        ("symbolic link", zipped(good, (symlink(), b"/etc/hostname")), "not a file"),
        ("folder", zipped(good, ("mappe/", b"")), "not a file"),
        ("211 files", zipped(good, *((f"{n}.txt", b"a") for n in range(211))), "more than 210"),
        ("another kind", zipped(("mimetype", b"application/zip"), good, main), "ASiC-E"),
        ("mimetype last", zipped(good, (MIMETYPE, MIMETYPE_VALUE)), "begin with its mimetype"),
        ("unsigned", zipped(good, main), "not signed"),
        ("broken off", zipped(good, main)[:-30], "ZIP container"),
        ("something behind", zipped(good, main) + b"more", "with its end record"),
        ("something in front", b"more" + zipped(good, main), "ZIP container"),
        ("no ZIP", b"hello", "ZIP container"),
        ("nothing", b"", "ZIP container"),
    ):
        yield pytest.param(package, reason, id=name)


@pytest.mark.parametrize(("package", "reason"), list(hostile_packages()))
def test_a_hostile_package_is_refused(place: Place, package: bytes, reason: str) -> None:
    place.packed(package)
    assert reason in only_reason(place)


def without(element: bytes) -> bytes:
    start, _, rest = manifest_xml().partition(b"<" + element)
    return start + rest.partition(b"</" + element + b">")[2]


def titled(title: bytes) -> bytes:
    start, _, rest = manifest_xml().partition(b"<tittel")
    tag, _, rest = rest.partition(b">")
    return start + b"<tittel" + tag + b">" + title + b"</tittel>" + rest.partition(b"</tittel>")[2]


def typed(media_type: bytes) -> bytes:
    return manifest_xml().replace(b"application/pdf", media_type)


def broken_manifests() -> Iterator[Any]:
    main = {"vedtak.pdf": b"a"}
    doctype = b'<!DOCTYPE manifest [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    start, end = manifest_xml().split(b"<manifest", 1)
    elsewhere = manifest_xml().replace(KARI.mailbox_address.encode(), b"o#1")
    for name, files, reason in (
        ("no manifest", main, "no manifest"),
        ("document not there", {MANIFEST: manifest_xml()}, "not in the package"),
        ("document type", {MANIFEST: start + doctype + b"<manifest" + end}, "type decl"),
        ("not XML", {MANIFEST: b"<manifest"}, "well-formed"),
        ("another root", {MANIFEST: b"<html/>"}, "not a manifest"),
        ("another mailbox", {MANIFEST: elsewhere}, "another mailbox"),
        (
            "another author",
            {MANIFEST: manifest_xml().replace(NAV.org_number.encode(), b"974761076")},
            "another author",
        ),
        ("no sender", {MANIFEST: without(b"avsender")}, "schema in hoveddokument"),
        ("a title of 256", {MANIFEST: titled(b"x" * 256)}, "schema in tittel"),
        ("no title", {MANIFEST: titled(b"")}, "schema in tittel"),
        ("a title with an identity number", {MANIFEST: titled(b"01018012345<x/>")}, "in tittel"),
        ("a ZIP as such", {MANIFEST: typed(b"application/zip"), **main}, "may not be sent"),
        ("a program by its type", {MANIFEST: typed(b"application/x-sh"), **main}, "may not be"),
        ("a script", {MANIFEST: manifest_xml(), "vedtak.pdf": b"#!/bin/sh"}, "a program"),
        ("a Windows program", {MANIFEST: manifest_xml(), "vedtak.pdf": b"MZ\x90"}, "a program"),
        ("a Linux program", {MANIFEST: manifest_xml(), "vedtak.pdf": b"\x7fELF"}, "a program"),
    ):
        yield pytest.param(files, reason, id=name)


@pytest.mark.parametrize(("files", "reason"), list(broken_manifests()))
def test_a_broken_manifest_is_refused(place: Place, files: dict[str, bytes], reason: str) -> None:
    place.signed(files)
    found = only_reason(place)
    assert reason in found and not re.search(r"\d{6}", found)


def test_a_lie_about_a_files_size_is_found_while_unpacking() -> None:
    package = bytearray(build_package({"a.txt": b"\0" * 1000 + b"abcdefgh" * 300}, SENT))
    entry = package.rfind(b"PK\x01\x02")
    package[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    with pytest.raises(Refusal):
        open_package(bytes(package))
