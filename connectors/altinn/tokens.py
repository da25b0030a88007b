"""A Maskinporten token for one citizen, exchanged for Altinn's own (docs: Altinn Authentication).

`GET /authentication/api/v1/exchange/maskinporten` answers with the Altinn token as plain text.
"""

from __future__ import annotations

import base64
import json
import re
import time

from connectors.contract import LEVEL_HIGH, Account, Temporary
from connectors.http import Http
from connectors.maskinporten.client import TokenSource

EXCHANGE_PATH = "authentication/api/v1/exchange/maskinporten"
SCOPE = "digdir:dialogporten altinn:correspondence.read"
ACR_SUBSTANTIAL = "idporten-loa-substantial"
ACR_HIGH = "idporten-loa-high"
RENEW_BEFORE_SECONDS = 15
COMPACT_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")


class AltinnTokens:
    """Altinn tokens by citizen and level, kept in memory until shortly before they expire."""

    def __init__(self, http: Http, maskinporten: TokenSource) -> None:
        self._http = http
        self._maskinporten = maskinporten
        self._tokens: dict[tuple[str, str], tuple[str, float]] = {}

    def headers(self, account: Account) -> dict[str, str]:
        """Return the Authorization header for a citizen, at the level that she vouches for.

        Raises ConnectorError.
        """
        return {"Authorization": f"Bearer {self._token(account)}"}

    def _token(self, account: Account) -> str:
        acr = ACR_HIGH if account.security_level >= LEVEL_HIGH else ACR_SUBSTANTIAL
        wanted = (account.national_id, acr)
        token, good_until = self._tokens.get(wanted, ("", 0.0))
        if time.time() < good_until:
            return token
        machine = self._maskinporten.token(SCOPE, account.national_id, acr)
        answer = self._http.get_bytes(
            EXCHANGE_PATH, headers={"Authorization": f"Bearer {machine}"}, max_bytes=100_000
        )
        token = answer.decode("ascii", "replace").strip().strip('"')
        if not COMPACT_JWT.fullmatch(token):
            raise Temporary("the token exchange gave no token")
        self._tokens[wanted] = (token, _expiry(token) - RENEW_BEFORE_SECONDS)
        return token


def _expiry(token: str) -> float:
    """Read `exp` of a token that its issuer gave us over TLS: no need to check its signature."""
    payload = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        raise Temporary("the token exchange gave a token that cannot be read") from None
