"""Fiks Innsyn's messages, each valid by KS's own schemas, as letters."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft201909Validator
from referencing import Registry, Resource

from connectors.contract import LEVEL_HIGH, Kind, Payment, Recipient, RecipientKind, SenderRef
from connectors.fields import WrongField
from connectors.svarut.innsyn import Message, letter_from

SCHEMAS = Path(__file__).parents[1] / "data" / "ks" / "innsyn"
SCHEMA_OF = {
    "faktura": "domain/faktura.v1.json",
    "mappe": "domain/mappe/mappe.v1.json",
    "journalpost": "domain/mappe/journalpost.v1.json",
}
REGISTRY: Registry[Any] = Registry().with_resources(
    (found["$id"], Resource.from_contents(found))
    for path in SCHEMAS.rglob("*.json")
    for found in [json.loads(path.read_text())]
)
ID = "0b8d0a37-1d0f-4b3b-8bb6-0fb5f6f0c001"
SVARUT = "5f0a3c58-38a0-4c6b-9d0c-8f6f5d3a1b20"
INDEXED = datetime(2026, 11, 20, 10, tzinfo=UTC)
HER = Recipient(RecipientKind.NATIONAL_ID, "01828012345")

INVOICE: dict[str, Any] = {
    "tittel": "Kommunale avgifter, 3. termin 2026",
    "fakturaDato": "2026-11-10",
    "forfallDato": "2026-11-30",
    "fakturaMottaker": "Olena Kovalenko",
    "betalesTil": "Stavanger kommune",
    "belop": 1032,
    "totalbelop": 1102.5,
    "utestaendeBelop": 172.38,
    "status": "INKASSOVARSEL",
    "kanBetales": True,
    "kid": "1843453108003525",
    "kontonummer": "32010501234",
    "beskrivelse": "Purret én gang.",
    "faktura": {"url": "https://innsyn.stavanger.kommune.no/faktura/1"},
    "vedlegg": [{"tittel": "Spesifikasjon", "url": "https://innsyn.stavanger.kommune.no/2"}],
    "lenker": [None, {"tittel": "Usikker", "url": "http://kommune.no"}],
    "korrelasjonId": "avgift-2026-3",
}
FOLDER: dict[str, Any] = {
    "type": "BYGGESAK",
    "tittel": "Garasje, Pedersgata 999",
    "mappeId": "mappe-17",
    "saksaar": 2026,
    "sakssekvensnummer": 17,
    "sistOppdatert": "2026-11-19T12:00:00+00:00",
    "beskrivelse": "Søknad uten ansvarsrett.",
    "milepeler": [{"navn": "Søknad mottatt", "startdato": "2026-10-01T08:00:00+00:00"}],
    "navaerendeMilepel": {"navn": "Under behandling", "startdato": "2026-10-08T08:00:00+00:00"},
    "lenker": [
        {"url": "https://innsyn.stavanger.kommune.no/sak/17", "egendefinert": {"nynorsk": "Saka"}}
    ],
}
POST: dict[str, Any] = {
    "tittel": "Vedtak i byggesak",
    "journalposttype": "U",
    "mappeId": {"saksaar": 2026, "sakssekvensnummer": 17},
    "dokumentetsDato": "2026-11-18T09:00:00+01:00",
    "svarUtForsendelseId": SVARUT,
    "beskrivelse": "Kommunen har gitt tillatelse.",
    "klagefrist": "2026-12-09T22:59:00+00:00",
    "lenker": [{"url": "https://kommune.no/klage", "predefinert": {"type": "KLAGE"}}],
    "dokumenter": [
        {
            "filnavn": "vedtak.pdf",
            "mimeType": "application/pdf",
            "tittel": "Vedtaket",
            "lenke": "https://innsyn.stavanger.kommune.no/dokument/3",
            "svarUtFilnummer": 1,
        }
    ],
    "forelder": {"meldingId": ID, "type": "mappe"},
}


def read(kind: str, content: dict[str, Any]) -> Any:
    """The letter of a message that KS's schema has nothing against."""
    schema = json.loads((SCHEMAS / SCHEMA_OF[kind]).read_text())
    found = Draft201909Validator(schema, registry=REGISTRY).iter_errors(content)
    assert [each.message for each in found] == []
    return letter_from(Message(ID, kind, INDEXED, "Stavanger kommune", content), HER)


