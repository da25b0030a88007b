"""Fixtures of the DPI tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors import http
from tests.connectors.dpi.forger import Forger
from tests.connectors.dpi.place import Place


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def place(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    place = Place(tmp_path, keys)
    monkeypatch.setattr(http, "transport_for", lambda base_url: place.wire)
    return place


@pytest.fixture(scope="session")
def forger(keys: Path) -> Forger:
    return Forger(keys)
