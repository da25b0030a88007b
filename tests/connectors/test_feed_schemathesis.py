"""Schemathesis holds the example of a feed against the feed's OpenAPI file."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

import connectors.minside
from connectors.maskinporten import simulator as maskinporten

OPENAPI = Path(connectors.minside.__file__).parent / "openapi.json"
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "minside_feed.py"
BASE_URL = "https://agency.example/samlepost/v1"
PID = "17849200399"
EXAMPLES_MAX = 40
described = Flask(__name__)
described.add_url_rule("/openapi.json", view_func=lambda: json.loads(OPENAPI.read_text("utf-8")))
agency = DispatcherMiddleware(described, {})
"""The example is mounted by a fixture, where its description says that it is."""
CONFIG = {
    "generation": {"max-examples": EXAMPLES_MAX, "deterministic": True},
    # A cursor that was never given is answered like one that is no longer known, right or wrong;
    # parameters that nobody knows are ignored.
    "checks": {
        "negative_data_rejection": {"expected-statuses": ["4xx"]},
        "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "409", "410"]},
    },
    "operations": [
        {"include-name": "GET /feed", "checks": {"negative_data_rejection": {"enabled": False}}}
    ],
}
schema = schemathesis.openapi.from_wsgi(
    "/openapi.json", agency, config=schemathesis.Config.from_dict(CONFIG)
)


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the example with a letter in its feed; returns an Authorization header good there."""
    folder = tmp_path_factory.mktemp("feed")
    with pytest.MonkeyPatch.context() as patch:
        issuer = maskinporten.make(folder, folder)
        server = make_server(
            "127.0.0.1", 0, DispatcherMiddleware(None, {"/maskinporten": issuer.app})
        )
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        patch.setenv("SIMULATORS_PUBLIC_URL", address)
        token = maskinporten.issue_token(
            folder,
            client_id="samlepost",
            consumer_org=maskinporten.CLIENT_ORG,
            scope="samlepost:feed.read",
            pid=PID,
            audience=BASE_URL,
            lifetime=600,
        )
        spec = importlib.util.spec_from_file_location("minside_feed", EXAMPLE)
        assert spec and spec.loader
        example = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(example)
        db = sqlite3.connect(folder / "feed", check_same_thread=False)
        app = example.make_app(
            db,
            OPENAPI,
            BASE_URL=BASE_URL,
            MASKINPORTEN_URL=f"{address}/maskinporten",
            SAMLEPOST_ORG_NUMBER=maskinporten.CLIENT_ORG.removeprefix("0192:"),
        )
        entry = {
            "id": "2026-104233",
            "type": "letter",
            "title": "Et brev",
            "security_level": 3,
            "sent_at": "2026-11-20T08:00:00Z",
            "sender": {"name": "Bygda kommune", "org_number": "958935420"},
            "reply_forms": [{"code": "question", "kind": "text", "text_max": 100}],
        }
        example.publish(db, PID, entry, ("brev.txt", "text/plain", b"Hei"))
        agency.mounts["/samlepost/v1"] = app
        yield f"Bearer {token}"
        server.shutdown()
        server.server_close()


@schema.parametrize()
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_the_example_answers_as_the_openapi_file_says(feed: str, case: schemathesis.Case) -> None:
    case.call_and_validate(headers={"Authorization": feed})
