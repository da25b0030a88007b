"""Altinn: what is asked, what is marked, what is understood."""

from __future__ import annotations

import copy
import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from connectors import clock, http
from connectors.altinn import mapping
from connectors.altinn.connector import Connector
from connectors.altinn.simulator import AltinnSimulator
from connectors.altinn.transmissions import Surroundings
from connectors.contract import (
    LEVEL_HIGH,
    LEVEL_SUBSTANTIAL,
    Account,
    ActRefused,
    CursorExpired,
    Gone,
    IncomingLetter,
    NotPermitted,
    OutgoingAct,
    OutgoingReceipt,
    Party,
    PartyKind,
    ReceiptKind,
    Recipient,
    RecipientKind,
    Temporary,
    Uncertain,
)
from connectors.fields import WrongField
from connectors.world.model import SimulatedDocument
from connectors.world.persons import by_slug, enterprise
from tests.connectors.conftest import BASE, Stand, letters_in, unreadable_in

HER = Recipient(RecipientKind.NATIONAL_ID, "12345678901")
OWNER, WORKSHOP = by_slug("nils-ante"), enterprise("gaup-bilverksted")
LISTED: dict[str, Any] = {
    "id": "019a0000-0000-7000-8000-000000000001",
    "org": "skd",
    "serviceResource": "urn:altinn:resource:skd-melding",
    "party": "urn:altinn:person:identifier-no:12345678901",
    "externalReference": "2026-77",
    "status": "NotApplicable",
    "dueAt": None,
    "createdAt": "2026-09-01T10:00:00.0000000+02:00",
    "updatedAt": "2026-09-02T08:00:00Z",
    "contentUpdatedAt": "2026-09-01T08:00:00Z",
    "isContentSeen": False,
    "seenSinceLastContentUpdate": [],
    "content": {
        "title": {
            "mediaType": "text/plain",
            "isAuthorized": True,
            "value": [
                {"languageCode": "en", "value": "Your tax assessment"},
                {"languageCode": "nb", "value": "Skatteoppgjøret ditt"},
            ],
        },
        "summary": {
            "mediaType": "text/plain",
            "value": [{"languageCode": "nb", "value": "Du får igjen penger."}],
        },
        "senderName": None,
    },
}


@pytest.fixture
def altinn(make_stand: Callable[..., Stand]) -> Stand:
    return make_stand("altinn")


def simulator_of(stand: Stand) -> AltinnSimulator:
    assert isinstance(stand.simulator, AltinnSimulator)
    return stand.simulator


def calls(stand: Stand) -> list[str]:
    """The calls made to Altinn itself, the token left out."""
    return [
        f"{method} {url.path.removeprefix('/altinn')}"
        for method, url in stand.recorder.requests
        if url.path.startswith("/altinn") and "/exchange/" not in url.path
    ]


def opened(stand: Stand, external_id: str, level: int = LEVEL_SUBSTANTIAL) -> IncomingLetter:
    account = Account(stand.person.national_id, level)
    return stand.connector().open_letter(account, external_id)


def listed(**changes: Any) -> IncomingLetter:
    return mapping.listed({**copy.deepcopy(LISTED), **changes}, HER)


def test_fetching_marks_nothing_and_asks_for_lists_alone(altinn: Stand) -> None:
    altinn.send(range(120))
    batches = altinn.fetch()
    altinn.fetch(batches[-1].cursor)
    assert set(calls(altinn)) == {"POST /dialogporten/graphql"}
    assert simulator_of(altinn).marks(altinn.person) == {
        "seen": set(),
        "fetched": set(),
        "read": set(),
    }
    assert all(letter.content_on_open and not letter.documents for letter in letters_in(batches))


def test_opening_marks_that_letter_and_no_other(altinn: Stand) -> None:
    first, _ = altinn.send([1, 2])
    letter = opened(altinn, first)
    assert simulator_of(altinn).marks(altinn.person) == {
        "seen": {first},
        "fetched": {first},
        "read": {first},
    }
    assert (letter.external_id, letter.content_on_open) == (first, False)
    assert (letter.body, letter.body_media_type) == (
        "Vi har behandlet saken din.",
        "text/markdown",
    )
    assert letter.sender.org_number == altinn.letter().agency.org_number
    assert letter.same_as[-1].startswith("altinn:")
    assert not letter.documents[0].on_open


