"""Holds every call to the simulated Altinn against Altinn's own descriptions of its interfaces.

What a request asks and what it is answered are both judged, so a connector that asks for what is
not there and a simulator that answers what Altinn would not are found alike. Where a description
is not to be taken at its word, the reason stands beside it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from graphql import GraphQLSchema
from openapi_core import Config, OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest, WerkzeugOpenAPIResponse
from openapi_core.exceptions import OpenAPIError
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request, Response

import connectors.altinn
from connectors.altinn.simulator import AltinnSimulator
from connectors.simulation import Simulator
from tests.connectors import graphql_judge

DATA = Path(__file__).parent / "data" / "altinn"
DESCRIBED = {
    "/correspondence/": "altinn-correspondence-v1.json",
    "/dialogporten/": "openapi.v1.enduser.verified.json",
}
SEARCH = "/dialogporten/graphql"
SCHEMA_SHA256 = "0be94ac62e3c31abba3a567f0cffdfbb9fc0b5a58a80217cd12001597fc67dec"
"""Of `docs/schema/V1/schema.verified.graphql`, Altinn/dialogporten 743f07f."""
ROOTS = (SEARCH, *DESCRIBED)
NOT_DESCRIBED = re.compile(r"/correspondence/api/v1/correspondence/[^/]+/content")
"""The body of a letter is what `mainContentReference` leads to; no description has its address."""
BROKEN_ON_COMMAND = json.dumps("i går").encode()
"""Stands in what the simulator sends when it is told to send nonsense (`wire.py`)."""
PROBLEM = "application/problem+json"
A_PROBLEM = {"$ref": "#/components/schemas/ProblemDetails"}
REFUSED = {"description": "Bad request", "content": {PROBLEM: {"schema": A_PROBLEM}}}
TOO_MANY = {
    "description": "Too many requests",
    "headers": {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}},
    "content": {PROBLEM: {"schema": A_PROBLEM}},
}
HOST = "platform.altinn.example"


def judge(simulator: Simulator, found: list[str]) -> None:
    """Add to `found` whatever is not as described between this simulator and who asks it."""
    if isinstance(simulator, AltinnSimulator):
        simulator.app.wsgi_app = Judge(simulator, found)  # type: ignore[method-assign]


class Judge:
    """WSGI middleware in front of the simulator; `found` names what is not as described."""

    def __init__(self, simulator: AltinnSimulator, found: list[str]) -> None:
        self._inner = simulator.app.wsgi_app
        self._state = simulator.state
        self._found = found
        self._judged: set[int] = set()
        """Items of lists, by the hash of what they say: each is judged once."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        root = next((each for each in ROOTS if path.startswith(each)), None)
        broken_by_us = self._state.faults("altinn").mode != "ok"
        if root is None or NOT_DESCRIBED.fullmatch(path) or broken_by_us:
            return self._inner(environ, start_response)
        said = Request(environ).get_data()
        environ["wsgi.input"] = io.BytesIO(said)
        judged_by = {"SCRIPT_NAME": "", "HTTP_HOST": HOST, "wsgi.input": io.BytesIO(said)}
        asked = Request({**environ, **judged_by})
        body, status, headers = run_wsgi_app(self._inner, environ, buffered=True)
        answered = Response(b"".join(body), status, headers)
        if BROKEN_ON_COMMAND not in answered.get_data():
            if root == SEARCH:
                found = searched(asked, answered)
            else:
                found = judged(root, asked, self._shortened(answered))
            self._found += [f"{asked.method} {path}: {each}" for each in found]
        return answered(environ, start_response)

    def _shortened(self, answered: Response) -> Response:
        """Return an answer without those items of its list that have been judged before."""
        said = answered.get_json(silent=True)
        if not isinstance(said, dict) or not isinstance(said.get("items"), list):
            return answered
        fresh = {hash(json.dumps(each)): each for each in said["items"]}
        said["items"] = [each for key, each in fresh.items() if key not in self._judged]
        self._judged |= fresh.keys()
        return Response(json.dumps(said), answered.status, list(answered.headers))


