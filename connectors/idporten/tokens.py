"""The id_token, and the ways in which a test may have it wrong.

Claims: Digdir docs `oidc_protocol_id_token.md`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from enum import StrEnum
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from connectors.idporten.provider import METHODS, SUBSTANTIAL, issuer
from connectors.idporten.store import Session
from connectors.world.model import Person

ID_TOKEN_SECONDS = 120


class TokenFault(StrEnum):
    """One thing wrong with the next id_tokens; set on the simulator object by a test."""

    NONE = ""
    WRONG_NONCE = "wrong_nonce"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_ISSUER = "wrong_issuer"
    EXPIRED = "expired"
    UNSIGNED = "unsigned"
    """`alg` is none."""
    OTHER_KEY = "other_key"
    """Signed by a key that is not the provider's, under the provider's `kid`."""
    LOWER_LEVEL = "lower_level"
    """`acr` is substantial whatever was asked for."""
    OLD_LOGIN = "old_login"
    """`auth_time` is a day ago."""
    NO_PID = "no_pid"
    """As for a foreign eID without a Norwegian identity number."""


def pairwise_subject(key: RSAKey, client_id: str, person: Person) -> str:
    """Return the person's `sub` at this client: stable, and different at another client."""
    secret = hashlib.sha256(key.as_pem(private=True)).digest()
    message = f"{client_id}|{person.national_id}".encode()
    return base64.urlsafe_b64encode(hmac.digest(secret, message, "sha256")).rstrip(b"=").decode()


def id_token(
    key: RSAKey,
    client_id: str,
    person: Person,
    session: Session,
    *,
    nonce: str,
    locale: str,
    fault: TokenFault = TokenFault.NONE,
) -> str:
    """Return a signed id_token for the person's session, or one with the given fault."""
    issued = int(time.time())
    claims: dict[str, Any] = {
        "iss": issuer(),
        "aud": client_id,
        "sub": pairwise_subject(key, client_id, person),
        "pid": person.national_id,
        "acr": session.acr,
        "amr": [METHODS[session.acr]],
        "auth_time": session.auth_time,
        "iat": issued,
        "exp": issued + ID_TOKEN_SECONDS,
        "jti": str(uuid.uuid4()),
        "locale": locale,
        "nonce": nonce,
        "sid": session.sid,
    }
    _spoil(claims, fault, issued)
    header = {"alg": "RS256", "kid": key.kid}
    if fault is TokenFault.UNSIGNED:
        return ".".join([_part({"alg": "none", "kid": key.kid}), _part(claims), ""])
    if fault is TokenFault.OTHER_KEY:
        return jwt.encode(header, claims, RSAKey.generate_key(2048))
    return jwt.encode(header, claims, key)


def sid_of_hint(key: RSAKey, client_id: str, hint: str) -> str | None:
    """Return the `sid` of a hint that we issued to this client, however old; else None."""
    try:
        claims = jwt.decode(hint, KeySet([key]), algorithms=["RS256"]).claims
    except (JoseError, ValueError):
        return None
    if claims.get("iss") != issuer() or claims.get("aud") != client_id:
        return None
    return str(claims.get("sid", ""))


def _spoil(claims: dict[str, Any], fault: TokenFault, issued: int) -> None:
    match fault:
        case TokenFault.WRONG_NONCE:
            claims["nonce"] = "another-" + claims["nonce"]
        case TokenFault.WRONG_AUDIENCE:
            claims["aud"] = "another-client"
        case TokenFault.WRONG_ISSUER:
            claims["iss"] = "https://idporten.example"
        case TokenFault.EXPIRED:
            claims["iat"] = issued - 7200
            claims["exp"] = issued - 3600
        case TokenFault.LOWER_LEVEL:
            claims["acr"] = SUBSTANTIAL
        case TokenFault.OLD_LOGIN:
            claims["auth_time"] = issued - 86400
        case TokenFault.NO_PID:
            del claims["pid"]


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