def test_opening_twice_is_harmless(altinn: Stand) -> None:
    [identifier] = altinn.send([1])
    assert opened(altinn, identifier).documents == opened(altinn, identifier).documents


def test_no_key_to_the_content_is_kept(altinn: Stand) -> None:
    [identifier] = altinn.send([1])
    kept = {part.name: json.loads(part.content) for part in opened(altinn, identifier).raw}
    assert set(kept) == {"dialog.json", "correspondence.json"}
    assert "dialogToken" not in kept["dialog.json"]
    assert kept["dialog.json"]["guiActions"]


def test_a_letter_seen_elsewhere_is_opened_here(altinn: Stand) -> None:
    seen_at = altinn.letter(1).sent_at + timedelta(hours=3)
    altinn.simulator.send(altinn.letter(1, opened_at=seen_at))
    altinn.send([2])
    assert {each.title: each.opened_at for each in letters_in(altinn.fetch())} == {
        "Brev nummer 1": seen_at,
        "Brev nummer 2": None,
    }


def test_a_level_four_letter_shows_its_real_title_to_level_four_alone(altinn: Stand) -> None:
    identifier = altinn.simulator.send(
        altinn.letter(1, security_level=4, public_title="Brev fra Skatteetaten", summary="Hemmelig")
    )
    [letter] = letters_in(altinn.fetch())
    assert (letter.security_level, letter.public_title) == (LEVEL_HIGH, "Brev fra Skatteetaten")
    assert "Brev nummer 1" not in repr(letter) and letter.summary == ""
    with pytest.raises(NotPermitted):
        opened(altinn, identifier)
    assert simulator_of(altinn).marks(altinn.person)["fetched"] == set()
    letter = opened(altinn, identifier, LEVEL_HIGH)
    assert (letter.title, letter.summary) == ("Brev nummer 1", "Hemmelig")
    assert (letter.security_level, letter.public_title) == (LEVEL_HIGH, "Brev fra Skatteetaten")


def test_a_level_three_letter_stays_so_when_opened_at_level_four(altinn: Stand) -> None:
    [identifier] = altinn.send([1])
    letter = opened(altinn, identifier, LEVEL_HIGH)
    assert (letter.security_level, letter.public_title) == (LEVEL_SUBSTANTIAL, "")


def test_an_idle_fetch_by_a_new_connector_costs_one_request(altinn: Stand) -> None:
    altinn.send(range(3))
    [batch] = altinn.fetch()
    altinn.recorder.requests.clear()
    altinn.fetch(batch.cursor)
    assert [url.path for _, url in altinn.recorder.requests] == ["/altinn/dialogporten/graphql"]


def test_the_cursor_moves_with_the_last_page_alone(altinn: Stand) -> None:
    altinn.send(range(250))
    positions = [json.loads(batch.cursor or "") for batch in altinn.fetch()]
    assert [each["since"] for each in positions[:2]] == ["", ""]
    assert all(each["token"] for each in positions[:2])
    assert positions[2]["token"] == ""
    newest = altinn.letter(249).sent_at
    assert datetime.fromisoformat(positions[2]["since"]) == newest


def test_a_forgotten_continuation_token_starts_the_list_over(altinn: Stand) -> None:
    sent = altinn.send(range(250))
    connector = altinn.connector()
    first = next(connector.fetch(altinn.account, None))
    simulator_of(altinn).expire_continuation_tokens()
    again = letters_in(altinn.fetch(first.cursor))
    assert sorted(each.external_id for each in again) == sorted(sent)


def test_a_letter_that_comes_during_a_run_is_found_by_the_next(altinn: Stand) -> None:
    altinn.send(range(150))
    running = altinn.connector().fetch(altinn.account, None)
    next(running)
    [added] = altinn.send([500])
    *_, last = running
    assert added not in {each.external_id for each in last.letters}
    assert added in {each.external_id for each in letters_in(altinn.fetch(last.cursor))}


