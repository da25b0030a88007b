"""The simulated access point's HTTP face: Digdir's OpenAPI specification, version 1.0.0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, request, url_for
from werkzeug.exceptions import HTTPException

from connectors.dpi import own_mailbox, uploads
from connectors.dpi.authority import SUPPLIERS
from connectors.dpi.problem import problem
from connectors.dpi.refusal import Refusal
from connectors.dpi.responder import ENDPOINTS as OPEN_TO_ALL
from connectors.dpi.sender import SCOPE
from connectors.maskinporten.simulator import TokenChecker
from connectors.simulation import State, apply_faults

PAGE_SIZE = 50
PAGE_SIZE_MAX = 100
BODY_MAX_BYTES = 1_000_000
BY_ORG_NUMBER = {number: channel.value for channel, number in SUPPLIERS.items()}


def add_routes(
    app: Flask, state: State, tokens: TokenChecker, take_receipt: Callable[[str], None]
) -> None:
    """Add the endpoints, behind the fault dial and the bearer token.

    `take_receipt` is given a signed receipt and raises Refusal.
    """
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAX_BYTES
    database = state.connection

    def channel() -> str:
        """The supplier whose queue the request is about, by `kanal` or by the message."""
        identifier = (request.view_args or {}).get("identifier")
        if identifier is None:
            return BY_ORG_NUMBER.get(request.args.get("kanal", ""), "")
        found = database().execute("SELECT channel FROM messages WHERE id = ?", (identifier,))
        row = found.fetchone()
        return str(row["channel"]) if row else ""

    apply_faults(app, state, channel)

    @app.before_request
    def authorize() -> Response | None:
        if request.endpoint in OPEN_TO_ALL:
            return None
        scope = own_mailbox.SCOPE if request.endpoint == uploads.ENDPOINT else SCOPE
        try:
            tokens.claims(request.headers.get("Authorization", ""), scope)
        except PermissionError as error:
            # A good token without the scope is the one case that the specification calls 403.
            return problem(403 if scope in str(error) else 401, str(error))
        return None

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return problem(error.code or 500, error.name)

    uploads.add_route(app, state, tokens)

    @app.get("/messages/in")
    def listing() -> Response:
        try:
            size = min(int(request.args.get("page_size", PAGE_SIZE)), PAGE_SIZE_MAX)
            page = int(request.args.get("page", 0))
        except ValueError:
            return problem(400, "page and page_size are whole numbers")
        if size < 1 or page < 0:
            return problem(400, "page and page_size are not negative")
        wanted = request.args.get("kanal", "")
        rows = database().execute(
            "SELECT id, envelope FROM messages WHERE is_read = 0 AND (? = '' OR channel = ?) "
            "ORDER BY position LIMIT ? OFFSET ?",
            (wanted, BY_ORG_NUMBER.get(wanted, ""), size, page * size),
        )
        entries = [
            {
                "forretningsmelding": row["envelope"],
                "downloadurl": url_for("package", identifier=row["id"], _external=True),
            }
            for row in rows
        ]
        return jsonify(entries) if entries else Response(status=204)

    @app.get("/messages/in/<identifier>")
    def package(identifier: str) -> Response:
        found = database().execute(
            "SELECT package, is_gone FROM messages WHERE id = ?", (identifier,)
        )
        row = found.fetchone()
        if row is None:
            return problem(404, "Ugyldig id")
        if not row["package"] and not row["is_gone"]:
            return problem(404, "Meldingen har ingen dokumentpakke")
        if row["is_gone"]:
            return problem(410, "Dokumentpakken er slettet")
        return Response(bytes(row["package"]), content_type="application/cms")

    @app.post("/messages/in/<identifier>/read")
    def read(identifier: str) -> Response:
        with state.transaction() as db:
            changed = db.execute(
                "UPDATE messages SET is_read = 1 WHERE id = ? AND is_read = 0", (identifier,)
            )
        return Response(status=200) if changed.rowcount else problem(404, "Ugyldig id")

    @app.post("/messages/out")
    def receive() -> Response:
        part: Any = request.files.get("forretningsmelding")
        if part is None or part.mimetype != "application/jwt":
            return problem(400, "forretningsmelding (application/jwt) is missing")
        try:
            take_receipt(part.read().decode("utf-8", "replace"))
        except Refusal as refusal:
            return problem(400, str(refusal))
        return Response(status=201)
