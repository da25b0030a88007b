"""Letters through the DPI connector: from the simulator and from Digdir's own examples."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.contract import (
    Batch,
    Misconfigured,
    RateLimited,
    RawPart,
    Temporary,
)
from connectors.dpi import cms
from connectors.dpi.envelope import load_identity
from connectors.dpi.manifest import moment
from connectors.dpi.package import MANIFEST, open_package
from connectors.dpi.sender import Message, message_id
from connectors.simulation import Faults
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from tests.connectors.dpi.place import (
    DATA,
    DELIVERED,
    KARI,
    NAV,
    SAMPLE_ID,
    SENT,
    Place,
    drained,
    letter,
    receipt,
)


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
    assert found.notification_order == {"email": [0, 7]}
    assert found.provenance["signer_org_number"] == NAV.org_number


@pytest.mark.parametrize(
    ("fields", "visible"),
    [
        ({"virkningsdato": "2026-11-25"}, "2026-11-24T23:00Z"),
        ({"virkningsdato": "2026-03-29"}, "2026-03-28T23:00Z"),
        ({"virkningsdato": "2026-03-30"}, "2026-03-29T22:00Z"),
        ({"virkningsdato": "2026-10-25"}, "2026-10-24T22:00Z"),
        ({"virkningsdato": "2026-10-26"}, "2026-10-25T23:00Z"),
        ({"virkningstidspunkt": "2026-10-25T02:30:00+01:00"}, "2026-10-25T01:30Z"),
        ({"virkningstidspunkt": "2026-10-25T02:30:00.000+02:00"}, "2026-10-25T00:30Z"),
        ({"virkningstidspunkt": "2026-11-25T08:00:00Z"}, "2026-11-25T08:00Z"),
        (
            {"virkningsdato": "2026-11-26", "virkningstidspunkt": "2026-11-25T08:00:00Z"},
            "2026-11-25T23:00Z",
        ),
        (
            {"virkningsdato": "2026-11-25", "virkningstidspunkt": "2026-11-25T08:00:00Z"},
            "2026-11-25T08:00Z",
        ),
        ({}, None),
    ],
)
def test_a_letter_is_hidden_until_midnight_in_oslo_or_its_very_moment(
    place: Place, fields: dict[str, str], visible: str | None
) -> None:
    """A date begins at midnight in Norway, also on the days when the clock is put on or back."""
    place.forged(lambda document: document["digital"].update(fields))
    [found], _ = drained(place.connector())
    assert found.visible_from == (datetime.fromisoformat(visible) if visible else None)
    assert found.sent_at == SENT


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-11-25T12:00:00", "2026-11-25T11:00Z"),
        ("2026-07-01T00:00:00", "2026-06-30T22:00Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30Z"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30Z"),
    ],
)
def test_a_deadline_without_a_zone_is_in_norwegian_time(said: str, meant: str) -> None:
    assert moment(said).astimezone(UTC) == datetime.fromisoformat(meant)


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
        # Maskinporten's keys of then are not known.
        "sender_tokens": "unverified",
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
    assert found.provenance["sender_token"] == "not verified"
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
    files = open_package(cms.decrypt(package, [identity]))
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


def test_one_broken_letter_in_fifty_leaves_forty_nine(place: Place) -> None:
    place.dpi.send_many([letter(f"before-{n}") for n in range(20)])
    broken = place.dpi.send_garbage(KARI, Channel.DIGIPOST)
    place.dpi.send_many([letter(f"after-{n}") for n in range(29)])
    [batch] = list(place.connector().fetch(None, None))
    assert len(batch.letters) == 49
    assert [item.external_id for item in batch.unreadable] == [broken]
    assert len(batch.settle_refs) == 50


def test_the_kinds_of_garbage_are_each_refused_for_their_own_reason(place: Place) -> None:
    for _ in range(8):
        place.dpi.send_garbage(KARI, Channel.DIGIPOST)
    _, unreadable = drained(place.connector())
    words = [
        "the message was signed for",
        "ZIP",
        "well-formed",
        "is not signed",
        "not the one that was signed",
        "does not cover every file",
        "another organisation",
        "the message was signed for",
    ]
    for item, reason in zip(unreadable, words, strict=True):
        assert reason in item.reason


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
    # By whole words: an id may hold eleven digits in a row among its letters.
    assert not re.search(r"\b\d{11}\b", "\n".join(place.wire.urls))


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


BY_OPENSSL = pytest.mark.skipif(
    not (shutil.which("openssl") or os.environ.get("CI")),
    reason="openssl is the judge, and is not on this machine; under CI its absence is a failure",
)


@BY_OPENSSL
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
    assert cms.decrypt(encrypted.read_bytes(), [identity]) == plain.read_bytes()


@BY_OPENSSL
def test_what_we_encrypt_openssl_decrypts(place: Place, tmp_path: Path) -> None:
    key, certificate = place.dpi.authority.supplier(Channel.DIGIPOST, "decryption")
    identity = load_identity(str(key), str(certificate), "decryption")
    encrypted = tmp_path / "encrypted"
    encrypted.write_bytes(cms.encrypt(b"samlepost" * 1000, identity.certificate))
    command = ["openssl", "cms", "-decrypt", "-inform", "DER", "-binary", "-in", str(encrypted)]
    command += ["-inkey", str(key), "-recip", str(certificate)]
    done = subprocess.run(command, check=True, capture_output=True)
    assert done.stdout == b"samlepost" * 1000
