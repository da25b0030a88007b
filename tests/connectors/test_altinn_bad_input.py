"""Whatever Dialogporten answers: named errors or quarantine, nothing lost, nothing executed.

What is covered elsewhere:

    expired continuation token          test_altinn.py::test_a_forgotten_continuation_token_…
    503 and others between two pages    tests/conformance, rule C-18
    a list item that cannot be read     tests/conformance, rules C-21, C-22
    30,000 hostile characters, 100      tests/web/letter/test_altinn_letters.py::
      attachments, names over 255 bytes   test_the_largest_and_most_hostile_letter_…
    names that collide in a zip         tests/web/letter/test_hostile.py, test_download_all.py
    replayed and forged events          tests/web/test_hooks.py
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from connectors import clock, http
from connectors.altinn import mapping
from connectors.altinn.simulator import AltinnSimulator
from connectors.altinn.transmissions import Surroundings
from connectors.contract import Misconfigured, NotPermitted, Place, Temporary
from connectors.http import Refused
from tests.connectors.conftest import Stand, letters_in
from tests.connectors.test_altinn import HER, LISTED

LIST = "/dialogporten/graphql"


@pytest.fixture
def altinn(make_stand: Callable[..., Stand]) -> Stand:
    return make_stand("altinn")


@pytest.fixture
def answering(altinn: Stand, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let each answer to a list be what a function makes of its number and of the right one."""

    def change(answer: Callable[[int, httpx.Response], httpx.Response]) -> None:
        before, count = http.transport_for, iter(range(1000))

        class Changed(httpx.BaseTransport):
            def __init__(self, base: str) -> None:
                inner = before(base)
                assert inner is not None
                self._inner = inner

            def handle_request(self, request: httpx.Request) -> httpx.Response:
                right = self._inner.handle_request(request)
                if not request.url.path.endswith(LIST):
                    return right
                right.read()
                made = answer(next(count), right)
                # As a stream: what has been read is never received again.
                stream = httpx.ByteStream(made.content)
                kept = {"content-type": made.headers.get("content-type", "application/json")}
                return httpx.Response(made.status_code, headers=kept, stream=stream)

        monkeypatch.setattr(http, "transport_for", Changed)

    return change


def page(right: httpx.Response, **changes: Any) -> httpx.Response:
    found = json.loads(right.content)["data"]["searchDialogs"]
    return httpx.Response(200, json={"data": {"searchDialogs": {**found, **changes}}})


def refusal(kind: str) -> httpx.Response:
    said = {"errors": [{"__typename": kind, "message": "No"}], "hasNextPage": False}
    return httpx.Response(200, json={"data": {"searchDialogs": {**said, "items": None}}})


TOKEN_REFUSED = refusal("SearchDialogContinuationTokenParsingError")


@pytest.mark.parametrize("answer", [TOKEN_REFUSED, httpx.Response(400), httpx.Response(422)])
def test_a_continuation_token_that_is_refused_in_the_middle_starts_the_list_over(
    altinn: Stand, answering: Callable[..., None], answer: httpx.Response
) -> None:
    sent = altinn.send(range(150))
    answering(lambda number, right: answer if number == 1 else right)
    found = [each.external_id for each in letters_in(altinn.fetch())]
    assert set(found) == set(sent) and len(found) == 250  # the first page twice


def test_a_token_that_is_refused_each_time_is_a_failure_and_no_endless_run(
    altinn: Stand, answering: Callable[..., None]
) -> None:
    altinn.send(range(150))
    answering(lambda number, right: TOKEN_REFUSED if number % 2 else right)
    with pytest.raises(Refused):
        altinn.fetch()


def test_a_list_that_is_too_broad_is_a_failure_with_a_name_and_never_an_empty_list(
    altinn: Stand, answering: Callable[..., None]
) -> None:
    altinn.send([1])
    answering(lambda number, right: refusal("SearchDialogDomainError"))
    with pytest.raises(Refused) as raised:
        altinn.fetch()
    assert isinstance(raised.value, Temporary) and raised.value.status == 422


