"""The simulated Altinn's HTTP: the token exchange, Dialogporten and Correspondence.

Paths, parameters and errors are those of the OpenAPI files that `wire.py` names.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from flask import Flask, Response, abort, jsonify, request
from joserfc import jwt
from joserfc.errors import JoseError

from connectors import clock
from connectors.addresses import simulators_public_url
from connectors.altinn import wire

if TYPE_CHECKING:
    from connectors.altinn.simulator import AltinnSimulator

DIALOG_SCOPE = "digdir:dialogporten"
CORRESPONDENCE_SCOPE = "altinn:correspondence.read"
TOKEN_SECONDS = 1800
DIALOG_TOKEN_SECONDS = 600
LIMIT_DEFAULT, LIMIT_MAX = 100, 1000
EARLIEST, LATEST = "0001", "9999"


def add_routes(app: Flask, simulator: AltinnSimulator) -> None:
    """Put every path on `app`."""
    _add_exchange(app, simulator)
    _add_dialogs(app, simulator)
    _add_correspondences(app, simulator)


def base_url() -> str:
    """Return the simulator's name for itself, as it stands in the addresses that it gives."""
    return f"{simulators_public_url()}/altinn"


def _add_exchange(app: Flask, simulator: AltinnSimulator) -> None:
    @app.get("/authentication/api/v1/exchange/maskinporten")
    def exchange() -> Response:
        header = request.headers.get("Authorization", "")
        try:
            claims = simulator.machine_tokens.claims(header, DIALOG_SCOPE)
        except PermissionError:
            return Response(status=401)
        issued = int(time.time())
        high = str(claims.get("acr", "")).endswith("-high")
        token = _signed(
            simulator,
            {
                "iss": f"{base_url()}/authentication/api/v1/openid/",
                "pid": claims.get("pid"),
                "scope": claims["scope"],
                "acr": claims.get("acr"),
                "urn:altinn:authlevel": "4" if high else "3",
                "iat": issued,
                "exp": issued + TOKEN_SECONDS,
            },
        )
        return Response(token, content_type="text/plain; charset=utf-8")


def _add_dialogs(app: Flask, simulator: AltinnSimulator) -> None:
    @app.get("/dialogporten/api/v1/enduser/dialogs")
    def dialogs() -> Response:
        person, level = _citizen(simulator, DIALOG_SCOPE)
        limit = _limit()
        since = _instant("contentUpdatedAfter") or EARLIEST
        until = _instant("contentUpdatedBefore") or LATEST
        found = simulator.listing(person, since, until, _before(simulator), limit + 1)
        page, more = found[:limit], len(found) > limit
        return jsonify(
            items=[wire.list_item(each, level) for each in page],
            hasNextPage=more,
            continuationToken=_continuation(simulator, page[-1]) if more else None,
            orderBy="contentupdatedat_desc,id_desc",
        )

    @app.get("/dialogporten/api/v1/enduser/dialogs/<uuid:identifier>")
    def dialog(identifier: Any) -> Response:
        person, level = _citizen(simulator, DIALOG_SCOPE)
        stored = simulator.find("id", str(identifier), person)
        if stored is None or stored.said.get("garbage"):
            _refuse(wire.dialog_problem(404, "Not Found", "Dialog not found"))
        simulator.mark(stored.dialog, "seen")
        issued = int(time.time())
        token = _signed(
            simulator,
            {"i": stored.dialog, "iat": issued, "exp": issued + DIALOG_TOKEN_SECONDS},
        )
        fresh = simulator.find("id", stored.dialog, person) or stored
        return jsonify(wire.whole_dialog(fresh, level, base_url(), token))


