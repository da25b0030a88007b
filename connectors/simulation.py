"""What every simulator stands on: a SQLite file for its state, and a dial for faults.

A simulator is a Flask application (WSGI), so tests drive it in-process through
`httpx.WSGITransport` and the demo serves all of them from one process (`simulate.py`). Its
state survives a restart. The dial is set by the control API, the control page or a test.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from connectors.addresses import web_addresses
from connectors.world.model import Channel, Person, SimulatedLetter

SLOW_SECONDS_MAX = 120.0


@dataclass
class Faults:
    """The fault dial of one channel; `mode` is one of FAULT_MODES."""

    mode: str = "ok"
    delay_seconds: float = 0.0
    remaining: int | None = None
    """How many requests the fault still hits; None: until it is turned off."""
    per_minute: int | None = None
    """More requests than this in any minute are answered 429 with Retry-After; None: no limit."""


FAULT_MODES = {
    "ok": "works as it should",
    "down": "answers 503",
    "garbage": "answers 200 with bytes that mean nothing",
    "html": "answers 200 with a web page instead of JSON",
    "truncated": "breaks off in the middle of the answer",
    "rate_limited": "answers 429 with Retry-After",
    "unauthorized": "answers 401",
    "timeout": "does not answer for two minutes",
}


class State:
    """A simulator's SQLite file. One connection a thread, WAL, writes in `transaction()`."""

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)
        self._local = threading.local()
        if self._path != ":memory:":
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        self._shared: sqlite3.Connection | None = None
        self._lock = threading.RLock()
        self._answered: dict[str, deque[float]] = {}
        with self.transaction() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS faults (channel TEXT PRIMARY KEY, dial TEXT NOT NULL)"
            )

    def connection(self) -> sqlite3.Connection:
        """Return this thread's connection (for `:memory:`, the one and only)."""
        if self._path == ":memory:":
            if self._shared is None:
                self._shared = self._connect()
            return self._shared
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=20, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block as one write transaction; rolled back when it raises."""
        with self._lock:
            db = self.connection()
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    def faults(self, channel: str) -> Faults:
        """Return the channel's dial."""
        return _read_dial(self.connection(), channel)

    def set_faults(self, channel: str, faults: Faults) -> None:
        """Turn the channel's dial. Raises ValueError for an unknown mode."""
        if faults.mode not in FAULT_MODES:
            raise ValueError(f"unknown fault mode {faults.mode!r}")
        with self.transaction() as db:
            _write_dial(db, channel, faults)

    def spend_fault(self, channel: str) -> Faults:
        """Return the dial for one request, counting down a limited fault."""
        faults = self.faults(channel)
        if faults.remaining is None:
            return faults
        with self.transaction() as db:
            faults = _read_dial(db, channel)
            if faults.remaining is None:
                return faults
            left = faults.remaining - 1
            over = Faults(per_minute=faults.per_minute)
            _write_dial(db, channel, replace(faults, remaining=left) if left > 0 else over)
        return faults if left >= 0 else over

    def too_many(self, channel: str, per_minute: int) -> int:
        """Count a request; returns in how many seconds to come again with it, 0 if it is in time.

        What is not in time does not count.
        """
        with self._lock:
            now = time.monotonic()
            answered = self._answered.setdefault(channel, deque())
            while answered and answered[0] <= now - 60:
                answered.popleft()
            if len(answered) >= per_minute:
                return math.ceil(answered[-per_minute] + 60 - now)
            answered.append(now)
            return 0


def _come_again(answer: Response, seconds: int) -> Response:
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _read_dial(db: sqlite3.Connection, channel: str) -> Faults:
    row = db.execute("SELECT dial FROM faults WHERE channel = ?", (channel,)).fetchone()
    return Faults(**json.loads(row["dial"])) if row else Faults()


def _write_dial(db: sqlite3.Connection, channel: str, faults: Faults) -> None:
    db.execute(
        "INSERT INTO faults VALUES (?, ?) ON CONFLICT (channel) DO UPDATE SET dial = excluded.dial",
        (channel, json.dumps(asdict(faults))),
    )