def not_answered(**extensions: str) -> dict[str, Any]:
    return {"data": None, "errors": [{"message": "No", "extensions": extensions}]}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"data": {"searchDialogs": {"items": [], "hasNextPage": False}}}, None),
        (not_answered(code="AUTH_NOT_AUTHENTICATED"), Misconfigured),
        (not_answered(code="AUTH_NOT_AUTHORIZED"), NotPermitted),
        (not_answered(code="HC0045"), Temporary),
        ({"data": None, "errors": ["No"]}, Temporary),
        ({"data": None}, Temporary),
        ({"data": {"searchDialogs": None}}, Temporary),
        ({"data": {"searchDialogs": {"items": None, "hasNextPage": False}}}, None),
        ({"data": {"searchDialogs": {"items": [], "hasNextPage": None}}}, Temporary),
        ({"data": {"searchDialogs": {"items": {}, "hasNextPage": False}}}, Temporary),
        ([], Temporary),
    ],
)
def test_an_answer_of_http_200_is_a_list_only_if_it_is_one(
    altinn: Stand, answering: Callable[..., None], said: Any, error: type[Exception] | None
) -> None:
    answering(lambda number, right: httpx.Response(200, json=said))
    if error is None:
        assert altinn.fetch() == []
        return
    with pytest.raises(error):
        altinn.fetch()


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("SearchDialogForbidden", NotPermitted),
        ("SearchDialogValidationError", Refused),
        ("SearchDialogOutOfTea", Temporary),
    ],
)
def test_what_is_refused_is_never_an_empty_list_and_names_nobody(
    altinn: Stand, answering: Callable[..., None], kind: str, error: type[Exception]
) -> None:
    altinn.send([1])
    answering(lambda number, right: refusal(kind))
    with pytest.raises(error) as raised:
        altinn.fetch()
    assert type(raised.value) is error
    assert altinn.person.national_id not in str(raised.value)


def test_values_that_nobody_knows_hide_no_letter(
    altinn: Stand, answering: Callable[..., None]
) -> None:
    [sent] = altinn.send([1])

    def changed(number: int, right: httpx.Response) -> httpx.Response:
        found = json.loads(right.content)["data"]["searchDialogs"]["items"]
        labels = {"revision": str(UUID(int=1)), "systemLabels": ["STARRED", "ARCHIVE"]}
        return page(right, items=[{**found[0], "status": "ON_FIRE", "endUserContext": labels}])

    answering(changed)
    [batch] = altinn.fetch()
    assert [each.external_id for each in batch.letters] == [sent]
    assert [each.place for each in batch.states] == [Place.ARCHIVE]


def test_a_page_that_comes_twice_hides_none(altinn: Stand, answering: Callable[..., None]) -> None:
    sent = altinn.send(range(250))
    pages: list[list[Any]] = []

    def twice(number: int, right: httpx.Response) -> httpx.Response:
        pages.append(json.loads(right.content)["data"]["searchDialogs"]["items"])
        return page(right, items=[*pages[0], *pages[-1]])

    answering(twice)
    assert {each.external_id for each in letters_in(altinn.fetch())} == set(sent)


def test_a_list_that_goes_on_in_a_circle_is_given_up(
    altinn: Stand, answering: Callable[..., None]
) -> None:
    altinn.send(range(150))
    first: list[httpx.Response] = []

    def circle(number: int, right: httpx.Response) -> httpx.Response:
        first.append(right)
        return page(first[0], hasNextPage=True, continuationToken="same")

    answering(circle)
    with pytest.raises(Temporary, match="goes on"):
        altinn.fetch()


@pytest.mark.parametrize("gone", [0, 99, 100, 149])
def test_what_disappears_between_two_pages_takes_none_with_it(altinn: Stand, gone: int) -> None:
    sent = altinn.send(range(150))
    running = altinn.connector().fetch(altinn.account, None)
    first = next(running)
    assert isinstance(altinn.simulator, AltinnSimulator)
    with altinn.simulator.state.transaction() as db:
        db.execute("DELETE FROM dialogs WHERE id = ?", (sent[gone],))
    found = {each.external_id for each in letters_in([first, *running])}
    assert set(sent) - found <= {sent[gone]}


