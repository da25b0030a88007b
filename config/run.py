"""`make run`: set up and start the whole demo, and stop all of it on Ctrl-C.

Web, workers, beat and simulators are processes of their own, each with its log under data/logs.
One that ends by itself is started again; on the way out each gets a moment to finish and is
then ended, since Celery's warm shutdown can hang on the filesystem broker.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_SECONDS = 6.0
READY_SECONDS = 180.0
RESTART_PAUSE_SECONDS = 2.0


@dataclass
class Child:
    """A process of the demo."""

    name: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self, environment: dict[str, str]) -> None:
        """Start it in a session of its own, so that Ctrl-C reaches it through us alone."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ended(self) -> bool:
        """Say whether it runs no more."""
        return self.process is None or self.process.poll() is not None

    def send(self, signal_number: int) -> None:
        """Send a signal to it and to whatever it has started."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal_number)
            except ProcessLookupError:
                return


def main() -> int:
    """Run until Ctrl-C; returns the exit code."""
    web_port = int(os.environ.get("WEB_PORT", "8000"))
    simulators_port = int(os.environ.get("SIMULATORS_PORT", "8010"))
    witness_port = int(os.environ.get("WITNESS_PORT", "8020"))
    environment = _environment(web_port, simulators_port, witness_port)
    ports = {"WEB_PORT": web_port, "SIMULATORS_PORT": simulators_port}
    if _is_witnessed(environment):
        ports["WITNESS_PORT"] = witness_port
    for variable, port in ports.items():
        if _taken(port):
            print(f"Port {port} is taken on this machine. Choose another with {variable}=….")
            return 1
    logs = Path(environment["DATA_DIR"]) / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    children = _children(web_port, simulators_port, logs)
    # A closed terminal too must leave nothing running, unless nohup said otherwise.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)
    try:
        _start(children, environment)
        _welcome(environment)
        _watch(children, environment)
    except KeyboardInterrupt:
        print("\nStopping …")
    except StartFailed as error:
        print(error)
        return 1
    finally:
        _let_finish()
        _stop(list(children.values()))
    return 0


class StartFailed(Exception):
    """A step of the start failed; the text says which, and where to read more."""


def _environment(web_port: int, simulators_port: int, witness_port: int) -> dict[str, str]:
    data = Path(os.environ.get("DATA_DIR") or ROOT / "data").resolve()
    web, simulators = f"http://127.0.0.1:{web_port}", f"http://127.0.0.1:{simulators_port}"
    defaults = {
        "DATA_DIR": str(data),
        "KEYS_DIR": str(data / "keys"),
        "SIMULATORS_DIR": str(data / "simulators"),
        "CLOCK_FILE": str(data / "clock.json"),
        "WEB_PUBLIC_URL": web,
        "INBOX_URL": web,
        "SIMULATORS_URL": simulators,
        "SIMULATORS_PUBLIC_URL": simulators,
        "ARCHIVE_WITNESS_URL": f"http://127.0.0.1:{witness_port}",
    }
    return {**defaults, **os.environ, "DEMO": "1", "PYTHONUNBUFFERED": "1"}


def _children(web_port: int, simulators_port: int, logs: Path) -> dict[str, Child]:
    python = [sys.executable, "-m"]
    commands = {
        "simulators": [*python, "connectors.simulate", "--port", str(simulators_port)],
        "web": [
            *[*python, "granian", "--interface", "wsgi", "--host", "127.0.0.1"],
            *["--port", str(web_port), "--workers", "2", "--blocking-threads", "1"],
            "config.wsgi:application",
        ],
        "worker": [*python, "celery", "-A", "config", "worker", "--concurrency", "2"],
        "reader": [
            *[*python, "celery", "-A", "config", "worker", "--queues", "texts"],
            *["--concurrency", "1", "--hostname", "reader@%h"],
        ],
        "beat": [*python, "celery", "-A", "config", "beat"],
    }
    return {name: Child(name, command, logs / f"{name}.log") for name, command in commands.items()}


def _is_witnessed(environment: dict[str, str]) -> bool:
    return environment.get("ARCHIVE_PROOF") == "full"


def _start(children: dict[str, Child], environment: dict[str, str]) -> None:
    if _is_witnessed(environment):
        _start_witness(children, environment)
    print("Making the made-up world (the first time takes half a minute) …", flush=True)
    _step(["-m", "connectors.simulate", "--seed"], environment)
    children["simulators"].start(environment)
    _wait(f"{environment['SIMULATORS_URL']}/control/api/persons", children["simulators"])
    print("Preparing the database …", flush=True)
    _step(["manage.py", "migrate", "--verbosity", "0"], environment)
    _step(["manage.py", "seed_demo"], environment)
    _step(["manage.py", "collectstatic", "--noinput", "--verbosity", "0"], environment)
    print("Starting web, workers and beat …", flush=True)
    for name in ("web", "worker", "reader", "beat"):
        children[name].start(environment)
    _wait(f"{environment['WEB_PUBLIC_URL']}/healthz", children["web"])


def _start_witness(children: dict[str, Child], environment: dict[str, str]) -> None:
    """Start the witness of the archive's log; each of the two gets the other's public key."""
    print("Starting the witness of the archive's log …", flush=True)
    logs, address = Path(environment["DATA_DIR"]) / "logs", environment["ARCHIVE_WITNESS_URL"]
    witness = ["-m", "connectors.witness", "--directory", f"{environment['DATA_DIR']}/witness"]
    witness += ["--name", "samlepost.example/witness"]
    environment["ARCHIVE_WITNESS_KEY"] = _step([*witness, "--print-key"], environment).strip()
    log_key = _step(["manage.py", "archive_log", "--key"], environment).strip()
    command = [sys.executable, *witness, "--log", log_key, "--port", address.rpartition(":")[2]]
    children["witness"] = Child("witness", command, logs / "witness.log")
    children["witness"].start(environment)


def _step(arguments: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StartFailed(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _welcome(environment: dict[str, str]) -> None:
    web = environment["WEB_PUBLIC_URL"]
    print(
        f"""
