"""The simulated Dialogporten does what Altinn's does with labels and the seen log.

Every call here is held against its description, too (`altinn_judge.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from connectors import clock
from connectors.altinn.simulator import AltinnSimulator
from connectors.altinn.tokens import AltinnTokens
from connectors.contract import Account
from connectors.http import Http
from connectors.maskinporten.client import TokenSource
from tests.connectors.conftest import BASE, Stand

ROOT = "/altinn/dialogporten/api/v1/enduser"
Ask = Callable[..., httpx.Response]


@pytest.fixture
def altinn(make_stand: Callable[..., Stand]) -> Stand:
    return make_stand("altinn")


@pytest.fixture
def ask(altinn: Stand) -> Ask:
    """Ask Dialogporten as the citizen would."""
    settings = altinn.settings()
    maskinporten = Http(settings["maskinporten_url"])
    machine = TokenSource(
        maskinporten,
        settings["maskinporten_url"],
        settings["client_id"],
        settings["private_key_file"],
    )
    tokens = AltinnTokens(Http(settings["base_url"]), machine)
    client = httpx.Client(transport=altinn.recorder, base_url=BASE)

    def asked(method: str, path: str, **options: Any) -> httpx.Response:
        token, _ = tokens.of(Account(altinn.person.national_id)).token()
        if (method, path) == ("GET", "dialogs"):
            hers = f"urn:altinn:person:identifier-no:{altinn.person.national_id}"
            options["params"] = {"party": hers, **options.get("params", {})}
        headers = {"Authorization": f"Bearer {token}"} | options.pop("headers", {})
        return client.request(method, f"{ROOT}/{path}", headers=headers, **options)

    return asked


def simulator_of(stand: Stand) -> AltinnSimulator:
    assert isinstance(stand.simulator, AltinnSimulator)
    return stand.simulator


def item(ask: Ask, identifier: str) -> dict[str, Any]:
    (found,) = (each for each in ask("GET", "dialogs").json()["items"] if each["id"] == identifier)
    return dict(found)


def labels(ask: Ask, identifier: str) -> set[str]:
    return set(item(ask, identifier)["endUserContext"]["systemLabels"])


def relabel(ask: Ask, identifier: str, *added: str, removed: str = "", **options: Any) -> int:
    said = {"addLabels": list(added), "removeLabels": [removed] if removed else []}
    path = f"dialogs/{identifier}/context/systemlabels"
    return ask("PUT", path, json=said, **options).status_code


def test_a_dialog_is_in_one_place_and_unopened_beside_it(altinn: Stand, ask: Ask) -> None:
    (one,) = altinn.send([1])
    assert labels(ask, one) == {"Default"}
    assert relabel(ask, one, "Archive", "MarkedAsUnopened") == 204
    assert labels(ask, one) == {"Archive", "MarkedAsUnopened"}
    assert relabel(ask, one, "Bin") == 204
    assert labels(ask, one) == {"Bin", "MarkedAsUnopened"}
    assert relabel(ask, one, removed="Bin") == 204
    assert labels(ask, one) == {"Default", "MarkedAsUnopened"}
    assert item(ask, one)["systemLabel"] == "Default"


def test_labels_that_nobody_may_set_are_refused(altinn: Stand, ask: Ask) -> None:
    (one,) = altinn.send([1])
    assert relabel(ask, one, "Sent") == 400
    assert relabel(ask, one, removed="Sent") == 400
    assert relabel(ask, one, "Bin", "Archive") == 400
    assert relabel(ask, one, "Starred") == 400
    assert relabel(ask, str(uuid4()), "Bin") == 404
    assert labels(ask, one) == {"Default"}


def test_a_revision_that_has_passed_is_refused_and_changes_nothing(altinn: Stand, ask: Ask) -> None:
    (one,) = altinn.send([1])
    first = item(ask, one)["endUserContext"]["revision"]
    path = f"dialogs/{one}/context/systemlabels"
    answer = ask("PUT", path, json={"addLabels": ["Archive"]}, headers={"If-Match": first})
    assert answer.status_code == 204
    assert answer.headers["ETag"] == item(ask, one)["endUserContext"]["revision"] != first
    assert relabel(ask, one, "Bin", headers={"If-Match": first}) == 412
    assert labels(ask, one) == {"Archive"}
    assert relabel(ask, one, "Archive") == 204
    assert answer.headers["ETag"] == item(ask, one)["endUserContext"]["revision"], "as it was"


def test_many_are_labelled_together_or_none(altinn: Stand, ask: Ask) -> None:
    both = altinn.send([1, 2])
    path = "dialogs/context/systemlabels/actions/bulkset"
    revisions = [item(ask, each)["endUserContext"]["revision"] for each in both]
    asked = [{"dialogId": each, "endUserContextRevision": revisions[0]} for each in both]
    assert ask("POST", path, json={"dialogs": asked, "addLabels": ["Bin"]}).status_code == 412
    assert [labels(ask, each) for each in both] == [{"Default"}] * 2
    asked[1]["endUserContextRevision"] = revisions[1]
    assert ask("POST", path, json={"dialogs": asked, "addLabels": ["Bin"]}).status_code == 204
    assert [labels(ask, each) for each in both] == [{"Bin"}] * 2
    found = ask("GET", "dialogs", params={"systemLabel": ["Bin", "Archive"]}).json()["items"]
    assert {each["id"] for each in found} == {*both}
    assert ask("GET", "dialogs", params={"systemLabel": "Default"}).json()["items"] == []


def test_the_label_log_tells_what_was_done(altinn: Stand, ask: Ask) -> None:
    (one,) = altinn.send([1])
    relabel(ask, one, "Archive")
    relabel(ask, one, "Bin")
    log = ask("GET", f"dialogs/{one}/context/labellog").json()
    assert [(each["action"], each["name"]) for each in log] == [
        ("set", "systemlabel:Archive"),
        ("set", "systemlabel:Bin"),
        ("remove", "systemlabel:Archive"),
    ]


def test_getting_a_dialog_logs_it_once_for_each_state_and_opens_it(altinn: Stand, ask: Ask) -> None:
    (one,) = altinn.send([1])
    relabel(ask, one, "MarkedAsUnopened")
    assert not item(ask, one)["isContentSeen"]
    before = item(ask, one)
    for _ in range(3):
        assert ask("GET", f"dialogs/{one}").status_code == 200
    assert len(ask("GET", f"dialogs/{one}/seenlog").json()) == 1
    after = item(ask, one)
    assert after["isContentSeen"]
    assert after["endUserContext"]["systemLabels"] == ["Default"]
    assert after["updatedAt"] == before["updatedAt"], "neither moves it"
    clock.freeze(clock.now() + timedelta(hours=1))
    simulator_of(altinn).touch(one, due_at="2026-12-24T11:00:00.000000Z")
    changed = item(ask, one)
    assert changed["updatedAt"] > before["updatedAt"]
    assert changed["contentUpdatedAt"] == before["contentUpdatedAt"]
    assert changed["isContentSeen"] and not changed["seenSinceLastUpdate"]
    ask("GET", f"dialogs/{one}")
    assert len(ask("GET", f"dialogs/{one}/seenlog").json()) == 2


def test_a_list_is_in_the_order_asked_for_and_its_token_is_for_that_alone(
    altinn: Stand, ask: Ask
) -> None:
    first, second, third = altinn.send([1, 2, 3])
    clock.freeze(clock.now() + timedelta(hours=1))
    simulator_of(altinn).touch(first, due_at="2026-12-24T11:00:00.000000Z")
    for order, expected in (
        ("updatedAt_desc", [first, third, second]),
        ("contentUpdatedAt_desc", [third, second, first]),
        ("createdAt_desc", [third, second, first]),
    ):
        found: list[str] = []
        token: dict[str, str] = {}
        while True:
            asked = {"orderBy": order, "limit": "2", **token}
            page = ask("GET", "dialogs", params=asked).json()
            found += [each["id"] for each in page["items"]]
            if not page["hasNextPage"]:
                break
            token = {"continuationToken": page["continuationToken"]}
            other = "createdAt_desc" if order != "createdAt_desc" else "updatedAt_desc"
            assert ask("GET", "dialogs", params={**token, "orderBy": other}).status_code == 422
        assert found == expected
    assert ask("GET", "dialogs", params={"orderBy": "colour"}).status_code == 422


def test_nobody_else_is_her_party(altinn: Stand, ask: Ask) -> None:
    altinn.send([1])
    (party,) = ask("GET", "parties").json()["authorizedParties"]
    assert party["isCurrentEndUser"]
    assert len(ask("GET", "dialogs", params={"party": party["party"]}).json()["items"]) == 1
    stranger = "urn:altinn:person:identifier-no:12345678901"
    assert ask("GET", "dialogs", params={"party": stranger}).json()["items"] == []


def test_a_list_that_names_neither_party_nor_service_is_refused(ask: Ask) -> None:
    assert ask("GET", "dialogs", params={"party": []}).status_code == 400
    service = {"party": [], "serviceResource": "urn:altinn:resource:skd-melding"}
    assert ask("GET", "dialogs", params=service).status_code == 200


SEARCH = "query($i: SearchDialogInput!){searchDialogs(input:$i){hasNextPage errors{__typename}}}"
HER = "her party"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({}, "SearchDialogValidationError"),
        ({"party": ["urn:altinn:person:identifier-no:1"]}, "SearchDialogValidationError"),
        ({"party": [HER], "limit": 1001}, "SearchDialogValidationError"),
        ({"party": [HER], "orderBy": []}, "SearchDialogValidationError"),
        ({"party": [HER], "orderBy": [{}]}, "SearchDialogValidationError"),
        ({"party": [HER], "continuationToken": "1"}, "SearchDialogValidationError"),
        (
            {"party": [HER], "updatedAfter": "2026-09-02T00:00:00Z"}
            | {"updatedBefore": "2026-09-01T00:00:00Z"},
            "SearchDialogValidationError",
        ),
        (
            {"party": [HER], "continuationToken": "1", "orderBy": [{"updatedAt": "DESC"}]},
            "SearchDialogContinuationTokenParsingError",
        ),
        ({"party": [HER], "serviceResource": ["urn:altinn:resource:skd-melding"]}, ""),
    ],
)
def test_a_search_is_refused_as_the_validators_say(
    altinn: Stand, ask: Ask, said: dict[str, Any], kind: str
) -> None:
    hers = f"urn:altinn:person:identifier-no:{altinn.person.national_id}"
    if said.get("party") == [HER]:
        said = {**said, "party": [hers]}
    body = {"query": SEARCH, "variables": {"i": said}}
    answer = ask("POST", "../../../graphql", json=body).json()
    errors = answer["data"]["searchDialogs"]["errors"]
    assert [each["__typename"] for each in errors] == ([kind] if kind else [])


def test_a_query_that_is_none_of_the_schemas_is_answered_with_errors(ask: Ask) -> None:
    body = {"query": "{searchDialogs(input:{party:[]}){letters}}", "variables": {}}
    assert ask("POST", "../../../graphql", json=body).json()["errors"]
