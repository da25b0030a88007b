"""A Maskinporten that checks what it is sent, and the check that resource simulators make.

Sources: Digdir docs `maskinporten_protocol_jwtgrant.md`, `maskinporten_protocol_token.md`,
`maskinporten_func_wellknown.md`; RFC 7523 for the grant, RFC 6749 §5.2 for the errors.
"""

from __future__ import annotations

import re
import time
import uuid
from pathlib import Path
from typing import Any, TypeGuard

from flask import Flask, Response, jsonify, request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from connectors.addresses import simulators_public_url
from connectors.keys import signing_key
from connectors.maskinporten.client import GRANT_TYPE
from connectors.simulation import Simulator, State
from connectors.world.model import Person

TOKEN_SECONDS = 120
GRANT_SECONDS_MAX = 120
CLOCK_SKEW_SECONDS = 10
SERVER_KEY = "maskinporten-server.pem"
CLIENT_KEY = "maskinporten-client.pem"
CLIENT_ID = "samlepost"
CLIENT_ORG = "0192:310091081"
"""Samlepost's made-up organisation number."""
DELEGATION_SOURCE = "https://tt02.altinn.no/"
SCOPE = re.compile(r"[a-z0-9.-]+:[A-Za-z0-9/._-]+")


class Refusal(Exception):
    """A grant that Maskinporten turns down: an OAuth error code and what was wrong."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


def issuer() -> str:
    """Return the simulated Maskinporten's name for itself, as in `iss` and `aud`."""
    return f"{simulators_public_url()}/maskinporten/"


def issue_token(
    keys_dir: Path,
    *,
    client_id: str,
    consumer_org: str,
    scope: str,
    pid: str | None = None,
    acr: str | None = None,
    lifetime: int = TOKEN_SECONDS,
    supplier_org: str = "",
    issued_at: float | None = None,
    audience: str | None = None,
) -> str:
    """Return a signed access token; `consumer_org` is "0192:" and nine digits.

    A negative `lifetime` (seconds) gives one that has expired. `supplier_org` acts for the
    consumer by a delegation in Altinn; `issued_at` is a POSIX time, now where it is left out.
    """
    key = signing_key(keys_dir / SERVER_KEY)
    issued = int(time.time() if issued_at is None else issued_at)
    claims: dict[str, Any] = {
        "iss": issuer(),
        "client_id": client_id,
        "client_amr": "private_key_jwt",
        "consumer": {"authority": "iso6523-actorid-upis", "ID": consumer_org},
        "scope": scope,
        "token_type": "Bearer",
        "iat": issued,
        "exp": issued + lifetime,
        "jti": str(uuid.uuid4()),
    }
    if supplier_org:
        claims["supplier"] = {"authority": "iso6523-actorid-upis", "ID": supplier_org}
        claims["delegation_source"] = DELEGATION_SOURCE
    if pid is not None:
        claims["pid"] = pid
    if acr is not None:
        claims["acr"] = acr
    if audience is not None:
        claims["aud"] = audience
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


class TokenChecker:
    """What a resource server does with a bearer token: signature, issuer, expiry, scope."""

    def __init__(self, keys_dir: Path) -> None:
        self._keys = KeySet([signing_key(keys_dir / SERVER_KEY)])

    def claims(
        self, authorization_header: str, scope: str, audience: str | None = None
    ) -> dict[str, Any]:
        """Return the token's claims. Raises PermissionError unless it is good for `scope`.

        With `audience` it must have been made for that alone.
        """
        kind, _, token = authorization_header.partition(" ")
        if kind.lower() != "bearer" or not token:
            raise PermissionError("no bearer token")
        try:
            claims = jwt.decode(token.strip(), self._keys, algorithms=["RS256"]).claims
        except (JoseError, ValueError):
            raise PermissionError("the token's signature is not Maskinporten's") from None
        if claims.get("iss") != issuer():
            raise PermissionError("the token has another issuer")
        if not _is_number(claims.get("exp")) or claims["exp"] <= time.time():
            raise PermissionError("the token has expired")
        if scope not in str(claims.get("scope", "")).split():
            raise PermissionError(f"the token lacks the scope {scope}")
        if audience is not None and claims.get("aud") != audience:
            raise PermissionError("the token is for another audience")
        return dict(claims)


