"""Log-in through the simulated ID-porten: the whole way, and every way it is refused."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import time_machine
from django.db import connection
from django.test import Client
from pytest_django import Settings
from werkzeug.wrappers import Response

import connectors.http
from connectors.idporten.simulator import IdportenSimulator
from connectors.idporten.tokens import TokenFault
from inbox.citizens import register
from inbox.citizens.models import Citizen
from tests.web.login.walk import (
    KARI,
    OLA,
    SITE,
    STRANGER,
    Browser,
    assert_refused,
    known,
    next_of,
    query_of,
    who,
)


@pytest.mark.parametrize("level", [3, 4])
def test_a_whole_log_in_leads_to_the_page_asked_for(
    visitor: Browser, kari: Citizen, level: int
) -> None:
    answer = visitor.log_in(level=level)
    assert answer.status_code == 302
    assert answer["Location"] == "/probe/"
    assert who(visitor) == (str(kari.pk), level)


def test_the_request_to_the_provider_holds_all_that_it_must(visitor: Browser) -> None:
    visitor.site.cookies["django_language"] = "en"
    first, second = query_of(visitor.start(3)), query_of(visitor.start(4))
    assert first["response_type"] == "code"
    assert first["client_id"] == "samlepost"
    assert first["redirect_uri"] == f"{SITE}/login/callback/"
    assert first["acr_values"] == "idporten-loa-substantial"
    assert second["acr_values"] == "idporten-loa-high"
    assert first["code_challenge_method"] == "S256"
    assert first["ui_locales"] == "en"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 32
        assert first[name] != second[name]


def test_a_higher_level_than_asked_for_counts(visitor: Browser, kari: Citizen) -> None:
    visitor.come_back(visitor.identify(visitor.start(3), level=4))
    assert who(visitor) == (str(kari.pk), 4)


def test_the_log_in_page_offers_both_levels_and_keeps_the_way(visitor: Browser) -> None:
    page = visitor.site.get("/login/", {"next": "/probe/?a=1&b=2"})
    assert page.status_code == 200
    assert next_of(page) == "/probe/?a=1&b=2"
    assert "no-store" in page["Cache-Control"]


def test_who_is_logged_in_goes_past_the_log_in_page(visitor: Browser) -> None:
    visitor.log_in()
    assert visitor.site.get("/login/", {"next": "/probe/"})["Location"] == "/probe/"


@pytest.mark.parametrize(
    "fault", [fault for fault in TokenFault if fault not in (TokenFault.NONE, TokenFault.NO_PID)]
)
def test_a_token_with_one_fault_logs_nobody_in(
    visitor: Browser, simulator: IdportenSimulator, fault: TokenFault
) -> None:
    simulator.token_fault = fault
    assert_refused(visitor.log_in(level=4))
    assert who(visitor) is None


def test_a_state_works_once(visitor: Browser) -> None:
    address = visitor.identify(visitor.start())
    visitor.come_back(address)
    assert who(visitor)
    visitor.site.post("/logout/")
    assert_refused(visitor.come_back(address))
    assert who(visitor) is None


def test_a_state_is_spent_even_when_the_log_in_fails(
    visitor: Browser, simulator: IdportenSimulator
) -> None:
    simulator.token_fault = TokenFault.WRONG_NONCE
    state = query_of(visitor.start())["state"]
    assert_refused(visitor.site.get("/login/callback/", {"state": state, "code": "x"}))
    assert state not in visitor.site.session["oidc_states"]


def test_a_code_works_once_even_if_its_state_were_remembered(visitor: Browser) -> None:
    address = visitor.identify(visitor.start())
    kept = visitor.site.session["oidc_states"]
    visitor.come_back(address)
    visitor.site.post("/logout/")
    visitor.start()
    session = visitor.site.session
    session["oidc_states"] = kept
    session.save()
    assert_refused(visitor.come_back(address))
    assert who(visitor) is None


def test_a_code_does_not_work_in_another_log_in(visitor: Browser) -> None:
    code = query_of(visitor.identify(visitor.start()))["code"]
    state = query_of(visitor.start())["state"]
    assert_refused(visitor.site.get("/login/callback/", {"code": code, "state": state}))
    assert who(visitor) is None


def test_a_log_in_belongs_to_the_browser_that_began_it(
    visitor: Browser, simulator: IdportenSimulator
) -> None:
    address = visitor.identify(visitor.start())
    victim = Browser(simulator)
    assert_refused(victim.come_back(address))
    assert who(victim) is None


@pytest.mark.parametrize("name", ["state", "code"])
def test_a_return_without_code_or_state_logs_nobody_in(visitor: Browser, name: str) -> None:
    query = query_of(visitor.identify(visitor.start()))
    del query[name]
    assert_refused(visitor.site.get("/login/callback/", query))
    assert who(visitor) is None


def test_a_code_without_its_verifier_is_worth_nothing(visitor: Browser) -> None:
    address = visitor.identify(visitor.start())
    session = visitor.site.session
    session["oidc_states"][query_of(address)["state"]]["code_verifier"] = "w" * 64
    session.save()
    assert_refused(visitor.come_back(address))
    assert who(visitor) is None


def test_a_log_in_that_takes_too_long_must_be_started_anew(visitor: Browser) -> None:
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        address = visitor.start()
        traveller.shift(timedelta(minutes=14, seconds=50))
        returned = visitor.identify(address)
        traveller.shift(timedelta(seconds=20))
        assert_refused(visitor.come_back(returned))


def test_a_cancelled_log_in_leads_back(visitor: Browser) -> None:
    state = query_of(visitor.start(next_page="/probe/"))["state"]
    answer = visitor.site.get("/login/callback/", {"state": state, "error": "access_denied"})
    assert_refused(answer)
    assert query_of(answer["Location"])["next"] == "/probe/"


@pytest.mark.parametrize(
    "answer",
    [
        Response(status=503),
        Response(status=401),
        Response("{}", content_type="application/json"),
        Response("[]", content_type="application/json"),
        Response('{"id_token": 7}', content_type="application/json"),
        Response("<title>Driftsstans</title>", content_type="text/html"),
        Response('{"id_token": "', content_type="application/json"),
    ],
)
def test_a_token_endpoint_that_fails_gives_a_plain_message(
    visitor: Browser, monkeypatch: pytest.MonkeyPatch, answer: Response
) -> None:
    address = visitor.identify(visitor.start())
    monkeypatch.setattr(connectors.http, "transport_for", lambda _: httpx.WSGITransport(answer))
    assert_refused(visitor.come_back(address))
    assert who(visitor) is None


def test_a_token_endpoint_that_cannot_be_reached_gives_a_plain_message(
    visitor: Browser, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    address = visitor.identify(visitor.start())
    monkeypatch.setattr(connectors.http, "transport_for", lambda _: None)
    settings.OIDC_OP_TOKEN_ENDPOINT = "http://127.0.0.1:9/token"
    assert "ID-porten" in assert_refused(visitor.come_back(address))


def test_a_person_without_an_inbox_is_refused_and_gets_no_account(visitor: Browser) -> None:
    citizens = Citizen.objects.count()
    assert_refused(visitor.log_in(STRANGER))
    assert who(visitor) is None
    assert Citizen.objects.count() == citizens


def test_unknown_inactive_and_numberless_persons_are_answered_alike(
    simulator: IdportenSimulator,
) -> None:
    known(OLA, is_active=False)

    def answer(person: Any) -> tuple[int, str, str]:
        visitor = Browser(simulator)
        reply = visitor.log_in(person)
        return reply.status_code, reply["Location"], assert_refused(reply)

    unknown = answer(STRANGER)
    assert answer(OLA) == unknown
    simulator.token_fault = TokenFault.NO_PID
    assert answer(KARI) == unknown


def test_the_session_key_is_new_after_log_in_and_nothing_is_carried_over(
    visitor: Browser,
) -> None:
    visitor.start()
    session = visitor.site.session
    session["planted"] = "by somebody else"
    session.save()
    fixed = visitor.session_key
    visitor.log_in()
    assert visitor.session_key != fixed
    assert "planted" not in visitor.site.session
    thief = Client(HTTP_HOST="127.0.0.1:8000")
    thief.cookies["samlepost_session"] = fixed
    assert thief.get("/probe/").status_code == 302


def test_a_session_key_made_up_by_the_browser_is_not_taken(visitor: Browser) -> None:
    visitor.site.cookies["samlepost_session"] = "a" * 32
    visitor.log_in()
    assert visitor.session_key != "a" * 32


def test_no_number_and_no_token_is_logged_or_kept_in_the_clear(
    visitor: Browser, simulator: IdportenSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("mozilla_django_oidc", "httpx", "httpcore", "django", "django.db.backends"):
        caplog.set_level(logging.DEBUG, logger=name)
    connection.force_debug_cursor = True
    try:
        visitor.log_in(level=4)
        visitor.site.get("/probe/")
        kept = json.dumps(dict(visitor.site.session.items()))
        id_token = query_of(visitor.site.post("/logout/")["Location"])["id_token_hint"]
        visitor.log_in(STRANGER)
        simulator.token_fault = TokenFault.WRONG_NONCE
        visitor.log_in()
    finally:
        connection.force_debug_cursor = False
    lines = "\n".join(f"{each.getMessage()} {each.args} {each.exc_text}" for each in caplog.records)
    assert "POST" in lines and "SELECT" in lines and "log-in refused" in lines
    for secret in (KARI.national_id, STRANGER.national_id, id_token.split(".")[1]):
        assert secret not in lines
        assert secret not in kept


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: Browser) -> None:
    cookie = visitor.log_in().cookies["samlepost_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["domain"]
    assert not cookie["max-age"], "it ends with the visitor"


def test_who_is_registered_as_dead_is_refused_with_a_page_that_says_why(
    visitor: Browser, kari: Citizen
) -> None:
    visitor.site.cookies["django_language"] = "en"
    visitor.log_in()
    register.death(kari)
    assert who(visitor) is None
    answer = visitor.log_in(level=4)
    assert "owner has died" in assert_refused(answer)
    assert who(visitor) is None
    page = visitor.site.get(answer["Location"])
    assert "Whoever represents the estate can see them." in page.content.decode()
    assert Citizen.objects.get(pk=kari.pk).is_active
