"""A simulated ID-porten in this process, a browser, and two persons with an inbox."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from django.core.cache import cache
from pytest_django import Settings

import connectors.http
from connectors.idporten import simulator as idporten
from connectors.idporten.tokens import TokenFault
from connectors.simulation import mounted
from inbox.citizens.models import Citizen
from tests.web.login.walk import KARI, OLA, Browser, known


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> idporten.IdportenSimulator:
    folder = tmp_path_factory.mktemp("idporten")
    return idporten.make(folder / "state", folder / "keys")


@pytest.fixture(autouse=True)
def wire(
    simulator: idporten.IdportenSimulator, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """Lead every request of Samlepost's to the simulator."""
    settings.ROOT_URLCONF = "tests.web.login.urls"
    cache.clear()
    simulator.token_fault = TokenFault.NONE
    transport = httpx.WSGITransport(mounted({"idporten": simulator}))
    monkeypatch.setattr(connectors.http, "transport_for", lambda _: transport)


@pytest.fixture
def visitor(simulator: idporten.IdportenSimulator) -> Iterator[Browser]:
    """A browser that nobody is logged in with."""
    browser = Browser(simulator)
    yield browser
    browser.provider.close()


@pytest.fixture(autouse=True)
def kari(db: None) -> Citizen:
    return known(KARI)


@pytest.fixture
def ola(db: None) -> Citizen:
    return known(OLA)
