"""Maskinporten's client against its simulator."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from connectors.contract import Misconfigured, Temporary
from connectors.http import Http
from connectors.keys import ensure_rsa_key, signing_key
from connectors.maskinporten import simulator as maskinporten
from connectors.maskinporten.client import GRANT_TYPE, TokenSource
from connectors.maskinporten.simulator import (
    CLIENT_KEY,
    TokenChecker,
    issue_token,
    issuer,
)
from connectors.simulation import mounted

URL = "http://127.0.0.1:8010/maskinporten"
SCOPE = "altinn:correspondence.read"
PID = "17849212345"


class Place:
    """A running simulator with its client's key."""

    def __init__(self, folder: Path, keys: Path) -> None:
        self.folder = folder
        self.keys = keys
        self.restart()

    def restart(self) -> None:
        self.simulator = maskinporten.make(self.folder / "state", self.keys)
        transport = httpx.WSGITransport(mounted({"maskinporten": self.simulator}))
        self.http = Http(URL, transport=transport)
        self.raw = httpx.Client(transport=transport, base_url=URL + "/")

    def source(self) -> TokenSource:
        return TokenSource(self.http, URL, "samlepost", str(self.keys / CLIENT_KEY))

    def grant(self, key: RSAKey | None = None, **changes: Any) -> str:
        key = key or signing_key(self.keys / CLIENT_KEY)
        present = int(time.time())
        claims = {
            "aud": issuer(),
            "iss": "samlepost",
            "scope": SCOPE,
            "iat": present,
            "exp": present + 100,
            "jti": str(uuid.uuid4()),
            **changes,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": key.kid}, kept, key)

    def post(self, assertion: str, grant_type: str = GRANT_TYPE) -> httpx.Response:
        return self.raw.post("token", data={"grant_type": grant_type, "assertion": assertion})


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One set of keys for all tests here: making them takes most of the time."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def place(tmp_path: Path, keys: Path) -> Place:
    return Place(tmp_path, keys)


def test_a_token_holds_the_documented_claims(place: Place) -> None:
    token = place.source().token(SCOPE)
    keys = KeySet.import_key_set(place.raw.get("jwks").json())
    claims = jwt.decode(token, keys, algorithms=["RS256"]).claims
    assert claims["iss"] == issuer()
    assert claims["client_id"] == "samlepost"
    assert claims["consumer"] == {"authority": "iso6523-actorid-upis", "ID": "0192:310091081"}
    assert claims["scope"] == SCOPE
    assert claims["token_type"] == "Bearer"
    assert claims["exp"] - claims["iat"] == 120
    assert "pid" not in claims and "acr" not in claims


def test_a_token_for_one_citizen_names_her_inside_it(place: Place) -> None:
    source = place.source()
    token = source.token(SCOPE, pid=PID, acr="idporten-loa-high")
    claims = TokenChecker(place.keys).claims(f"Bearer {token}", SCOPE)
    assert (claims["pid"], claims["acr"]) == (PID, "idporten-loa-high")
    assert source.token(SCOPE) != token


def test_a_token_is_reused_until_shortly_before_it_expires(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = place.source()
    first = source.token(SCOPE)
    assert source.token(SCOPE) == first
    start = time.monotonic()
    monkeypatch.setattr("connectors.maskinporten.client.time.monotonic", lambda: start + 104)
    assert source.token(SCOPE) == first
    monkeypatch.setattr("connectors.maskinporten.client.time.monotonic", lambda: start + 106)
    assert source.token(SCOPE) != first


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"aud": "https://maskinporten.no/"}, "invalid_grant"),
        ({"iss": "somebody"}, "invalid_client"),
        ({"iat": None}, "invalid_grant"),
        ({"exp": "soon"}, "invalid_grant"),
        ({"jti": None}, "invalid_grant"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "everything"}, "invalid_scope"),
    ],
)
def test_a_wrong_grant_gets_no_token(place: Place, changes: dict[str, Any], error: str) -> None:
    answer = place.post(place.grant(**changes))
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize(
    "seconds", [{"exp": 1000}, {"exp": -1}, {"iat": -60}, {"iat": 600, "exp": 700}]
)
def test_a_grant_of_another_time_gets_no_token(place: Place, seconds: dict[str, int]) -> None:
    moments = {claim: int(time.time()) + after for claim, after in seconds.items()}
    answer = place.post(place.grant(**moments))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_grant_signed_by_another_key_gets_no_token(place: Place) -> None:
    registered = signing_key(place.keys / CLIENT_KEY)
    other = RSAKey.generate_key(2048, {"kid": str(registered.kid)})
    assert place.post(place.grant(other)).json()["error"] == "invalid_grant"
    assert place.post("not.a.token").json()["error"] == "invalid_grant"