def test_a_time_far_ahead_does_not_carry_the_cursor_away(altinn: Stand) -> None:
    altinn.simulator.send(altinn.letter(1, sent_at=clock.now() + timedelta(days=400)))
    [batch] = altinn.fetch()
    [added] = altinn.send([2])
    assert added in {each.external_id for each in letters_in(altinn.fetch(batch.cursor))}


@pytest.mark.parametrize("cursor", ["", "x", "[]", "{}", '{"since": 1, "target": "", "token": ""}'])
def test_a_cursor_that_is_not_ours_has_expired(altinn: Stand, cursor: str) -> None:
    with pytest.raises(CursorExpired):
        altinn.fetch(cursor)


def test_a_hidden_letter_comes_on_its_day(altinn: Stand, frozen_clock: None) -> None:
    day = clock.now() + timedelta(days=3)
    hidden = altinn.simulator.send(altinn.letter(1, sent_at=clock.now(), visible_from=day))
    altinn.simulator.send(altinn.letter(2, sent_at=clock.now()))
    [batch] = altinn.fetch()
    assert hidden not in {each.external_id for each in batch.letters}
    clock.freeze(day)
    assert hidden in {each.external_id for each in letters_in(altinn.fetch(batch.cursor))}


def test_an_expired_attachment_is_gone_and_the_text_is_not(altinn: Stand) -> None:
    [identifier] = altinn.send([1])
    assert altinn.simulator.expire_latest(altinn.person, altinn.channel)
    assert not altinn.simulator.expire_latest(altinn.person, altinn.channel)
    letter = opened(altinn, identifier)
    assert letter.body and letter.documents[0].expires_at
    assert letter.documents[0].expires_at < clock.now()
    with pytest.raises(Gone):
        list(altinn.connector().download(altinn.account, letter.documents[0].ref))


def test_a_document_that_is_not_what_was_declared_is_refused(altinn: Stand) -> None:
    [identifier] = altinn.send([1])
    [document] = opened(altinn, identifier).documents
    connector = altinn.connector()
    assert b"".join(connector.download(altinn.account, document.ref)).startswith(b"%PDF")
    altinn.fail("html")
    with pytest.raises(Temporary):
        list(connector.download(altinn.account, document.ref))


@pytest.mark.parametrize("mode", ["html", "garbage", "truncated", "down"])
def test_an_opening_that_fails_is_named_and_can_be_repeated(altinn: Stand, mode: str) -> None:
    [identifier] = altinn.send([1])
    altinn.fail(mode)
    with pytest.raises(Temporary):
        opened(altinn, identifier)
    altinn.fail("ok")
    assert opened(altinn, identifier).body


