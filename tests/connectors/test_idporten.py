"""The simulated ID-porten, driven as a browser and a client would."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from connectors.idporten import simulator as idporten
from connectors.idporten.provider import HIGH, SUBSTANTIAL
from connectors.idporten.tokens import TokenFault
from connectors.simulation import mounted
from connectors.world.persons import PERSONS, by_slug

BASE = "http://127.0.0.1:8010/idporten"
CALLBACK = "http://127.0.0.1:8000/login/callback/"
LOGGED_OUT = "http://127.0.0.1:8000/logged-out/"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
SECRET = "samlepost-demo-secret"
KARI = PERSONS[0]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> idporten.IdportenSimulator:
    folder = tmp_path_factory.mktemp("idporten")
    return idporten.make(folder / "state", folder / "keys")


@pytest.fixture
def browser(provider: idporten.IdportenSimulator) -> Iterator[httpx.Client]:
    """A browser with its own cookies that follows no redirect."""
    provider.token_fault = TokenFault.NONE
    transport = httpx.WSGITransport(mounted({"idporten": provider}))
    with httpx.Client(transport=transport, base_url=BASE + "/") as client:
        yield client


def ask(browser: httpx.Client, **changes: str) -> httpx.Response:
    wanted = {
        "client_id": "samlepost",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid profile",
        "state": "the-state",
        "nonce": "the-nonce",
        "code_challenge": CHALLENGE.decode(),
        "code_challenge_method": "S256",
        **changes,
    }
    return browser.get("authorize", params={k: v for k, v in wanted.items() if v})


def choose(browser: httpx.Client, page: httpx.Response, level: str, person: str = KARI.slug) -> Any:
    ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert ticket, page.text
    form = {"ticket": ticket[1], "level": level, "person": person}
    return browser.post("login", data=form)


def returned(answer: httpx.Response) -> dict[str, str]:
    """The query that the browser is sent back to the client with."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith(CALLBACK + "?")
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: values[0] for name, values in query.items()}


def exchange(browser: httpx.Client, code: str, **changes: str) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "client_id": "samlepost",
        "client_secret": SECRET,
        "code_verifier": VERIFIER,
        **changes,
    }
    return browser.post("token", data=form)


def log_in(browser: httpx.Client, level: str = SUBSTANTIAL, **changes: str) -> dict[str, Any]:
    code = returned(choose(browser, ask(browser, **changes), level))["code"]
    answer = exchange(browser, code)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def claims_of(browser: httpx.Client, token: str) -> dict[str, Any]:
    keys = KeySet.import_key_set(browser.get("jwks").json())
    return dict(jwt.decode(token, keys, algorithms=["RS256"]).claims)


def test_a_log_in_gives_an_id_token_with_every_claim_that_id_porten_gives(
    browser: httpx.Client,
) -> None:
    before = int(time.time())
    claims = claims_of(browser, log_in(browser, ui_locales="xx nn nb")["id_token"])
    assert claims["iss"] == BASE
    assert claims["aud"] == "samlepost"
    assert claims["pid"] == KARI.national_id
    assert claims["acr"] == SUBSTANTIAL
    assert claims["amr"] == ["Minid-OTC"]
    assert claims["nonce"] == "the-nonce"
    assert claims["locale"] == "nn"
    assert before <= claims["auth_time"] <= claims["iat"] < claims["exp"] <= before + 130
    assert claims["sid"] and claims["jti"]
    assert KARI.national_id not in claims["sub"]


def test_the_state_comes_back_unchanged(browser: httpx.Client) -> None:
    answer = choose(browser, ask(browser, state="a b&c=d"), SUBSTANTIAL)
    assert returned(answer)["state"] == "a b&c=d"


def test_the_subject_is_the_same_at_every_log_in_and_another_for_each_person(
    browser: httpx.Client,
) -> None:
    first = claims_of(browser, log_in(browser)["id_token"])["sub"]
    again = claims_of(browser, log_in(browser, prompt="login")["id_token"])["sub"]
    other = returned(choose(browser, ask(browser, prompt="login"), HIGH, PERSONS[1].slug))
    third = claims_of(browser, exchange(browser, other["code"]).json()["id_token"])["sub"]
    assert first == again != third