class Simulator:
    """Base of every channel simulator: `channels`, `app` and the four verbs below."""

    channels: Sequence[Channel] = ()
    """The channels whose letters this simulator delivers."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.app = Flask(type(self).__module__, static_folder=None)

    def send(self, letter: SimulatedLetter) -> str:
        """Put a letter where its recipient's inbox can fetch it; returns its id on the wire."""
        raise NotImplementedError

    def send_many(self, letters: Sequence[SimulatedLetter]) -> None:
        """Send several letters in one transaction where that is faster."""
        for letter in letters:
            self.send(letter)

    def forget(self, person: Person) -> None:
        """Remove every letter and mark of this person, as if nothing had been sent."""
        raise NotImplementedError

    def expire_latest(self, person: Person, channel: Channel) -> bool:
        """Let the person's newest letter's document expire at the source; False if none."""
        raise NotImplementedError

    def send_garbage(self, person: Person, channel: Channel) -> str:
        """Send one letter that no mapping can read; returns its id on the wire."""
        raise NotImplementedError

    def ping_proof(self, channel: Channel) -> str:
        """Return the access token that goes with the channel's pings; empty where none does."""
        return ""

    broken_variants: Mapping[str, str] = {}
    """Ways in which a letter can be broken by name, with what the control page calls them."""

    def send_broken(self, person: Person, channel: Channel, variant: str) -> str:
        """Send one letter that is broken in one of `broken_variants`; returns its id."""
        raise NotImplementedError


def mounted(simulators: Mapping[str, Simulator], root: Any = None) -> Any:
    """Return one WSGI application with each simulator at /<name>/ (and `root` at /).

    Tests give it to `httpx.WSGITransport`; the demo serves it.
    """
    return DispatcherMiddleware(
        root or Flask(__name__, static_folder=None),
        {f"/{name}": simulator.app for name, simulator in simulators.items()},
    )


def protect_pages(app: Flask, frames: Sequence[str] = ()) -> None:
    """Send the headers that every page of a simulator needs; nothing is stored by the browser.

    Samlepost's own addresses stand in form-action because Chromium applies it to the redirect
    that follows a form, too. `frames` are the origins that a page may show in a frame.
    """
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action 'self' {' '.join(web_addresses())}"
    )
    if frames:
        policy += f"; frame-src {' '.join(frames)}"

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Referrer-Policy"] = "same-origin"
        return response


def _slow_down() -> Response:
    return Response("slow down", 429)


def apply_faults(
    app: Flask,
    state: State,
    channel_of: dict[str, str] | str | Callable[[], str],
    too_many: Callable[[], Response] = _slow_down,
) -> None:
    """Make `app` misbehave as its dial says; `too_many` makes the answer to whoever asks too often.

    `channel_of` is the channel's slug, or (for a simulator that serves several channels) a table
    from the first part of the path to one, or a function that knows it from `flask.request`.
    """

    def channel() -> str:
        if isinstance(channel_of, str):
            return channel_of
        if callable(channel_of):
            return channel_of()
        first = request.path.strip("/").split("/", 1)[0]
        return channel_of.get(first, "")

    @app.before_request
    def before() -> Response | None:
        name = channel()
        if not name:
            return None
        faults = state.spend_fault(name)
        if faults.delay_seconds:
            time.sleep(min(faults.delay_seconds, SLOW_SECONDS_MAX))
        if faults.per_minute and (seconds := state.too_many(name, faults.per_minute)):
            return _come_again(too_many(), seconds)
        match faults.mode:
            case "down":
                return Response("unavailable", 503, {"Retry-After": "5"})
            case "garbage":
                return Response(b"\x00\xff\xfe{{{", 200, content_type="application/json")
            case "html":
                return Response("<!doctype html><title>Login</title>", 200)
            case "rate_limited":
                return _come_again(too_many(), 7)
            case "unauthorized":
                return Response("who are you", 401)
            case "timeout":
                time.sleep(SLOW_SECONDS_MAX)
                return Response("too late", 504)
            case "truncated":
                request.environ["samlepost.truncate"] = True
        return None

    @app.after_request
    def after(response: Response) -> Response:
        if request.environ.get("samlepost.truncate"):
            response.direct_passthrough = False
            body = response.get_data()
            response.set_data(body[: len(body) // 2])
            response.headers["Content-Length"] = str(len(body))
        return response