def test_a_text_that_is_no_text_is_refused(altinn: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    [identifier] = altinn.send([1])
    opened(altinn, identifier)
    view = altinn.simulator.app.view_functions["content"]
    monkeypatch.setitem(
        altinn.simulator.app.view_functions, "content", lambda **_: "<!doctype html>"
    )
    with pytest.raises(Temporary):
        opened(altinn, identifier)
    monkeypatch.setitem(altinn.simulator.app.view_functions, "content", view)
    assert opened(altinn, identifier).body


def test_a_letter_that_is_not_there_is_gone(altinn: Stand) -> None:
    for identifier in ("019a0000-0000-7000-8000-000000000001", "../dialogs", ""):
        with pytest.raises(Gone):
            opened(altinn, identifier)


def test_what_is_to_be_done_and_what_is_done(altinn: Stand) -> None:
    done = altinn.letter(3).sent_at + timedelta(days=2)
    altinn.simulator.send(altinn.letter(1, needs_action=True))
    confirm = altinn.simulator.send(altinn.letter(2, needs_confirmation=True))
    altinn.simulator.send(altinn.letter(3, needs_action=True, handled_at=done))
    assert {
        each.title[-1]: (each.needs_action, each.handled_at) for each in letters_in(altinn.fetch())
    } == {"1": (True, None), "2": (True, None), "3": (False, done)}
    assert opened(altinn, confirm).needs_confirmation


def test_only_a_correspondence_that_waits_asks_for_a_confirmation_before_it_is_opened() -> None:
    confirmed = {"type": "CorrespondenceConfirmed", "createdAt": "2026-09-03T08:00:00Z"}
    correspondence = {"serviceResourceType": "CorrespondenceService"}
    waits = {"status": "RequiresAttention"}
    assert listed(**correspondence, **waits).needs_confirmation
    assert not listed(**correspondence).needs_confirmation
    app = listed(serviceResourceType="AltinnApp", **waits)
    assert app.needs_action and not app.needs_confirmation
    done = listed(**correspondence, latestActivity=confirmed)
    assert done.handled_at == datetime(2026, 9, 3, 8, 0, tzinfo=UTC)
    assert not (done.needs_action or done.needs_confirmation)
    assert listed(**correspondence, **waits, latestActivity=confirmed).handled_at is None
    assert listed(latestActivity={"type": "Noe nytt", "createdAt": "x"}).handled_at is None


def test_what_altinn_says_to_a_confirmation_is_understood(altinn: Stand) -> None:
    identifier = altinn.simulator.send(altinn.letter(1, needs_confirmation=True))
    receipt = OutgoingReceipt(ReceiptKind.CONFIRMED, identifier, clock.now(), "1")
    for _ in range(2):
        altinn.connector().send_receipt(altinn.account, receipt)
    root = "POST /correspondence/api/v1/correspondence/"
    posts = [call.removeprefix(root).partition("/")[2] for call in calls(altinn) if root in call]
    assert posts == ["confirm", "confirm", "confirm"]  # not fetched, fetched, confirmed already
    marks = simulator_of(altinn).marks(altinn.person)
    assert marks["fetched"] == {identifier} and marks["read"] == set()
    [letter] = letters_in(altinn.fetch())
    assert letter.handled_at and not letter.needs_action
    with pytest.raises(Gone):
        altinn.connector().send_receipt(
            altinn.account, replace(receipt, reference="019a0000-0000-7000-8000-000000000001")
        )


def test_a_link_becomes_an_action_and_a_change_does_not(altinn: Stand) -> None:
    identifier = altinn.simulator.send(
        altinn.letter(
            1,
            action_url="https://www.skatteetaten.no/klage",
            action_label="Klag",
            needs_confirmation=True,
            case_reference="2026/17",
        )
    )
    letter = opened(altinn, identifier)
    assert [(each.url, each.label) for each in letter.actions] == [
        ("https://www.skatteetaten.no/klage", "Klag")
    ]
    assert letter.case_reference == "2026/17"


def test_the_main_document_comes_first(altinn: Stand) -> None:
    attachment = SimulatedDocument("vedlegg.pdf", "Vedlegg", "application/pdf", b"%PDF-1.7 v")
    main = altinn.letter(1).documents[0]
    identifier = altinn.simulator.send(altinn.letter(1, documents=(attachment, main)))
    assert [(each.name, each.is_main) for each in opened(altinn, identifier).documents] == [
        ("brev.pdf", True),
        ("vedlegg.pdf", False),
    ]


def test_the_same_letter_in_another_channel_is_named(altinn: Stand) -> None:
    nav = replace(altinn.letter().agency, slug="nav")
    altinn.simulator.send(altinn.letter(1, agency=nav, same_as=("nav:kari-1",)))
    [letter] = letters_in(altinn.fetch())
    assert letter.same_as == ("nav:kari-1",)


def test_forgetting_a_person_leaves_nothing(altinn: Stand) -> None:
    [identifier] = altinn.send([1])
    opened(altinn, identifier)
    altinn.simulator.forget(altinn.person)
    assert altinn.fetch() == []
    assert not any(simulator_of(altinn).marks(altinn.person).values())


def test_a_token_of_nobody_lists_nothing(altinn: Stand) -> None:
    client = altinn.connector()
    with pytest.raises(NotPermitted):
        list(client.fetch(Account(""), None))


def test_a_listed_dialog_is_mapped_field_by_field() -> None:
    letter = listed()
    assert (letter.title, letter.language) == ("Skatteoppgjøret ditt", "nb")
    assert letter.summary == "Du får igjen penger."
    assert (letter.sender.name, letter.sender.org_number) == ("skd", "")
    assert letter.sent_at == datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
    assert letter.same_as == ("skd:2026-77",)
    assert (letter.security_level, letter.needs_action) == (LEVEL_SUBSTANTIAL, False)


def test_a_title_that_does_not_say_its_level_is_level_four() -> None:
    content = copy.deepcopy(LISTED["content"])
    del content["title"]["isAuthorized"]
    letter = listed(content=content)
    assert (letter.security_level, letter.public_title) == (LEVEL_HIGH, "")


def test_unknown_values_break_nothing() -> None:
    letter = listed(status="Forvitret", systemLabel="Rosa", serviceResourceType="Ny", fremtid=[1])
    assert letter.title == "Skatteoppgjøret ditt"
    assert not letter.needs_action and letter.handled_at is None
    context = {"revision": "x", "systemLabels": ["Rosa", "Default"]}
    activity = {"type": "Noe nytt", "createdAt": "2026-09-03T08:00:00Z"}
    again = listed(endUserContext=context, latestActivity=activity)
    assert again.title == letter.title and again.handled_at is None


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "not-a-uuid"},
        {"id": None},
        {"party": "urn:altinn:person:identifier-no:10987654321"},
        {"createdAt": "2026-09-01T10:00:00"},
        {"createdAt": "i går"},
        {"dueAt": "9999-99-99"},
        {"content": None},
        {"content": {"title": {"value": []}}},
        {"content": {"title": {"value": [{"languageCode": "nb", "value": "\ud800"}]}}},
        {"seenSinceLastContentUpdate": [{"isCurrentEndUser": True}]},
        {"status": 7},
    ],
)
def test_a_dialog_that_is_wrong_is_kept_with_a_reason_that_names_nobody(
    changes: dict[str, Any],
) -> None:
    item = {**LISTED, **changes}
    with pytest.raises(WrongField):
        mapping.listed(item, HER)
    letters, [refused] = mapping.read_items([item], HER)
    assert letters == []
    assert json.loads(refused.raw[0].content) == item
    assert "12345678901" not in refused.reason and "10987654321" not in refused.reason


