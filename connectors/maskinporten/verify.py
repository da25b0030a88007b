"""What whoever is called does with a token of Maskinporten's: by its published keys alone.

Digdir docs `maskinporten_protocol_token.md`, `maskinporten_func_wellknown.md` and
`maskinporten_func_audience_restricted_tokens.md`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from connectors.contract import Temporary, Unproven
from connectors.http import Http
from connectors.tokens import kept

KEYS_SECONDS = 3600
"""How long the published keys are taken for what they were."""
LOOK_AGAIN_SECONDS = 60
"""A token whose key is not among them makes us look again, no more often than that."""
CLOCK_SKEW_SECONDS = 10
TOKEN_MAX = 8000
"""Characters."""
ORGANISATION = "0192:"
"""Before the nine digits of a Norwegian organisation (ISO 6523)."""


class TokenVerifier:
    """Checks tokens of the Maskinporten at `url`, which `http` reaches."""

    def __init__(self, http: Http, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/")

    def claims(self, authorization: str, scope: str, audience: str) -> Mapping[str, Any]:
        """Return the claims of a bearer token that is good now for this scope and audience.

        Raises Unproven where it is not, Temporary where Maskinporten's keys are not to be had.
        """
        kind, _, token = authorization.partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not 0 < len(token) <= TOKEN_MAX:
            raise Unproven("no bearer token")
        claims = self._signed(token)
        now, until = time.time(), claims.get("exp")
        if isinstance(until, bool) or not isinstance(until, int | float):
            raise Unproven("the token does not say until when it is good")
        if until + CLOCK_SKEW_SECONDS <= now:
            raise Unproven("the token has expired")
        if scope not in str(claims.get("scope", "")).split():
            raise Unproven("the token lacks the scope")
        meant = claims.get("aud")
        if audience not in (meant if isinstance(meant, list) else [meant]):
            raise Unproven("the token is for another address")
        return claims

    def _signed(self, token: str) -> Mapping[str, Any]:
        for is_second in (False, True):
            said = self._published(look_again=is_second)
            try:
                keys = KeySet.import_key_set(said["jwks"])
                claims = jwt.decode(token, keys, algorithms=["RS256"]).claims
            except (JoseError, ValueError, KeyError, TypeError):
                continue  # perhaps the key is new
            if claims.get("iss") != said["issuer"]:
                raise Unproven("the token has another issuer")
            return claims
        raise Unproven("the token's signature is not Maskinporten's")

    def _published(self, *, look_again: bool) -> dict[str, Any]:
        keys, looked = (kept.name(each, self._url) for each in ("jwks", "jwks looked at"))
        text = kept.get(keys)
        if text and not (look_again and not kept.get(looked)):
            found: dict[str, Any] = json.loads(text)
            return found
        at = time.monotonic()
        metadata = self._http.get_json(f"{self._url}/.well-known/oauth-authorization-server")
        try:
            issuer, address = str(metadata["issuer"]), str(metadata["jwks_uri"])
        except (KeyError, TypeError):
            raise Temporary("Maskinporten's metadata name no issuer or no keys") from None
        # Its name for itself may be another than the address by which it is reached from here.
        path = address.removeprefix(issuer.rstrip("/")).lstrip("/")
        jwks = self._http.get_json(f"{self._url}/{path}" if path != address else address)
        said = {"issuer": issuer, "jwks": jwks}
        kept.put(keys, json.dumps(said), at + KEYS_SECONDS)
        kept.put(looked, "yes", at + LOOK_AGAIN_SECONDS)
        return said
