"""The package's own signature: Digdir's published packages, and those of the simulated agencies."""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from connectors.contract import Misconfigured
from connectors.dpi import cms, connector
from connectors.dpi.envelope import load_certificates, load_identity, open_envelope
from connectors.dpi.package import MIMETYPE, MIMETYPE_VALUE, open_package
from connectors.dpi.refusal import Refusal
from connectors.dpi.sender import message_id
from connectors.dpi.xades import SIGNATURES, signed_files, verify_signature
from connectors.world.agencies import agency
from connectors.world.model import Channel, SimulatedDocument
from tests.connectors.dpi.place import DATA, NAV, SENT, Place, drained, letter

pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length")
ROOT = "Buypass_Class_3_Test4_Root_CA.pem"
ROOT_G2 = "Buypass_Class_3_Test4_Root_CA_G2_ST.pem"
AT = {
    "post.asice.zip": datetime(2014, 8, 26, 10, 53, 6, tzinfo=UTC),
    "digital-dokumentpakke.cms": datetime(2022, 3, 16, 14, tzinfo=UTC),
    "utskrift-dokumentpakke.cms": datetime(2023, 11, 14, 21, tzinfo=UTC),
}


def anchors(*names: str) -> list[x509.Certificate]:
    paths = ",".join(str(DATA / name) for name in names or (ROOT, ROOT_G2))
    return load_certificates(paths, "anchors")


def files_of(name: str) -> dict[str, bytes]:
    data = (DATA / name).read_bytes()
    if name.endswith(".cms"):
        ours = load_identity(str(DATA / "eksempel.key.pem"), str(DATA / "eksempel.pem"), "x")
        data = cms.decrypt(data, [ours])
    return open_package(data)


@pytest.mark.parametrize("name", AT)
def test_digdirs_published_packages_verify_up_to_their_roots(name: str) -> None:
    signer = verify_signature(files_of(name), anchors(), AT[name])
    assert signer.org_number == "991825827"


def test_the_package_of_2014_has_expired_today() -> None:
    files = files_of("post.asice.zip")
    assert MIMETYPE not in files, "and it has no mimetype, which is tolerated"
    with pytest.raises(Refusal, match="was not valid when the message was judged"):
        verify_signature(files, anchors(), datetime(2026, 11, 24, tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "wrong"), [("post.asice.zip", ROOT_G2), ("utskrift-dokumentpakke.cms", ROOT)]
)
def test_each_package_leads_to_its_own_root_alone(name: str, wrong: str) -> None:
    with pytest.raises(Refusal, match="not issued by an authority"):
        verify_signature(files_of(name), anchors(wrong), AT[name])


MESSAGES = [
    ("digital", ROOT, "Buypass_Class_3_Test4_CA_3.pem"),
    ("utskrift", ROOT_G2, "Buypass_Class_3_Test4_CA_G2_ST_Business.pem"),
]


@pytest.mark.parametrize(("name", "root", "issuer"), MESSAGES)
def test_digdirs_published_messages_lead_to_their_roots_by_issuers_that_we_know(
    name: str, root: str, issuer: str
) -> None:
    token = (DATA / f"{name}-forretningsmelding.jwt").read_text()
    at = AT[f"{name}-dokumentpakke.cms"]
    _, signer = open_envelope(token, anchors(root), at, anchors(issuer))
    assert signer.org_number == "991825827"
    assert open_envelope(token, anchors(issuer), at)[1] == signer, "an issuer may be the anchor"
    with pytest.raises(Refusal, match="not issued by an authority"):
        open_envelope(token, anchors(root), at)


def test_an_issuer_is_not_believed_for_being_known(place: Place) -> None:
    place.dpi.send(letter())
    settings = place.settings[Channel.DIGIPOST.value]
    theirs = settings["trust_anchor_file"]
    stranger = place.connector(trust_anchor_file=str(DATA / ROOT), issuer_file=theirs)
    _, [refused] = drained(stranger)
    assert "not issued by an authority" in refused.reason


@pytest.mark.parametrize("name", ["digital-dokumentpakke.cms", "utskrift-dokumentpakke.cms"])
def test_the_opendocument_manifest_of_the_samples_is_tolerated_without_being_signed(
    name: str,
) -> None:
    """formats.md 1.5: the profile forbids META-INF/manifest.xml, the official samples have it."""
    files = files_of(name)
    assert "META-INF/manifest.xml" in files
    assert b"META-INF/manifest.xml" not in files[SIGNATURES]
    changed = {**files, "META-INF/manifest.xml": b"anything"}
    assert verify_signature(changed, anchors(), AT[name])


def test_every_letter_tells_that_its_package_was_verified(place: Place) -> None:
    place.dpi.send(letter())
    [found], _ = drained(place.connector())
    assert found.provenance["package_signature"] == "verified"


