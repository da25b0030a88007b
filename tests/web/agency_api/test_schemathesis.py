"""Schemathesis holds the running API against the document that it serves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, settings

from inbox.web.agency_api import by_key
from tests.make import make_citizen, make_letter

EXAMPLES_MAX = 25
CONFIG = {
    "generation": {"max-examples": EXAMPLES_MAX, "deterministic": True},
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "404"]}},
    "operations": [
        # Of an address the document does not say whether it is public; nor how many there are.
        {
            "include-name": "POST /webhooks",
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "400", "409"]}},
        },
    ],
}
schema = schemathesis.openapi.from_wsgi(
    "/api/agency/v1/openapi.json",
    get_wsgi_application(),
    config=schemathesis.Config.from_dict(CONFIG),
)


@pytest.fixture
def authorised(made, settings, tmp_path, monkeypatch, frozen_clock) -> Iterator[str]:
    """An Authorization header that is good for an agency with letters."""
    settings.ARCHIVE_DIR = tmp_path / "archive"
    monkeypatch.setattr(by_key, "REQUESTS_A_MINUTE", 1_000_000)
    for number in range(3):
        make_letter(make_citizen(), external_id=f"sak-{number}")
    return f"Bearer {made.secret}"


@schema.parametrize()
@settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_the_api_answers_as_its_document_says(authorised, case: schemathesis.Case) -> None:
    case.call_and_validate(headers={"Authorization": authorised})
