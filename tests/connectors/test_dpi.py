"""The DPI connector against its simulated access point, and against Digdir's own examples."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import shutil
import subprocess
import warnings
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from connectors import http
from connectors.contract import (
    Batch,
    IncomingLetter,
    Misconfigured,
    OutgoingReceipt,
    RateLimited,
    RawPart,
    ReceiptKind,
    Temporary,
    Unreadable,
)
from connectors.dpi import cms, receipts, simulator
from connectors.dpi.authority import Authority
from connectors.dpi.connector import SCOPE, Connector
from connectors.dpi.envelope import Identity, load_identity, peek, sign_envelope
from connectors.dpi.package import MANIFEST, build_package, open_package
from connectors.dpi.refusal import Refusal
from connectors.dpi.sender import Message, message_id, package_files
from connectors.maskinporten import simulator as maskinporten
from connectors.maskinporten.simulator import CLIENT_ID, CLIENT_ORG, issue_token
from connectors.simulation import Faults, mounted
from connectors.world.agencies import agency
from connectors.world.model import Channel, SimulatedDocument, SimulatedLetter
from connectors.world.persons import by_slug

DATA = Path(__file__).parent / "data" / "dpi"
URL = "http://127.0.0.1:8010"
SENT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
KARI = by_slug("kari")
NAV = agency("nav")
SAMPLE_ID = "4c96fb25-54b0-4560-a954-afdeed10077b"
DELIVERED = ReceiptKind.DELIVERED


class Wire(httpx.BaseTransport):
    """The way to the simulators: remembers addresses, and fails where it is told to."""

    def __init__(self, application: Any) -> None:
        self.inner = httpx.WSGITransport(application)
        self.urls: list[str] = []
        self.broken = ""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.urls.append(str(request.url))
        if self.broken and self.broken in request.url.path:
            return httpx.Response(503)
        return self.inner.handle_request(request)


class Place:
    """Both suppliers' queues, and connectors to them."""

    def __init__(self, state: Path, keys: Path) -> None:
        self.keys = keys
        self.dpi = simulator.make(state, keys)
        applications = {"dpi": self.dpi, "maskinporten": maskinporten.make(state, keys)}
        self.wire = Wire(mounted(applications))
        self.client = httpx.Client(transport=self.wire, base_url=f"{URL}/dpi/")
        self.settings = {
            source["slug"]: source["settings"] for source in simulator.sources(URL, keys)
        }

    def connector(self, channel: Channel = Channel.DIGIPOST, **changes: str) -> Connector:
        return Connector({**self.settings[channel.value], **changes})

    def token(self, scope: str = SCOPE) -> dict[str, str]:
        token = issue_token(self.keys, client_id=CLIENT_ID, consumer_org=CLIENT_ORG, scope=scope)
        return {"Authorization": f"Bearer {token}"}

    def forged(self, change: Callable[[dict[str, Any]], None], signer: str = "nav") -> None:
        """Put a letter in the queue whose payload was changed before it was signed."""
        message = self.dpi.sender.message(letter())
        payload = peek(message.envelope)
        change(payload["standardBusinessDocument"])
        envelope = sign_envelope(payload, self.dpi.authority.agency(agency(signer)))
        self.put(message, envelope)

    def put(self, message: Message, envelope: str) -> None:
        fields = {name: getattr(message, name) for name in Message.__slots__}
        self.dpi.put([Message(**{**fields, "envelope": envelope})])

    def packed(self, package: bytes) -> None:
        """Put a letter in the queue with this package, properly encrypted and signed for."""
        self.dpi.put([self.dpi.sender.sealed(letter(), package, message_id(letter()))])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def place(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place(tmp_path, keys)
    monkeypatch.setattr(http, "transport_for", lambda base_url: place.wire)
    return place


def letter(key: str = "one", **changes: Any) -> SimulatedLetter:
    fields: dict[str, Any] = {
        "key": key,
        "channel": Channel.DIGIPOST,
        "person": KARI,
        "agency": NAV,
        "title": "Vedtak om foreldrepenger",
        "public_title": "Brev fra NAV",
        "sent_at": SENT,
        "security_level": 4,
        "wants_opening_receipt": True,
        "documents": (
            SimulatedDocument("vedlegg.pdf", "Klageskjema", "application/pdf", b"%PDF-1.7 b"),
            SimulatedDocument("vedtak.pdf", "Vedtak", "application/pdf", b"%PDF-1.7 a", True),
        ),
    }
    return SimulatedLetter(**{**fields, **changes})


def drained(connector: Connector) -> tuple[list[IncomingLetter], list[Unreadable]]:
    """Fetch as the engine does: every batch is settled before the next is asked for."""
    letters, unreadable = [], []
    for batch in connector.fetch(None, None):
        letters += batch.letters
        unreadable += batch.unreadable
        connector.settle(batch)
    return letters, unreadable


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


def test_a_letter_arrives_with_all_that_its_sender_said(place: Place) -> None:
    due = datetime(2026, 12, 14, 22, 59, tzinfo=UTC)
    visible = datetime(2026, 11, 25, 7, 0, tzinfo=UTC)
    sent = letter(
        language="nn",
        action_url="https://nav.no/svar",
        action_label="Send svar",
        due_at=due,
        visible_from=visible,
    )
    identifier = place.dpi.send(sent)
    [found], unreadable = drained(place.connector())
    assert not unreadable
    assert (found.external_id, found.recipient.value) == (identifier, KARI.mailbox_address)
    assert (found.title, found.public_title) == ("Vedtak om foreldrepenger", "Brev fra NAV")
    assert (found.sender.name, found.sender.org_number) == ("NAV", NAV.org_number)
    assert found.sender.verified == "certificate"
    assert (found.sent_at, found.visible_from, found.due_at) == (SENT, visible, due)
    assert (found.language, found.security_level) == ("nn", 4)
    assert found.wants_opening_receipt and found.needs_action
    [action] = found.actions
    assert (action.url, action.label, action.due_at) == ("https://nav.no/svar", "Send svar", due)
    main, attachment = found.documents
    assert (main.is_main, main.content, main.title) == (True, b"%PDF-1.7 a", sent.title)
    assert (attachment.is_main, attachment.content) == (False, b"%PDF-1.7 b")
    assert (attachment.title, attachment.media_type) == ("Klageskjema", "application/pdf")
    assert found.notification_order is not None
    assert found.provenance["signer_org_number"] == NAV.org_number


def test_what_arrived_is_kept_byte_for_byte(place: Place) -> None:
    place.dpi.send(letter())
    message = place.dpi.state.connection().execute("SELECT * FROM messages").fetchone()
    [found], _ = drained(place.connector())
    raw = {part.name: part.content for part in found.raw}
    assert raw["sbd.jwt"] == message["envelope"].encode()
    assert raw["asic.cms"] == message["package"]
    assert open_package(raw["package.asice"])[found.documents[0].name] == b"%PDF-1.7 a"


def test_each_supplier_has_its_own_queue(place: Place) -> None:
    place.dpi.send(letter(channel=Channel.EBOKS))
    assert drained(place.connector()) == ([], [])
    [found], _ = drained(place.connector(Channel.EBOKS))
    assert found.external_id == message_id(letter(channel=Channel.EBOKS))


def sample_settings(**changes: str) -> dict[str, str]:
    return {
        "trust_anchor_file": str(DATA / "Buypass_Class_3_Test4_CA_3.pem"),
        "decryption_key_file": str(DATA / "eksempel.key.pem"),
        "decryption_certificate_file": str(DATA / "eksempel.pem"),
        "verify_at": "2022-03-16T15:00:00+01:00",
        **changes,
    }


def put_sample(place: Place) -> None:
    envelope = (DATA / "digital-forretningsmelding.jwt").read_text()
    package = (DATA / "digital-dokumentpakke.cms").read_bytes()
    place.dpi.put(
        [Message(SAMPLE_ID, "c", Channel.EBOKS, "nobody", "991825827", envelope, package)]
    )


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_digdirs_published_message_is_read(place: Place) -> None:
    put_sample(place)
    [found], unreadable = drained(place.connector(Channel.EBOKS, **sample_settings()))
    assert not unreadable
    assert (found.external_id, found.recipient.value) == (SAMPLE_ID, "0000487204")
    assert (found.title, found.public_title, found.language) == ("Test.txt", "Test", "nb")
    assert (found.sender.org_number, found.security_level) == ("991825827", 3)
    assert found.visible_from == datetime(2022, 3, 15, 23, tzinfo=UTC)
    published = zipfile.ZipFile(DATA / "digital-dokumentpakke.zip")
    assert found.documents[0].content == published.read("Test.txt")
    assert found.raw[2].content == (DATA / "digital-dokumentpakke.zip").read_bytes()


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_digdirs_print_package_is_decrypted_and_its_unanchored_message_refused(
    place: Place,
) -> None:
    identity = load_identity(str(DATA / "eksempel.key.pem"), str(DATA / "eksempel.pem"), "x")
    package = (DATA / "utskrift-dokumentpakke.cms").read_bytes()
    files = open_package(cms.decrypt(package, identity))
    assert files["my.pdf"].startswith(b"%PDF") and MANIFEST in files
    envelope = (DATA / "utskrift-forretningsmelding.jwt").read_text()
    connector = place.connector(**sample_settings(verify_at="2023-11-14T22:00:00+01:00"))
    raw = [RawPart("sbd.jwt", envelope.encode()), RawPart("asic.cms", package)]
    [refused] = connector.reread(None, "5738440c-d802-47fe-b274-b4b673b9e493", raw).unreadable
    assert "authority" in refused.reason


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_an_expired_certificate_is_refused_today_and_read_when_judged_then(place: Place) -> None:
    put_sample(place)
    _, [refused] = drained(place.connector(Channel.EBOKS, **sample_settings(verify_at="")))
    assert "not valid" in refused.reason
    again = place.connector(Channel.EBOKS, **sample_settings())
    assert len(again.reread(None, refused.external_id, refused.raw).letters) == 1


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
            d["standardBusinessDocumentHeader"]["documentIdentification"].update(type="flyttet"),
            d.update(flyttet=d.pop("digital")),
        ),
        "messages of type flyttet",
    ),
    "body of another type": (lambda d: d.update(feil=d.pop("digital")), "not of the type"),
    "on behalf of another": (
        lambda d: d["digital"]["avsender"]["virksomhetsidentifikator"].update(
            value="0192:974761076"
        ),
        "on behalf of another",
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
    main = ("vedtak.pdf", b"a")
    good = (MANIFEST, manifest_xml())
    doctype = b'<!DOCTYPE manifest [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
    start, end = manifest_xml().split(b"<manifest", 1)
    for name, package, reason in (
        ("zip bomb", zipped(good, ("vedtak.pdf", b"\0" * 20_000_000)), "grows more than"),
        ("51 MB", zipped(good, *((f"{n}.bin", b"\0" * 17_000_000) for n in "abc")), "unpacks"),
        ("name twice", zipped(good, main, main), "same name"),
        ("name that leads out", zipped(good, ("../vedtak.pdf", b"a")), "leads out"),
        ("absolute name", zipped(good, ("/vedtak.pdf", b"a")), "leads out"),
        ("backslash", zipped(good, ("..\\vedtak.pdf", b"a")), "leads out"),
        ("symbolic link", zipped(good, (symlink(), b"/etc/hostname")), "not a file"),
        ("211 files", zipped(good, *((f"{n}.txt", b"a") for n in range(211))), "more than 210"),
        ("another kind", zipped(("mimetype", b"application/zip"), good, main), "ASiC-E"),
        ("no manifest", zipped(main), "no manifest"),
        ("document not there", zipped(good), "not in the package"),
        ("document type", zipped((MANIFEST, start + doctype + b"<manifest" + end)), "type decl"),
        ("not XML", zipped((MANIFEST, b"<manifest")), "well-formed"),
        ("another root", zipped((MANIFEST, b"<html/>")), "not a manifest"),
        (
            "another mailbox",
            zipped((MANIFEST, manifest_xml().replace(KARI.mailbox_address.encode(), b"o#1"))),
            "another mailbox",
        ),
        ("broken off", zipped(good, main)[:-30], "ZIP container"),
        ("no ZIP", b"hello", "ZIP container"),
        ("nothing", b"", "ZIP container"),
    ):
        yield pytest.param(package, reason, id=name)


@pytest.mark.parametrize(("package", "reason"), list(hostile_packages()))
def test_a_hostile_package_is_refused(place: Place, package: bytes, reason: str) -> None:
    place.packed(package)
    assert reason in only_reason(place)


def test_a_lie_about_a_files_size_is_found_while_unpacking() -> None:
    package = bytearray(build_package({"a.txt": b"\0" * 1000 + b"abcdefgh" * 300}, SENT))
    entry = package.rfind(b"PK\x01\x02")
    package[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    with pytest.raises(Refusal):
        open_package(bytes(package))


def test_one_broken_letter_in_fifty_leaves_forty_nine(place: Place) -> None:
    place.dpi.send_many([letter(f"before-{n}") for n in range(20)])
    broken = place.dpi.send_garbage(KARI, Channel.DIGIPOST)
    place.dpi.send_many([letter(f"after-{n}") for n in range(29)])
    [batch] = list(place.connector().fetch(None, None))
    assert len(batch.letters) == 49
    assert [item.external_id for item in batch.unreadable] == [broken]
    assert len(batch.settle_refs) == 50


def test_the_three_kinds_of_garbage_are_each_refused_for_their_own_reason(place: Place) -> None:
    for _ in range(3):
        place.dpi.send_garbage(KARI, Channel.DIGIPOST)
    _, unreadable = drained(place.connector())
    reasons = [item.reason for item in unreadable]
    assert "signed for" in reasons[0] and "ZIP" in reasons[1] and "well-formed" in reasons[2]


def test_nothing_leaves_the_queue_before_it_is_settled(place: Place) -> None:
    place.dpi.send(letter())
    connector = place.connector()
    first: list[Batch] = list(connector.fetch(None, None))
    second = list(connector.fetch(None, None))
    assert first == second and len(first) == 1
    connector.settle(first[0])
    connector.settle(first[0])
    assert list(connector.fetch(None, None)) == []


def test_a_long_queue_is_emptied_each_letter_once(place: Place) -> None:
    place.dpi.send_many([letter(f"number-{n}") for n in range(120)])
    unsettled = [item for batch in place.connector().fetch(None, None) for item in batch.letters]
    letters, _ = drained(place.connector())
    wanted = {message_id(letter(f"number-{n}")) for n in range(120)}
    for found in (unsettled, letters):
        assert len(found) == 120 and {item.external_id for item in found} == wanted


def test_a_letter_that_is_delivered_again_is_the_same(place: Place) -> None:
    identifier = place.dpi.send(letter())
    first, _ = drained(place.connector())
    assert place.dpi.send(letter()) == identifier
    assert drained(place.connector()) == ([], []), "the sender's repeat changes nothing"
    place.dpi.redeliver(identifier)
    assert drained(place.connector())[0] == first


def test_a_package_that_the_queue_has_deleted_is_unreadable(place: Place) -> None:
    place.dpi.send_many([letter("one"), letter("two")])
    assert place.dpi.expire_latest(KARI, Channel.DIGIPOST)
    [found], [lost] = drained(place.connector())
    assert (found.external_id, lost.external_id) == tuple(
        message_id(letter(key)) for key in ("one", "two")
    )
    assert "no longer has" in lost.reason


def test_a_download_that_fails_holds_up_nothing_but_itself(place: Place) -> None:
    place.dpi.send_many([letter(key) for key in ("one", "two", "three")])
    place.wire.broken = message_id(letter("two"))
    connector = place.connector()
    found = []
    with pytest.raises(Temporary):
        for batch in connector.fetch(None, None):
            found += [item.external_id for item in batch.letters]
            connector.settle(batch)
    assert found == [message_id(letter("one")), message_id(letter("three"))]
    place.wire.broken = ""
    [late], _ = drained(connector)
    assert late.external_id == message_id(letter("two"))


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("down", Temporary),
        ("garbage", Temporary),
        ("html", Temporary),
        ("truncated", Temporary),
        ("rate_limited", RateLimited),
        ("unauthorized", Misconfigured),
    ],
)
def test_a_fault_is_raised_and_hits_one_supplier(
    place: Place, mode: str, error: type[Exception]
) -> None:
    place.dpi.send_many([letter(), letter(channel=Channel.EBOKS)])
    place.dpi.state.set_faults(Channel.DIGIPOST.value, Faults(mode))
    with pytest.raises(error):
        drained(place.connector())
    assert len(drained(place.connector(Channel.EBOKS))[0]) == 1
    place.dpi.state.set_faults(Channel.DIGIPOST.value, Faults())
    assert len(drained(place.connector())[0]) == 1


