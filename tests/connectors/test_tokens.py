"""Tokens that outlive a run: few, for a short time, each for what it was given for alone."""

from __future__ import annotations

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from connectors import tokens
from connectors.contract import Misconfigured
from connectors.http import Http
from connectors.keys import ensure_rsa_key
from connectors.maskinporten.client import TokenSource
from connectors.maskinporten.simulator import issuer
from connectors.tokens import Bearer, Kept, kept

PID = "17849212345"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time, moved by hand."""
    at = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: at[0])
    return at


def test_what_is_kept_is_there_until_its_time_is_over(now: list[float]) -> None:
    found = Kept()
    name = found.name("a")
    found.put(name, "token", now[0] + 100)
    now[0] += 99
    assert found.get(name) == "token"
    now[0] += 1
    assert found.get(name) == ""


def test_nothing_is_kept_longer_than_an_hour_whatever_it_says(now: list[float]) -> None:
    found = Kept()
    name = found.name("a")
    found.put(name, "token", now[0] + 1e9)
    now[0] += tokens.KEPT_SECONDS_MAX
    assert found.get(name) == ""


def test_the_longest_unused_goes_first_and_what_is_over_before_that(now: list[float]) -> None:
    found = Kept(limit=3)
    names = [found.name(str(number)) for number in range(4)]
    for name in names[:3]:
        found.put(name, "token", now[0] + 1000)
    assert found.get(names[0]) == "token"
    found.put(names[3], "token", now[0] + 1000)
    assert [bool(found.get(name)) for name in names] == [True, False, True, True]
    now[0] += 2000
    found.put(found.name("new"), "token", now[0] + 10)
    assert repr(found) == "<1 kept>"


def test_a_token_that_has_been_renewed_meanwhile_is_not_forgotten() -> None:
    found = Kept()
    name = found.name("a")
    found.put(name, "fresh", time.monotonic() + 100)
    found.forget(name, "stale")
    assert found.get(name) == "fresh"
    found.forget(name, "fresh")
    assert found.get(name) == ""
    found.forget(name, "fresh")


def test_many_threads_keep_no_more_than_the_limit() -> None:
    found = Kept(limit=50)

    def work(number: int) -> None:
        for each in range(200):
            name = found.name(str(number), str(each))
            found.put(name, f"{number} {each}", time.monotonic() + 100)
            assert found.get(name) in (f"{number} {each}", "")
            found.forget(name, f"{number} {each}" if each % 3 else "")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(found._found) <= 50


def test_no_identity_number_shows_of_what_is_kept() -> None:
    found = Kept()
    found.put(found.name("maskinporten", PID), PID, time.monotonic() + 100)
    assert PID not in repr(found) + str(list(found._found))
    assert PID not in repr(Bearer(found.name(PID), lambda: (PID, 1.0)))
    assert found.name(PID) != Kept().name(PID), "nor can it be guessed from a digest"


def said(status: int, answer: object = None) -> httpx.Response:
    return httpx.Response(status, stream=httpx.ByteStream(json.dumps(answer).encode()))


def source(url: str, keys: Path, key: str, client_id: str = "samlepost") -> TokenSource:
    ensure_rsa_key(keys / key)
    answers = {
        "GET": {"issuer": issuer()},
        "POST": {"access_token": f"{url} {key} {client_id}", "expires_in": 120},
    }
    transport = httpx.MockTransport(lambda asked: said(200, answers[asked.method]))
    return TokenSource(Http(url, transport=transport), url, client_id, str(keys / key))


def test_no_token_serves_other_settings_another_key_citizen_scope_or_level(
    tmp_path: Path, contract_keys: Path
) -> None:
    one, two = "https://one.example", "https://two.example"
    sources = [
        source(one, contract_keys, "a.pem"),
        source(two, contract_keys, "a.pem"),
        source(one, contract_keys, "b.pem"),
        source(one, contract_keys, "a.pem", "another"),
    ]
    assert len({each.token("a:b", PID, "high") for each in sources}) == len(sources)
    assert len({each.token("a:b", PID, "high") for each in sources}) == len(sources)
    before = len(kept._found)
    sources[0].token("a:c", PID, "high")
    sources[0].token("a:b", "17849212346", "high")
    sources[0].token("a:b", PID)
    sources[0].token("a:b")
    assert len(kept._found) == before + 4, "each was asked for anew"


def test_a_refused_request_is_sent_once_more_whole_and_never_a_third_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also when another thread puts a token meanwhile that is refused as well."""
    caplog.set_level(logging.INFO)
    name, asked, given = kept.name(PID), [], iter("123456789")
    bearer = Bearer(name, lambda: (f"secret-{next(given)}", 100.0))

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.headers["authorization"], request.read()))
        if len(asked) > 1:
            kept.put(name, "of-another", time.monotonic() + 100)
        return said(401 if len(asked) > 1 else 200)

    http = Http("https://a.example", transport=httpx.MockTransport(answer))
    http.post("x", json={"a": 1}, bearer=bearer)
    with pytest.raises(Misconfigured):
        http.post("x", files={"a": ("a", b"abc", "text/plain")}, bearer=bearer)
    assert [authorization for authorization, _ in asked] == [
        "Bearer secret-1",
        "Bearer secret-1",
        "Bearer of-another",
    ]
    assert asked[1][1].count(b"abc") == asked[2][1].count(b"abc") == 1
    assert "secret" not in caplog.text and PID not in caplog.text


def test_a_fresh_token_that_is_refused_is_not_asked_for_again() -> None:
    asked = []
    bearer = Bearer(kept.name("fresh"), lambda: ("secret", 100.0))
    transport = httpx.MockTransport(lambda each: asked.append(each) or said(401))
    with pytest.raises(Misconfigured):
        Http("https://a.example", transport=transport).get_json("x", bearer=bearer)
    assert len(asked) == 1 and kept.get(kept.name("fresh")) == ""


def test_an_issuer_that_has_another_name_by_now_is_asked_for_it_after_a_refusal(
    contract_keys: Path,
) -> None:
    """Its name was kept from its metadata."""
    asked: list[str] = []
    ensure_rsa_key(contract_keys / "a.pem")

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        if request.method == "GET":
            return said(200, {"issuer": "https://a.example/"})
        return said(400, {"error": "invalid_grant"})

    url = "https://a.example"
    made = TokenSource(
        Http(url, transport=httpx.MockTransport(answer)), url, "us", str(contract_keys / "a.pem")
    )
    for _ in range(2):
        with pytest.raises(Misconfigured):
            made.token("a:b")
    assert asked == ["GET", "POST"] * 2