def test_a_dialog_that_is_no_correspondence_opens_with_what_it_has() -> None:
    dialog = copy.deepcopy(LISTED)
    dialog["content"]["additionalInfo"] = {
        "mediaType": "text/markdown",
        "value": [{"languageCode": "nb", "value": "**Hei**"}],
    }
    dialog["attachments"] = [
        {
            "displayName": [{"languageCode": "nb", "value": "Skjema"}],
            "urls": [
                {"consumerType": "Gui", "url": "https://app.example.no/1"},
                {"consumerType": "Gui", "url": "javascript:alert(1)"},
            ],
        }
    ]
    assert mapping.correspondence_id(dialog) == ""
    letter = mapping.opened_without_correspondence(
        mapping.listed(dialog, HER), dialog, Surroundings(dialog["id"])
    )
    assert (letter.body, letter.body_media_type) == ("**Hei**", "text/markdown")
    assert [(each.url, each.label) for each in letter.actions] == [
        ("https://app.example.no/1", "Skjema")
    ]


def test_a_thousand_of_two_thousand_letters_are_fetched_over_real_http(
    altinn: Stand, real_server: Callable[[Any], str]
) -> None:
    altinn.simulator.send_many([altinn.letter(number) for number in range(2000)])
    base_url = real_server(altinn.app)
    assert base_url != BASE
    running = altinn.connector(base_url).fetch(altinn.account, None)
    batches = [next(running) for _ in range(10)]
    assert len(letters_in(batches)) == 1000 and not unreadable_in(batches)


def test_transmissions_that_are_hers_to_see_are_the_thread_and_a_wrong_one_hides_no_other(
    altinn: Stand,
) -> None:
    identifier = altinn.simulator.send(altinn.letter(1))
    simulator_of(altinn).transmit(identifier, "Første", kind="Decision", summary="Les dette.")
    simulator_of(altinn).transmit(identifier, "Svar", by_her=True)
    letter = opened(altinn, identifier)
    assert [(m.title, m.text, m.kind, m.from_her) for m in letter.messages] == [
        ("Første", "Les dette.", "Decision", False),
        ("Svar", "", "Information", True),
    ]
    dialog = json.loads(next(each for each in letter.raw if each.name == "dialog.json").content)
    first, second = dialog["transmissions"]
    first["type"] = "Noe helt nytt"
    del second["createdAt"]
    dialog["transmissions"] += [7, {**first, "isAuthorized": False, "id": dialog["id"]}]
    again = mapping.opened_without_correspondence(letter, dialog, Surroundings(dialog["id"]))
    assert [each.kind for each in again.messages] == ["Noe helt nytt"]