def receipt(place: Place, kind: ReceiptKind, key: str = "r1", **changes: Any) -> OutgoingReceipt:
    message = place.dpi.sender.message(letter())
    fields: dict[str, Any] = {
        "kind": kind,
        "reference": message.id,
        "at": SENT + timedelta(minutes=5),
        "idempotency_key": key,
        "raw": {"sbd.jwt": message.envelope.encode()},
    }
    return OutgoingReceipt(**{**fields, **changes})


@pytest.mark.parametrize(
    ("kind", "detail", "expected"),
    [
        (DELIVERED, "", {}),
        (ReceiptKind.OPENED, "", {}),
        (
            ReceiptKind.NOTIFICATION_FAILED,
            "sms: ukjent nummer",
            {"varslingskanal": "sms", "beskrivelse": "ukjent nummer"},
        ),
        (
            ReceiptKind.REJECTED,
            "the package is not whole",
            {"feiltype": "KLIENT", "detaljer": "the package is not whole"},
        ),
    ],
)
def test_every_kind_of_receipt_is_taken_by_the_sender(
    place: Place, kind: ReceiptKind, detail: str, expected: dict[str, str]
) -> None:
    identifier = place.dpi.send(letter())
    connector = place.connector()
    assert kind in connector.receipts
    connector.send_receipt(None, receipt(place, kind, detail=detail))
    [taken] = place.dpi.receipts(KARI)
    assert (taken.message_id, taken.type) == (identifier, receipts.TYPES[kind])
    document = peek(taken.envelope)["standardBusinessDocument"]
    body = document[taken.type]
    assert {name: body[name] for name in expected} == expected
    assert set(body) == {"avsender", "mottaker", "tidspunkt", *expected}
    header = document["standardBusinessDocumentHeader"]
    assert header["receiver"][0]["identifier"]["value"] == f"0192:{NAV.org_number}"
    assert header["sender"][0]["identifier"]["value"] == "0192:984661185"


