"""Whether a signer's certificate is revoked: asked over HTTP, verified, bounded and kept."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from connectors import http
from connectors.conformance.bench import served
from connectors.contract import IncomingLetter, RawPart
from connectors.dpi import revocation
from connectors.dpi.answers import NoAnswer, judge_list, judge_ocsp
from connectors.dpi.authority import ISSUER_LIST, ROOT_LIST, Authority
from connectors.dpi.evidence import SUMMARY
from connectors.dpi.revocation import LookUp, Revocation
from connectors.keys import ensure_rsa_key
from tests.connectors.dpi.place import NAV, URL, Place, drained, letter

AT = datetime(2026, 11, 24, 10, tzinfo=UTC)
DAY = timedelta(days=1)


def parts_of(raw: object) -> dict[str, RawPart]:
    assert isinstance(raw, tuple)
    return {part.name: part for part in raw}


def received(place: Place, key: str = "one", **settings: str) -> IncomingLetter:
    place.dpi.send(letter(key))
    [found], unreadable = drained(place.connector(**settings))
    assert unreadable == []
    return found


def summary_of(found: IncomingLetter) -> list[dict[str, str]]:
    content = parts_of(found.raw)[SUMMARY].content
    listed: list[dict[str, str]] = json.loads(content)["certificates"]
    return listed


def test_the_chain_and_the_answers_are_kept_and_openssl_believes_them(
    place: Place, tmp_path: Path
) -> None:
    found = received(place)
    assert found.provenance["revocation"] == "not revoked"
    kept = parts_of(found.raw)
    signer, issuer = summary_of(found)
    assert (signer["state"], issuer["state"]) == ("not revoked", "not revoked")
    assert (signer["file"][-5:], issuer["file"][-4:]) == (".ocsp", ".crl")
    chain = x509.load_pem_x509_certificates(kept["evidence-chain.pem"].content)
    authority = place.dpi.authority
    assert chain == [authority.agency(NAV).certificate, authority.issuer, authority.certificate]
    files = {}
    for name, content in {
        "signer": chain[0].public_bytes(Encoding.PEM),
        "issuer": chain[1].public_bytes(Encoding.PEM),
        "anchor": chain[2].public_bytes(Encoding.PEM),
        "answer": kept[signer["file"]].content,
        "list": kept[issuer["file"]].content,
    }.items():
        files[name] = tmp_path / name
        files[name].write_bytes(content)
    said = openssl(
        *("ocsp", "-respin", files["answer"], "-issuer", files["issuer"], "-cert", files["signer"]),
        *("-CAfile", files["anchor"], "-verify_other", files["issuer"]),
    )
    assert "Response verify OK" in said and "signer: good" in said
    said = openssl("crl", "-inform", "DER", "-in", files["list"], "-CAfile", files["anchor"])
    assert "verify OK" in said


def openssl(*arguments: object) -> str:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def test_all_letters_of_one_sender_cost_one_question(place: Place) -> None:
    place.dpi.send_many([letter(f"number-{number}") for number in range(20)])
    found, _ = drained(place.connector())
    assert {each.provenance["revocation"] for each in found} == {"not revoked"}
    assert (len(found), place.dpi.responder.asked) == (20, 2)  # the signer, and its issuer
    received(place, "later")
    assert place.dpi.responder.asked == 2, "the next connector of the process knows it as well"


def test_an_answer_that_has_run_out_is_asked_for_again(place: Place) -> None:
    authority = place.dpi.authority
    certificate, issuer = authority.agency(NAV).certificate, authority.issuer
    asker = Revocation([URL.removeprefix("http://")])
    now = datetime.now(UTC)
    asker.look_up(certificate, issuer, now, time.monotonic() + 5)
    asker.look_up(certificate, issuer, now + DAY / 2, time.monotonic() + 5)
    assert place.dpi.responder.asked == 1
    late = asker.look_up(certificate, issuer, now + 2 * DAY, time.monotonic() + 5)
    assert place.dpi.responder.asked == 3 and late.answer is None


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("down", "ocsp: the source answered 503; crl: the source answered 503"),
        ("stale", "ocsp: the answer is out of date; crl: the answer is out of date"),
        ("wrong_signature", "not signed by the issuer or for it; crl: the list is not signed by"),
        ("oversized", "larger than 64000 bytes; crl: the answer is larger than 1000000 bytes"),
    ],
)
def test_what_cannot_be_known_is_said_and_the_letter_comes(
    place: Place, mode: str, reason: str
) -> None:
    place.dpi.responder.set_mode(mode)
    found = received(place)
    assert found.provenance["revocation"] == "not looked up"
    assert found.provenance["message_signature"] == "verified"
    signer, issuer = summary_of(found)
    assert reason in signer["reason"] and "file" not in signer
    assert issuer["state"] == "not looked up"
    assert [name for name in parts_of(found.raw) if name.startswith("evidence-")] == [
        "evidence-chain.pem",
        SUMMARY,
    ]
    asked = place.dpi.responder.asked
    received(place, "next")
    assert place.dpi.responder.asked == asked, "it is left alone for a minute"


def test_a_revoked_signer_is_refused_with_the_evidence(place: Place) -> None:
    place.dpi.responder.set_mode("revoked")
    place.dpi.send(letter())
    found, [refused] = drained(place.connector())
    assert found == [] and refused.answerable
    assert "the certificate of the signer has been revoked since 20" in refused.reason
    kept = parts_of(refused.raw)
    assert list(kept)[:2] == ["sbd.jwt", "asic.cms"]
    states = [each["state"] for each in json.loads(kept[SUMMARY].content)["certificates"]]
    assert states == ["revoked", "not revoked"]


def test_the_list_says_it_where_nobody_answers_ocsp(place: Place) -> None:
    place.wire.broken = "/dpi/ocsp"
    good = received(place)
    assert good.provenance["revocation"] == "not revoked"
    assert {each["file"][-4:] for each in summary_of(good)} == {".crl"}
    place.dpi.send_broken(letter().person, letter().channel, "revoked_certificate")
    _, [refused] = drained(place.connector())
    assert "revoked since" in refused.reason


def test_what_was_kept_is_read_again_with_the_evidence_of_receipt(place: Place) -> None:
    found = received(place)
    place.dpi.responder.set_mode("revoked")
    revocation.kept.clear()
    asked = place.dpi.responder.asked
    [again] = place.connector().reread(None, found.external_id, found.raw).letters
    assert again == found and place.dpi.responder.asked == asked
    kept = parts_of(found.raw)
    [answer] = [name for name in kept if name.endswith(".ocsp")]
    forged = [
        RawPart(name, b"0" if name == answer else part.content) for name, part in kept.items()
    ]
    [doubtful] = place.connector().reread(None, found.external_id, forged).letters
    assert doubtful.provenance["revocation"] == "not looked up"
    without = [part for part in found.raw if not part.name.startswith("evidence-")]
    [refused] = place.connector().reread(None, found.external_id, without).unreadable
    assert "revoked since" in refused.reason, "what has no evidence is asked about"


def test_nobody_is_asked_where_certificates_are_judged_at_another_time(place: Place) -> None:
    found = received(place, verify_at="2026-11-24T10:00:00Z")
    assert found.provenance["revocation"] == "not looked up"
    assert place.dpi.responder.asked == 0
    assert "another time" in summary_of(found)[0]["reason"]


def test_only_hosts_that_may_be_asked_are(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    found = received(place, revocation_hosts="ocsp.example.org")
    assert "not one that may be asked" in summary_of(found)[0]["reason"]
    assert place.dpi.responder.asked == 0
    # Without a list of hosts the certificate may not lead us into our own walls.
    monkeypatch.setattr(http, "transport_for", lambda base_url: None)
    with listening() as (url, taken):
        looked_up = asked_at(place.dpi.authority, url, hosts=[])
        assert "not on the public internet" in looked_up.reason
        assert taken == []


def test_a_redirect_is_not_followed_and_a_responder_that_hangs_is_given_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "transport_for", lambda base_url: None)
    with listening() as (url, taken), listening() as (other, not_asked):
        started = time.monotonic()
        found = asked_at(place.dpi.authority, url, hosts=[host_of(url)], seconds=0.2)
        assert found.answer is None and "time" in found.reason
        assert time.monotonic() - started < 3
        assert len(taken) == 1

        def moved(environ: object, start_response: object) -> list[bytes]:
            start_response("302 Found", [("Location", other)])  # type: ignore[operator]
            return [b""]

        with served(moved) as moving:
            allowed = [host_of(moving), host_of(other)]
            found = asked_at(place.dpi.authority, moving, hosts=allowed)
            assert "leads elsewhere" in found.reason
        assert not_asked == []


def test_over_a_real_connection(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "transport_for", lambda base_url: None)
    with served(place.dpi.app) as url:
        found = asked_at(place.dpi.authority, f"{url}/ocsp", hosts=[host_of(url)])
    assert found.answer and found.answer.revoked_at is None and found.kind == "ocsp"


def test_an_ocsp_answer_is_the_issuers_about_this_certificate(keys: Path) -> None:
    authority = Authority(keys / "dpi")
    issuer, issuer_key = authority.signing(ISSUER_LIST)
    root, root_key = authority.signing(ROOT_LIST)
    certificate = authority.agency(NAV).certificate
    other = authority.revoked_agency(NAV).certificate

    def judged(*arguments: object, **changes: object) -> str:
        content = answer(*arguments, **changes)  # type: ignore[arg-type]
        try:
            return str(judge_ocsp(content, certificate, issuer, AT).revoked_at)
        except NoAnswer as error:
            return str(error)

    assert judged(certificate, issuer, issuer, issuer_key) == "None", "the issuer itself answers"
    delegate = authority.responder()
    assert judged(certificate, issuer, delegate.certificate, delegate.key) == "None"
    agency = authority.agency(NAV)
    unsigned = "the answer is not signed by the issuer or for it"
    assert judged(certificate, issuer, agency.certificate, agency.key) == unsigned
    assert judged(certificate, issuer, root, root_key) == unsigned
    elsewhere = "the answer is about another certificate"
    assert judged(other, issuer, issuer, issuer_key) == elsewhere
    assert judged(certificate, root, issuer, issuer_key) == elsewhere
    unknown = judged(certificate, issuer, issuer, issuer_key, status=ocsp.OCSPCertStatus.UNKNOWN)
    assert unknown == "the responder does not know the certificate"
    assert "future" in judged(certificate, issuer, issuer, issuer_key, at=AT + DAY / 2)
    assert "out of date" in judged(certificate, issuer, issuer, issuer_key, at=AT - 3 * DAY)
    busy = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    for content in (b"", b"\x30", b"<html>", busy.public_bytes(Encoding.DER)):
        with pytest.raises(NoAnswer):
            judge_ocsp(content, certificate, issuer, AT)


def test_a_list_is_the_issuers_whole_one(keys: Path) -> None:
    authority = Authority(keys / "dpi")
    issuer, key = authority.signing(ISSUER_LIST)
    root, root_key = authority.signing(ROOT_LIST)
    certificate = authority.agency(NAV).certificate
    serial = certificate.serial_number

    def judged(content: bytes) -> str:
        try:
            return str(judge_list(content, certificate, issuer, AT).revoked_at)
        except NoAnswer as error:
            return str(error)

    assert judged(revoked_list(issuer, key)) == "None"
    assert judged(revoked_list(issuer, key, serial=serial)).startswith("2026-11-2")
    assert "not signed" in judged(revoked_list(issuer, root_key))
    assert "not signed" in judged(revoked_list(root, root_key))
    assert "out of date" in judged(revoked_list(issuer, key, at=AT - 3 * DAY))
    shard = x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier("http://ca.example/7.crl")],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    assert "would be in" in judged(revoked_list(issuer, key, more=shard))
    authorities = x509.IssuingDistributionPoint(None, None, False, True, None, False, False)
    assert "would be in" in judged(revoked_list(issuer, key, more=authorities))
    assert "not read" in judged(revoked_list(issuer, key, more=x509.DeltaCRLIndicator(1)))
    assert "cannot be read" in judged(b"-----BEGIN X509 CRL-----")


def answer(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    responder: x509.Certificate,
    key: rsa.RSAPrivateKey,
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    at: datetime = AT,
) -> bytes:
    builder = ocsp.OCSPResponseBuilder().add_response(
        certificate, issuer, hashes.SHA256(), status, at, at + DAY, None, None
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, responder)
    return builder.certificates([responder]).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def revoked_list(
    issuer: x509.Certificate,
    key: rsa.RSAPrivateKey,
    *,
    serial: int | None = None,
    at: datetime = AT,
    more: x509.ExtensionType | None = None,
) -> bytes:
    builder = x509.CertificateRevocationListBuilder(issuer.subject, at, at + DAY)
    if serial is not None:
        entry = x509.RevokedCertificateBuilder(serial, at - DAY).build()
        builder = builder.add_revoked_certificate(entry)
    if more is not None:
        builder = builder.add_extension(more, critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def asked_at(authority: Authority, url: str, hosts: list[str], seconds: float = 5.0) -> LookUp:
    """Ask about a certificate that names `url` as where OCSP is spoken."""
    issuer, key = authority.signing(ISSUER_LIST)
    subject_key = ensure_rsa_key(authority.folder / "agencies.key.pem").public_key()
    access = x509.AccessDescription(
        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)
    )
    certificate = (
        x509.CertificateBuilder(issuer.subject, issuer.subject, subject_key, 17)
        .not_valid_before(AT)
        .not_valid_after(AT + DAY)
        .add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        .sign(key, hashes.SHA256())
    )
    asker = Revocation(hosts, seconds=seconds)
    return asker.look_up(certificate, issuer, datetime.now(UTC), time.monotonic() + 10)


def host_of(url: str) -> str:
    return url.removeprefix("http://")


@contextmanager
def listening() -> Iterator[tuple[str, list[socket.socket]]]:
    """A port that takes connections and says nothing; yields its address and who came."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        thread = Thread(target=take, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", taken
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in taken:
                each.close()
