"""Holds every question to the simulated archive of NAV's, and its answer, against its schema."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from graphql import GraphQLSchema
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request, Response

from connectors.nav.api import SCHEMA
from connectors.nav.simulator import NavSimulator
from connectors.simulation import Simulator
from connectors.world.model import Channel
from tests.connectors.graphql_judge import judged, strict


@cache
def schema() -> GraphQLSchema:
    """Return safselvbetjening's schema, whose times have no zone."""
    return strict(SCHEMA.read_text("utf-8"), zone=False)


def judge(simulator: Simulator, found: list[str]) -> None:
    """Add to `found` whatever is against the schema between this simulator and who asks it."""
    if isinstance(simulator, NavSimulator):
        simulator.app.wsgi_app = Judge(simulator, found)  # type: ignore[method-assign]


class Judge:
    """WSGI middleware in front of the simulator."""

    def __init__(self, simulator: NavSimulator, found: list[str]) -> None:
        self._inner = simulator.app.wsgi_app
        self._state = simulator.state
        self._found = found

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/graphql" or self._misbehaves():
            return self._inner(environ, start_response)
        said = Request(environ).get_data()
        environ["wsgi.input"] = io.BytesIO(said)
        body, status, headers = run_wsgi_app(self._inner, environ, buffered=True)
        answered = Response(b"".join(body), status, headers)
        if answered.status_code == 200:
            self._found += judged(schema(), json.loads(said), json.loads(answered.get_data()))
        return answered(environ, start_response)

    def _misbehaves(self) -> bool:
        return self._state.faults(Channel.NAV_NO.value).mode != "ok"
