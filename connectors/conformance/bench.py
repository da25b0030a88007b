"""The bench: a connector beside its simulator, which is served over real HTTP on loopback.

Whatever library a connector asks with, its requests are seen at the simulator's own door. Each
rule gets a simulator that has just been made; the keys are made once.
"""

from __future__ import annotations

import importlib
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from werkzeug.serving import make_server

from connectors import contract, discovery
from connectors.conformance.outcome import Broken, LeftOut
from connectors.contract import Account, Batch, IncomingLetter, Scope, Unreadable
from connectors.maskinporten import simulator as maskinporten
from connectors.simulation import Faults, Simulator, mounted
from connectors.world.letters import USUAL_SENDER
from connectors.world.model import Channel, Person, SimulatedDocument, SimulatedLetter
from connectors.world.persons import AGENCIES, PERSONS

FIRST_SENT = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
BATCHES_MAX = 1000
"""A fetch that yields more than this for a few letters never ends."""
DEMO_ALONE = ("look_again_seconds",)
"""Settings that hurry the demo."""

logging.getLogger("werkzeug").setLevel(logging.ERROR)


@cache
def _kept_keys() -> tempfile.TemporaryDirectory[str]:
    """A folder for keys, which take long to make; it goes with the process."""
    return tempfile.TemporaryDirectory(prefix="samlepost-kit-keys-")


@dataclass(frozen=True, slots=True)
class Tried:
    """A connector that is to be tried: its class, and the module with `make` of its simulator."""

    name: str
    connector_class: type[contract.Connector] | None
    """None where it is off; `off_reason` says why."""
    simulator: Any = None
    """A module or an object with `make(state_dir, keys_dir)` and perhaps `sources(base_url,
    keys_dir)`; None: there is none."""
    readme: Path | None = None
    off_reason: str = ""
    keys: Path = field(default_factory=lambda: Path(_kept_keys().name))

    @classmethod
    def named(cls, name: str, keys: Path | None = None) -> Tried:
        """Return the connector that discovery finds by this name. Raises KeyError if none.

        `keys` is a folder for the made-up clients' keys, where it is not the process's own.

        Its simulator is the module `simulator` beside the module that defines the class.
        """
        found = discovery.find()[name]
        if found.connector_class is None:
            return cls(name, None, off_reason=found.off_reason)
        made = cls.of_class(name, found.connector_class)
        return made if keys is None else replace(made, keys=keys)

    @classmethod
    def of_class(cls, name: str, connector_class: type[contract.Connector]) -> Tried:
        """Return the connector of this class, with the simulator and the README beside it."""
        module = importlib.import_module(connector_class.__module__)
        wanted = f"{module.__name__.rpartition('.')[0]}.simulator".lstrip(".")
        try:
            simulator = importlib.import_module(wanted)
        except ModuleNotFoundError as error:
            if error.name != wanted:
                raise
            simulator = None
        readme = Path(module.__file__ or "").with_name("README.md")
        return cls(name, connector_class, simulator, readme if readme.is_file() else None)

    @contextmanager
    def bench(self) -> Iterator[Bench]:
        """Serve a new simulator and yield the bench. Raises LeftOut where that cannot be."""
        if self.connector_class is None or self.simulator is None:
            raise LeftOut("there is no connector with a simulator to try it with")
        with tempfile.TemporaryDirectory(prefix="samlepost-kit-") as folder:
            simulator = self.simulator.make(Path(folder), self.keys)
            if not isinstance(simulator, Simulator):
                raise LeftOut("its simulator does not derive from connectors.simulation.Simulator")
            registers = {"maskinporten": maskinporten.make(Path(folder), self.keys)}
            door = Door(mounted({self.name: simulator, **registers}))
            with served(door) as base_url:
                bench = Bench(self, simulator, door, base_url)
                try:
                    yield bench
                finally:
                    bench.close()


class Door:
    """Passes requests on to the simulators and keeps their methods and addresses."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self.requests: list[str] = []
        self.redirect_to = ""
        """Another host's base address, to which everything is sent on; empty: nothing is."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        address = unquote(environ.get("REQUEST_URI") or environ["PATH_INFO"])
        self.requests.append(f"{environ['REQUEST_METHOD']} {address}")
        if self.redirect_to and not environ["PATH_INFO"].startswith("/maskinporten/"):
            start_response("302 Found", [("Location", self.redirect_to + environ["PATH_INFO"])])
            return [b""]
        return self._app(environ, start_response)