def test_userinfo_answers_for_the_access_token_alone(browser: httpx.Client) -> None:
    tokens = log_in(browser)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    answer = browser.get("userinfo", headers=bearer).json()
    assert answer["pid"] == KARI.national_id
    assert answer["sub"] == claims_of(browser, tokens["id_token"])["sub"]
    assert browser.get("userinfo", headers={"Authorization": "Bearer x"}).status_code == 401
    assert browser.get("userinfo").status_code == 401


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"state": ""}, "invalid_request"),
        ({"nonce": ""}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"acr_values": "Level4"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_a_wrong_request_goes_back_to_the_client_as_an_error(
    browser: httpx.Client, changes: dict[str, str], error: str
) -> None:
    assert returned(ask(browser, **changes))["error"] == error


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "somebody"},
        {"redirect_uri": "http://127.0.0.1:8000/login/callback/x"},
        {"redirect_uri": "https://evil.example/login/callback/"},
        {"redirect_uri": ""},
    ],
)
def test_an_unknown_client_or_address_is_sent_nowhere(
    browser: httpx.Client, changes: dict[str, str]
) -> None:
    answer = ask(browser, **changes)
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_samlepost_is_known_by_both_names_of_the_loopback_host(browser: httpx.Client) -> None:
    address = "http://localhost:8000/login/callback/"
    answer = choose(browser, ask(browser, redirect_uri=address), SUBSTANTIAL)
    assert answer.headers["location"].startswith(address)


def test_a_code_works_once_and_its_second_use_kills_the_access_token(
    browser: httpx.Client,
) -> None:
    code = returned(choose(browser, ask(browser), SUBSTANTIAL))["code"]
    token = exchange(browser, code).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert browser.get("userinfo", headers=bearer).status_code == 200
    assert exchange(browser, code).json()["error"] == "invalid_grant"
    assert browser.get("userinfo", headers=bearer).status_code == 401


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": "http://localhost:8000/login/callback/"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_secret": "guess"}, "invalid_client"),
        ({"client_id": "somebody"}, "invalid_client"),
    ],
)
def test_a_code_is_not_exchanged_for_anybody_else(
    browser: httpx.Client, changes: dict[str, str], error: str
) -> None:
    code = returned(choose(browser, ask(browser), SUBSTANTIAL))["code"]
    assert exchange(browser, code, **changes).json()["error"] == error