class MaskinportenSimulator(Simulator):
    """`/token`, `/jwks` and the metadata. It delivers no letters."""

    def __init__(self, state: State, keys_dir: Path) -> None:
        super().__init__(state)
        self.keys_dir = keys_dir
        self.server_key = signing_key(keys_dir / SERVER_KEY)
        self.client_keys = KeySet([signing_key(keys_dir / CLIENT_KEY)])
        with state.transaction() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS used_grants "
                "(client_id TEXT, jti TEXT, expires REAL, PRIMARY KEY (client_id, jti))"
            )
        _add_routes(self.app, self)

    def forget(self, person: Person) -> None:
        """Nothing is kept of a person here."""

    def exchange(self, assertion: str) -> dict[str, Any]:
        """Return the token answer for a grant. Raises Refusal."""
        grant = self._checked_grant(assertion)
        scope = str(grant.get("scope", ""))
        if not scope or not all(SCOPE.fullmatch(part) for part in scope.split()):
            raise Refusal("invalid_scope", "the scope is missing or malformed")
        self._spend(str(grant["jti"]), float(grant["exp"]))
        token = issue_token(
            self.keys_dir,
            client_id=CLIENT_ID,
            consumer_org=CLIENT_ORG,
            scope=scope,
            pid=_text(grant, "pid"),
            acr=_text(grant, "acr"),
            audience=_text(grant, "resource"),
        )
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": scope,
        }

    def _checked_grant(self, assertion: str) -> dict[str, Any]:
        try:
            grant = jwt.decode(
                assertion, self.client_keys, algorithms=["RS256", "RS384", "RS512"]
            ).claims
        except (JoseError, ValueError):
            raise Refusal("invalid_grant", "the signature is not the client's") from None
        if grant.get("iss") != CLIENT_ID:
            raise Refusal("invalid_client", "no such client")
        if grant.get("aud") != issuer():
            raise Refusal("invalid_grant", "aud is not this Maskinporten")
        issued, expires = grant.get("iat"), grant.get("exp")
        if not _is_number(issued) or not _is_number(expires):
            raise Refusal("invalid_grant", "iat and exp must be numbers")
        present = time.time()
        if abs(issued - present) > CLOCK_SKEW_SECONDS:
            raise Refusal("invalid_grant", "iat is not now")
        if expires <= present:
            raise Refusal("invalid_grant", "the grant has expired")
        if expires - issued > GRANT_SECONDS_MAX:
            raise Refusal("invalid_grant", "the grant is good for more than 120 seconds")
        if not _text(grant, "jti"):
            raise Refusal("invalid_grant", "jti is missing")
        return dict(grant)

    def _spend(self, jti: str, expires: float) -> None:
        with self.state.transaction() as db:
            db.execute("DELETE FROM used_grants WHERE expires < ?", (time.time(),))
            added = db.execute(
                "INSERT OR IGNORE INTO used_grants VALUES (?, ?, ?)", (CLIENT_ID, jti, expires)
            ).rowcount
        if not added:
            raise Refusal("invalid_grant", "the grant has been used before")


def make(state_dir: Path, keys_dir: Path) -> MaskinportenSimulator:
    """Make the simulator with its state in `state_dir` and its keys in `keys_dir`."""
    return MaskinportenSimulator(State(state_dir / "maskinporten.sqlite3"), keys_dir)


def _add_routes(app: Flask, simulator: MaskinportenSimulator) -> None:
    @app.post("/token")
    def token() -> Response:
        try:
            if request.form.get("grant_type") != GRANT_TYPE:
                raise Refusal("unsupported_grant_type", "only JWT grants are taken")
            answer = jsonify(simulator.exchange(request.form.get("assertion", "")))
        except Refusal as refusal:
            answer = jsonify(error=refusal.code, error_description=str(refusal))
            answer.status_code = 400
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.get("/jwks")
    def jwks() -> Response:
        return jsonify(keys=[simulator.server_key.as_dict(private=False)])

    @app.get("/.well-known/oauth-authorization-server")
    def metadata() -> Response:
        name = issuer()
        return jsonify(
            issuer=name,
            token_endpoint=f"{name}token",
            jwks_uri=f"{name}jwks",
            grant_types_supported=[GRANT_TYPE],
            token_endpoint_auth_methods_supported=["private_key_jwt"],
            token_endpoint_auth_signing_alg_values_supported=["RS256", "RS384", "RS512"],
        )


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value else None
