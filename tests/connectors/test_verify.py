"""Tokens of Maskinporten's as whoever is called checks them, by its published keys."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from connectors.contract import Temporary, Unproven
from connectors.http import Http
from connectors.keys import signing_key
from connectors.maskinporten import simulator
from connectors.maskinporten.verify import TokenVerifier
from connectors.tokens import kept

INSIDE = "http://simulators:8010/maskinporten"
SCOPE, HERE = "samlepost:feed.ping", "https://samlepost.example/hooks/nav/"


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> simulator.MaskinportenSimulator:
    """One that calls itself by another address than that by which it is reached from here."""
    monkeypatch.setenv("SIMULATORS_PUBLIC_URL", "http://public.example:8010")
    return simulator.make(tmp_path, tmp_path)


def verifier(app: object) -> TokenVerifier:
    mounted = DispatcherMiddleware(None, {"/maskinporten": app})  # type: ignore[dict-item, arg-type]
    return TokenVerifier(Http(INSIDE, transport=httpx.WSGITransport(app=mounted)), INSIDE)


def token(keys: Path, audience: str | None = HERE) -> str:
    said = {"client_id": "nav", "consumer_org": "0192:889640782", "scope": SCOPE}
    return f"Bearer {simulator.issue_token(keys, audience=audience, **said)}"  # type: ignore[arg-type]


def test_its_keys_are_found_where_it_is_reached(
    issuer: simulator.MaskinportenSimulator, tmp_path: Path
) -> None:
    claims = verifier(issuer.app).claims(token(tmp_path), SCOPE, HERE)
    assert claims["consumer"]["ID"] == "0192:889640782"


@pytest.mark.parametrize(("scope", "audience"), [("other", HERE), (SCOPE, HERE + "x"), (SCOPE, "")])
def test_a_token_is_good_for_its_scope_and_address_alone(
    issuer: simulator.MaskinportenSimulator, tmp_path: Path, scope: str, audience: str
) -> None:
    for meant in (HERE, None):
        with pytest.raises(Unproven):
            verifier(issuer.app).claims(token(tmp_path, meant), scope, audience)


def test_another_issuers_token_by_the_same_key_is_none(
    issuer: simulator.MaskinportenSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = verifier(issuer.app)
    checked.claims(token(tmp_path), SCOPE, HERE)
    monkeypatch.setenv("SIMULATORS_PUBLIC_URL", "http://test.example")
    with pytest.raises(Unproven, match="issuer"):
        checked.claims(token(tmp_path), SCOPE, HERE)


def test_a_new_key_is_looked_for_but_not_at_every_token(
    issuer: simulator.MaskinportenSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked, later = verifier(issuer.app), tmp_path / "later"
    checked.claims(token(tmp_path), SCOPE, HERE)
    issuer.server_key = signing_key(later / simulator.SERVER_KEY)
    with pytest.raises(Unproven):  # it looked a moment ago
        checked.claims(token(later), SCOPE, HERE)
    kept.forget(kept.name("jwks looked at", INSIDE), "yes")  # a minute later
    checked.claims(token(later), SCOPE, HERE)


@pytest.mark.parametrize("metadata", [{}, [], {"issuer": "x"}])
def test_without_its_keys_nobody_can_tell(metadata: object) -> None:
    answers = httpx.MockTransport(lambda _: httpx.Response(200, json=metadata))
    with pytest.raises(Temporary):
        TokenVerifier(Http(INSIDE, transport=answers), INSIDE).claims("Bearer x.y.z", SCOPE, HERE)
