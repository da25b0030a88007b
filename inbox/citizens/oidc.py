"""Log-in by ID-porten: an authorization code becomes one of our citizens, or nobody.

mozilla-django-oidc carries the code flow. It leaves `iss` and `aud` unchecked, asks userinfo and
finds people by e-mail address, so what an id_token must hold and whose it is are decided here.

Sources: OpenID Connect Core 1.0 §3.1.3.7; Digdir docs `oidc_protocol_id_token.md` and
`oidc_func_sso.md`. No claim is ever logged or put into an exception's text.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import SuspiciousOperation
from django.db.models import QuerySet, UUIDField
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from mozilla_django_oidc.auth import OIDCAuthenticationBackend

from connectors.contract import Temporary
from connectors.http import Http, Refused
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, Identifier, SecurityLevel
from inbox.citizens.prepared import Prepared, Slot

ALGORITHM = "RS256"
LEEWAY_SECONDS = 60
"""How far the provider's clock and ours may be apart."""
KEYS_SECONDS = 24 * 3600
"""Digdir asks clients to keep the keys no longer than a day (`oidc_func_wellknown.md`)."""
SSO_SECONDS_MAX = 120 * 60
"""A log-in at ID-porten is good for two hours (`oidc_func_sso.md`)."""
LEVELS = {"-substantial": SecurityLevel.SUBSTANTIAL, "-high": SecurityLevel.HIGH}
"""The end of `acr` alone counts, so that eIDAS levels work too (`oidc_protocol_id_token.md`)."""


class LoginRefused(SuspiciousOperation):
    """What came back from the provider is no reason to log anybody in."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was asked of the provider. `asked_at` is in seconds since 1970.

    `fresh`: the person had to identify herself anew (a step-up), an older log-in will not do.
    """

    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    level: SecurityLevel
    fresh: bool
    asked_at: float


@dataclass(frozen=True, slots=True)
class Proof:
    """A checked id_token. `national_id` is "" for a foreign eID without a Norwegian number."""

    national_id: str = field(repr=False)
    level: SecurityLevel
    sid: str
    id_token: str = field(repr=False)
    auth_time: float = 0.0
    """When she identified herself, in seconds since 1970."""


