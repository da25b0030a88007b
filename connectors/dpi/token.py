"""The Maskinporten token inside a message: the sender's right to send, also for another.

Sources: docs.digdir.no DPI `forretningsmeldinger` (the token's consumer is the letter's author;
its supplier, where there is one, is who signed), `maskinporten_protocol_token.md` (claims).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from connectors.contract import Temporary
from connectors.dpi.mapping import org_number
from connectors.dpi.refusal import Refusal
from connectors.http import Http

SCOPE = "digitalpostinnbygger:send"
LEEWAY_SECONDS = 300
"""How far the sender's clock and Maskinporten's may differ."""

Keys = Callable[[], KeySet]


def keys_at(http: Http, url: str) -> Keys:
    """Return what fetches the key set at `url` once, when it is first asked for.

    What is returned raises the contract's errors when the keys cannot be had.
    """
    found: list[KeySet] = []

    def keys() -> KeySet:
        if not found:
            try:
                found.append(KeySet.import_key_set(http.get_json(url)))
            except (JoseError, ValueError, TypeError, KeyError):
                raise Temporary("Maskinporten's keys cannot be read") from None
        return found[0]

    return keys


def check_token(
    token: str, *, author: str, signer: str, created: datetime, keys: Keys | None
) -> bool:
    """Check that the token lets `signer` send letters of `author` (organisation numbers).

    It has expired by arrival: it is judged at `created`, when the message was made. True when its
    signature was verified; False when `keys` is None, which an operator has chosen. Raises
    Refusal, and the contract's errors when the keys cannot be had.
    """
    claims = _claims(token, keys)
    if SCOPE not in str(claims.get("scope", "")).split():
        raise Refusal("the message's token is not for sending digital post")
    issued, expires = claims.get("iat"), claims.get("exp")
    if type(issued) is not int or type(expires) is not int:
        raise Refusal("the message's token does not say when it is valid")
    moment = created.timestamp()
    if not issued - LEEWAY_SECONDS <= moment <= expires + LEEWAY_SECONDS:
        raise Refusal("the message's token was not valid when the message was made")
    if _organisation(claims, "consumer") != author:
        raise Refusal("the message's token is not made out to the letter's author")
    supplier = _organisation(claims, "supplier") if "supplier" in claims else author
    if supplier != signer:
        raise Refusal("the message's token does not let its sender send for the letter's author")
    return keys is not None


def _claims(token: str, keys: Keys | None) -> dict[str, Any]:
    known = keys() if keys else None
    try:
        if known is None:
            payload = jws.extract_compact(token.encode()).payload
        else:
            payload = jws.deserialize_compact(token, known, algorithms=["RS256"]).payload
    except (JoseError, ValueError, TypeError, KeyError):
        raise Refusal("the message's token is not signed by Maskinporten") from None
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise Refusal("the message's token says nothing")
    return claims


def _organisation(claims: dict[str, Any], name: str) -> str:
    party = claims.get(name)
    return org_number(str(party.get("ID", ""))) if isinstance(party, dict) else ""
