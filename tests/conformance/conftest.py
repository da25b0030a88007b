"""What the tests of the kit share: keys that are made once, and little patience."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors import http, simulation


@pytest.fixture(scope="session")
def kit_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys take long to make: one folder for all."""
    return tmp_path_factory.mktemp("kit-keys")


@pytest.fixture(autouse=True)
def _on_the_worlds_day(frozen_clock: None) -> None:
    """The made-up letters make sense on one day."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for long: neither who asks nor a simulator that does not answer."""
    monkeypatch.setattr(simulation, "SLOW_SECONDS_MAX", 4.0)
    monkeypatch.setitem(http.Http.__init__.__kwdefaults__, "timeout", 1.0)
