"""The HTTP of the simulated agencies: feed, documents, receipts, answers of the token's citizen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from flask import Flask, Response, abort, jsonify, request

from connectors.fields import WrongField, moment, table, text
from connectors.minside.connector import CURSOR_EXPIRED, SCOPE
from connectors.minside.feed import stamp
from connectors.minside.threads import Refusal

if TYPE_CHECKING:
    from connectors.minside.simulator import MinsideSimulator

RECEIPTS = ("opened", "handled", "reopened")
ROOT = "/<any(nav, oslo, lanekassen):agency>/v1"


def add_routes(app: Flask, simulator: MinsideSimulator) -> None:
    """Put every agency's paths on `app`."""

    @app.get(f"{ROOT}/feed")
    def feed(agency: str) -> Response:
        person = _citizen(simulator)
        try:
            return jsonify(simulator.page(agency, person, request.args.get("cursor")))
        except LookupError:
            _refuse(410, CURSOR_EXPIRED, "The cursor is not known: read the feed from its start")

    @app.get(f"{ROOT}/documents/<identifier>")
    def document(agency: str, identifier: str) -> Response:
        person = _citizen(simulator)
        try:
            found = simulator.document(agency, person, identifier)
        except LookupError:
            _refuse(410, "document_deleted", "The document has been deleted")
        if found is None:
            _refuse(404, "not_found", "There is no such document")
        return Response(found[1], content_type=found[0])

    @app.post(f"{ROOT}/receipts")
    def receipts(agency: str) -> Response:
        person = _citizen(simulator)
        try:
            said = table(request.get_json(silent=True), "the receipt")
            receipt = {name: text(said, name) for name in ("id", "kind", "idempotency_key")}
            receipt["at"] = stamp(moment(said, "at"))
        except WrongField as error:
            _refuse(400, "wrong_receipt", str(error))
        if receipt["kind"] not in RECEIPTS:
            _refuse(400, "wrong_receipt", f"kind must be one of {', '.join(RECEIPTS)}")
        if not simulator.take_receipt(agency, person, receipt):
            _refuse(404, "not_found", "There is no such letter")
        return Response(status=204)

    @app.post(f"{ROOT}/replies")
    def replies(agency: str) -> Response:
        person = _citizen(simulator)
        try:
            reference = simulator.take_reply(agency, person, request.get_json(silent=True))
        except LookupError:
            _refuse(404, "not_found", "There is no such letter")
        except WrongField as error:
            _refuse(400, "wrong_reply", str(error))
        except Refusal as reason:
            _refuse(409, "reply_refused", str(reason))
        return jsonify(reference=reference)


def _citizen(simulator: MinsideSimulator) -> str:
    """Return whom the bearer token is for; answers 401 or 403 otherwise."""
    try:
        claims = simulator.tokens.claims(request.headers.get("Authorization", ""), SCOPE)
    except PermissionError:
        _refuse(401, "unauthorized", "A token with the scope of the feed is needed")
    if not claims.get("pid"):
        _refuse(403, "no_citizen", "The token is not for a citizen")
    return str(claims["pid"])


def _refuse(status: int, code: str, detail: str) -> NoReturn:
    answer = jsonify(type="about:blank", status=status, code=code, detail=detail)
    answer.status_code = status
    answer.headers["Content-Type"] = "application/problem+json"
    abort(answer)
