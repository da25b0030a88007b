"""Machine tokens from Maskinporten (Digdir docs, `maskinporten_protocol_jwtgrant.md`)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from connectors.contract import Misconfigured, Temporary
from connectors.http import Http, Refused
from connectors.keys import read_signing_key
from connectors.tokens import Bearer, kept

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANT_SECONDS = 60
"""How long a grant is good for; Maskinporten takes at most 120."""
ISSUER_SECONDS = 3600
"""How long the issuer's name is taken for what its metadata said."""


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
        self.client = (self._url, client_id, self._key.kid or "")
        """Whom its tokens are made out to: issuer, client and the thumbprint of its key."""

    def bearer(
        self,
        scope: str,
        pid: str | None = None,
        acr: str | None = None,
        resource: str | None = None,
    ) -> Bearer:
        """Return an access token for `scope` (a space-separated list), asked for when it is sent.

        `pid` and `acr` make it a token for one citizen, so that no identity number stands in an
        address; `resource` one for whoever answers there alone, who cannot use it at another's
        (`maskinporten_func_audience_restricted_tokens.md`). Sending it raises what `token` raises.
        """
        name = kept.name("maskinporten", *self.client, scope, pid, acr, resource)
        said = {"scope": scope, "pid": pid, "acr": acr, "resource": resource}
        claims = {key: value for key, value in said.items() if value is not None}
        return Bearer(name, lambda: self._fresh(claims))

    def token(self, scope: str, pid: str | None = None, acr: str | None = None) -> str:
        """Return the token of `bearer`.

        Raises Misconfigured when Maskinporten refuses us, Temporary when it is away.
        """
        return self.bearer(scope, pid, acr).token()[0]

    def _fresh(self, asked: Mapping[str, str]) -> tuple[str, float]:
        answer = self._ask(self._grant(asked))
        try:
            return str(answer["access_token"]), float(answer["expires_in"])
        except (KeyError, TypeError, ValueError):
            raise Temporary("Maskinporten's answer holds no token") from None

    def _grant(self, asked: Mapping[str, str]) -> str:
        issued = int(time.time())
        claims: dict[str, Any] = {
            **asked,
            "aud": self._discovered_issuer(),
            "iss": self._client_id,
            "iat": issued,
            "exp": issued + GRANT_SECONDS,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode({"alg": "RS256", "kid": self._key.kid}, claims, self._key)

    def _discovered_issuer(self) -> str:
        issuer = kept.get(self._issuer_name())
        if not issuer:
            metadata = self._http.get_json(f"{self._url}/.well-known/oauth-authorization-server")
            if not isinstance(metadata, dict) or not isinstance(metadata.get("issuer"), str):
                raise Temporary("Maskinporten's metadata name no issuer")
            issuer = metadata["issuer"]
            kept.put(self._issuer_name(), issuer, time.monotonic() + ISSUER_SECONDS)
        return issuer

    def _issuer_name(self) -> bytes:
        return kept.name("issuer", self._url)

    def _ask(self, grant: str) -> Any:
        form = {"grant_type": GRANT_TYPE, "assertion": grant}
        try:
            return self._http.post_json(f"{self._url}/token", data=form)
        except Refused as refusal:
            # Perhaps the issuer has another name by now: the next grant asks.
            kept.forget(self._issuer_name(), kept.get(self._issuer_name()))
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
