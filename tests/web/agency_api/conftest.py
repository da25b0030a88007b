"""An agency with a key, and what it asks the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from inbox.agencies import keys
from inbox.agencies.models import Agency
from tests.make import make_citizen

NAV, OSLO = "889640782", "958935420"


@pytest.fixture(autouse=True)
def _unspent() -> None:
    """No test has used up the requests of another."""
    cache.clear()


@pytest.fixture
def nav(db) -> Agency:
    return Agency.objects.create(org_number=NAV, name="NAV")


@pytest.fixture
def oslo(db) -> Agency:
    return Agency.objects.create(org_number=OSLO, name="Oslo kommune")


@pytest.fixture
def made(nav) -> keys.Made:
    return keys.create(nav, "Saksbehandling", make_citizen("Berit").id)


@pytest.fixture
def ask(made) -> Callable[..., Any]:
    """Asks as NAV for an address of the API: `ask("letters", limit=2)`."""
    return asking(made.secret)


def asking(secret: str) -> Callable[..., Any]:
    client = Client(headers={"Authorization": f"Bearer {secret}"})

    def ask(address: str, **query: Any) -> Any:
        return client.get(f"/api/agency/v1/{address}", query)

    return ask