def searched(asked: Request, answered: Response) -> list[str]:
    """Return what is wrong with a search and its answer by Dialogporten's GraphQL schema."""
    if answered.status_code != 200:
        return []  # the platform's own answer, before the service is asked
    said = json.loads(answered.get_data())
    return graphql_judge.judged(_schema(), json.loads(asked.get_data()), said)


@cache
def _schema() -> GraphQLSchema:
    sdl = (Path(connectors.altinn.__path__[0]) / "schema.graphql").read_bytes()
    assert hashlib.sha256(sdl).hexdigest() == SCHEMA_SHA256, "it is no longer Dialogporten's own"
    return graphql_judge.strict(sdl.decode("utf-8-sig"), zone=True)


def judged(root: str, asked: Request, answered: Response) -> list[str]:
    """Return what is wrong with a request and its answer by the description of this root."""
    described = description(root)
    request = WerkzeugOpenAPIRequest(asked)
    response = WerkzeugOpenAPIResponse(answered)
    known = parameters(root, asked)
    found = [f"{name} is no parameter" for name in asked.args if name not in known]
    try:
        if answered.status_code < 400:  # what is refused need not be right
            described.validate_request(request)
        described.validate_response(request, response)
    except OpenAPIError as error:
        causes = getattr(error.__cause__, "schema_errors", [])
        found.append("; ".join([str(error), *(f"{e.json_path}: {e.message}" for e in causes)]))
    return found


def parameters(root: str, asked: Request) -> set[str]:
    """Return the names that may stand in the query of this request."""
    prefix, paths = _prefix(root), _said(root)["paths"]
    for template, methods in paths.items():
        pattern = prefix + re.sub(r"\{[^}]+\}", "[^/]+", template)
        if re.fullmatch(pattern, asked.path) and asked.method.lower() in methods:
            said = methods[asked.method.lower()].get("parameters", [])
            return {each["name"] for each in said if each["in"] == "query"}
    return set()


@cache
def description(root: str) -> OpenAPI:
    """Return Altinn's own description of what lies at this root, ready to judge by."""
    said = _with_nulls(_said(root))
    said["servers"] = [{"url": f"http://{HOST}{_prefix(root)}"}]
    for methods in said["paths"].values():
        for method in methods.values():
            for status, answer in method["responses"].items():
                # Errors.cs has problems sent as what they are; the description says plain JSON,
                # or for a download the type of what was asked for.
                if int(status) >= 400:
                    answer.setdefault("content", {}).setdefault(PROBLEM, {"schema": A_PROBLEM})
            # What FluentValidation refuses is 400 (`SearchDialogEndpoint.cs`); the list's
            # description leaves it out.
            if "422" in method["responses"]:
                method["responses"].setdefault("400", REFUSED)
            # The platform in front of both may ask anybody to wait (RFC 6585, RFC 9110 §10.2.3).
            method["responses"].setdefault("429", TOO_MANY)
    deserializers = {
        PROBLEM: json.loads,
        "application/octet-stream": lambda body: body.decode("latin-1"),
    }
    return OpenAPI.from_dict(said, Config(extra_media_type_deserializers=deserializers))


@cache
def _said(root: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((DATA / DESCRIBED[root]).read_text("utf-8-sig"))
    return said


def _prefix(root: str) -> str:
    return "" if root == "/correspondence/" else root.rstrip("/")


def _with_nulls(said: Any) -> Any:
    """Let what is nullable be null, also where it is one of others that are not.

    Dialogporten's description writes `"nullable": true, "oneOf": [{"$ref": …}]`, which its own
    answers read as "that, or null"; OpenAPI 3.0.3 (clarification of `nullable`) does not.
    """
    if isinstance(said, list):
        return [_with_nulls(each) for each in said]
    if not isinstance(said, dict):
        return said
    found = {name: _with_nulls(each) for name, each in said.items()}
    if found.get("nullable") is True and isinstance(found.get("oneOf"), list):
        found["oneOf"].append({"nullable": True, "enum": [None]})
    return found
