"""The id_token: what it must hold, and everything that makes it worthless.

The keys come from the simulated ID-porten over HTTP; the tokens are made here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.core.cache import cache
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from pytest_django import DjangoAssertNumQueries, Settings
from werkzeug.wrappers import Response

import connectors.http
from connectors.contract import Temporary
from connectors.idporten import simulator as idporten
from connectors.simulation import mounted
from connectors.world.persons import PERSONS
from inbox.citizens.models import Citizen, InboxState, SecurityLevel
from inbox.citizens.oidc import (
    KEYS_SECONDS,
    SSO_SECONDS_MAX,
    Attempt,
    IdportenBackend,
    LoginRefused,
    verify_id_token,
)

KARI = PERSONS[0]
Mint = Callable[..., str]


class CountingTransport(httpx.WSGITransport):
    """Counts the requests that reach the provider."""

    requests = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return super().handle_request(request)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> idporten.IdportenSimulator:
    folder = tmp_path_factory.mktemp("idporten")
    return idporten.make(folder / "state", folder / "keys")


@pytest.fixture(autouse=True)
def wire(
    provider: idporten.IdportenSimulator, monkeypatch: pytest.MonkeyPatch
) -> CountingTransport:
    """The way to the provider; no keys are remembered from another test."""
    cache.clear()
    transport = CountingTransport(mounted({"idporten": provider}))
    monkeypatch.setattr(connectors.http, "transport_for", lambda _: transport)
    return transport


@pytest.fixture
def mint(provider: idporten.IdportenSimulator, settings: Settings) -> Mint:
    def make(
        claims: dict[str, Any] | None = None,
        *,
        without: str = "",
        key: Any = None,
        header: dict[str, Any] | None = None,
    ) -> str:
        now = int(time.time())
        held = {
            "iss": settings.OIDC_ISSUER,
            "aud": "samlepost",
            "sub": "pairwise",
            "pid": KARI.national_id,
            "acr": "idporten-loa-substantial",
            "auth_time": now,
            "iat": now,
            "exp": now + 120,
            "nonce": "the-nonce",
            "sid": "the-session",
            **(claims or {}),
        }
        held.pop(without, None)
        head = {"alg": "RS256", "kid": provider.key.kid, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return jwt.encode(head, held, key or provider.key, algorithms=[head["alg"]])

    return make


def attempt(
    level: SecurityLevel = SecurityLevel.SUBSTANTIAL, *, fresh: bool = False, ago: float = 5
) -> Attempt:
    return Attempt("the-nonce", "v" * 64, level, fresh, time.time() - ago)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_good_token_tells_who_and_at_what_level(mint: Mint) -> None:
    proof = verify_id_token(mint(), attempt())
    assert proof.national_id == KARI.national_id
    assert proof.level is SecurityLevel.SUBSTANTIAL
    assert proof.sid == "the-session"
    assert KARI.national_id not in repr(proof)


@pytest.mark.parametrize("acr", ["idporten-loa-high", "eidas-loa-high"])
def test_the_ending_of_acr_alone_gives_the_level(mint: Mint, acr: str) -> None:
    proof = verify_id_token(mint({"acr": acr}), attempt(SecurityLevel.HIGH))
    assert proof.level is SecurityLevel.HIGH


def test_a_token_may_name_several_audiences_when_it_was_issued_to_us(mint: Mint) -> None:
    token = mint({"aud": ["another", "samlepost"], "azp": "samlepost"})
    assert verify_id_token(token, attempt()).sid == "the-session"


def test_a_foreign_eid_without_a_number_is_a_proof_of_nobody(mint: Mint) -> None:
    assert verify_id_token(mint(without="pid"), attempt()).national_id == ""


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://idporten.example"},
        {"iss": "http://127.0.0.1:8010/idporten/"},
        {"aud": "another"},
        {"aud": []},
        {"aud": {"samlepost": True}},
        {"aud": ["another", "samlepost"]},
        {"aud": ["another", "samlepost"], "azp": "another"},
        {"azp": "another"},
        {"nonce": "another"},
        {"nonce": ""},
        {"acr": "idporten-loa-low"},
        {"acr": "Level4"},
        {"acr": "high"},
        {"acr": "idporten-loa-high "},
        {"acr": ["idporten-loa-high"]},
        {"sid": ""},
        {"sid": 7},
        {"pid": 7},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": float("nan")},
        {"iat": float("nan")},
        {"auth_time": float("nan")},
        {"auth_time": "now"},
    ],
)
def test_a_wrong_claim_makes_the_token_worthless(mint: Mint, claims: dict[str, Any]) -> None:
    with pytest.raises(LoginRefused):
        verify_id_token(mint(claims), attempt())


@pytest.mark.parametrize("claim", ["iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "sid"])
def test_a_missing_claim_makes_the_token_worthless(mint: Mint, claim: str) -> None:
    with pytest.raises(LoginRefused):
        verify_id_token(mint(without=claim), attempt())


@pytest.mark.parametrize(
    ("claim", "seconds", "is_good"),
    [
        ("exp", -55, True),
        ("exp", -65, False),
        ("iat", 55, True),
        ("iat", 65, False),
        ("iat", -55, True),
        ("iat", -75, False),
        ("auth_time", 55, True),
        ("auth_time", 65, False),
        ("auth_time", -SSO_SECONDS_MAX, True),
        ("auth_time", -SSO_SECONDS_MAX - 75, False),
    ],
)
def test_clocks_may_be_a_minute_apart(mint: Mint, claim: str, seconds: int, is_good: bool) -> None:
    token = mint({claim: int(time.time()) + seconds})
    if is_good:
        assert verify_id_token(token, attempt())
    else:
        with pytest.raises(LoginRefused):
            verify_id_token(token, attempt())


def test_a_step_up_does_not_take_an_older_identification(mint: Mint) -> None:
    claims = {"acr": "idporten-loa-high", "auth_time": int(time.time()) - 120}
    assert verify_id_token(mint(claims), attempt(SecurityLevel.HIGH))
    with pytest.raises(LoginRefused, match="too long ago"):
        verify_id_token(mint(claims), attempt(SecurityLevel.HIGH, fresh=True))


def test_a_lower_level_than_asked_for_is_refused(mint: Mint) -> None:
    with pytest.raises(LoginRefused, match="lower"):
        verify_id_token(mint(), attempt(SecurityLevel.HIGH))


def test_an_unsigned_token_is_refused(mint: Mint, provider: idporten.IdportenSimulator) -> None:
    claims = mint().split(".")[1]
    for alg in ("none", "None", "NONE", ""):
        header = part({"alg": alg, "kid": provider.key.kid})
        with pytest.raises(LoginRefused):
            verify_id_token(f"{header}.{claims}.", attempt())


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(
    mint: Mint, provider: idporten.IdportenSimulator
) -> None:
    claims = mint().split(".")[1]
    signed = f"{part({'alg': 'HS256', 'kid': provider.key.kid})}.{claims}"
    for secret in (provider.key.as_pem(private=False), b"samlepost-demo-secret"):
        digest = hmac.digest(secret, signed.encode(), hashlib.sha256)
        signature = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        with pytest.raises(LoginRefused):
            verify_id_token(f"{signed}.{signature}", attempt())


@pytest.mark.parametrize("alg", ["RS384", "RS512", "PS256"])
def test_another_algorithm_with_the_right_key_is_refused(
    mint: Mint, provider: idporten.IdportenSimulator, alg: str
) -> None:
    key = RSAKey.import_key(provider.key.as_pem(private=True))
    with pytest.raises(LoginRefused):
        verify_id_token(mint(key=key, header={"alg": alg}), attempt())


def test_another_key_under_the_providers_kid_is_refused(mint: Mint) -> None:
    with pytest.raises(LoginRefused):
        verify_id_token(mint(key=RSAKey.generate_key(2048)), attempt())


def test_a_key_carried_in_the_token_itself_counts_for_nothing(mint: Mint) -> None:
    own = RSAKey.generate_key(2048)
    header = {"jwk": own.as_dict(private=False), "kid": own.thumbprint()}
    with pytest.raises(LoginRefused):
        verify_id_token(mint(key=own, header=header), attempt())


@pytest.mark.parametrize("kid", [None, "", "another"])
def test_a_token_must_name_a_key_of_the_providers(mint: Mint, kid: str | None) -> None:
    with pytest.raises(LoginRefused):
        verify_id_token(mint(header={"kid": kid}), attempt())


def test_an_elliptic_key_is_not_taken_for_an_rsa_key(mint: Mint) -> None:
    key = ECKey.generate_key("P-256")
    with pytest.raises(LoginRefused):
        verify_id_token(mint(key=key, header={"alg": "ES256"}), attempt())


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "..", "e30.e30.", "e30.e30.e30", "\ud800.a.b", "." * 500_000]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(LoginRefused):
        verify_id_token(token, attempt())


def test_a_changed_claim_breaks_the_signature(mint: Mint) -> None:
    header, _, signature = mint().split(".")
    claims = mint({"pid": PERSONS[1].national_id}).split(".")[1]
    with pytest.raises(LoginRefused):
        verify_id_token(f"{header}.{claims}.{signature}", attempt())


def test_the_keys_are_asked_for_once_a_day(mint: Mint, wire: CountingTransport) -> None:
    verify_id_token(mint(), attempt())
    verify_id_token(mint(), attempt())
    assert wire.requests == 1
    assert KEYS_SECONDS == 24 * 3600


def test_a_new_key_is_asked_for_once(
    mint: Mint, wire: CountingTransport, provider: idporten.IdportenSimulator
) -> None:
    verify_id_token(mint(), attempt())
    old, kid = provider.key, "new-key"
    try:
        provider.key = RSAKey.import_key(
            RSAKey.generate_key(2048).as_dict(private=True), {"kid": kid, "use": "sig"}
        )
        assert verify_id_token(mint(), attempt()).sid == "the-session"
        assert wire.requests == 2
        with pytest.raises(LoginRefused):
            verify_id_token(mint(key=old, header={"kid": old.kid}), attempt())
        assert wire.requests == 3
    finally:
        provider.key = old


@pytest.mark.parametrize(
    "answer",
    [
        Response(status=503),
        Response("[]", content_type="application/json"),
        Response('{"keys": {}}', content_type="application/json"),
        Response("<title>Driftsstans</title>", content_type="text/html"),
        Response(b"\x00\xff{{{", content_type="application/json"),
    ],
)
def test_an_unusable_key_set_is_the_providers_trouble_not_the_citizens(
    mint: Mint, monkeypatch: pytest.MonkeyPatch, answer: Response
) -> None:
    broken = httpx.WSGITransport(answer)
    monkeypatch.setattr(connectors.http, "transport_for", lambda _: broken)
    with pytest.raises(Temporary):
        verify_id_token(mint(), attempt())


def test_no_refusal_tells_the_number(mint: Mint) -> None:
    for claims in ({"nonce": "x"}, {"aud": "x"}, {"acr": "x"}, {"pid": [KARI.national_id]}):
        with pytest.raises(LoginRefused) as refusal:
            verify_id_token(mint(claims), attempt())
        assert KARI.national_id not in str(refusal.value)
        assert refusal.value.__cause__ is None


@pytest.mark.django_db
def test_a_request_loads_the_citizen_and_her_inbox_in_one_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    citizen = Citizen.objects.create(name="Kari")
    InboxState.objects.create(citizen=citizen, unread=3)
    with django_assert_num_queries(1):
        found = IdportenBackend().get_user(citizen.pk)
        assert found == citizen
        assert found.inbox_state.unread == 3


@pytest.mark.django_db
def test_an_inactive_citizen_is_nobody() -> None:
    citizen = Citizen.objects.create(name="Kari", is_active=False)
    assert IdportenBackend().get_user(citizen.pk) is None


def test_the_backend_takes_no_password() -> None:
    assert IdportenBackend().authenticate(None, username="kari", password="x") is None