class IdportenBackend(OIDCAuthenticationBackend):  # type: ignore[misc]  # it has no types
    """Finds the citizen whom an authorization code stands for. It makes no accounts.

    An instance is made for each log-in; after `authenticate`, `proof` tells how it went.
    """

    attempt: Attempt
    proof: Proof

    def authenticate(
        self, request: HttpRequest | None, *, attempt: Attempt | None = None, **others: Any
    ) -> Citizen | None:
        """Exchange the request's code; return the citizen, or None if she has no inbox here.

        Raises LoginRefused for an answer that must not be trusted, and ConnectorError when the
        provider cannot be reached.
        """
        if attempt is None:
            return None
        self.attempt = attempt
        citizen: Citizen | None = super().authenticate(
            request, nonce=attempt.nonce, code_verifier=attempt.code_verifier
        )
        return citizen

    def get_token(self, payload: Mapping[str, str]) -> dict[str, str]:
        """Exchange the code at the token endpoint. Raises LoginRefused and ConnectorError."""
        url = settings.OIDC_OP_TOKEN_ENDPOINT
        http = Http(url, timeout=settings.OIDC_TIMEOUT)
        try:
            answer = http.post_json(url, data=payload)
        except Refused:
            raise LoginRefused("the token endpoint refused the code") from None
        finally:
            http.close()
        token = answer.get("id_token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise LoginRefused("the token endpoint gave no id_token")
        return {"id_token": token}

    def verify_token(self, token: str, **others: Any) -> Proof:
        """Check the id_token against what was asked for. Raises LoginRefused."""
        self.proof = verify_id_token(token, self.attempt)
        return self.proof

    def store_tokens(self, access_token: str | None, id_token: str) -> None:
        """Keep nothing in the session of before the log-in, whose key is about to change."""

    def get_or_create_user(
        self, access_token: str | None, id_token: str, payload: Proof
    ) -> Citizen | None:
        """Return the active citizen with the token's identity number."""
        return find_citizen(Identifier.Kind.NATIONAL_ID, payload.national_id)

    def get_user(self, user_id: Any) -> Citizen | None:
        """Return the active citizen and what her inbox amounts to, in one query."""
        found = _CITIZEN.objects(citizen=user_id)
        return found[0] if found else None


def _living() -> QuerySet[Citizen]:
    slot = Slot("citizen", UUIDField())
    return Citizen.objects.select_related("inbox_state").filter(
        pk=slot, is_active=True, deceased_at=None
    )


_CITIZEN = Prepared(_living)
"""Every request of somebody who is logged in makes this read."""


def verify_id_token(token: str, attempt: Attempt) -> Proof:
    """Check signature, issuer, audience, times, nonce and level. Raises LoginRefused.

    Raises ConnectorError when the provider's keys cannot be fetched.
    """
    claims = _signed_claims(token)
    if claims.get("iss") != settings.OIDC_ISSUER:
        raise LoginRefused("the id_token is from another issuer")
    _check_audience(claims)
    _check_times(claims, attempt)
    if not constant_time_compare(str(claims.get("nonce", "")), attempt.nonce):
        raise LoginRefused("the id_token answers another request")
    level = _level(claims)
    if level < attempt.level:
        raise LoginRefused("the level is lower than what was asked for")
    sid, national_id = claims.get("sid"), claims.get("pid", "")
    if not isinstance(sid, str) or not sid:
        # Without it the provider could not log the citizen out here.
        raise LoginRefused("the id_token names no session")
    if not isinstance(national_id, str):
        raise LoginRefused("the identity number is not a text")
    return Proof(national_id, level, sid, token, _moment(claims, "auth_time"))


def _signed_claims(token: str) -> dict[str, Any]:
    try:
        key = _signing_key(jws.extract_compact(token.encode()).headers().get("kid"))
        return jwt.decode(token, key, algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError, TypeError):
        raise LoginRefused("the id_token's signature does not hold") from None


def _check_audience(claims: Mapping[str, Any]) -> None:
    """OpenID Connect Core 1.0 §3.1.3.7, steps 3 to 5."""
    client_id = settings.OIDC_RP_CLIENT_ID
    audience, party = claims.get("aud"), claims.get("azp")
    listed = audience if isinstance(audience, list) else [audience]
    if client_id not in listed:
        raise LoginRefused("the id_token is for another client")
    if party != client_id and (party is not None or len(listed) > 1):
        raise LoginRefused("the id_token was issued to another client")


def _check_times(claims: Mapping[str, Any], attempt: Attempt) -> None:
    now = time.time()
    if not _moment(claims, "exp") > now - LEEWAY_SECONDS:
        raise LoginRefused("the id_token has expired")
    issued_at = _moment(claims, "iat")
    if not attempt.asked_at - LEEWAY_SECONDS <= issued_at <= now + LEEWAY_SECONDS:
        raise LoginRefused("the id_token was not issued in this log-in")
    earliest = attempt.asked_at if attempt.fresh else attempt.asked_at - SSO_SECONDS_MAX
    if not earliest - LEEWAY_SECONDS <= _moment(claims, "auth_time") <= now + LEEWAY_SECONDS:
        raise LoginRefused("the person identified herself too long ago")


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LoginRefused(f"the id_token lacks {name}")
    return value


def _level(claims: Mapping[str, Any]) -> SecurityLevel:
    acr = claims.get("acr")
    for ending, level in LEVELS.items():
        if isinstance(acr, str) and acr.endswith(ending):
            return level
    raise LoginRefused("the id_token holds no level that we know")


def _signing_key(kid: object) -> RSAKey:
    """Return the provider's key `kid`; asks again once, as it may be newer than what we keep."""
    name = "idporten-keys:" + sha256(settings.OIDC_OP_JWKS_ENDPOINT.encode()).hexdigest()
    keys = cache.get(name)
    if not isinstance(keys, dict) or kid not in keys:
        keys = _fetch_keys()
        cache.set(name, keys, KEYS_SECONDS)
    if not isinstance(kid, str) or kid not in keys:
        raise LoginRefused("the id_token is signed by an unknown key")
    return RSAKey.import_key(keys[kid])


def _fetch_keys() -> dict[str, dict[str, Any]]:
    """Return the provider's RSA signing keys by `kid`. Raises ConnectorError."""
    url = settings.OIDC_OP_JWKS_ENDPOINT
    http = Http(url, timeout=settings.OIDC_TIMEOUT)
    try:
        answer = http.get_json(url)
    finally:
        http.close()
    if not isinstance(answer, dict) or not isinstance(answer.get("keys"), list):
        raise Temporary("the provider's key set is not one")
    return {key["kid"]: key for key in answer["keys"] if _signs(key)}


def _signs(key: Any) -> bool:
    return (
        isinstance(key, dict)
        and isinstance(key.get("kid"), str)
        and key.get("kty") == "RSA"
        and key.get("use", "sig") == "sig"
        and key.get("alg", ALGORITHM) == ALGORITHM
    )
