"""The rules of ID-porten: its clients here, and what an authorization request must hold.

Sources: Digdir docs `oidc_protocol_authorize.md`, `oidc_func_pkce.md`, `oidc_func_sso.md`;
OpenID Connect Core 1.0 §3.1.2; RFC 7636 (PKCE).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.addresses import simulators_public_url, web_addresses, web_public_url
from connectors.minside.feed import FEEDS

SUBSTANTIAL = "idporten-loa-substantial"
HIGH = "idporten-loa-high"
LEVELS = (SUBSTANTIAL, HIGH)
"""Lowest first."""
METHODS = {SUBSTANTIAL: "Minid-OTC", HIGH: "BankID"}
"""What stands in `amr`."""
LOCALES = ("nb", "nn", "en", "se")
SAMLEPOST = "samlepost"
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
"""A SHA-256 digest in base64url without padding."""


class UnknownClient(Exception):
    """The client or its redirect address is not registered: nothing is sent back to it.

    The text is shown to the person, in Norwegian.
    """


class RequestError(Exception):
    """An OAuth error that is sent back to the client."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


@dataclass(frozen=True, slots=True)
class Client:
    """A registered relying party."""

    client_id: str
    secret: str
    redirect_uris: tuple[str, ...]
    post_logout_uris: tuple[str, ...]
    frontchannel_logout_uri: str


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What the client asks for. `max_age` is in seconds, None when it did not say."""

    client_id: str
    redirect_uri: str
    state: str
    nonce: str
    code_challenge: str
    acr: str
    locale: str
    prompt: str
    max_age: int | None


def issuer() -> str:
    """Return the provider's name, which is also its address for a browser."""
    return f"{simulators_public_url()}/idporten"


def registered_clients() -> dict[str, Client]:
    """Return every registration by client id: Samlepost's, as the environment has it, and those
    of the simulated agencies' own pages."""
    samlepost = Client(
        client_id=SAMLEPOST,
        secret=os.environ.get("OIDC_CLIENT_SECRET") or "samlepost-demo-secret",
        redirect_uris=tuple(f"{url}/login/callback/" for url in web_addresses()),
        post_logout_uris=tuple(f"{url}/logged-out/" for url in web_addresses()),
        frontchannel_logout_uri=f"{web_public_url()}/logout/frontchannel/",
    )
    return {samlepost.client_id: samlepost} | {
        f"minside-{slug}": Client(
            client_id=f"minside-{slug}",
            secret=f"minside-{slug}-demo-secret",
            redirect_uris=(f"{simulators_public_url()}/minside/{slug}/pages/callback",),
            post_logout_uris=(),
            frontchannel_logout_uri=f"{simulators_public_url()}/minside/{slug}/pages/frontchannel",
        )
        for slug in FEEDS
    }


def find_client(clients: Mapping[str, Client], args: Mapping[str, str]) -> Client:
    """Return the client that a request names, if the return address is its own.

    Raises UnknownClient.
    """
    client = clients.get(args.get("client_id", ""))
    if client is None:
        raise UnknownClient("klienten er ikke registrert")
    if args.get("redirect_uri") not in client.redirect_uris:
        raise UnknownClient("returadressen er ikke registrert")
    return client


def read_request(clients: Mapping[str, Client], args: Mapping[str, str]) -> AuthorizationRequest:
    """Check an authorization request. Raises UnknownClient or RequestError."""
    client = find_client(clients, args)
    if args.get("response_type") != "code":
        raise RequestError("unsupported_response_type", "only the code flow is supported")
    if "openid" not in args.get("scope", "").split():
        raise RequestError("invalid_scope", "scope must hold openid")
    for name in ("state", "nonce"):
        if not args.get(name):
            raise RequestError("invalid_request", f"{name} is missing")
    if args.get("code_challenge_method") != "S256":
        raise RequestError("invalid_request", "code_challenge_method must be S256")
    if not CHALLENGE.fullmatch(args.get("code_challenge", "")):
        raise RequestError("invalid_request", "code_challenge is missing or malformed")
    prompt = args.get("prompt", "")
    if prompt not in ("", "login", "none"):
        raise RequestError("invalid_request", "prompt must be login or none")
    return AuthorizationRequest(
        client_id=client.client_id,
        redirect_uri=args["redirect_uri"],
        state=args["state"],
        nonce=args["nonce"],
        code_challenge=args["code_challenge"],
        acr=_lowest_level(args.get("acr_values", "")),
        locale=next((each for each in args.get("ui_locales", "").split() if each in LOCALES), "nb"),
        prompt=prompt,
        max_age=_max_age(args.get("max_age", "")),
    )


def is_enough(acr: str, wanted: str) -> bool:
    """Say whether the level `acr` is at least `wanted`."""
    return LEVELS.index(acr) >= LEVELS.index(wanted)


def _lowest_level(acr_values: str) -> str:
    """The lowest level that the client accepts; substantial when it does not say."""
    wanted = acr_values.split() or [SUBSTANTIAL]
    if any(each not in LEVELS for each in wanted):
        raise RequestError("invalid_request", "acr_values holds an unknown level")
    return min(wanted, key=LEVELS.index)


def _max_age(value: str) -> int | None:
    if not value:
        return None
    if not value.isdecimal() or len(value) > 9:
        raise RequestError("invalid_request", "max_age must be a number of seconds")
    return int(value)
