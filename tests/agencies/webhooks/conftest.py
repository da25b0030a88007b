"""Agencies, and a server of theirs that takes what webhooks are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

import pytest
from flask import Flask, Response, request
from standardwebhooks import Webhook as Verifier
from werkzeug.serving import make_server

from inbox.agencies import webhooks
from inbox.agencies.models import Agency


@dataclass
class Taken:
    """A message as it came over HTTP."""

    headers: dict[str, str]
    body: str

    def verified(self, secret: str) -> dict[str, Any]:
        """What it says; raises the library's error where the signature is not of this secret."""
        said: dict[str, Any] = Verifier(secret).verify(self.body, self.headers)
        return said

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """An agency's endpoint over real HTTP, on loopback."""

    url: str = ""
    taken: list[Taken] = field(default_factory=list)
    answer: Callable[[], Response] = lambda: Response(status=204)

    def says(self, status: int, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = lambda: Response("no", status, headers=named)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    app = Flask(__name__)

    @app.post("/hook")
    def take() -> Response:
        headers = {name.lower(): value for name, value in request.headers}
        made.taken.append(Taken(headers, request.get_data(as_text=True)))
        return made.answer()

    server = make_server("127.0.0.1", 0, app, threaded=True)
    made.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    thread.join()


@pytest.fixture
def nav(db) -> Agency:
    return Agency.objects.create(org_number="889640782", name="NAV")


@pytest.fixture
def made(nav, receiver) -> webhooks.Made:
    """A webhook of NAV's to the receiver, told everything."""
    return webhooks.create(nav, receiver.url, list(webhooks.EVENTS))
