"""The simulated Altinn's HTTP: the token exchange and Correspondence; `dialog_api.py` is the rest.

Paths, parameters and errors are those of the OpenAPI files that `wire.py` names.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request

from connectors import clock
from connectors.altinn import correspondence_wire, dialog_api, search_api, wire
from connectors.altinn.access import base_url, citizen, dialog_token_for, refuse, signed

if TYPE_CHECKING:
    from connectors.altinn.simulator import AltinnSimulator

CORRESPONDENCE_SCOPE = "altinn:correspondence.read"
TOKEN_SECONDS = 1800


def add_routes(app: Flask, simulator: AltinnSimulator) -> None:
    """Put every path on `app`."""
    _add_exchange(app, simulator)
    dialog_api.add_routes(app, simulator)
    search_api.add_routes(app, simulator)
    _add_correspondences(app, simulator)
    _add_services(app, simulator)


def _add_services(app: Flask, simulator: AltinnSimulator) -> None:
    """What service owners hold themselves, and do at a press, for who has the dialog's token."""

    @app.route("/service/<uuid:dialog>/<name>", methods=["POST", "DELETE"])
    def serve(dialog: Any, name: str) -> Response:
        dialog_token_for(simulator, str(dialog))
        if simulator.serve(str(dialog), name, request.method) > 1:
            refuse(wire.dialog_problem(409, "Conflict", "Dette er gjort fra før"))
        return Response(status=204)

    @app.get("/service/<uuid:dialog>/text/<key>")
    def text(dialog: Any, key: str) -> Response:
        dialog_token_for(simulator, str(dialog))
        found = simulator.text(str(dialog), key)
        if found is None:
            refuse(wire.dialog_problem(404, "Not Found", "There is no such text"))
        return Response(found, content_type="text/markdown; charset=utf-8")

    @app.get("/service/<uuid:dialog>/file/<uuid:file>")
    def file(dialog: Any, file: Any) -> Response:
        dialog_token_for(simulator, str(dialog))
        found = simulator.file(str(dialog), str(file))
        if found is None:
            refuse(wire.dialog_problem(404, "Not Found", "There is no such file"))
        return Response(found, content_type="application/octet-stream")


def _add_exchange(app: Flask, simulator: AltinnSimulator) -> None:
    @app.get("/authentication/api/v1/exchange/maskinporten")
    def exchange() -> Response:
        header = request.headers.get("Authorization", "")
        try:
            claims = simulator.machine_tokens.claims(header, dialog_api.SCOPE)
        except PermissionError:
            return Response(status=401)
        issued = int(time.time())
        high = str(claims.get("acr", "")).endswith("-high")
        token = signed(
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


def _add_correspondences(app: Flask, simulator: AltinnSimulator) -> None:
    root = "/correspondence/api/v1/correspondence/<uuid:identifier>"

    @app.get(root)
    def correspondence(identifier: Any) -> Response:
        stored = _correspondence(simulator, identifier)
        simulator.mark(stored.dialog, "fetched")
        return jsonify(correspondence_wire.overview(_correspondence(simulator, identifier)))

    @app.get(f"{root}/content")
    def content(identifier: Any) -> Response:
        stored = _correspondence(simulator, identifier)
        return Response(stored.said["body"], content_type="text/plain; charset=utf-8")

    @app.post(f"{root}/markasread")
    def mark_as_read(identifier: Any) -> Response:
        stored = _correspondence(simulator, identifier)
        if "fetched" not in stored.marks:
            refuse(correspondence_wire.problem(400, 1024, "Fetch the correspondence first"))
        if "read" in stored.marks:
            refuse(correspondence_wire.problem(400, 1040, "Already marked as read"))
        simulator.mark(stored.dialog, "read")
        return jsonify(stored.correspondence)

    @app.post(f"{root}/confirm")
    def confirm(identifier: Any) -> Response:
        stored = _correspondence(simulator, identifier)
        if "fetched" not in stored.marks:
            refuse(correspondence_wire.problem(400, 1025, "Fetch the correspondence first"))
        if not simulator.confirm(stored.dialog):
            refuse(correspondence_wire.problem(400, 1041, "Already confirmed"))
        return jsonify(stored.correspondence)

    @app.get(f"{root}/attachment/<uuid:attachment>/download")
    def download(identifier: Any, attachment: Any) -> Response:
        stored = _correspondence(simulator, identifier)
        for each in stored.attachments:
            if each["id"] == str(attachment):
                if each["expires_at"] and each["expires_at"] <= wire.stamp(clock.now()):
                    refuse(correspondence_wire.problem(400, 2020, "The attachment has expired"))
                return Response(
                    simulator.content(each["sha256"]), content_type="application/octet-stream"
                )
        refuse(correspondence_wire.problem(404, 2001, "The attachment was not found"))


def _correspondence(simulator: AltinnSimulator, identifier: Any) -> wire.Stored:
    person, level = citizen(simulator, CORRESPONDENCE_SCOPE)
    stored = simulator.find("correspondence", str(identifier), person)
    if stored is None or stored.said.get("garbage"):
        refuse(correspondence_wire.problem(404, 1001, "The correspondence was not found"))
    if level < stored.said["level"]:
        refuse(correspondence_wire.problem(401, 4001, "A higher level is needed"))
    return stored
