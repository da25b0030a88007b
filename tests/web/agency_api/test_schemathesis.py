"""Schemathesis holds the running API against the document that it serves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, settings

from connectors import clock
from connectors.contract import RawPart, Unreadable
from inbox.agencies import made_up, outgoing, sending, submissions, webhooks
from inbox.agencies.letters import Terms
from inbox.agencies.models import Answer
from inbox.archive import store
from inbox.citizens.owned import new_id
from inbox.sync import quarantine
from inbox.web.agency_api import by_key
from tests.agencies.conftest import known
from tests.agencies.sending import KARI, pdf, wanted

EXAMPLES_MAX = 15
CONFIG = {
    "generation": {"max-examples": EXAMPLES_MAX, "deterministic": True},
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "404"]}},
    "operations": [
        # Of an address the document does not say whether it is public; nor how many there are.
        {
            "include-name": "POST /sandbox/letters",
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400"]}},
        },
        {
            "include-name": "POST /webhooks",
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "409"]}},
        },
        # Nor which numbers are somebody's, which bytes a PDF, and what signs can be shown.
        {
            "include-name": "POST /letters",
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400"]}},
        },
    ],
}
schema = schemathesis.openapi.from_wsgi(
    "/api/agency/v1/openapi.json",
    get_wsgi_application(),
    config=schemathesis.Config.from_dict(CONFIG),
)


@dataclass
class Known:
    """What there is at the agency that asks."""

    authorization: str
    ids: dict[str, Any]


@pytest.fixture(scope="module")
def seen() -> Iterator[dict[str, Counter[int]]]:
    """How each operation has answered."""
    found: dict[str, Counter[int]] = {}
    yield found
    for name, statuses in found.items():
        # Whom a letter is to, and where a webhook is, no made-up value says.
        assert min(statuses) < 300 or name in ("POST /letters", "POST /webhooks"), found
        assert max(statuses) < 500, found


@pytest.fixture(autouse=True)
def _connection() -> Iterator[None]:
    """The test's connection stays open from request to request, as with the client of Django's."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def there(made, nav, settings, tmp_path, monkeypatch, frozen_clock) -> Known:
    """A letter that was sent and answered with a file, and a webhook."""
    settings.ARCHIVE_DIR = tmp_path / "archive"
    monkeypatch.setattr(by_key, "REQUESTS_A_MINUTE", 1_000_000)
    # What a PDF's reader finds is tried elsewhere; here it would take most of the time.
    monkeypatch.setattr(outgoing, "_look_into", lambda *said, **more: ("", []))
    known("Kari Nordmann", KARI)
    sent = submissions.submit(nav, "a" * 16, Terms(), wanted(), pdf())
    sending.send_due()
    sent.refresh_from_db()
    answer = Answer.objects.create(
        id=new_id(),
        outgoing=sent,
        at=clock.now(),
        files=[{"name": "a.png", "media_type": "image/png", "size": 3, "path": "files/0001.png"}],
    )
    store.put(nav.id, answer.id, {"files/0001.png": b"png"}, note="files of an answer")
    broken = Unreadable("1", "no title", [RawPart("x.json", b"{}", "application/json")])
    kept = quarantine.keep(outgoing.source_of(nav), broken, None)
    assert kept
    quarantine.record([kept])
    webhook = webhooks.create(nav, "https://agency.example/hook", ["letter.opened"]).webhook
    ids = {
        "record_id": sent.delivery_id,
        "outgoing_id": sent.id,
        "answer_id": answer.id,
        "number": 0,
        "webhook_id": webhook.id,
        "item_id": kept.row.id,
        "person": made_up.make_persons(nav)[0].id,
    }
    return Known(f"Bearer {made.secret}", {name: str(value) for name, value in ids.items()})


@schema.parametrize()
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_the_api_answers_as_its_document_says(
    there: Known, seen: dict[str, Counter[int]], case: schemathesis.Case
) -> None:
    is_good = case.meta is None or case.meta.generation.mode.is_positive
    if is_good and case.path_parameters:
        case.path_parameters = {name: there.ids[name] for name in case.path_parameters}
    if is_good and isinstance(case.body, dict) and "person" in case.body:
        case.body = case.body | {"person": there.ids["person"]}
    answer = case.call_and_validate(headers={"Authorization": there.authorization})
    seen.setdefault(case.operation.label, Counter())[answer.status_code] += 1
