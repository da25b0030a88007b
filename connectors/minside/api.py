"""The HTTP of the simulated agencies: feed, documents, receipts, answers of the token's citizen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from flask import Flask, Response, abort, jsonify, request

from connectors.fields import WrongField, moment, table, text
from connectors.maskinporten.simulator import CLIENT_ORG
from connectors.minside.connector import CURSOR_EXPIRED, SCOPE
from connectors.minside.feed import FEEDS, stamp
from connectors.minside.threads import Refusal

if TYPE_CHECKING:
    from connectors.minside.simulator import MinsideSimulator

RECEIPTS = ("opened", "handled", "reopened")
ROOT = f"/<any({', '.join(FEEDS)}):agency>/v1"


def add_routes(app: Flask, simulator: MinsideSimulator) -> None:
    """Put every agency's paths on `app`."""

    @app.get(f"{ROOT}/feed")
    def feed(agency: str) -> Response:
        person = _citizen(simulator, agency)
        try:
            return jsonify(simulator.page(agency, person, request.args.get("cursor")))
        except LookupError:
            _refuse(410, CURSOR_EXPIRED, "The cursor is not known: read the feed from its start")

    @app.get(f"{ROOT}/documents/<identifier>")
    def document(agency: str, identifier: str) -> Response:
        person = _citizen(simulator, agency)
        try:
            found = simulator.document(agency, person, identifier)
        except LookupError:
            _refuse(410, "document_deleted", "The document has been deleted")
        if found is None:
            _refuse(404, "not_found", "There is no such document")
        return Response(found[1], content_type=found[0])

    @app.post(f"{ROOT}/receipts")
    def receipts(agency: str) -> Response:
        person = _citizen(simulator, agency)
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
        person = _citizen(simulator, agency)
        try:
            reference = simulator.take_reply(agency, person, request.get_json(silent=True))
        except LookupError:
            _refuse(404, "not_found", "There is no such letter")
        except WrongField as error:
            _refuse(400, "wrong_reply", str(error))
        except Refusal as reason:
            _refuse(409, "reply_refused", str(reason))
        return jsonify(reference=reference)


def _citizen(simulator: MinsideSimulator, agency: str) -> str:
    """Return whom the bearer token is for; answers 401 or 403 otherwise."""
    here = f"{request.url_root}{agency}/v1"
    try:
        claims = simulator.tokens.claims(request.headers.get("Authorization", ""), SCOPE, here)
    except PermissionError as error:
        _refuse(401, "unauthorized", f"A token for {SCOPE} here is needed: {error}")
    if claims["consumer"]["ID"] != CLIENT_ORG:
        _refuse(403, "forbidden", "The token is not Samlepost's")
    if not claims.get("pid"):
        _refuse(403, "no_citizen", "The token is not for a citizen")
    return str(claims["pid"])


def _refuse(status: int, code: str, detail: str) -> NoReturn:
    answer = jsonify(type="about:blank", status=status, code=code, detail=detail)
    answer.status_code = status
    answer.headers["Content-Type"] = "application/problem+json"
    abort(answer)
