"""NAV's varsler and documents: what they become, and what is wrong with them by name."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors import clock
from connectors.contract import (
    Account,
    CursorExpired,
    Gone,
    Happening,
    IncomingLetter,
    Kind,
    Misconfigured,
    NotGiven,
    NotPermitted,
    OutgoingReceipt,
    ReceiptKind,
    Recipient,
    RecipientKind,
    Temporary,
)
from connectors.fields import WrongField
from connectors.nav import archive, mapping, snapshot
from connectors.nav.connector import SCOPE, Connector, decoded
from connectors.nav.simulator import NavSimulator
from connectors.world.model import SimulatedDocument
from tests.connectors.conftest import Stand, letters_in, unreadable_in

DATA = Path(__file__).parent / "data" / "nav"
THEIR_PERSON = "12345678911"
HER = Recipient(RecipientKind.NATIONAL_ID, "01017012345")
ULID = "01HZX3V7Q2M9T4B6K8N0P5R7WA"
VARSEL: dict[str, Any] = {
    "type": "beskjed",
    "varselId": "6f6f6a1e-5d0f-4a52-9a0c-2f3a1b7c9d10",
    "aktiv": True,
    "innhold": {"spraakkode": "nb", "tekst": "Vi har fått søknaden din.", "link": None},
    "eksternVarslingSendt": False,
    "eksternVarslingKanaler": [],
    "opprettet": "2026-11-20T10:00:00+01:00",
    "aktivFremTil": None,
    "inaktivert": None,
}
VARIANT: dict[str, Any] = {
    "variantformat": "ARKIV",
    "filuuid": "u",
    "filtype": "PDF",
    "filstorrelse": 0,
    "brukerHarTilgang": True,
    "code": ["ok"],
}
JOURNALPOST: dict[str, Any] = {
    "journalpostId": "429837417",
    "tittel": "Vedtak om dagpenger",
    "journalposttype": "U",
    "journalstatus": "EKSPEDERT",
    "tema": "DAG",
    "kanal": "NAV_NO",
    "sak": {"fagsakId": "D-1", "fagsaksystem": "AO01", "sakstype": "FAGSAK"},
    "datoSortering": "2026-07-01T12:00:00",
    "relevanteDatoer": [],
    "dokumenter": [
        {"dokumentInfoId": "1", "tittel": "Vedtak", "dokumentvarianter": [VARIANT]},
    ],
}


@pytest.fixture
def stand(make_stand) -> Stand:
    return make_stand("nav")


@pytest.fixture
def nav(stand) -> NavSimulator:
    assert isinstance(stand.simulator, NavSimulator)
    return stand.simulator


def varsel(**said: Any) -> IncomingLetter:
    return mapping.read_varsel(VARSEL | said, HER)


def journalpost(**said: Any) -> IncomingLetter | None:
    return mapping.read_journalpost(JOURNALPOST | said, {"DAG": "Dagpenger"}, HER)


def document(**said: Any) -> list[dict[str, Any]]:
    """The documents of a journalpost: one, whose one variant says this."""
    return [JOURNALPOST["dokumenter"][0] | {"dokumentvarianter": [VARIANT | said]}]


def rows(name: str, stand: Stand, **said: Any) -> list[dict[str, Any]]:
    """Genuine rows of the archive, as if they were about the person."""
    text = (DATA / f"{name}.json").read_text("utf-8")
    found = json.loads(text.replace(THEIR_PERSON, stand.person.national_id))
    return [row | said for row in found.get("journalposter", [found])]


def test_each_type_of_varsel_becomes_what_it_is():
    told = varsel()
    assert (told.kind, told.needs_action, told.security_level) == (Kind.NOTICE, False, 3)
    assert (told.title, told.body, told.actions) == ("Vi har fått søknaden din.", "", [])
    assert told.sent_at == datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert told.expires_at == told.sent_at + timedelta(days=365)
    content = {"spraakkode": "NN", "tekst": "Send inn.", "link": "https://www.nav.no/oppgave"}
    task = varsel(type="oppgave", varselId=ULID, innhold=content)
    assert (task.kind, task.needs_action, task.language) == (Kind.TASK, True, "nn")
    assert [each.url for each in task.actions] == ["https://www.nav.no/oppgave"]
    assert "closes" in told.provenance and "closes" not in task.provenance
    assert varsel(type="innboks", innhold=content).kind is Kind.NOTICE


def test_what_nav_has_closed_is_handled_and_never_read():
    closed = varsel(type="oppgave", aktiv=False, inaktivert="2026-11-21T08:00:00Z")
    assert closed.handled_at == datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert (closed.handled_by, closed.needs_action, closed.opened_at) == ("NAV", False, None)


def test_a_varsel_whose_text_is_withheld_says_nothing_of_it():
    hidden = varsel(innhold=None)
    assert hidden.security_level == 4 and hidden.content_on_open
    assert hidden.title == hidden.public_title == "Beskjed fra NAV"


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("Kort.", "Kort."),
        ("Først dette. " + "Så mye mer " * 20, "Først dette."),
        ("ord " * 60, ("ord " * 60)[:119].rsplit(" ", 1)[0] + "…"),
    ],
)
def test_a_long_text_has_a_short_title_and_stands_whole_in_the_letter(words, title):
    letter = varsel(innhold={"spraakkode": "nb", "tekst": words, "link": None})
    assert letter.title == title and len(title) <= mapping.TITLE_MAX
    assert (letter.body or letter.title) == words.strip()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"type": "statusoppdatering"}, "type is none of"),
        ({"type": None}, "type is missing"),
        ({"varselId": "12345"}, "neither a UUID nor a ULID"),
        ({"varselId": ULID[:-1]}, "neither a UUID nor a ULID"),
        ({"varselId": None}, "varselId is missing"),
        ({"aktiv": None}, "aktiv is missing"),
        ({"aktiv": "ja"}, "aktiv is neither true nor false"),
        ({"opprettet": None}, "opprettet is missing"),
        ({"opprettet": "2026-11-20T10:00:00"}, "opprettet has no time zone"),
        ({"opprettet": "i går"}, "opprettet is not a time"),
        ({"inaktivert": "snart"}, "inaktivert is not a time"),
        ({"aktivFremTil": "2026-13-01T00:00:00Z"}, "aktivFremTil is not a time"),
        ({"innhold": "tekst"}, "innhold is not an object"),
        ({"innhold": {"tekst": ""}}, "tekst is missing"),
        ({"innhold": {"tekst": "a" * 301}}, "tekst is longer than 300"),
        ({"innhold": {"tekst": "a", "link": "http://www.nav.no/"}}, "not an https address"),
        ({"innhold": {"tekst": "a", "link": "https://nav.no.example/"}}, "away from nav.no"),
        ({"innhold": {"tekst": "a", "link": "https://nav.no/" + "a" * 200}}, "longer than 200"),
    ],
)
def test_a_varsel_that_is_wrong_is_kept_whole_with_the_reason(stand, nav, said, reason):
    item = VARSEL | said
    nav.put_varsel(stand.person, item | {"varselId": item["varselId"] or "x"})
    nav.put_varsel(stand.person, VARSEL | {"varselId": ULID})
    with pytest.raises(WrongField, match=reason):
        mapping.read_varsel(item, HER)
    found = stand.fetch()
    assert [letter.external_id for letter in letters_in(found)] == [ULID]
    if said != {"varselId": None}:
        [kept] = unreadable_in(found)
        assert reason in kept.reason and json.loads(kept.raw[0].content) == item
    assert stand.fetch(found[-1].cursor) == []


def test_a_journalpost_becomes_a_letter_with_its_case_theme_and_time_in_oslo():
    letter = journalpost()
    assert letter is not None
    assert (letter.title, letter.summary) == ("Vedtak om dagpenger", "Dagpenger")
    assert (letter.case_reference, letter.security_level) == ("D-1", 4)
    assert letter.sent_at == datetime(2026, 7, 1, 10, tzinfo=UTC)
    [shown] = letter.documents
    assert shown.ref == "rest/hentdokument/429837417/1/ARKIV" and shown.size is None
    winter = journalpost(datoSortering="2026-01-01T12:00:00")
    assert winter is not None and winter.sent_at.hour == 11


@pytest.mark.parametrize(
    "said",
    [
        {"journalposttype": "I"},
        {"journalstatus": "UNDER_ARBEID"},
        {"journalstatus": "RESERVERT"},
        {"journalposttype": "N", "dokumenter": document(code=["forvaltningsnotat"])},
    ],
)
def test_what_is_no_letter_to_her_is_left_out(said):
    assert journalpost(**said) is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"journalpostId": "../../etc"}, "journalpostId is not an id"),
        ({"journalpostId": None}, "journalpostId is missing"),
        ({"journalposttype": "X"}, "journalposttype is none of"),
        ({"journalstatus": "NY"}, "journalstatus is none that we know"),
        ({"tittel": None, "dokumenter": None}, "tittel is missing"),
        ({"datoSortering": "igår"}, "datoSortering is not a time"),
        ({"datoSortering": None}, "datoSortering is missing"),
        ({"dokumenter": "ingen"}, "dokumenter is not a list"),
        ({"dokumenter": [None]}, "a document is not an object"),
        ({"dokumenter": document(brukerHarTilgang=None)}, "brukerHarTilgang is missing"),
        ({"dokumenter": document(filstorrelse="1")}, "filstorrelse is not a number"),
        ({"sak": "D-1"}, "sak is not an object"),
    ],
)
def test_a_journalpost_that_is_wrong_is_named(said, reason):
    with pytest.raises(WrongField, match=reason):
        journalpost(**said)


@pytest.mark.parametrize(
    ("name", "letters", "reasons"),
    [
        ("finnjournalposter_happy_gsak", 2, set()),
        ("finnjournalposter_happy_bar", 0, set()),
        ("finnjournalposter_avsendermottaker_navn_null", 2, set()),
        ("1b-journalpost-foer-tidligst-dato-forbidden", 0, set()),
        ("1c-journalpost-ok_utgaaende", 1, set()),
        ("1c-journalpost-rekkefoelge-vedlegg-ok", 0, set()),
        ("1c-journalpost-under-arbeid-forbidden", 0, set()),
        ("1g-journalpost-forvaltningsnotat-ok", 1, set()),
        ("1h-journalpost-innsyn-skjules-forbidden", 0, set()),
    ],
)
def test_genuine_rows_of_the_archive_are_read(stand, nav, name, letters, reasons):
    for row in rows(name, stand):
        nav.put_row(stand.person, row)
    found = stand.fetch()
    assert len(letters_in(found)) == letters and unreadable_in(found) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("2a-journalpost-bruker-ikke-avsender-ok", "sendt til eller fra en annen"),
        ("2e-journalpost-dokument-skjermet-ok", "hensyn til personvernet"),
        ("2e-journalpost-dokument-dokumentvariant-skjermet-ok", "hensyn til personvernet"),
        ("2f-journalpost-dokument-kassert-ok", "har slettet dokumentet"),
    ],
)
def test_genuine_documents_without_access_are_shown_with_the_reason(stand, nav, name, reason):
    [row] = rows(name, stand, type="U")
    nav.put_row(stand.person, row)
    [letter] = letters_in(stand.fetch())
    refused = [each for each in letter.documents if each.not_given]
    assert refused and all(reason in each.not_given and not each.ref for each in refused)
    assert all(each.ref for each in letter.documents if each not in refused)


def test_of_a_document_with_two_variants_the_one_that_she_is_given_comes(stand, nav):
    [row] = rows("1c-hentdokument-ok-sladdet-og-arkiv", stand, type="U", innhold="Vedtak")
    nav.put_row(stand.person, row)
    [letter] = letters_in(stand.fetch())
    assert letter.documents[0].ref.endswith("/ARKIV")
    files = row["dokumenter"][0]["fildetaljer"]
    next(each for each in files if each["format"] == "ARKIV")["skjerming"] = "POL"
    nav.put_row(stand.person, row)
    [letter] = letters_in(stand.fetch())
    assert letter.documents[0].ref.endswith("/SLADDET")


def test_a_document_that_is_refused_on_asking_is_not_given_and_a_destroyed_one_is_gone(stand, nav):
    withheld = SimulatedDocument("a.pdf", "Brev", "application/pdf", b"%PDF-1", withheld=True)
    nav.send(replace(stand.letter(1), documents=(withheld,)))
    nav.send(stand.letter(2))
    refused, given = letters_in(stand.fetch())
    connector, account = stand.connector(), stand.account
    [said] = refused.documents
    ref = f"rest/hentdokument/{refused.external_id}/" + str(
        json.loads(refused.raw[0].content)["dokumenter"][0]["dokumentInfoId"]
    )
    assert "personvernet" in said.not_given
    with pytest.raises(NotGiven, match="personvernet"):
        list(connector.download(account, f"{ref}/ARKIV"))
    [document] = given.documents
    assert (
        b"".join(connector.download(account, document.ref)) == stand.letter(2).documents[0].content
    )
    nav.expire_latest(stand.person, stand.channel)
    with pytest.raises(Gone):
        list(connector.download(account, document.ref))
    with pytest.raises(Gone):
        list(connector.download(account, "rest/hentdokument/1/2/ARKIV"))


def test_documents_come_in_base64_or_as_they_are():
    assert b"".join(decoded(iter([b"JVBERi0x", b"LjcK"]))) == b"%PDF-1.7\n"
    assert b"".join(decoded(iter([b"JVB", b"ERi0xL\r\njcK"]))) == b"%PDF-1.7\n"
    assert b"".join(decoded(iter([b"%PDF-1.7\n", b"mer"]))) == b"%PDF-1.7\nmer"
    assert b"".join(decoded(iter([]))) == b""
    with pytest.raises(Temporary, match="breaks off"):
        list(decoded(iter([b"JVBERi0x", b"LjcKJ"])))


def test_the_text_of_a_sensitive_varsel_comes_in_a_session_of_level_high_alone(stand, nav):
    nav.put_varsel(stand.person, VARSEL, high=True)
    [listed] = letters_in(stand.fetch())
    assert listed.content_on_open and "søknaden" not in repr(listed)
    connector = stand.connector()
    with pytest.raises(NotPermitted):
        connector.open_letter(Account(stand.person.national_id), listed.external_id)
    high = Account(stand.person.national_id, security_level=4)
    opened = connector.open_letter(high, listed.external_id)
    assert opened.title == "Vi har fått søknaden din." and opened.security_level == 4
    nav.delete(listed.external_id)
    with pytest.raises(Gone):
        connector.open_letter(high, listed.external_id)


def test_she_can_close_a_beskjed_and_nothing_else(stand, nav):
    nav.put_varsel(stand.person, VARSEL)
    nav.put_varsel(stand.person, VARSEL | {"varselId": ULID, "type": "oppgave"})
    connector = stand.connector()

    def done(reference: str) -> None:
        said = OutgoingReceipt(ReceiptKind.HANDLED, reference, clock.now(), f"k-{reference}")
        connector.send_receipt(stand.account, said)

    for reference in (VARSEL["varselId"], VARSEL["varselId"], ULID, "429837417"):
        done(reference)
    active = {
        each["varselId"]: each["aktiv"] for each in nav.varsler(stand.person.national_id, high=True)
    }
    assert active == {VARSEL["varselId"]: False, ULID: True}
    with pytest.raises(Gone):
        done("6f6f6a1e-5d0f-4a52-9a0c-2f3a1b7c9d11")


def test_nav_refuses_in_plain_text_and_wants_a_token_for_a_citizen_with_her_level(stand, nav):
    connector = stand.connector()
    assert isinstance(connector, Connector)
    person = stand.person.national_id
    for pid, acr in ((None, None), (person, None), (None, "idporten-loa-high")):
        with pytest.raises(Misconfigured):
            connector._varsler.get_json(
                "varsel/sammendrag", bearer=connector._tokens.bearer(SCOPE, pid, acr)
            )
    bearer = connector._bearer(Account(person))
    for said, status, words in (
        ({}, 400, "varselId parameter mangler"),
        ({"varselId": "1"}, 400, "varselId må være gyldig UUID eller ULID"),
        ({"varselId": ULID}, 403, "feilaktig varselId"),
    ):
        answer = connector._varsler.post(
            "beskjed/inaktiver", json=said, bearer=bearer, accept=(400, 403)
        )
        assert (answer.status_code, answer.text) == (status, words)
        assert answer.headers["content-type"].startswith("text/plain")
    other = archive.asked("01017012345")
    with pytest.raises(NotPermitted):
        archive.overview(connector._archive.post_json("graphql", json=other, bearer=bearer))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"errors": [{"extensions": {"code": "bad_request"}}], "data": None}, Misconfigured),
        ({"errors": [{"extensions": {"code": "unauthorized"}}], "data": None}, NotPermitted),
        ({"errors": [{"extensions": {"code": "not_found"}}], "data": None}, archive.NobodyKnown),
        ({"errors": [{"extensions": {"code": "server_error"}}], "data": None}, Temporary),
        ({"errors": "feil"}, Temporary),
        (
            {
                "errors": [{"message": "noe mangler"}],
                "data": {"dokumentoversiktSelvbetjening": {"journalposter": [], "tema": []}},
            },
            Temporary,
        ),
        ({"data": {"dokumentoversiktSelvbetjening": None}}, Temporary),
        (
            {"data": {"dokumentoversiktSelvbetjening": {"journalposter": None, "tema": []}}},
            Temporary,
        ),
        ([], Temporary),
    ],
)
def test_an_answer_of_the_archive_that_is_not_whole_is_a_failure_by_name(answer, error):
    with pytest.raises(error):
        archive.overview(answer)


def test_a_thousand_varsler_come_in_small_batches_and_the_cursor_stays_small(stand, nav):
    for number in range(1000):
        identifier = f"00000000-0000-4000-8000-{number:012d}"
        nav.put_varsel(stand.person, VARSEL | {"varselId": identifier})
    found = stand.fetch()
    assert len(letters_in(found)) == 1000
    assert max(len(batch.letters) for batch in found) <= 50
    assert max(len(batch.cursor or "") for batch in found) < 60_000
    assert stand.fetch(found[-1].cursor) == []
    rest = stand.fetch(found[6].cursor)
    assert len(letters_in(rest)) == 650


def test_only_what_is_new_or_has_changed_comes_and_what_vanishes_is_told_once(stand, nav):
    nav.put_varsel(stand.person, VARSEL)
    nav.put_varsel(stand.person, VARSEL | {"varselId": ULID})
    cursor = stand.fetch()[-1].cursor
    nav.close(ULID)
    [batch] = stand.fetch(cursor)
    assert [each.external_id for each in batch.letters] == [ULID]
    nav.delete(ULID)
    [absent] = stand.fetch(batch.cursor)
    assert (absent.letters, absent.notes) == ((), [])
    [gone] = stand.fetch(absent.cursor)
    assert [(each.external_id, each.what) for each in gone.notes] == [(ULID, Happening.DELETED)]
    assert stand.fetch(gone.cursor) == []


def test_one_list_without_a_letter_is_not_taken_for_its_end(stand, nav):
    nav.put_varsel(stand.person, VARSEL)
    cursor = stand.fetch()[-1].cursor
    nav.delete(VARSEL["varselId"])
    [absent] = stand.fetch(cursor)
    nav.put_varsel(stand.person, VARSEL)
    [back] = stand.fetch(absent.cursor)
    assert (back.letters, back.notes) == ((), []) and stand.fetch(back.cursor) == []


def test_two_entries_under_one_id_are_seen():
    items = snapshot.items_of([VARSEL, VARSEL, VARSEL | {"aktiv": False}, {"x": 1}], "varselId")
    assert [item.key[0] for item in items] == [VARSEL["varselId"][0], "?", "?"]


@pytest.mark.parametrize("cursor", ["", "x", "{}", "bnVsbA=="])
def test_a_cursor_that_is_not_ours_starts_over(cursor):
    with pytest.raises(CursorExpired):
        snapshot.load(cursor)