Samlepost is running. Everybody in it is made up.

  {web}/demo/          start here: who you can be, and what to try
  {web}/               the inbox (log in as anyone on the list)
  {web}/demo/outbox/   the e-mails that were sent
  {environment["SIMULATORS_PUBLIC_URL"]}/   the control page: send a letter, take a source down

The first fetch of all letters goes on for about a minute. Logs: {environment["DATA_DIR"]}/logs.
Ctrl-C stops everything; `make run` again finds it as it was.
""",
        flush=True,
    )


def _watch(children: dict[str, Child], environment: dict[str, str]) -> None:
    while True:
        time.sleep(RESTART_PAUSE_SECONDS)
        for child in children.values():
            if child.ended():
                print(f"{child.name} ended by itself (see {child.log}); starting it again.")
                child.start(environment)


def _wait(address: str, child: Child) -> None:
    until = time.monotonic() + READY_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < until:
        if child.ended():
            tail = child.log.read_text("utf-8", "replace").splitlines()[-15:]
            raise StartFailed("\n".join([f"{child.name} did not start:", *tail]))
        try:
            with opener.open(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise StartFailed(f"{child.name} did not answer at {address}; see {child.log}.")


def _stop(children: list[Child]) -> None:
    for child in children:
        child.send(signal.SIGTERM)
    until = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < until and not all(child.ended() for child in children):
        time.sleep(0.1)
    for child in children:
        child.send(signal.SIGKILL)
        if child.process is not None:
            child.process.wait()


def _taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    _let_finish()
    raise KeyboardInterrupt


def _let_finish() -> None:
    """Let no further signal come between us and the stopping of what we started."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
