"""A connector beside its simulator, reached in-process."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import httpx
import pytest
from werkzeug.serving import make_server

from connectors import discovery, http
from connectors.conformance.bench import (
    FIRST_SENT,
    letters_in,
    numbered_letter,
    settings_of,
    unreadable_in,
)
from connectors.contract import Account, Batch, Connector, Scope
from connectors.maskinporten import simulator as maskinporten
from connectors.simulation import Faults, Simulator, mounted
from connectors.world.model import Channel, Person, SimulatedLetter
from connectors.world.persons import PERSONS
from tests.connectors import altinn_judge, minside_judge, nav_judge

__all__ = ["BASE", "FIRST_SENT", "Recorder", "Stand", "letters_in", "unreadable_in"]

BASE = "http://127.0.0.1:8010"


class Recorder(httpx.BaseTransport):
    """Passes requests on to the simulators and keeps their methods and addresses."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.WSGITransport(app=app)
        self.requests: list[tuple[str, httpx.URL]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append((request.method, request.url))
        return self._inner.handle_request(request)


@dataclass
class Stand:
    """One connector, its simulator and the person whose letters they handle."""

    name: str
    module: ModuleType
    simulator: Simulator
    keys: Path
    app: Any
    recorder: Recorder
    channel: Channel
    person: Person
    made: list[Connector] = field(default_factory=list)

    @property
    def account(self) -> Account | None:
        """The citizen, or None for a queue that is shared."""
        return None if self.shared else Account(self.person.national_id)

    @property
    def shared(self) -> bool:
        """Whether letters stay in the queue until they are settled."""
        return self.connector().scope is Scope.SHARED_QUEUE

    @property
    def dial(self) -> str:
        """The name of the fault dial."""
        return self.channel.value if self.simulator.channels else self.name

    def settings(self, base_url: str = BASE) -> dict[str, str]:
        """What an operator would have written; a simulator without sources takes the usual."""
        return settings_of(self.name, self.module, self.channel, self.keys, base_url)

    def connector(self, base_url: str = BASE) -> Connector:
        """A connector as the engine makes one for each run."""
        made = discovery.make(self.name, self.settings(base_url))
        self.made.append(made)
        return made

    def fetch(self, cursor: str | None = None) -> list[Batch]:
        """Fetch to the end with a new connector, settling nothing."""
        return list(self.connector().fetch(self.account, cursor))

    def letter(self, number: int = 0, **changes: Any) -> SimulatedLetter:
        """A letter with one small document, sent `number` minutes after the first."""
        return numbered_letter(self.channel, self.person, number, **changes)

    def send(self, numbers: Sequence[int]) -> list[str]:
        """Send one letter for each number; returns their ids on the wire."""
        return [self.simulator.send(self.letter(number)) for number in numbers]

    def persons(self) -> Sequence[Person]:
        """Everybody who could get a letter here."""
        return PERSONS

    def fail(self, mode: str, remaining: int | None = None) -> None:
        """Turn the fault dial."""
        self.simulator.state.set_faults(self.dial, Faults(mode, remaining=remaining))


@pytest.fixture(scope="session")
def contract_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys take long to make: one folder for all."""
    return tmp_path_factory.mktemp("contract-keys")


@pytest.fixture
def make_stand(
    tmp_path: Path, contract_keys: Path, monkeypatch: pytest.MonkeyPatch, frozen_clock: None
) -> Iterator[Callable[..., Stand]]:
    """Make a connector's stand, reached in-process, on the day on which the world stands."""
    made: list[Stand] = []
    wrong: list[str] = []

    def make(name: str, channel: Channel | None = None) -> Stand:
        module = importlib.import_module(f"connectors.{name}.simulator")
        simulator: Simulator = module.make(tmp_path, contract_keys)
        altinn_judge.judge(simulator, wrong)
        minside_judge.judge(simulator, wrong)
        nav_judge.judge(simulator, wrong)
        channel = channel or next(iter(simulator.channels), Channel.ALTINN)
        app = mounted({name: simulator, "maskinporten": maskinporten.make(tmp_path, contract_keys)})
        recorder = Recorder(app)
        monkeypatch.setattr(http, "transport_for", lambda base_url: recorder)
        suits = [each for each in PERSONS if each.mailbox_supplier == channel] or PERSONS
        stand = Stand(name, module, simulator, contract_keys, app, recorder, channel, suits[0])
        made.append(stand)
        return stand

    yield make
    for stand in made:
        for connector in stand.made:
            connector.close()
    assert wrong == []


@pytest.fixture
def real_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], str]]:
    """Serve an application over a real socket."""
    servers = []

    def serve(app: Any) -> str:
        monkeypatch.setattr(http, "transport_for", lambda base_url: None)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()
