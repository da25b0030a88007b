"""Who asks the simulated Altinn, what she may see, and how she is refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NoReturn

from flask import Response, abort, jsonify, request
from joserfc import jwt
from joserfc.errors import JoseError

from connectors.addresses import simulators_public_url
from connectors.altinn import correspondence_wire, wire

if TYPE_CHECKING:
    from connectors.altinn.simulator import AltinnSimulator


def base_url() -> str:
    """Return the simulator's name for itself, as it stands in the addresses that it gives."""
    return f"{simulators_public_url()}/altinn"


def signed(simulator: AltinnSimulator, claims: dict[str, Any]) -> str:
    """Return a token of the platform's with these claims."""
    key = simulator.platform_key
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


def citizen(simulator: AltinnSimulator, scope: str) -> tuple[str, int]:
    """Return whom the bearer token is for and its level; answers 401 or 403 otherwise."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        claims = jwt.decode(token.strip(), simulator.platform_key, algorithms=["RS256"]).claims
    except (JoseError, ValueError):
        claims = {}
    if kind.lower() != "bearer" or claims.get("exp", 0) <= time.time():
        refuse(correspondence_wire.problem(401, 4001, "An Altinn token is needed"))
    if scope not in str(claims.get("scope", "")).split() or not claims.get("pid"):
        refuse(wire.dialog_problem(403, "Forbidden", "The token is not for an end user"))
    return str(claims["pid"]), int(claims["urn:altinn:authlevel"])


def dialog_token_for(simulator: AltinnSimulator, dialog: str) -> None:
    """Answer 401 unless the bearer token is one that a GET of this dialog has just given."""
    _, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        claims = jwt.decode(token.strip(), simulator.platform_key, algorithms=["RS256"]).claims
    except (JoseError, ValueError):
        claims = {}
    if claims.get("i") != dialog or claims.get("exp", 0) <= time.time():
        refuse(wire.dialog_problem(401, "Unauthorized", "A dialog token is needed"))


def too_many() -> Response:
    """Return the platform's answer to whoever asks too often, without when to come again."""
    return _answer(wire.dialog_problem(429, "Too Many Requests", "Rate limit is exceeded"))


def refuse(problem: wire.Json) -> NoReturn:
    """Answer with a problem, in the status that it names."""
    abort(_answer(problem))


def _answer(problem: wire.Json) -> Response:
    answer = jsonify(problem)
    answer.status_code = problem["status"]
    answer.headers["Content-Type"] = "application/problem+json"
    return answer
