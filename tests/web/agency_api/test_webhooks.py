"""An agency's webhooks by the API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from inbox.agencies import webhooks
from inbox.agencies.models import Webhook
from inbox.web.agency_api.webhooks import Event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

ADDRESS = "/api/agency/v1/webhooks"
GOOD = {"url": "https://agency.example/hook", "events": ["letter.opened", "letter.replied"]}


@pytest.fixture
def api(made) -> Client:
    return Client(headers={"Authorization": f"Bearer {made.secret}"})


def post(api: Client, said: Any) -> Any:
    return api.post(ADDRESS, said, content_type="application/json")


def test_the_events_are_those_that_there_are():
    assert Event.__args__ == tuple(webhooks.EVENTS)


def test_a_webhook_is_made_with_a_secret_that_is_told_once(api, ask):
    answer = post(api, GOOD)
    assert answer.status_code == 201
    said = answer.json()
    row = Webhook.objects.get(id=said["id"])
    assert said["secret"] == webhooks.secrets_of(row)[0]
    (listed,) = ask("webhooks").json()["items"]
    assert listed == {name: value for name, value in said.items() if name != "secret"}
    assert (listed["url"], listed["events"], listed["off"]) == (GOOD["url"], GOOD["events"], "")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"url": "http://agency.example/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "nowhere"}, "url"),
        ({"url": "https://agency.example/" + "x" * 500}, "url"),
        ({"events": []}, "events"),
        ({"events": ["letter.read"]}, "events.0"),
        ({"event": "letter.opened"}, ""),
        ({"url": None}, "url"),
    ],
)
def test_what_cannot_be_is_named(api, settings, change, name):
    settings.FEEDS_ON_LOOPBACK = False
    answer = post(api, GOOD | change)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["in"], error["name"]) == ("body", name)
    assert not Webhook.objects.exists()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'"x"'])
def test_a_body_that_is_none_is_a_problem(api, body):
    answer = api.post(ADDRESS, body, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


def test_there_are_no_more_than_there_may_be(api, nav):
    for _ in range(webhooks.WEBHOOKS_MAX):
        assert post(api, GOOD).status_code == 201
    assert post(api, GOOD).status_code == 409


def test_an_agency_removes_its_own_and_no_others(api, nav, oslo):
    own = webhooks.create(nav, GOOD["url"], GOOD["events"]).webhook
    others = webhooks.create(oslo, GOOD["url"], GOOD["events"]).webhook
    assert api.delete(f"{ADDRESS}/{others.id}").status_code == 404
    assert api.delete(f"{ADDRESS}/{uuid4()}").status_code == 404
    answer = api.delete(f"{ADDRESS}/{own.id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert list(Webhook.objects.all()) == [others]