def _add_correspondences(app: Flask, simulator: AltinnSimulator) -> None:
    root = "/correspondence/api/v1/correspondence/<uuid:identifier>"

    @app.get(root)
    def correspondence(identifier: Any) -> Response:
        stored = _correspondence(simulator, identifier)
        simulator.mark(stored.dialog, "fetched")
        return jsonify(wire.overview(_correspondence(simulator, identifier)))

    @app.get(f"{root}/content")
    def content(identifier: Any) -> Response:
        stored = _correspondence(simulator, identifier)
        return Response(stored.said["body"], content_type="text/plain; charset=utf-8")

    @app.post(f"{root}/markasread")
    def mark_as_read(identifier: Any) -> Response:
        stored = _correspondence(simulator, identifier)
        if "fetched" not in stored.marks:
            _refuse(wire.correspondence_problem(400, 1024, "Fetch the correspondence first"))
        if "read" in stored.marks:
            _refuse(wire.correspondence_problem(400, 1040, "Already marked as read"))
        simulator.mark(stored.dialog, "read")
        return jsonify(stored.correspondence)

    @app.post(f"{root}/confirm")
    def confirm(identifier: Any) -> Response:
        stored = _correspondence(simulator, identifier)
        if "fetched" not in stored.marks:
            _refuse(wire.correspondence_problem(400, 1024, "Fetch the correspondence first"))
        simulator.confirm(stored.dialog)
        return jsonify(stored.correspondence)

    @app.get(f"{root}/attachment/<uuid:attachment>/download")
    def download(identifier: Any, attachment: Any) -> Response:
        stored = _correspondence(simulator, identifier)
        for each in stored.attachments:
            if each["id"] == str(attachment):
                if each["expires_at"] and each["expires_at"] <= wire.stamp(clock.now()):
                    _refuse(wire.correspondence_problem(400, 2020, "The attachment has expired"))
                return Response(
                    simulator.content(each["sha256"]), content_type="application/octet-stream"
                )
        _refuse(wire.correspondence_problem(404, 2001, "The attachment was not found"))


def _signed(simulator: AltinnSimulator, claims: dict[str, Any]) -> str:
    key = simulator.platform_key
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


def _citizen(simulator: AltinnSimulator, scope: str) -> tuple[str, int]:
    """Return whom the bearer token is for and its level; answers 401 or 403 otherwise."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        claims = jwt.decode(token.strip(), simulator.platform_key, algorithms=["RS256"]).claims
    except (JoseError, ValueError):
        claims = {}
    if kind.lower() != "bearer" or claims.get("exp", 0) <= time.time():
        _refuse(wire.correspondence_problem(401, 4001, "An Altinn token is needed"))
    if scope not in str(claims.get("scope", "")).split() or not claims.get("pid"):
        _refuse(wire.dialog_problem(403, "Forbidden", "The token is not for an end user"))
    return str(claims["pid"]), int(claims["urn:altinn:authlevel"])


def _correspondence(simulator: AltinnSimulator, identifier: Any) -> wire.Stored:
    person, level = _citizen(simulator, CORRESPONDENCE_SCOPE)
    stored = simulator.find("correspondence", str(identifier), person)
    if stored is None or stored.said.get("garbage"):
        _refuse(wire.correspondence_problem(404, 1001, "The correspondence was not found"))
    if level < stored.said["level"]:
        _refuse(wire.correspondence_problem(401, 4001, "A higher level is needed"))
    return stored


def _limit() -> int:
    value = request.args.get("limit", str(LIMIT_DEFAULT))
    if not value.isdecimal() or not 1 <= int(value) <= LIMIT_MAX:
        _refuse(wire.dialog_problem(422, "Unprocessable", f"limit must be 1 to {LIMIT_MAX}"))
    return int(value)


def _instant(name: str) -> str:
    value = request.args.get(name)
    if not value:
        return ""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return wire.stamp(moment)
    except (ValueError, OverflowError):
        _refuse(wire.dialog_problem(422, "Unprocessable", f"{name} must be a time with a zone"))


def _before(simulator: AltinnSimulator) -> tuple[str, str]:
    """Where the page begins; a token of another generation has expired."""
    token = request.args.get("continuationToken")
    if not token:
        return (LATEST, "")
    parts = token.split("_")
    if len(parts) != 3 or parts[2] != str(simulator.paging_generation()):
        _refuse(wire.dialog_problem(422, "Unprocessable", "Unknown continuation token"))
    return (parts[0], parts[1])


def _continuation(simulator: AltinnSimulator, last: wire.Stored) -> str:
    return f"{last.updated}_{last.dialog}_{simulator.paging_generation()}"


def _refuse(problem: wire.Json) -> NoReturn:
    answer = jsonify(problem)
    answer.status_code = problem["status"]
    answer.headers["Content-Type"] = "application/problem+json"
    abort(answer)
