"""A Maskinporten token for one citizen, exchanged for Altinn's own (docs: Altinn Authentication).

`GET /authentication/api/v1/exchange/maskinporten` answers with the Altinn token as plain text.
"""

from __future__ import annotations

import base64
import json
import re

from connectors.contract import LEVEL_HIGH, Account, Temporary
from connectors.http import Http
from connectors.maskinporten.client import TokenSource
from connectors.tokens import Bearer, kept

EXCHANGE_PATH = "authentication/api/v1/exchange/maskinporten"
SCOPE = "digdir:dialogporten altinn:correspondence.read"
ACR_SUBSTANTIAL = "idporten-loa-substantial"
ACR_HIGH = "idporten-loa-high"
HIGH_SECONDS_MAX = 120
"""A token of level high is kept for one sitting: background work never needs it."""
COMPACT_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")


class AltinnTokens:
    """Altinn tokens by citizen and level, kept in memory until shortly before they expire."""

    def __init__(self, http: Http, maskinporten: TokenSource) -> None:
        self._http = http
        self._maskinporten = maskinporten

    def of(self, account: Account) -> Bearer:
        """Return the token for a citizen, at the level that she vouches for."""
        acr = ACR_HIGH if account.security_level >= LEVEL_HIGH else ACR_SUBSTANTIAL
        name = kept.name(
            "altinn", self._http.base_url, *self._maskinporten.client, account.national_id, acr
        )
        return Bearer(name, lambda: self._exchanged(account.national_id, acr))

    def _exchanged(self, national_id: str, acr: str) -> tuple[str, float]:
        machine = self._maskinporten.bearer(SCOPE, national_id, acr)
        answer = self._http.get_bytes(EXCHANGE_PATH, bearer=machine, max_bytes=100_000)
        token = answer.decode("ascii", "replace").strip().strip('"')
        if not COMPACT_JWT.fullmatch(token):
            raise Temporary("the token exchange gave no token")
        seconds = _life(token)
        return token, min(seconds, HIGH_SECONDS_MAX) if acr == ACR_HIGH else seconds


def _life(token: str) -> float:
    """Return the seconds from `iat` to `exp`, whatever our own clock says.

    Its issuer gave it to us over TLS: there is no need to check its signature.
    """
    payload = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"]) - float(claims["iat"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Temporary("the token exchange gave a token that cannot be read") from None
