"""Holds every call to the simulated agencies' feeds against the feed's own description.

What a request asks and what it is answered are both judged. What the control page breaks on
command is not: a letter whose title is none, and the answers of the dial of faults.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from openapi_core import Config, OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest, WerkzeugOpenAPIResponse
from openapi_core.exceptions import OpenAPIError
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request, Response

import connectors.minside
from connectors.minside.feed import FEEDS
from connectors.minside.simulator import MinsideSimulator
from connectors.simulation import Simulator

DESCRIPTION = Path(connectors.minside.__file__).parent / "openapi.json"
HOST = "agency.example"
BASE = "/samlepost/v1"
BROKEN_ON_COMMAND = "i går"
DEMO_PAGES = "http://127.0.0.1:8010/minside/"
"""The simulated agencies' pages are not https, which a source's `pages_url` allows."""


def judge(simulator: Simulator, found: list[str]) -> None:
    """Add to `found` whatever is not as described between this simulator and who asks it."""
    if isinstance(simulator, MinsideSimulator):
        simulator.app.wsgi_app = Judge(simulator, found)  # type: ignore[method-assign]


class Judge:
    """WSGI middleware in front of the simulator; `found` names what is not as described."""

    def __init__(self, simulator: MinsideSimulator, found: list[str]) -> None:
        self._inner = simulator.app.wsgi_app
        self._state = simulator.state
        self._found = found
        self._judged: set[int] = set()
        """Entries, by the hash of what they say: each is judged once."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        agency, _, rest = environ["PATH_INFO"].strip("/").partition("/v1/")
        dial = FEEDS[agency][0].value if agency in FEEDS else ""
        if not dial or self._state.faults(dial).mode != "ok":
            return self._inner(environ, start_response)
        said = Request(environ).get_data()
        environ["wsgi.input"] = io.BytesIO(said)
        at = {"SCRIPT_NAME": "", "PATH_INFO": f"{BASE}/{rest}", "HTTP_HOST": HOST}
        asked = Request({**environ, **at, "wsgi.input": io.BytesIO(said)})
        body, status, headers = run_wsgi_app(self._inner, environ, buffered=True)
        answered = Response(b"".join(body), status, headers)
        found = judged(asked, self._shortened(answered))
        self._found += [f"{asked.method} {asked.path}: {each}" for each in found]
        return answered(environ, start_response)

    def _shortened(self, answered: Response) -> Response:
        """Return an answer without entries that were judged before, or broken on command."""
        said = answered.get_json(silent=True)
        if not isinstance(said, dict) or not isinstance(said.get("items"), list):
            return answered
        fresh = {}
        for each in said["items"]:
            text = json.dumps(each, ensure_ascii=False)
            if BROKEN_ON_COMMAND not in text:
                fresh[hash(text)] = json.loads(text.replace(DEMO_PAGES, "https://agency.example/"))
        said["items"] = [each for key, each in fresh.items() if key not in self._judged]
        self._judged |= fresh.keys()
        return Response(json.dumps(said), answered.status, list(answered.headers))


def judged(asked: Request, answered: Response) -> list[str]:
    """Return what is wrong with a request and its answer by the description."""
    request, response = WerkzeugOpenAPIRequest(asked), WerkzeugOpenAPIResponse(answered)
    found = [f"{name} is no parameter" for name in asked.args if name != "cursor"]
    try:
        if answered.status_code < 400:  # what is refused need not be right
            description().validate_request(request)
        description().validate_response(request, response)
    except OpenAPIError as error:
        causes = getattr(error.__cause__, "schema_errors", [])
        found.append("; ".join([str(error), *(f"{e.json_path}: {e.message}" for e in causes)]))
    return found


@cache
def description() -> OpenAPI:
    """Return the feed's description, for the host that the tests call by."""
    said = json.loads(DESCRIPTION.read_text("utf-8"))
    said["servers"] = [{"url": f"http://{HOST}{BASE}"}]
    deserializers = {"application/problem+json": json.loads}
    return OpenAPI.from_dict(said, Config(extra_media_type_deserializers=deserializers))
