"""The HTTP of the simulated NAV: varsler as text and JSON, documents by GraphQL and REST."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from flask import Flask, Response, abort, jsonify, request
from graphql import GraphQLError, GraphQLSchema, build_schema

from connectors.graphql_service import answered
from connectors.nav.connector import ACR_HIGH, NOT_HERS_TO_CLOSE, REASON_HEADER, SCOPE
from connectors.nav.mapping import is_varsel_id

if TYPE_CHECKING:
    from connectors.nav.simulator import NavSimulator

SCHEMA = Path(__file__).parent / "samples" / "safselvbetjening.graphqls"
TYPES = ("beskjed", "oppgave", "innboks")
STATES = {"alle": None, "aktive": True, "inaktive": False}


@cache
def schema() -> GraphQLSchema:
    """Return safselvbetjening's own schema."""
    return build_schema(SCHEMA.read_text("utf-8"))


def add_routes(app: Flask, simulator: NavSimulator) -> None:
    """Put the paths of both services on `app`."""

    @app.get("/varsel/sammendrag")
    def summary() -> Response:
        wanted, active = request.args.get("type"), request.args.get("aktiv", "").lower()
        if (wanted and wanted.lower() not in TYPES) or active not in ("", "true", "false"):
            _refuse(400, "Feil i parametre")
        return _varsler(simulator, wanted, {"true": True, "false": False}.get(active))

    kinds, states = ", ".join(("varsel", *TYPES)), ", ".join(STATES)

    @app.get(f"/<any({kinds}):kind>/sammendrag/<any({states}):state>")
    def summary_of(kind: str, state: str) -> Response:
        return _varsler(simulator, None if kind == "varsel" else kind, STATES[state])

    @app.post("/beskjed/inaktiver")
    def close() -> Response:
        person, _ = _citizen(simulator)
        said = request.get_json(silent=True)
        identifier = said.get("varselId") if isinstance(said, dict) else None
        if identifier is None:
            _refuse(400, "varselId parameter mangler")
        if not isinstance(identifier, str) or not is_varsel_id(identifier):
            _refuse(400, "varselId må være gyldig UUID eller ULID")
        kind = simulator.close_for(person, identifier)
        if kind is None:
            _refuse(403, "feilaktig varselId")
        if kind != "beskjed":
            _refuse(403, f"{NOT_HERS_TO_CLOSE} {kind} via api")
        return Response(status=200)

    @app.post("/graphql")
    def graphql() -> Response:
        person, _ = _citizen(simulator)
        said = request.get_json(silent=True) or {}

        def overview(_info: Any, ident: str, tema: list[str]) -> dict[str, Any]:
            if not (len(ident) == 11 and ident.isdecimal()):
                raise _error("bad_request", "Ident argumentet er ugyldig.")
            if ident != person:
                raise _error("unauthorized", "Bruker i token matcher ikke bruker i query.")
            return simulator.overview(person, tema)

        def one(_info: Any, **said: str) -> dict[str, Any] | None:
            found = simulator.overview(person, [])["journalposter"]
            wanted = said["journalpostId"]
            return next((each for each in found if each["journalpostId"] == wanted), None)

        resolvers = {"dokumentoversiktSelvbetjening": overview, "journalpostById": one}
        return jsonify(answered(schema(), said, resolvers))

    @app.get("/rest/hentdokument/<journalpost>/<document>/<variant>")
    def document(journalpost: str, document: str, variant: str) -> Response:
        person, _ = _citizen(simulator)
        found = simulator.document(person, journalpost, document, variant)
        if found is None:
            _refuse(404, "Fant ikke dokumentet.")
        if isinstance(found, str):
            _refuse(403, "Tilgang til dokument ble avvist.", {REASON_HEADER: found})
        media_type, content = found
        name = f"{journalpost}_{variant}.{media_type.partition('/')[2]}"
        return Response(
            base64.b64encode(content),
            content_type=media_type,
            headers={"Content-Disposition": f"inline; filename={name}"},
        )


def _varsler(simulator: NavSimulator, kind: str | None, active: bool | None) -> Response:
    person, acr = _citizen(simulator)
    found = simulator.varsler(person, high=acr == ACR_HIGH)
    return jsonify(
        [
            each
            for each in found
            if (kind is None or each["type"] == kind.lower())
            and (active is None or each["aktiv"] is active)
        ]
    )


def _citizen(simulator: NavSimulator) -> tuple[str, str]:
    """Return whom the bearer token is for, and the level of her session; answers 401 otherwise."""
    try:
        claims = simulator.tokens.claims(request.headers.get("Authorization", ""), SCOPE)
    except PermissionError:
        _refuse(401, "")
    if not claims.get("pid") or not claims.get("acr"):
        _refuse(401, "")
    return str(claims["pid"]), str(claims["acr"])


def _error(code: str, message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code, "classification": "ExecutionAborted"})


def _refuse(status: int, words: str, headers: dict[str, str] | None = None) -> NoReturn:
    abort(Response(words, status, headers, content_type="text/plain; charset=utf-8"))
