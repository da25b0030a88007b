"""For test suites of any project, without Django: simulators and the conformance kit.

pytest finds this when the package is installed. Fixtures: `frozen_clock`, `simulators`, `bench`.
Each rule of the kit as a test: `connectors/conformance/plugin.py`. Docs: `docs/testing.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors import clock
from connectors.conformance.bench import Bench, Tried, served
from connectors.simulate import World, create_world
from connectors.world.model import STUDY_DATE


@dataclass(frozen=True, slots=True)
class Simulators:
    """Every simulator, served over HTTP on loopback."""

    url: str
    """Each is below it: `<url>/altinn`, `<url>/maskinporten`, `<url>/minside/nav/v1`, …"""
    world: World
    keys: Path
    """The folder with the keys of the made-up clients."""


@pytest.fixture
def frozen_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stop the shared clock at the day on which the made-up world stands."""
    monkeypatch.setenv("CLOCK_FILE", str(tmp_path / "clock.json"))
    clock.freeze(STUDY_DATE)
    yield
    clock.reset()


@pytest.fixture(scope="session")
def _samlepost_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samlepost-keys")


@pytest.fixture
def simulators(
    tmp_path: Path, _samlepost_keys: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Simulators]:
    """Serve every simulator, empty; what they send to each other goes to the same address."""
    made: list[World] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        return made[0].wsgi(environ, start_response)

    with served(app) as url:
        monkeypatch.setenv("SIMULATORS_URL", url)
        monkeypatch.setenv("SIMULATORS_PUBLIC_URL", url)
        made.append(create_world(tmp_path / "simulators", _samlepost_keys))
        yield Simulators(url, made[0], _samlepost_keys)


@pytest.fixture
def bench(_samlepost_keys: Path) -> Iterator[Callable[[str], Bench]]:
    """Return a function: a connector by its name, beside its own simulator over HTTP."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(Tried.named(name, keys=_samlepost_keys).bench())