def test_only_a_host_that_is_listed_is_asked_and_with_nothing_but_the_dialog_token(
    altinn: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = altinn.simulator.send(altinn.letter(1))
    url = "https://skatt.example/frist"
    simulator_of(altinn).offer(identifier, "utsett", "Utsett", method="POST", url=url)
    assert opened(altinn, identifier).actions == []
    allowing = Connector({**altinn.settings(), "action_hosts": "nav.example skatt.example"})
    account = Account(altinn.person.national_id)
    [action] = allowing.open_letter(account, identifier).actions
    assert action.id is not None
    act = OutgoingAct(identifier, action.id, action.agreed())
    with pytest.raises(ActRefused) as refusal:
        altinn.connector().act(account, act)
    assert refusal.value.code == "host"
    asked: list[httpx.Request] = []
    answers = [httpx.Response(302, headers={"Location": "https://evil.example"}), 500, 204]

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        said = answers.pop(0)
        return said if isinstance(said, httpx.Response) else httpx.Response(said)

    before = http.transport_for
    elsewhere = httpx.MockTransport(answer)
    monkeypatch.setattr(
        http, "transport_for", lambda base: elsewhere if "skatt" in base else before(base)
    )
    with pytest.raises(ActRefused):
        allowing.act(account, act)
    with pytest.raises(Uncertain):
        allowing.act(account, act)
    allowing.act(account, act)
    assert [(each.method, str(each.url)) for each in asked] == [("POST", url)] * 3
    for each in asked:
        _, _, token = each.headers["Authorization"].partition(" ")
        claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
        assert claims["i"] == identifier and "pid" not in claims
    allowing.close()


def acting(person=OWNER) -> Account:
    return Account(person.national_id, organisation=WORKSHOP.org_number)


def party_of(**said: Any) -> dict[str, Any]:
    """An entry as Altinn's own snapshot of `GetPartiesTests` has it."""
    return {
        "party": "urn:altinn:organization:identifier-no:310923044",
        "partyUuid": "3b3efe7f-8814-4d36-b0c3-dc754189c8e5",
        "partyId": 51267836,
        "name": "ÆRLIG UROKKELIG TIGER AS",
        "dateOfBirth": None,
        "partyType": "Organization",
        "isDeleted": False,
        "hasKeyRole": True,
        "isCurrentEndUser": False,
        "isMainAdministrator": False,
        "isAccessManager": False,
        "hasOnlyAccessToSubParties": False,
        "subParties": None,
    } | said


def read_parties(*said: dict[str, Any]) -> list[Party]:
    return mapping.parties({"authorizedParties": list(said)})


def test_for_whom_she_may_act_is_listed_without_her_and_without_a_mark(altinn: Stand) -> None:
    connector = altinn.connector()
    [workshop] = connector.parties(Account(OWNER.national_id))
    assert (workshop.number, workshop.name) == (WORKSHOP.org_number, WORKSHOP.name)
    assert workshop.kind is PartyKind.ORGANISATION and workshop.has_key_role
    [child] = connector.parties(Account(by_slug("henrik").national_id))
    assert (child.kind, child.number) == (PartyKind.PERSON, by_slug("sara").national_id)
    assert not child.has_key_role
    assert list(connector.parties(Account(by_slug("kari").national_id))) == []
    assert set(calls(altinn)) == {"GET /dialogporten/api/v1/enduser/parties"}
    assert not [url for _, url in altinn.recorder.requests if OWNER.national_id in str(url)]
    assert OWNER.national_id not in repr(child) and by_slug("sara").national_id not in repr(child)


def test_a_child_is_no_party_from_the_day_it_is_18(altinn: Stand) -> None:
    account = Account(by_slug("henrik").national_id)
    clock.freeze(datetime(2028, 11, 30, 22, 59, tzinfo=UTC))
    assert len(altinn.connector().parties(account)) == 1
    clock.freeze(datetime(2028, 11, 30, 23, 0, tzinfo=UTC))
    assert list(altinn.connector().parties(account)) == []


def test_what_is_no_party_of_hers_is_left_out() -> None:
    unit = party_of(party="urn:altinn:organization:identifier-no:315010195", hasKeyRole=False)
    above = party_of(hasOnlyAccessToSubParties=True, subParties=[unit])
    assert [(each.number, each.has_key_role) for each in read_parties(above)] == [
        ("315010195", False)
    ]
    assert read_parties(party_of(isDeleted=True)) == []
    assert read_parties(party_of(partyType="SelfIdentified", party="urn:altinn:x:y")) == []
    assert mapping.parties({"authorizedParties": None}) == []
    # Named twice, she has the role where one of the two says so.
    for twice in (
        [party_of(), party_of(hasKeyRole=False)],
        [party_of(hasKeyRole=False), party_of()],
    ):
        assert [each.has_key_role for each in read_parties(*twice)] == [True]


@pytest.mark.parametrize(
    "said",
    [
        {"party": "urn:altinn:person:identifier-no:12345678901"},
        {"party": "urn:altinn:organization:identifier-no:31092304"},
        {"party": None},
        {"partyUuid": "x"},
        {"name": ""},
        {"isDeleted": "no"},
        {"subParties": ["x"]},
        {"partyType": None},
    ],
)
def test_one_party_that_cannot_be_read_makes_the_list_no_answer(said: dict[str, Any]) -> None:
    with pytest.raises(WrongField):
        read_parties(party_of(), party_of(**said))


def test_a_list_that_is_no_answer_is_a_failure_and_names_nobody(
    altinn: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = party_of(party="urn:altinn:person:identifier-no:12345678901")
    monkeypatch.setattr(simulator_of(altinn), "parties", lambda person: [wrong])
    with pytest.raises(Temporary) as raised:
        altinn.connector().parties(Account(OWNER.national_id))
    assert "1234567" not in str(raised.value)


def test_an_enterprises_letters_are_its_own_and_hers_hers(altinn: Stand) -> None:
    altinn.person = OWNER
    own = altinn.simulator.send(altinn.letter(1))
    its = altinn.simulator.send(altinn.letter(2, enterprise=WORKSHOP))
    connector = altinn.connector()

    def fetched(account: Account) -> list[IncomingLetter]:
        return letters_in(list(connector.fetch(account, None)))

    assert [each.external_id for each in fetched(Account(OWNER.national_id))] == [own]
    [letter] = fetched(acting())
    assert letter.external_id == its
    assert letter.recipient == Recipient(RecipientKind.ORGANISATION, WORKSHOP.org_number)
    assert fetched(acting(by_slug("kari"))) == []
    for method, url in altinn.recorder.requests:
        assert OWNER.national_id not in str(url), method


def test_an_enterprises_letter_is_opened_and_confirmed_by_who_acts_for_it(altinn: Stand) -> None:
    altinn.person = OWNER
    its = altinn.simulator.send(altinn.letter(1, enterprise=WORKSHOP, needs_confirmation=True))
    with pytest.raises(Gone):
        altinn.connector().open_letter(acting(by_slug("kari")), its)
    letter = altinn.connector().open_letter(replace(acting(), security_level=LEVEL_HIGH), its)
    assert letter.body and letter.needs_confirmation
    assert letter.recipient.value == WORKSHOP.org_number
    assert b"".join(altinn.connector().download(acting(), letter.documents[0].ref))
    receipt = OutgoingReceipt(ReceiptKind.CONFIRMED, its, clock.now(), "1")
    altinn.connector().send_receipt(acting(), receipt)
    simulator = simulator_of(altinn)
    assert simulator.marks(WORKSHOP)["read"] == {its}
    assert not any(simulator.marks(OWNER).values())
    # She has given it up: nothing is hers to see there any more.
    simulator.dismiss(OWNER, WORKSHOP)
    assert letters_in(list(altinn.connector().fetch(acting(), None))) == []
    with pytest.raises(Gone):
        altinn.connector().open_letter(acting(), its)