def test_a_grant_works_once_even_after_a_restart(place: Place) -> None:
    grant = place.grant()
    assert place.post(grant).status_code == 200
    assert place.post(grant).status_code == 400
    place.restart()
    assert place.post(grant).status_code == 400


def test_another_grant_type_is_refused(place: Place) -> None:
    answer = place.post(place.grant(), "client_credentials")
    assert answer.json()["error"] == "unsupported_grant_type"


def test_a_refused_client_hears_that_it_is_misconfigured(place: Place) -> None:
    ensure_rsa_key(place.folder / "other.pem")
    source = TokenSource(place.http, URL, "samlepost", str(place.folder / "other.pem"))
    with pytest.raises(Misconfigured, match="invalid_grant") as raised:
        source.token(SCOPE, pid=PID)
    assert PID not in str(raised.value)


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN nonsense"])
def test_a_key_that_cannot_be_read_is_misconfigured(place: Place, content: bytes | None) -> None:
    path = place.folder / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Misconfigured, match="private_key_file"):
        TokenSource(place.http, URL, "samlepost", str(path))


def test_maskinporten_away_is_temporary(place: Place) -> None:
    source = TokenSource(
        Http(URL, transport=httpx.MockTransport(lambda request: httpx.Response(503))),
        URL,
        "samlepost",
        str(place.keys / CLIENT_KEY),
    )
    with pytest.raises(Temporary):
        source.token(SCOPE)


def token(place: Place, **changes: Any) -> str:
    wanted = {"client_id": "samlepost", "consumer_org": "0192:310091081", "scope": SCOPE}
    return issue_token(place.keys, **{**wanted, **changes})


def test_a_resource_takes_a_good_token_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    checker = TokenChecker(place.keys)
    good = token(place, scope=f"{SCOPE} other:scope")
    assert checker.claims(f"Bearer {good}", SCOPE)["client_id"] == "samlepost"
    head, body, signature = good.split(".")
    wrong = [
        "",
        "Bearer",
        f"Basic {good}",
        "Bearer x.y.z",
        f"Bearer {head}.{body[:-4]}AAAA.{signature}",
        f"Bearer {token(place, lifetime=-1)}",
        f"Bearer {token(place, scope='altinn:correspondence.readx')}",
        f"Bearer {jwt.encode({'alg': 'RS256'}, {'scope': SCOPE}, RSAKey.generate_key(2048))}",
    ]
    for header in wrong:
        with pytest.raises(PermissionError):
            checker.claims(header, SCOPE)
    monkeypatch.setenv("SIMULATORS_PUBLIC_URL", "http://elsewhere.example")
    with pytest.raises(PermissionError):
        checker.claims(f"Bearer {good}", SCOPE)


def test_a_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key.pem"
    first = ensure_rsa_key(path).private_numbers()
    assert ensure_rsa_key(path).private_numbers() == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["key.pem"]


def test_many_who_ask_at_once_get_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    with ThreadPoolExecutor(6) as pool:
        keys = list(pool.map(ensure_rsa_key, [path] * 6))
    assert len({key.private_numbers().d for key in keys}) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["key.pem"]


def test_metadata_name_the_issuer_that_grants_are_for(place: Place) -> None:
    metadata = place.raw.get(".well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == issuer() == "http://127.0.0.1:8010/maskinporten/"
    assert metadata["token_endpoint"] == f"{URL}/token"
