"""Machine tokens from Maskinporten (Digdir docs, `maskinporten_protocol_jwtgrant.md`)."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from connectors.contract import Misconfigured, Temporary
from connectors.http import Http, Refused
from connectors.keys import read_signing_key

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANT_SECONDS = 60
"""How long a grant is good for; Maskinporten takes at most 120."""
RENEW_BEFORE_SECONDS = 15


class TokenSource:
    """Access tokens for one client, kept in memory until shortly before they expire."""

    def __init__(self, http: Http, url: str, client_id: str, private_key_file: str) -> None:
        """`http` reaches Maskinporten (its base address is `url`); the key file is PEM.

        Raises Misconfigured when the key cannot be read.
        """
        self._http = http
        self._url = url.rstrip("/")
        self._client_id = client_id
        self._key = _read_key(private_key_file)
        self._issuer = ""
        self._tokens: dict[tuple[str, str | None, str | None], tuple[str, float]] = {}

    def token(self, scope: str, pid: str | None = None, acr: str | None = None) -> str:
        """Return an access token for `scope` (a space-separated list).

        `pid` and `acr` make it a token for one citizen, so that no identity number stands in an
        address. Raises Misconfigured when Maskinporten refuses us, Temporary when it is away.
        """
        wanted = (scope, pid, acr)
        token, good_until = self._tokens.get(wanted, ("", 0.0))
        if time.monotonic() < good_until:
            return token
        answer = self._ask(self._grant(scope, pid, acr))
        try:
            token, seconds = str(answer["access_token"]), float(answer["expires_in"])
        except (KeyError, TypeError, ValueError):
            raise Temporary("Maskinporten's answer holds no token") from None
        self._tokens[wanted] = (token, time.monotonic() + seconds - RENEW_BEFORE_SECONDS)
        return token

    def _grant(self, scope: str, pid: str | None, acr: str | None) -> str:
        issued = int(time.time())
        claims: dict[str, Any] = {
            "aud": self._discovered_issuer(),
            "iss": self._client_id,
            "scope": scope,
            "iat": issued,
            "exp": issued + GRANT_SECONDS,
            "jti": str(uuid.uuid4()),
        }
        if pid is not None:
            claims["pid"] = pid
        if acr is not None:
            claims["acr"] = acr
        return jwt.encode({"alg": "RS256", "kid": self._key.kid}, claims, self._key)

    def _discovered_issuer(self) -> str:
        if not self._issuer:
            metadata = self._http.get_json(f"{self._url}/.well-known/oauth-authorization-server")
            if not isinstance(metadata, dict) or not isinstance(metadata.get("issuer"), str):
                raise Temporary("Maskinporten's metadata name no issuer")
            self._issuer = metadata["issuer"]
        return self._issuer

    def _ask(self, grant: str) -> Any:
        form = {"grant_type": GRANT_TYPE, "assertion": grant}
        try:
            return self._http.post_json(f"{self._url}/token", data=form)
        except Refused as refusal:
            raise Misconfigured(
                f"Maskinporten refuses our grant ({refusal.status}): {_reason(refusal.body)}"
            ) from None


def _reason(body: bytes) -> str:
    """The OAuth error code alone: the description may quote what was sent."""
    known = ("invalid_client", "invalid_grant", "invalid_request", "invalid_scope")
    return next((code for code in known if code.encode() in body), "no reason given")


def _read_key(path: str) -> RSAKey:
    try:
        return read_signing_key(Path(path))
    except (OSError, ValueError, TypeError, JoseError):
        raise Misconfigured("private_key_file cannot be read as a private key") from None
