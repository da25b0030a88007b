"""Who gets an answer from the agency API, and how often."""

from __future__ import annotations

import logging

import pytest
from django.test import Client

from inbox.agencies import keys
from inbox.agencies.models import Employee
from inbox.web.agency_api import by_key, letters
from tests.make import log_in, make_citizen

pytestmark = pytest.mark.django_db

AGENCY = "/api/agency/v1/agency"
PROBLEM = "application/problem+json"


def test_a_key_says_whose_it_is(ask, made):
    answer = ask("agency")
    assert answer.status_code == 200
    said = answer.json()
    assert (said["name"], said["org_number"]) == ("NAV", "889640782")
    assert said["key"]["name"] == "Saksbehandling"
    assert said["key"]["prefix"] == made.key.prefix
    assert made.secret not in answer.text
    assert (answer["Cache-Control"], answer["Content-Language"]) == ("no-store", "en")
    assert not answer.cookies


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer samlepost_nothing", "Basic a2V5", "Bearer æøå", "{} x", "{}"],
)
def test_all_that_is_no_working_key_gets_the_same_answer(header, made):
    header = header.format(made.secret)
    answer = Client().get(AGENCY, headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer["Content-Type"] == PROBLEM
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Cache-Control"] == "no-store"
    assert answer.json() == {
        "title": "Unauthorized",
        "status": 401,
        "detail": "A working key is needed: Authorization: Bearer <key>",
    }


def test_a_revoked_key_opens_nothing_from_that_moment(ask, nav, made):
    assert ask("agency").status_code == 200
    keys.revoke(nav, made.key.id)
    assert ask("agency").status_code == 401


def test_a_session_opens_nothing_and_is_not_prolonged(nav, client, monkeypatch):
    berit = make_citizen("Berit")
    Employee.objects.create(agency=nav, citizen=berit)
    log_in(client, berit, 4)
    before = dict(client.session)
    monkeypatch.setattr("time.time", lambda: before["seen_at"] + 300)
    answer = client.get(AGENCY)
    assert answer.status_code == 401
    assert not answer.cookies
    assert dict(client.session) == before


def test_a_key_is_all_that_a_post_needs(made):
    strict = Client(enforce_csrf_checks=True)
    headers = {"Authorization": f"Bearer {made.secret}"}
    assert strict.post(AGENCY, headers=headers).status_code == 405


def test_what_is_not_there_and_what_cannot_be_done_are_problems(ask, made):
    for address in ("", "nothing", "letters/", "letters/17849200399", "openapi.json/"):
        answer = ask(address)
        assert (answer.status_code, answer["Content-Type"]) == (404, PROBLEM)
        assert answer["Cache-Control"] == "no-store"
    answer = Client(headers={"Authorization": f"Bearer {made.secret}"}).delete(AGENCY)
    assert (answer.status_code, answer["Content-Type"]) == (405, PROBLEM)
    assert answer["Allow"] == "GET"


def test_a_key_that_asks_too_often_is_told_when_to_ask_again(ask, nav, made, monkeypatch):
    monkeypatch.setattr(by_key, "REQUESTS_A_MINUTE", 3)
    monkeypatch.setattr("time.time", lambda: 1_800_000_015.0)  # a quarter of a minute is gone
    assert [ask("agency").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = ask("agency")
    assert (answer["Content-Type"], answer["Retry-After"]) == (PROBLEM, "45")
    other = keys.create(nav, "Arkivet", make_citizen("Anne").id)
    headers = {"Authorization": f"Bearer {other.secret}"}
    assert Client().get(AGENCY, headers=headers).status_code == 200
    monkeypatch.setattr("time.time", lambda: 1_800_000_060.0)
    assert ask("agency").status_code == 200


def test_a_fault_of_ours_is_a_problem_that_says_nothing_of_it(ask, monkeypatch, caplog):
    monkeypatch.setattr(letters.DeliveryRecord, "objects", None)
    with caplog.at_level(logging.ERROR):
        answer = ask("letters")
    assert (answer.status_code, answer["Content-Type"]) == (500, PROBLEM)
    code = answer.json()["detail"].rpartition(" ")[2].rstrip(".")
    assert code in caplog.text
    assert "NoneType" not in answer.text and "NoneType" in caplog.text
