"""SvarUt beside its simulator, and both against KS's own files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from flask import Response, request
from jsonschema import Draft202012Validator

from connectors.contract import (
    Account,
    Batch,
    Fault,
    IncomingLetter,
    Kind,
    Misconfigured,
    OutgoingReceipt,
    ReceiptKind,
    Recipient,
    RecipientKind,
    ReplyForm,
    ReplyKind,
    SenderRef,
    Signing,
    SigningStatus,
    Temporary,
    Unreadable,
)
from connectors.maskinporten.simulator import issue_token
from connectors.svarut import mapping
from connectors.svarut.connector import SCOPE
from connectors.svarut.consignments import consignment
from connectors.svarut.credentials import INTEGRATION_ID, Credentials
from connectors.svarut.reading import Downloaded, Reader
from connectors.svarut.simulator import Failure, SvarutSimulator
from connectors.world.model import SimulatedDocument
from tests.connectors.conftest import BASE, FIRST_SENT, Stand, letters_in, unreadable_in

KS = Path(__file__).parents[1] / "data" / "ks"
GENUINE: list[dict[str, Any]] = json.loads((KS / "SvarUtForsendelse.json").read_text())
FNR = "01828012345"


@pytest.fixture
def stand(make_stand: Callable[..., Stand]) -> Stand:
    return make_stand("svarut")


@pytest.fixture
def simulator(stand: Stand) -> SvarutSimulator:
    assert isinstance(stand.simulator, SvarutSimulator)
    return stand.simulator


def complaints(file: str, schema: str, value: Any) -> list[str]:
    """What KS's OpenAPI file has against `value`."""
    root = {
        "$ref": f"#/components/schemas/{schema}",
        "components": json.loads((KS / file).read_text())["components"],
    }
    found = Draft202012Validator(root, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [each.message for each in found.iter_errors(value)]


def api(stand: Stand, method: str, path: str, **more: Any) -> httpx.Response:
    """Ask the second version's interfaces as the connector does."""
    token = issue_token(stand.keys, client_id="c", consumer_org="0192:310091081", scope=SCOPE)
    password = Path(stand.settings()["integration_password_file"]).read_text()
    headers = {
        "Authorization": f"Bearer {token}",
        "IntegrasjonId": INTEGRATION_ID,
        "IntegrasjonPassord": password,
    }
    with httpx.Client(transport=httpx.WSGITransport(stand.app), headers=headers) as client:
        return client.request(method, f"{BASE}/svarut/api/v2/forsendelser/{path}", **more)


def understood(entry: dict[str, Any], package: bytes = b"%PDF-1.7") -> IncomingLetter | Unreadable:
    """Read one entry of a listing whose files are not encrypted."""
    reader = Reader((), mapping.EDIALOG_URL, BASE)
    return reader.understand("key", Downloaded(json.dumps(entry).encode(), package=package))


def genuine(**changes: Any) -> dict[str, Any]:
    """KS's own sample, addressed to a person."""
    return {**GENUINE[0], "mottaker": {"navn": "Kari", "fnr": FNR}, **changes}


def letter_of(entry: dict[str, Any]) -> IncomingLetter:
    found = understood(entry)
    assert isinstance(found, IncomingLetter), found
    return found


def test_a_letter_with_all_that_svarut_can_say(stand: Stand, simulator: SvarutSimulator) -> None:
    due = datetime(2026, 12, 1, 22, 59, tzinfo=UTC)
    files = (
        SimulatedDocument("brev.pdf", "Brev", "application/pdf", b"%PDF-1.7 1", is_main=True),
        SimulatedDocument("vedlegg æ.txt", "Vedlegg", "text/plain", b"hei"),
    )
    sent = stand.letter(
        documents=files,
        security_level=4,
        case_reference="BHG-1",
        due_at=due,
        signing=Signing(SigningStatus.WAITING),
        action_url="https://www.stavanger.kommune.no/",
        action_label="Til kommunen",
        reply_forms=[ReplyForm("svar", ReplyKind.TEXT)],
    )
    identifier = simulator.send(sent)
    [letter] = letters_in(stand.fetch())
    assert letter.external_id == identifier
    assert letter.recipient == Recipient(RecipientKind.NATIONAL_ID, stand.person.national_id)
    assert letter.sender == SenderRef("Stavanger kommune", "", "")
    assert (letter.security_level, letter.public_title, letter.kind) == (4, "", Kind.TASK)
    assert (letter.case_reference, letter.due_at) == ("BHG-1", due)
    assert letter.same_as == (f"svarut:{identifier}",)
    assert [(each.url, each.label) for each in letter.actions] == [
        ("https://svarut.ks.no/edialog/mottaker/964965226", "Svar avsenderen"),
        ("https://www.stavanger.kommune.no/", "Til kommunen"),
    ]
    assert letter.signing is not None and letter.needs_action
    assert letter.signing.url.endswith(f"{identifier}/1/signering")
    assert [(each.name, each.content, each.is_main) for each in letter.documents] == [
        ("brev.pdf", b"%PDF-1.7 1", True),
        ("vedlegg æ.txt", b"hei", False),
    ]
    assert all(len(each.sha256) == 64 for each in letter.documents)
    assert letter.provenance["package_fingerprint"] == "verified"
    assert [part.name for part in letter.raw] == [
        "forsendelse.json",
        "metadata.json",
        "download.bin",
    ]
    assert b"%PDF" not in letter.raw[2].content, "what came is kept encrypted"


def test_the_simulator_lists_what_ks_lists_and_says_what_its_files_promise(
    stand: Stand, simulator: SvarutSimulator
) -> None:
    identifier = simulator.send(stand.letter())
    basic = httpx.BasicAuth("samlepost", simulator.credentials.password_file.read_text())
    with httpx.Client(transport=httpx.WSGITransport(stand.app), auth=basic) as client:
        url = f"{BASE}/svarut/tjenester/svarinn/mottaker/hentNyeForsendelser"
        [listed] = client.get(url).json()
        assert client.get(url, auth=("samlepost", "no")).status_code == 401
    theirs = GENUINE[0]
    assert set(theirs) <= set(listed)
    for name, value in theirs.items():
        assert type(listed[name]) is type(value) or name == "kryptert", name
    assert set(theirs["filmetadata"][0]) == set(listed["filmetadata"][0])
    said = api(stand, "GET", f"{identifier}/metadata").json()
    file = "forsendelse-metadata-api-v2.json"
    assert complaints(file, "ForsendelseMetadata", said) == []
    missing = api(stand, "GET", "d1c6d795-f1a0-4a36-bce1-a4d9f26696db/metadata")
    assert missing.status_code == 404
    assert complaints(file, "ErrorMessage", missing.json()) == []


def test_kss_own_sample_is_read_or_told_why_not() -> None:
    reasons = [understood(entry) for entry in GENUINE]
    assert all(isinstance(each, Unreadable) for each in reasons)
    assert {getattr(each, "reason", "") for each in reasons} == {
        "mottaker has no fnr: it is not addressed to a person"
    }
    letter = letter_of(genuine())
    assert letter.title == "tittel" and letter.sender.name == "Tester testmann"
    assert letter.sent_at == datetime(2014, 12, 16, 11, 55, 6, 808_000, tzinfo=UTC)
    assert letter.security_level == 3 and letter.case_reference == ""
    assert letter.provenance["package_fingerprint"] == "not verified"
    assert letter_of(genuine(noe_nytt={"a": [1]})).title == "tittel"


def test_a_time_may_be_milliseconds_or_iso() -> None:
    assert letter_of(genuine(date="2026-11-23T09:00:00+01:00")).sent_at == datetime(
        2026, 11, 23, 8, tzinfo=UTC
    )
    for wrong in ("2026-11-23T09:00:00", "i går", None, True, 10**30):
        found = understood(genuine(date=wrong))
        assert isinstance(found, Unreadable) and found.reason.startswith("date ")


def test_the_level_is_the_highest_unless_the_sender_says_that_less_will_do() -> None:
    silent = genuine()
    del silent["krevNiva4Innlogging"]
    assert letter_of(silent).security_level == 4
    assert letter_of(genuine(taushetsbelagtPost=True)).security_level == 4


def test_cases_are_the_senders_the_archives_or_what_it_answers() -> None:
    answered = "43ee26b7-838b-4f99-b81c-d21551b621d8"
    archive = {"saksaar": 2026, "sakssekvensnummer": 17, "mappeId": "mappe"}
    known = {"metadataFraAvleverendeSystem": archive, "svarPaForsendelse": answered}
    assert letter_of(genuine(**known, korrelasjonsid="K-1")).case_reference == "K-1"
    assert letter_of(genuine(**known)).case_reference == "2026/17"
    archive["saksaar"] = 0
    assert letter_of(genuine(**known)).case_reference == "mappe"
    answer = letter_of(genuine(svarPaForsendelse=answered))
    assert answer.case_reference == answered == answer.provenance["answers"]


def test_links_that_are_not_https_are_left_out_and_counted() -> None:
    links = [
        {"url": "http://kommune.no/", "tekst": "Usikker"},
        {"url": "javascript:alert(1)", "tekst": "Verre"},
        {"url": "https://kommune.no/", "tekst": "", "ledetekst": "Les mer"},
    ]
    letter = letter_of(genuine(lenker=links, svarPaForsendelseLink=False))
    assert [each.label for each in letter.actions] == ["Les mer"]
    assert letter.provenance["links"] == "2 not shown"


def test_svarut_is_told_only_when_the_batch_is_settled(
    stand: Stand, simulator: SvarutSimulator
) -> None:
    good = simulator.send(stand.letter())
    bad = simulator.send_broken(stand.person, stand.channel, "no-fnr")
    batches = stand.fetch()
    assert simulator.waiting() == [good, bad] and simulator.failures() == []
    connector = stand.connector()
    for _ in range(2):  # a crash in between makes us say it again
        for batch in batches:
            connector.settle(batch)
    assert simulator.waiting() == []
    reason = "mottaker has no fnr: it is not addressed to a person"
    assert set(simulator.failures()) == {Failure(bad, reason, True)}


def test_she_has_read_it_and_the_number_is_in_the_body_alone(
    stand: Stand, simulator: SvarutSimulator
) -> None:
    identifier = simulator.send(stand.letter())
    [letter] = letters_in(stand.fetch())
    at = datetime(2026, 9, 2, 9, 30, tzinfo=ZoneInfo("Europe/Oslo"))
    raw = {part.name: part.content for part in letter.raw}
    receipt = OutgoingReceipt(ReceiptKind.OPENED, identifier, at, "key", raw=raw)
    stand.connector().send_receipt(None, receipt)
    [reading] = simulator.readings()
    said = {
        "fnr": reading["fnr"],
        "tidspunkt": reading["at"],
        "eksterntSystemnavn": reading["system"],
    }
    assert said == {
        "fnr": stand.person.national_id,
        "tidspunkt": "2026-09-02T09:30:00.000+02:00",
        "eksterntSystemnavn": "Samlepost",
    }
    assert complaints("forsendelse-lest-api-v2.json", "LestAv", said) == []
    assert all(stand.person.national_id not in str(url) for _, url in stand.recorder.requests)
    with pytest.raises(Misconfigured, match="not kept"):
        stand.connector().send_receipt(None, replace(receipt, raw={}))


def test_a_letter_to_nobody_here_goes_back(stand: Stand, simulator: SvarutSimulator) -> None:
    identifier = simulator.send(stand.letter())
    receipt = OutgoingReceipt(
        ReceiptKind.REJECTED, identifier, FIRST_SENT, "key", detail="unknown", fault=Fault.CLIENT
    )
    stand.connector().send_receipt(None, receipt)
    assert simulator.failures() == [Failure(identifier, "unknown", True)]


@pytest.mark.parametrize("setting", ["password_file", "integration_password_file"])
def test_a_wrong_password_is_our_fault_and_a_missing_one_is_named(
    stand: Stand, tmp_path: Path, setting: str
) -> None:
    stand.send([1])
    wrong = tmp_path / "password"
    settings = {**stand.settings(), setting: str(wrong)}
    module = type(stand.connector())
    with pytest.raises(Misconfigured, match=setting):
        module(settings)
    wrong.write_text("\n")
    with pytest.raises(Misconfigured, match=f"{setting} is empty"):
        module(settings)
    wrong.write_text("not this one")
    connector = module(settings)
    with pytest.raises(Misconfigured, match="401"):
        list(connector.fetch(None, None))
    connector.close()


def test_metadata_that_we_may_not_have_leaves_digests_unknown(
    stand: Stand, simulator: SvarutSimulator
) -> None:
    simulator.send(stand.letter())

    @simulator.app.before_request
    def forbid() -> Any:
        return Response(status=403) if request.path.endswith("/metadata") else None

    [letter] = letters_in(stand.fetch())
    assert [part.name for part in letter.raw] == ["forsendelse.json", "download.bin"]
    assert letter.provenance["package_fingerprint"] == "not verified"


def test_a_fault_at_one_download_leaves_that_letter_and_brings_the_others(
    stand: Stand, simulator: SvarutSimulator
) -> None:
    first, second = stand.send([1, 2])

    @simulator.app.before_request
    def fail() -> Any:
        return Response(status=503) if request.path.endswith(f"forsendelse/{first}") else None

    came: list[Batch] = []
    with pytest.raises(Temporary):
        for batch in stand.connector().fetch(None, None):
            stand.connector().settle(batch)
            came.append(batch)
    assert [each.external_id for each in letters_in(came)] == [second]
    assert simulator.waiting() == [first]


def test_what_was_quarantined_for_want_of_a_key_is_read_when_the_key_is_there(
    stand: Stand, simulator: SvarutSimulator
) -> None:
    others = Credentials(stand.keys / "another")
    made = consignment(stand.letter(), others.certificate)
    simulator.put(stand.person, made)
    batches = stand.fetch()
    [item] = unreadable_in(batches)
    assert item.fault is Fault.SERVER and "another key than ours" in item.reason
    stand.connector().settle(batches[0])
    assert simulator.waiting() == [made.id], "it is offered again"
    assert [each.permanent for each in simulator.failures()] == [False]
    settings = {
        **stand.settings(),
        "decryption_key_file": str(others.key_file),
        "decryption_certificate_file": str(others.certificate_file),
    }
    connector = type(stand.connector())(settings)
    [letter] = connector.reread(None, item.external_id, item.raw).letters
    assert letter.external_id == made.id
    connector.close()


def test_no_account_is_needed(stand: Stand) -> None:
    stand.send([1])
    assert stand.account is None
    assert letters_in(list(stand.connector().fetch(Account(FNR), None)))
    assert stand.letter().sent_at - FIRST_SENT == timedelta()