def test_names_with_other_letters_are_signed_as_java_writes_them(place: Place) -> None:
    document = SimulatedDocument("søknad om tilskudd (2)~.pdf", "S", "application/pdf", b"a", True)
    place.dpi.send(letter(documents=(document,)))
    [found], unreadable = drained(place.connector())
    assert not unreadable and found.documents[0].name == document.name
    package = found.raw[2].content
    assert b's%C3%B8knad+om+tilskudd+%282%29%7E.pdf"' in open_package(package)[SIGNATURES]


def test_two_files_that_are_spelled_alike_are_refused(place: Place) -> None:
    place.signed({"a b.pdf": b"1", "a+b.pdf": b"2"})
    _, [refused] = drained(place.connector())
    assert "not a file of the package" in refused.reason


def test_the_package_must_be_signed_by_the_messages_signer(place: Place) -> None:
    other = place.dpi.sender.packed(letter(agency=agency("skatteetaten")), {"brev.txt": b"a"})
    place.packed(other)
    _, [refused] = drained(place.connector())
    assert "another organisation" in refused.reason


def test_a_package_begins_with_its_mimetype_as_it_is(place: Place) -> None:
    package = place.dpi.sender.packed(letter(), {"brev.txt": b"a" * 100})
    first = zipfile.ZipFile(io.BytesIO(package)).infolist()[0]
    assert (first.filename, first.compress_type) == (MIMETYPE, zipfile.ZIP_STORED)
    assert package[38:].startswith(MIMETYPE_VALUE)


@pytest.mark.skipif(
    not (shutil.which("openssl") or os.environ.get("CI")),
    reason="openssl is the judge, and is not on this machine; under CI its absence is a failure",
)
def test_openssl_believes_the_simulated_agencies(place: Place, tmp_path: Path) -> None:
    """Signature by openssl, canonical bytes by the standard library: nothing of ours judges."""
    signer = place.dpi.authority.agency(NAV)
    xml = signed_files({"brev.txt": b"Hei"}, signer, SENT)[SIGNATURES].decode()
    info = re.search(r"<SignedInfo>.*</SignedInfo>", xml, re.S)
    value = re.search(r"<SignatureValue>(.*)</SignatureValue>", xml, re.S)
    assert info and value
    alone = info[0].replace(
        "<SignedInfo>", '<SignedInfo xmlns="http://www.w3.org/2000/09/xmldsig#">'
    )
    signed, signature = tmp_path / "signed", tmp_path / "signature"
    signed.write_text(ElementTree.canonicalize(alone))
    signature.write_bytes(base64.b64decode(value[1]))
    leaf, issuer, root = tmp_path / "leaf.pem", tmp_path / "issuer.pem", tmp_path / "root.pem"
    for path, certificate in zip(
        (leaf, issuer, root), (signer.certificate, *signer.chain), strict=True
    ):
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key = tmp_path / "key.pem"
    key.write_bytes(_openssl("x509", "-in", str(leaf), "-noout", "-pubkey"))
    verify = ["dgst", "-sha256", "-verify", str(key), "-signature", str(signature), str(signed)]
    assert b"OK" in _openssl(*verify)
    path = ["verify", "-CAfile", str(root), "-untrusted", str(issuer), "-x509_strict", str(leaf)]
    assert b"OK" in _openssl(*path)


def test_an_old_key_opens_packages_while_the_new_one_is_taken_into_use(place: Place) -> None:
    channels = (Channel.DIGIPOST, Channel.EBOKS)
    pairs = [place.dpi.authority.supplier(channel, "decryption") for channel in channels]
    place.dpi.send(letter())
    place.dpi.send(letter(channel=Channel.EBOKS))
    settings = {
        "decryption_key_file": ", ".join(str(key) for key, _ in pairs),
        "decryption_certificate_file": ", ".join(str(certificate) for _, certificate in pairs),
    }
    for channel in channels:
        assert len(drained(place.connector(channel, **settings))[0]) == 1


def test_keys_without_as_many_certificates_are_a_wrong_setting(place: Place) -> None:
    key, _ = place.dpi.authority.supplier(Channel.EBOKS, "decryption")
    ours = place.settings[Channel.DIGIPOST.value]["decryption_key_file"]
    with pytest.raises(Misconfigured, match="no pairs"):
        place.connector(decryption_key_file=f"{ours},{key}")


def test_several_files_of_anchors_are_all_trusted(place: Place, tmp_path: Path) -> None:
    place.dpi.send(letter())
    ours = place.settings[Channel.DIGIPOST.value]["trust_anchor_file"]
    both = place.connector(trust_anchor_file=f"{DATA / ROOT}, {ours}")
    assert len(drained(both)[0]) == 1


def test_a_package_that_is_too_large_is_refused_and_leaves_the_queue(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "PACKAGE_MAX_BYTES", 1000)
    place.dpi.send(letter())
    letters, [refused] = drained(place.connector())
    assert not letters and "too large" in refused.reason
    assert refused.external_id == message_id(letter())
    [kept] = refused.raw
    [queued] = place.dpi.state.connection().execute("SELECT envelope FROM messages").fetchone()
    assert kept.content.decode() == queued
    assert drained(place.connector()) == ([], [])


def _openssl(*arguments: str) -> bytes:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout
