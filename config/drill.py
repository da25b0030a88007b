"""`make drill`: lose everything, restore it, and prove that it is what it was.

In a folder of its own: letters are received, archived, logged, witnessed and time-stamped; a backup
is made, the keys are backed up apart from it, the root key is split. Then database, broker, archive
and keys are thrown away, and restored from the backup and two of the three shares. Each step is a
line with its time, the last line says PASS or FAIL, and the exit code does as well.

With DATABASE_URL (PostgreSQL) or REDIS_URL it uses a database of its own there, `<name>_drill` and
number 15; that of Redis must be empty.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
LETTERS = 1000
EXPORTED = 20
BATCH = 100
READY_SECONDS = 120.0
REDIS_NUMBER = "15"
PEOPLE = ("kari", "ola", "ingrid", "henrik", "tormod")


class Failed(Exception):
    """A step found that something is not as it was; the text says what."""


@dataclass(frozen=True)
class Places:
    """Where everything lies. What is in `home` is lost; the rest is elsewhere."""

    folder: Path

    @property
    def home(self) -> Path:
        """What the machine has: database, broker, archive, keys."""
        return self.folder / "samlepost"

    @property
    def backup(self) -> Path:
        """Rows, objects and log, encrypted."""
        return self.folder / "backup"

    @property
    def keys(self) -> Path:
        """The backup of the wrapped keys."""
        return self.folder / "backup-of-keys" / "keys.jsonl"

    @property
    def escrow(self) -> Path:
        """The three shares."""
        return self.folder / "escrow"

    @property
    def outside(self) -> Path:
        """The witness and the time-stamping authority."""
        return self.folder / "outside"

    @property
    def before(self) -> Path:
        """What was there before it was lost."""
        return self.folder / "before.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the drill, or one half of it in a process of its own; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m config.drill", description=__doc__)
    parser.add_argument("letters", type=int, nargs="?", default=LETTERS)
    parser.add_argument("--half", choices=("live", "restore"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.half:
        return _half(options.half, Places(options.folder), options.letters)
    signal.signal(signal.SIGTERM, _interrupt)
    with tempfile.TemporaryDirectory(prefix="samlepost-drill-") as made:
        try:
            _whole(Places(Path(made)), options.letters)
        except (Failed, OSError, subprocess.SubprocessError) as error:
            print(f"FAIL  {error}", flush=True)
            return 1
    print("PASS", flush=True)
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _whole(places: Places, letters: int) -> None:
    places.home.mkdir(parents=True)
    places.keys.parent.mkdir()
    environment = _environment(places)
    database = _Database(environment)
    database.make()
    try:
        with _outside(places, environment):
            _run_half("live", places, letters, environment)
            with step("database, broker, archive and keys are thrown away"):
                shutil.rmtree(places.home)
                places.home.mkdir()
                database.wipe()
            with step("root, log and identity key from two of three shares"):
                line = [sys.executable, "-m", "inbox.archive.escrow", str(places.home / "keys")]
                shares = [str(places.escrow / f"share-{x}.txt") for x in (3, 1)]
                subprocess.run([*line, *shares], cwd=ROOT, check=True)
            _run_half("restore", places, letters, environment)
    finally:
        database.drop()


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print what is done, how long it took, and whether it went well."""
    begun = time.monotonic()
    try:
        yield
    except BaseException:
        print(f"FAIL  {time.monotonic() - begun:6.1f} s  {name}", flush=True)
        raise
    print(f"  ok  {time.monotonic() - begun:6.1f} s  {name}", flush=True)


def _run_half(half: str, places: Places, letters: int, environment: dict[str, str]) -> None:
    line = [sys.executable, "-m", "config.drill", str(letters)]
    line += ["--half", half, "--folder", str(places.folder)]
    if subprocess.run(line, cwd=ROOT, env=environment, check=False).returncode:
        raise Failed(f"see above ({half})")


def _half(half: str, places: Places, letters: int) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django  # noqa: PLC0415 - the whole drill runs without it

    django.setup()
    try:
        live(places, letters) if half == "live" else restore(places)
    except Failed as error:
        print(f"      {error}", flush=True)
        return 1
    return 0


def live(places: Places, letters: int) -> None:
    """Receive letters, live with them, back up. Needs Django. Raises Failed."""
    from config import drill_letters  # noqa: PLC0415

    with step("an empty database"):
        command("migrate", "--verbosity", "0")
    with step(f"{letters} letters through the intake, {len(PEOPLE)} citizens"):
        drill_letters.make(letters, EXPORTED)
    with step("logged, witnessed and time-stamped"):
        drill_letters.prove()
    with step("backup of rows, objects and log"):
        command("backup", str(places.backup))
    with step("backup of the keys, and three shares of the root key"):
        command("archive_keys", "backup", str(places.keys))
        command("archive_keys", "escrow", str(places.escrow))
    with step("a list of all that is there"):
        places.before.write_text(json.dumps(drill_letters.snapshot()))


def restore(places: Places) -> None:
    """Restore from the backup, and hold everything against what was. Raises Failed."""
    from config import drill_letters  # noqa: PLC0415

    with step("an empty database"):
        command("migrate", "--verbosity", "0")
    with step("keys from their backup"):
        command("archive_keys", "restore", str(places.keys))
    with step("objects, log, letters from the objects alone, then rows"):
        command("restore_backup", str(places.backup))
    check(places, drill_letters.snapshot)


def check(places: Places, snapshot: Callable[[], Any]) -> None:
    """Hold what is restored against what was, against the log, and against independent judges."""
    from config import drill_letters  # noqa: PLC0415

    with step("every inventory and row, and the log against the witness"):
        command("verify_archive")
    with step("every object by ocfl-py"):
        drill_letters.judge()
    with step("every letter is what it was"):
        was, now = json.loads(places.before.read_text()), json.loads(json.dumps(snapshot()))
        differing = [key for key in was.keys() | now.keys() if was.get(key) != now.get(key)]
        if differing:
            one = min(differing)
            raise Failed(f"{len(differing)} letters differ, e.g. {was.get(one)} is {now.get(one)}")
    with step(f"{EXPORTED} letters taken out, and verify.py alone"):
        drill_letters.take_out(places.folder / "export", EXPORTED)


def command(*line: str) -> None:
    """Run one of our commands; what it says is printed when it fails. Raises Failed."""
    from django.core.management import CommandError, call_command  # noqa: PLC0415

    said = io.StringIO()
    try:
        call_command(*line, stdout=said)
    except (CommandError, OSError, ValueError) as error:
        print("".join(f"      {line}\n" for line in said.getvalue().splitlines()[:20]), end="")
        raise Failed(f"{line[0]}: {error}") from error


def _environment(places: Places) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARCHIVE_")}
    simulators, witness = _free_port(), _free_port()
    made = {
        "DEMO": "1",
        "DATA_DIR": str(places.home),
        "KEYS_DIR": str(places.home / "keys"),
        "SIMULATORS_URL": f"http://127.0.0.1:{simulators}",
        "SIMULATORS_DIR": str(places.outside / "simulators"),
        "CLOCK_FILE": str(places.folder / "clock.json"),
        "LOG_LEVEL": "ERROR",
        "ARCHIVE_PROOF": "full",
        "ARCHIVE_WITNESS_URL": f"http://127.0.0.1:{witness}",
        "ARCHIVE_TSA_CERTIFICATES_FILE": str(places.outside / "keys" / "tsa" / "root.pem"),
    }
    return kept | made


@contextmanager
def _outside(places: Places, environment: dict[str, str]) -> Iterator[None]:
    """Have the time-stamping authority and the witness run; nothing of theirs is lost."""
    theirs = environment | {"KEYS_DIR": str(places.outside / "keys")}
    places.outside.mkdir()
    (places.home / "keys").mkdir()
    running: list[subprocess.Popen[bytes]] = []

    def start(environment: dict[str, str], url: str, *line: str) -> None:
        port = str(urlsplit(url).port)
        command = [sys.executable, "-m", *line, "--port", port]
        with (places.outside / "log").open("ab") as log:
            started = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        running.append(started)
        _wait(int(port), started, line[0])

    try:
        with step("a witness and a time-stamping authority, processes of their own"):
            start(theirs, environment["SIMULATORS_URL"], "connectors.simulate")
            witness = ["connectors.witness", "--directory", str(places.outside / "witness")]
            witness += ["--name", "samlepost.example/witness"]
            environment["ARCHIVE_WITNESS_KEY"] = _said(theirs, "-m", *witness, "--print-key")
            log_key = _said(environment, "manage.py", "archive_log", "--key")
            start(theirs, environment["ARCHIVE_WITNESS_URL"], *witness, "--log", log_key)
        yield
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _said(environment: dict[str, str], *line: str) -> str:
    done = subprocess.run(
        [sys.executable, *line],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(line)}: {done.stderr}")
    return done.stdout.strip()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(port: int, process: subprocess.Popen[bytes], name: str) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise Failed(f"{name} does not start")


class _Database:
    """A database of the drill's own on the servers that the environment names, if it does."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._server = environment.get("DATABASE_URL", "")
        self._redis = environment.get("REDIS_URL", "")
        self._name = ""
        if self._server:
            parts = urlsplit(self._server)
            self._name = f"{parts.path.lstrip('/')}_drill"
            environment["DATABASE_URL"] = parts._replace(path=f"/{self._name}").geturl()
        if self._redis:
            self._redis = urlsplit(self._redis)._replace(path=f"/{REDIS_NUMBER}").geturl()
            environment["REDIS_URL"] = self._redis

    def make(self) -> None:
        """Make an empty one. Raises Failed when it is not the drill's to use."""
        if self._redis:
            import redis  # noqa: PLC0415 - only where there is a server

            if redis.Redis.from_url(self._redis).dbsize():
                raise Failed(f"database {REDIS_NUMBER} of Redis is not empty")
        self._execute("CREATE DATABASE")

    def wipe(self) -> None:
        """Throw it away and make an empty one."""
        self.drop()
        self._execute("CREATE DATABASE")

    def drop(self) -> None:
        """Throw it away."""
        if self._redis:
            import redis  # noqa: PLC0415

            redis.Redis.from_url(self._redis).flushdb()
        self._execute("DROP DATABASE IF EXISTS")

    def _execute(self, what: str) -> None:
        if self._server:
            import psycopg  # noqa: PLC0415 - only where there is a server
            from psycopg import sql  # noqa: PLC0415

            with psycopg.connect(self._server, autocommit=True) as connection:
                connection.execute(sql.SQL(f"{what} {{}}").format(sql.Identifier(self._name)))


if __name__ == "__main__":
    sys.exit(main())
