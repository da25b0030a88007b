"""Fixtures for suites with our apps installed: `citizen`, `send_letter`, `citizen_client`, …

pytest imports this before Django has its settings, so what knows the models is imported by the
fixtures that use it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from inbox.citizens.models import Citizen
    from inbox.letters.models import Letter


@pytest.fixture
def citizen(db: None, settings: Any, tmp_path: Any) -> Citizen:
    """Return a citizen with an empty inbox, and an archive of this test's own."""
    from inbox.testing.build import make_citizen  # noqa: PLC0415

    settings.ARCHIVE_DIR = tmp_path / "archive"
    return make_citizen()


@pytest.fixture
def send_letter(citizen: Citizen) -> Callable[..., Letter]:
    """Return a function that lets a letter arrive for `citizen`; its names are `build.send`'s."""
    from inbox.testing.build import send  # noqa: PLC0415

    def arrive(to: Citizen = citizen, **fields: Any) -> Letter:
        return send(to, **fields)

    return arrive


@pytest.fixture
def citizen_client(citizen: Citizen) -> Client:
    """Return Django's test client, logged in as `citizen` at level high."""
    from django.test import Client  # noqa: PLC0415

    from inbox.testing.build import log_in  # noqa: PLC0415

    client = Client()
    log_in(client, citizen, 4)
    return client


@pytest.fixture
def citizen_page(page: Any, live_server: Any, citizen_client: Client) -> Any:
    """Return pytest-playwright's page in front of a live server, logged in as `citizen`."""
    from django.conf import settings  # noqa: PLC0415

    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": citizen_client.cookies[name].value, "url": live_server.url}
    page.context.add_cookies([cookie])
    page.goto(live_server.url)
    return page