def test_a_code_is_good_for_a_minute(
    browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = returned(choose(browser, ask(browser), SUBSTANTIAL))["code"]
    present = time.time()
    monkeypatch.setattr("connectors.idporten.store.time.time", lambda: present + 61)
    assert exchange(browser, code).json()["error"] == "invalid_grant"


def test_the_client_may_name_itself_by_basic_authentication(browser: httpx.Client) -> None:
    code = returned(choose(browser, ask(browser), SUBSTANTIAL))["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    answer = browser.post("token", data=form, auth=("samlepost", SECRET))
    assert answer.status_code == 200


def test_a_session_answers_the_next_request_without_a_page(browser: httpx.Client) -> None:
    first = claims_of(browser, log_in(browser)["id_token"])
    code = returned(ask(browser, prompt="none"))["code"]
    second = claims_of(browser, exchange(browser, code).json()["id_token"])
    assert second["sid"] == first["sid"]
    assert second["auth_time"] == first["auth_time"]


@pytest.mark.parametrize("changes", [{"prompt": "login"}, {"max_age": "0"}])
def test_a_client_can_ask_for_a_new_log_in(
    browser: httpx.Client, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    log_in(browser)
    present = time.time()
    monkeypatch.setattr("connectors.idporten.simulator.time.time", lambda: present + 2)
    assert "Logg inn som en oppdiktet person" in ask(browser, **changes).text


def test_a_high_request_offers_bankid_alone_even_within_a_lower_session(
    browser: httpx.Client,
) -> None:
    first = claims_of(browser, log_in(browser)["id_token"])
    page = ask(browser, acr_values=HIGH)
    assert HIGH in page.text and SUBSTANTIAL not in page.text
    code = returned(choose(browser, page, HIGH))["code"]
    claims = claims_of(browser, exchange(browser, code).json()["id_token"])
    assert claims["acr"] == HIGH
    assert claims["amr"] == ["BankID"]
    assert claims["sid"] == first["sid"]


def test_a_forged_low_level_is_refused_when_high_was_asked_for(browser: httpx.Client) -> None:
    answer = choose(browser, ask(browser, acr_values=HIGH), SUBSTANTIAL)
    assert answer.status_code == 400


def test_a_high_session_is_enough_for_a_substantial_request(browser: httpx.Client) -> None:
    log_in(browser, HIGH)
    code = returned(ask(browser, acr_values=SUBSTANTIAL))["code"]
    assert claims_of(browser, exchange(browser, code).json()["id_token"])["acr"] == HIGH


def test_a_login_form_works_once(browser: httpx.Client) -> None:
    page = ask(browser)
    assert choose(browser, page, SUBSTANTIAL).status_code == 303
    assert choose(browser, page, SUBSTANTIAL).status_code == 400


def test_a_session_ends_after_half_an_hour_without_use(
    browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(browser)
    present = time.time()
    monkeypatch.setattr("connectors.idporten.store.time.time", lambda: present + 31 * 60)
    assert returned(ask(browser, prompt="none"))["error"] == "login_required"


def test_log_out_calls_the_client_in_a_frame_and_goes_on_to_its_page(
    browser: httpx.Client,
) -> None:
    tokens = log_in(browser)
    sid = claims_of(browser, tokens["id_token"])["sid"]
    query = {
        "id_token_hint": tokens["id_token"],
        "post_logout_redirect_uri": LOGGED_OUT,
        "state": "bye",
    }
    page = browser.get("endsession", params=query)
    frame = re.search(r'<iframe src="([^"]+)"', page.text)
    assert frame
    address = urlsplit(unescape(frame[1]))
    assert address.path == "/logout/frontchannel/"
    assert parse_qs(address.query) == {"iss": [BASE], "sid": [sid]}
    assert f'content="2;url={LOGGED_OUT}?state=bye"' in page.text
    assert "frame-src http://127.0.0.1:8000" in page.headers["content-security-policy"]
    assert returned(ask(browser, prompt="none"))["error"] == "login_required"
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert browser.get("userinfo", headers=bearer).status_code == 401


def test_log_out_goes_to_no_address_that_is_not_registered(browser: httpx.Client) -> None:
    log_in(browser)
    query = {"post_logout_redirect_uri": "https://evil.example/"}
    page = browser.get("endsession", params=query)
    assert page.status_code == 400
    assert "evil.example" not in page.text


def test_a_hint_from_another_issuer_is_refused(
    browser: httpx.Client, provider: idporten.IdportenSimulator
) -> None:
    provider.token_fault = TokenFault.OTHER_KEY
    token = log_in(browser)["id_token"]
    assert browser.get("endsession", params={"id_token_hint": token}).status_code == 400


def test_pages_allow_no_script_and_are_not_kept(browser: httpx.Client) -> None:
    page = ask(browser)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert "form-action 'self' http://127.0.0.1:8000 http://localhost:8000" in policy
    assert page.headers["cache-control"] == "no-store"
    assert "<script" not in page.text and " style=" not in page.text


def test_no_identity_number_stands_on_the_page_or_in_an_address(browser: httpx.Client) -> None:
    page = ask(browser)
    answer = choose(browser, page, SUBSTANTIAL)
    for person in PERSONS:
        assert person.name in unescape(page.text)
        assert person.national_id not in page.text
        assert person.national_id not in answer.headers["location"]


def fault_claims(browser: httpx.Client, token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


@pytest.mark.parametrize("fault", [TokenFault.OTHER_KEY, TokenFault.UNSIGNED])
def test_a_fault_can_spoil_the_signature(
    browser: httpx.Client, provider: idporten.IdportenSimulator, fault: TokenFault
) -> None:
    provider.token_fault = fault
    token = log_in(browser)["id_token"]
    with pytest.raises((JoseError, ValueError)):
        claims_of(browser, token)
    assert fault_claims(browser, token)["pid"] == KARI.national_id


@pytest.mark.parametrize(
    ("fault", "claim"),
    [
        (TokenFault.WRONG_NONCE, "nonce"),
        (TokenFault.WRONG_AUDIENCE, "aud"),
        (TokenFault.WRONG_ISSUER, "iss"),
        (TokenFault.LOWER_LEVEL, "acr"),
        (TokenFault.NO_PID, "pid"),
    ],
)
def test_a_fault_spoils_one_claim_and_no_other(
    browser: httpx.Client, provider: idporten.IdportenSimulator, fault: TokenFault, claim: str
) -> None:
    good = claims_of(browser, log_in(browser, HIGH)["id_token"])
    provider.token_fault = fault
    bad = claims_of(browser, exchange(browser, returned(ask(browser))["code"]).json()["id_token"])
    differing = {name for name in good if good[name] != bad.get(name)}
    assert differing - {"jti", "iat", "exp"} == {claim}


def test_a_fault_can_make_the_token_or_the_log_in_old(
    browser: httpx.Client, provider: idporten.IdportenSimulator
) -> None:
    provider.token_fault = TokenFault.EXPIRED
    assert claims_of(browser, log_in(browser)["id_token"])["exp"] < time.time()
    provider.token_fault = TokenFault.OLD_LOGIN
    code = returned(ask(browser))["code"]
    old = claims_of(browser, exchange(browser, code).json()["id_token"])
    assert old["auth_time"] < time.time() - 3600


def test_sessions_survive_a_restart(tmp_path: Path) -> None:
    def start() -> httpx.WSGITransport:
        fresh = idporten.make(tmp_path / "state", tmp_path / "keys")
        return httpx.WSGITransport(mounted({"idporten": fresh}))

    with httpx.Client(transport=start(), base_url=BASE + "/") as before:
        log_in(before)
        cookies = before.cookies
    with httpx.Client(transport=start(), base_url=BASE + "/", cookies=cookies) as after:
        assert "code" in returned(ask(after, prompt="none"))


def test_a_forgotten_person_is_logged_out(
    browser: httpx.Client, provider: idporten.IdportenSimulator
) -> None:
    log_in(browser)
    provider.forget(by_slug(KARI.slug))
    assert returned(ask(browser, prompt="none"))["error"] == "login_required"