def test_a_receipt_that_is_sent_again_is_taken_once(place: Place) -> None:
    place.dpi.send(letter())
    for _ in range(3):
        place.connector().send_receipt(None, receipt(place, DELIVERED))
    place.connector().send_receipt(None, receipt(place, ReceiptKind.OPENED, "r2"))
    types = [taken.type for taken in place.dpi.receipts()]
    assert types == ["leveringskvittering", "aapningskvittering"]


def test_a_receipt_for_another_suppliers_letter_is_refused(place: Place) -> None:
    place.dpi.send(letter())
    with pytest.raises(Temporary):
        place.connector(Channel.EBOKS).send_receipt(None, receipt(place, DELIVERED))
    assert place.dpi.receipts() == []


def test_a_receipt_for_a_message_never_sent_is_refused(place: Place) -> None:
    with pytest.raises(Temporary):
        place.connector().send_receipt(None, receipt(place, DELIVERED))
    with pytest.raises(Misconfigured, match="not kept"):
        place.connector().send_receipt(None, receipt(place, DELIVERED, raw={}))


def test_a_receipt_signed_by_somebody_else_is_refused(place: Place) -> None:
    place.dpi.send(letter())
    document = receipts.build_receipt(
        receipt(place, DELIVERED), peek(place.dpi.sender.message(letter()).envelope), "984661185"
    )
    envelope = sign_envelope(document, place.dpi.authority.agency(NAV))
    with pytest.raises(Refusal, match="not the organisation"):
        place.dpi.take_receipt(envelope)