@pytest.mark.parametrize("minutes", [-2880, -1440, -5, 5, 1439, 1441, 2880])
def test_a_clock_that_is_ahead_or_behind_loses_nothing(altinn: Stand, minutes: int) -> None:
    theirs = clock.now() + timedelta(minutes=minutes)
    altinn.simulator.send(altinn.letter(1, sent_at=theirs))
    [first] = altinn.fetch()
    added = [
        altinn.simulator.send(altinn.letter(number, sent_at=theirs + timedelta(seconds=number)))
        for number in (2, 3)
    ]
    [second] = altinn.fetch(first.cursor)
    assert {each.external_id for each in second.letters} >= set(added)
    last = altinn.simulator.send(altinn.letter(4, sent_at=theirs + timedelta(hours=1)))
    assert last in {each.external_id for each in letters_in(altinn.fetch(second.cursor))}


NEW_VALUES: dict[str, dict[str, Any]] = {
    "status": {"status": "Forvitret"},
    "label": {"systemLabel": "Rosa", "endUserContext": {"systemLabels": ["Rosa"]}},
    "activity": {"activities": [{"type": "NoeNytt", "createdAt": "2026-09-03T08:00:00Z"}]},
    "transmission": {
        "transmissions": [
            {
                "id": LISTED["id"],
                "type": "NoeNytt",
                "createdAt": "2026-09-03T08:00:00Z",
                "isAuthorized": True,
                "sender": {"actorType": "NoenNye"},
                "content": {
                    "title": {"value": [{"languageCode": "xx", "value": "Hei"}]},
                    "contentReference": {"mediaType": "application/nytt", "value": []},
                },
                "attachments": [
                    {"urls": [{"consumerType": "Ny", "url": "https://a.example/1"}]},
                ],
            }
        ]
    },
    "action": {
        "guiActions": [
            {
                "id": LISTED["id"],
                "httpMethod": "PATCH",
                "priority": "Ny",
                "isAuthorized": True,
                "isDeleteDialogAction": False,
                "url": "https://a.example/1",
                "title": [{"languageCode": "nb", "value": "Gjør noe nytt"}],
            }
        ]
    },
}


@pytest.mark.parametrize("name", NEW_VALUES)
def test_a_value_that_is_new_to_us_hides_nothing_and_does_nothing(name: str) -> None:
    dialog = {**copy.deepcopy(LISTED), **NEW_VALUES[name]}
    around = Surroundings(dialog["id"])
    letter = mapping.opened_without_correspondence(mapping.listed(dialog, HER), dialog, around)
    assert letter.title == "Skatteoppgjøret ditt" and letter.handled_at is None
    assert not letter.actions and not letter.documents and not letter.needs_action
    assert [each.title for each in letter.messages] == ["Hei"] * (name == "transmission")


@pytest.mark.parametrize("url", ["urn:dialogporten:expired", "javascript:alert(1)", "", "//x"])
def test_an_attachment_that_leads_nowhere_is_no_link(url: str) -> None:
    urls = [{"consumerType": "Gui", "url": url, "mediaType": "application/pdf"}]
    dialog = {**copy.deepcopy(LISTED), "attachments": [{"name": "v.pdf", "urls": urls}]}
    around = Surroundings(dialog["id"], may_be_asked=lambda url: True)
    letter = mapping.opened_without_correspondence(mapping.listed(dialog, HER), dialog, around)
    assert not letter.actions
    expired = url.startswith("urn:")
    assert [(each.name, each.ref) for each in letter.documents] == [("v.pdf", "")] * expired


def test_attachments_of_one_name_have_names_of_their_own_and_none_is_too_long() -> None:
    urls = [{"consumerType": "Api", "url": "https://a.example/1", "mediaType": "text/plain"}]
    files = [{"name": "Å" * 300, "urls": urls} for _ in range(100)]
    dialog = {**copy.deepcopy(LISTED), "attachments": files}
    around = Surroundings(dialog["id"], may_be_asked=lambda url: True)
    letter = mapping.opened_without_correspondence(mapping.listed(dialog, HER), dialog, around)
    names = [each.name for each in letter.documents]
    assert len({name.casefold() for name in names}) == 100
    assert max(map(len, names)) <= 255
