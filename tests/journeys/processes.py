"""The demo as processes, for tests of what no single process can show."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg

from connectors.world.persons import by_slug
from tests import beforehand

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 600
"""Seconds until a wait is given up: a hang is told from a machine that does four suites at once."""


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Demo:
    """A demo in a folder of its own; `servers` adds DATABASE_URL and REDIS_URL."""

    def __init__(self, folder: Path, servers: dict[str, str], **extra: str) -> None:
        web, simulators = free_port(), free_port()
        self.web = f"http://127.0.0.1:{web}"
        self.simulators = f"http://127.0.0.1:{simulators}"
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in LEFT_TO_US},
            "DEMO": "1",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(folder),
            "KEYS_DIR": str(folder / "keys"),
            "SIMULATORS_DIR": str(folder / "simulators"),
            "CLOCK_FILE": str(folder / "clock.json"),
            "WEB_PUBLIC_URL": self.web,
            "INBOX_URL": self.web,
            "SIMULATORS_URL": self.simulators,
            "SIMULATORS_PUBLIC_URL": self.simulators,
            "SYNC_LEASE_SECONDS": "5",
            "LOG_LEVEL": "INFO",
            **servers,
            **extra,
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, *arguments: str) -> str:
        """Run a Python command to its end; returns what it printed, raises if it failed."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self, name: str, *arguments: str) -> None:
        """Start a Python module as a process; its output goes to a file of its name."""
        self.start_command(name, [sys.executable, "-m", *arguments])

    def start_command(self, name: str, command: list[str]) -> None:
        """Start a process; its output goes to a file of its name."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_simulators(self, *, light: bool = True) -> None:
        """Fill the world and serve it; if `light`, without who has thousands of letters."""
        self.fill_simulators(light=light)
        self.serve_simulators()

    def fill_simulators(self, *, light: bool) -> None:
        """Fill the world; if `light`, without who has thousands of letters."""
        of = self.environment
        simulators, keys = Path(of["SIMULATORS_DIR"]), Path(of["KEYS_DIR"])
        beforehand.copy_of_seeded(simulators, keys, light=light)

    def serve_simulators(self) -> None:
        """Serve the world as it is."""
        self.start("simulators", "connectors.simulate", "--port", _port(self.simulators))
        self.wait_for_address(f"{self.simulators}/control/api/persons")

    def set_up(self) -> None:
        """Make tables, citizens, sources and mailboxes."""
        if "DATABASE_URL" in self.environment:
            self.run("manage.py", "migrate", "--verbosity", "0")
        else:
            beforehand.copy_of_migrated(self.folder / "samlepost.sqlite3")
        self.run("manage.py", "seed_demo")

    def start_web(self) -> None:
        """Serve the pages."""
        self.run("manage.py", "collectstatic", "--noinput", "--verbosity", "0")
        self.start(
            "web",
            *["granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", _port(self.web)],
            *["--workers", "1", "--blocking-threads", "1", "config.wsgi:application"],
        )
        self.wait_for_address(f"{self.web}/healthz")

    def start_worker(self) -> None:
        """Start worker and beat."""
        self.start("worker", "celery", "-A", "config", "worker", "--concurrency", "2")
        if "beat" not in self.running:
            self.start("beat", "celery", "-A", "config", "beat")

    def start_reader(self) -> None:
        """Start the worker that reads documents."""
        self.start(
            "reader",
            *["celery", "-A", "config", "worker", "--queues", "texts"],
            *["--concurrency", "1", "--hostname", "reader@%h"],
        )

    def control(self, verb: str, **values: Any) -> dict[str, Any]:
        """Call the control API."""
        answer = httpx.post(
            f"{self.simulators}/control/api/{verb}",
            json=values,
            headers={"X-Control": "samlepost"},
            timeout=60,
            trust_env=False,
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def shell(self, code: str) -> str:
        """Run code inside our Django; returns what it printed."""
        return self.run("manage.py", "shell", "--no-imports", "--command", code).strip()

    def count_letters(self, slug: str) -> int:
        """How many letters a person of the world has in our database."""
        return self.asked(LETTERS_OF, by_slug(slug).name)

    def asked(self, question: str, value: str) -> int:
        """Return the number that our database answers to a question about a value, its `{}`.

        A shell takes a second of a core each time, which the processes waited for need.
        """
        database = self.environment.get("DATABASE_URL")
        if database:
            address = urlsplit(database)._replace(scheme="postgresql").geturl()
            with psycopg.connect(address) as connection:
                found = connection.execute(question.format("%s"), (value,)).fetchone()
        else:
            file = f"file:{self.folder / 'samlepost.sqlite3'}?mode=ro"
            with closing(sqlite3.connect(file, uri=True, timeout=20)) as connection:
                found = connection.execute(question.format("?"), (value,)).fetchone()
        return int(found[0]) if found else 0

    def kill(self, name: str) -> None:
        """End a process and its children at once, as a power cut would."""
        process = self.running.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """End everything."""
        for name in list(self.running):
            self.kill(name)

    def log(self, name: str) -> str:
        """Return what a process has printed."""
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")

    def wait_for_address(self, address: str) -> None:
        """Wait until an address answers 200."""
        self.wait_for(lambda: _answers(address))

    def wait_for(self, ready: Callable[[], object]) -> None:
        """Wait until `ready` is true; raises TimeoutError after PATIENCE seconds."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            if ready():
                return
            time.sleep(0.2)
        raise TimeoutError("; ".join(f"{n}: {self.log(n)[-1500:]}" for n in self.running))


LETTERS_OF = (
    "SELECT count(*) FROM letters_letter AS letter JOIN citizens_citizen AS citizen"
    " ON citizen.id = letter.citizen_id WHERE citizen.name = {}"
)
LEFT_TO_US = {"DATABASE_URL", "REDIS_URL", "ALLOWED_HOSTS", "EMAIL_BACKEND", "ARCHIVE_DIR"}


@contextmanager
def demo(folder: Path, servers: dict[str, str], **extra: str) -> Iterator[Demo]:
    """A demo that is ended whatever happens."""
    made = Demo(folder, servers, **extra)
    try:
        yield made
    finally:
        made.stop()


def _port(address: str) -> str:
    return str(urlsplit(address).port)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