def test_an_invoice_says_what_is_left_to_pay_and_by_when() -> None:
    letter = read("faktura", INVOICE)
    due = datetime(2026, 11, 30, 22, 59, tzinfo=UTC)
    assert letter.kind is Kind.INVOICE and letter.needs_action and letter.due_at == due
    assert letter.payment == Payment(17238, "32010501234", "1843453108003525", due_at=due)
    assert letter.sender == SenderRef("Stavanger kommune")
    assert letter.summary == "Det er sendt inkassovarsel. Purret én gang."
    assert [each.label for each in letter.actions] == ["Åpne fakturaen", "Spesifikasjon"]
    assert (letter.case_reference, letter.security_level) == ("avgift-2026-3", LEVEL_HIGH)
    assert json.loads(letter.raw[0].content) == INVOICE


@pytest.mark.parametrize(
    "changes", [{"status": "BETALT"}, {"kanBetales": False}, {"kontonummer": None}]
)
def test_of_an_invoice_that_cannot_be_paid_nothing_is_asked(changes: dict[str, Any]) -> None:
    letter = read("faktura", {**INVOICE, **changes})
    assert letter.payment is None and not letter.needs_action
    assert (letter.due_at is None) == ("status" in changes)


def test_a_folder_is_a_notice_of_its_case() -> None:
    letter = read("mappe", FOLDER)
    assert (letter.kind, letter.case_reference) == (Kind.NOTICE, "2026/17")
    assert letter.summary == "Under behandling"
    assert letter.body == "Søknad uten ansvarsrett.\n01.10.2026: Søknad mottatt"
    assert [each.label for each in letter.actions] == ["Saka"]
    closed = read("mappe", {**FOLDER, "erAvsluttet": True})
    assert closed.summary == "Saken er avsluttet."
    reopened = {**FOLDER, "erAvsluttet": False, "avsluttet": "2026-11-01T08:00:00+00:00"}
    assert read("mappe", reopened).summary == "Under behandling"


def test_a_journal_post_has_its_deadline_to_complain_and_is_the_letter_that_svarut_sent() -> None:
    letter = read("journalpost", POST)
    assert letter.kind is Kind.DECISION
    assert letter.due_at == datetime(2026, 12, 9, 22, 59, tzinfo=UTC)
    assert letter.summary == "Klagefrist: 09.12.2026. Kommunen har gitt tillatelse."
    assert f"svarut:{SVARUT}" in letter.same_as
    assert letter.case_reference == "2026/17"
    assert [(each.label, each.url.rsplit("/", 1)[-1]) for each in letter.actions] == [
        ("Klag på vedtaket", "klage"),
        ("Vedtaket", "3"),
    ]
    bare = read("journalpost", {"tittel": "Brev", "forelder": POST["forelder"]})
    assert (bare.kind, bare.due_at, bare.sent_at) == (Kind.LETTER, None, INDEXED)
    assert bare.case_reference == ID


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("skjemakladd", {"tittel": "x"}, "no type that is a letter"),
        ("faktura", {**INVOICE, "forfallDato": "snart"}, "forfallDato is not a date"),
        ("faktura", {**INVOICE, "utestaendeBelop": "mye"}, "utestaendeBelop is not a number"),
        ("faktura", {**INVOICE, "utestaendeBelop": 1.005}, "not a sum of money"),
        ("faktura", {**INVOICE, "utestaendeBelop": float("inf")}, "not a sum of money"),
        ("faktura", {**INVOICE, "status": "KANSKJE"}, "status is of no known kind"),
        ("journalpost", {**POST, "klagefrist": "2026-12-09"}, "klagefrist has no time zone"),
        ("journalpost", {**POST, "svarUtForsendelseId": "17"}, "svarUtForsendelseId is not a UUID"),
        ("journalpost", {**POST, "mappeId": "17"}, "mappeId is not an object"),
        ("mappe", {**FOLDER, "tittel": ""}, "tittel is missing"),
    ],
)
def test_what_is_not_of_the_promised_shape_is_named(
    kind: str, content: dict[str, Any], reason: str
) -> None:
    with pytest.raises(WrongField, match=reason):
        letter_from(Message(ID, kind, INDEXED, "Stavanger kommune", content), HER)