def test_no_person_stands_in_an_address_or_a_log_line(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place.dpi.send(letter())
    place.dpi.send_garbage(KARI, Channel.DIGIPOST)
    drained(place.connector())
    place.connector().send_receipt(None, receipt(place, DELIVERED))
    text = caplog.text + "\n".join(place.wire.urls)
    assert "messages/in" in text
    assert KARI.mailbox_address not in text and KARI.mailbox_address.split("#")[0] not in text
    assert KARI.national_id not in text and KARI.email not in text
    assert not re.search(r"(?<!\d)\d{11}(?!\d)", "\n".join(place.wire.urls))


def test_the_queue_asks_for_a_token_with_the_right_scope(place: Place) -> None:
    bare = place.client.get("messages/in")
    assert (bare.status_code, bare.headers["content-type"]) == (401, "application/problem+json")
    other = place.client.get("messages/in", headers=place.token("altinn:correspondence.read"))
    assert other.status_code == 403
    good = place.client.get("messages/in", headers=place.token())
    assert (good.status_code, good.content) == (204, b"")
    unknown = place.client.get(f"messages/in/{SAMPLE_ID}", headers=place.token())
    assert (unknown.status_code, unknown.json()["status"]) == (404, 404)


def test_forgetting_a_person_leaves_nothing_of_her(place: Place) -> None:
    other = letter("other", person=by_slug("ola"))
    place.dpi.send_many([letter(), other])
    place.connector().send_receipt(None, receipt(place, DELIVERED))
    place.dpi.forget(KARI)
    assert place.dpi.receipts() == []
    assert [item.external_id for item in drained(place.connector())[0]] == [message_id(other)]


def test_the_queue_survives_a_restart(place: Place, tmp_path: Path) -> None:
    place.dpi.send(letter())
    restarted = Place(tmp_path, place.keys)
    place.wire.inner = restarted.wire.inner
    assert len(drained(place.connector())[0]) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_url": ""}, "base_url"),
        ({"trust_anchor_file": "/nowhere"}, "trust_anchor_file"),
        ({"signing_key_file": "/nowhere"}, "signing_key_file"),
        ({"decryption_certificate_file": str(DATA / "eksempel.pem")}, "decryption_key_file"),
        ({"verify_at": "yesterday"}, "verify_at"),
    ],
)
def test_a_wrong_setting_is_named(place: Place, changes: dict[str, str], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        place.connector(**changes)


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
@pytest.mark.parametrize("form", ["-nostream", "-stream"])
@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_what_openssl_encrypts_we_decrypt(
    place: Place, tmp_path: Path, form: str, digest: str
) -> None:
    key, certificate = place.dpi.authority.supplier(Channel.DIGIPOST, "decryption")
    plain, encrypted = tmp_path / "plain", tmp_path / "encrypted"
    plain.write_bytes(b"samlepost" * 10_000)
    options = ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", f"rsa_oaep_md:{digest}"]
    command = ["openssl", "cms", "-encrypt", "-aes256", "-binary", "-outform", "DER"]
    command += ["-in", str(plain), "-out", str(encrypted), "-recip", str(certificate), *options]
    subprocess.run([*command, *(["-stream"] if form == "-stream" else [])], check=True)
    identity = load_identity(str(key), str(certificate), "decryption")
    assert cms.decrypt(encrypted.read_bytes(), identity) == plain.read_bytes()


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_what_we_encrypt_openssl_decrypts(place: Place, tmp_path: Path) -> None:
    key, certificate = place.dpi.authority.supplier(Channel.DIGIPOST, "decryption")
    identity = load_identity(str(key), str(certificate), "decryption")
    encrypted = tmp_path / "encrypted"
    encrypted.write_bytes(cms.encrypt(b"samlepost" * 1000, identity.certificate))
    command = ["openssl", "cms", "-decrypt", "-inform", "DER", "-binary", "-in", str(encrypted)]
    command += ["-inkey", str(key), "-recip", str(certificate)]
    done = subprocess.run(command, check=True, capture_output=True)
    assert done.stdout == b"samlepost" * 1000