@contextmanager
def served(app: Callable[..., Any], port: int = 0) -> Iterator[str]:
    """Serve a WSGI application on loopback, on a free port for 0; yields its base address."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Bench:
    """A connector, its simulator, and the person whose letters they handle."""

    tried: Tried
    simulator: Simulator
    door: Door
    base_url: str
    made: list[contract.Connector] = field(default_factory=list)

    @property
    def connector_class(self) -> type[contract.Connector]:
        """The class that is tried."""
        if self.tried.connector_class is None:
            raise Broken(self.tried.off_reason)
        return self.tried.connector_class

    @property
    def shared(self) -> bool:
        """Whether one queue holds everybody's letters until they are settled."""
        return self.connector_class.scope is Scope.SHARED_QUEUE

    @property
    def channel(self) -> Channel:
        """The channel that letters are sent by."""
        return next(iter(self.simulator.channels), Channel.ALTINN)

    @property
    def person(self) -> Person:
        """Whose letters are asked for."""
        return self.persons()[0]

    @property
    def account(self) -> Account | None:
        """The citizen, or None for a queue that is shared."""
        return None if self.shared else Account(self.person.national_id)

    def persons(self) -> Sequence[Person]:
        """Everybody who can get a letter here."""
        suits = [each for each in PERSONS if each.mailbox_supplier == self.channel]
        return suits or PERSONS

    def settings(self, base_url: str = "") -> dict[str, str]:
        """What an operator would have written for the source."""
        tried = self.tried
        return settings_of(
            tried.name, tried.simulator, self.channel, tried.keys, base_url or self.base_url
        )

    def connector(self, base_url: str = "") -> contract.Connector:
        """Make a connector as it is made for each run."""
        made = self.connector_class(self.settings(base_url))
        self.made.append(made)
        return made

    def letter(self, number: int = 0, **changes: Any) -> SimulatedLetter:
        """Return the `numbered_letter` of this bench's person and channel."""
        return numbered_letter(self.channel, self.person, number, **changes)

    def send(self, numbers: Sequence[int]) -> list[str]:
        """Send one letter for each number; returns their ids on the wire."""
        return [self.simulator.send(self.letter(number)) for number in numbers]

    def fail(self, mode: str) -> None:
        """Turn the simulator's fault dial."""
        dial = self.channel.value if self.simulator.channels else self.tried.name
        self.simulator.state.set_faults(dial, Faults(mode))

    def running(
        self, cursor: str | None = None, connector: contract.Connector | None = None
    ) -> Iterator[Batch]:
        """Fetch; each batch is settled before it is yielded. Raises Broken if it never ends."""
        connector = connector or self.connector()
        for number, batch in enumerate(connector.fetch(self.account, cursor)):
            if number >= BATCHES_MAX:
                raise Broken(f"it yields more than {BATCHES_MAX} batches for a few letters")
            if not isinstance(batch, Batch):
                raise Broken(f"it yields {type(batch).__name__}, not Batch")
            connector.settle(batch)
            yield batch

    def fetch(self, cursor: str | None = None) -> list[Batch]:
        """Fetch to the end with a new connector."""
        return list(self.running(cursor))

    def one_letter(self) -> IncomingLetter:
        """Send a letter and return it as it comes. Raises Broken if it does not."""
        self.send([1])
        found = letters_in(self.fetch())
        if len(found) != 1:
            raise Broken(f"one letter was sent, {len(found)} came")
        return found[0]

    def in_thread(self, run: Callable[[], None], seconds: float) -> None:
        """Run it in a thread of its own and wait for it, but no longer than so many seconds."""
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(seconds)

    def close(self) -> None:
        """Let go of the connections of every connector that was made."""
        for each in self.made:
            each.close()


def letters_in(batches: Sequence[Batch]) -> list[IncomingLetter]:
    """Return the letters of all batches in their order."""
    return [letter for batch in batches for letter in batch.letters]


def unreadable_in(batches: Sequence[Batch]) -> list[Unreadable]:
    """Return what could not be read in all batches."""
    return [item for batch in batches for item in batch.unreadable]


def ids(batches: Sequence[Batch]) -> list[str]:
    """Return the names of the letters of all batches, sorted."""
    return sorted(letter.external_id for letter in letters_in(batches))


def numbered_letter(
    channel: Channel, person: Person, number: int = 0, /, **changes: Any
) -> SimulatedLetter:
    """Return a letter with one small document, sent `number` minutes after the first."""
    content = f"%PDF-1.7\n{number}\n%%EOF\n".encode()
    slug = USUAL_SENDER[channel]
    letter = SimulatedLetter(
        key=f"contract-{number}",
        channel=channel,
        person=person,
        agency=next(each for each in AGENCIES if each.slug == slug),
        title=f"Brev nummer {number}",
        body="Vi har behandlet saken din.",
        sent_at=FIRST_SENT + timedelta(minutes=number),
        documents=(
            SimulatedDocument("brev.pdf", "Brevet", "application/pdf", content, is_main=True),
        ),
    )
    return replace(letter, **changes)


def settings_of(
    name: str, simulator: Any, channel: Channel, keys: Path, base_url: str
) -> dict[str, str]:
    """Return what an operator would write for a source; one without `sources` takes the usual."""
    if not hasattr(simulator, "sources"):
        return {
            "base_url": f"{base_url}/{name}",
            "maskinporten_url": f"{base_url}/maskinporten",
            "client_id": maskinporten.CLIENT_ID,
            "private_key_file": str(keys / maskinporten.CLIENT_KEY),
        }
    sources: Sequence[Mapping[str, Any]] = simulator.sources(base_url, keys)
    ours = [each for each in sources if each["slug"] == channel.value] or sources
    found: Mapping[str, str] = ours[0]["settings"]
    return {name: value for name, value in found.items() if name not in DEMO_ALONE}
