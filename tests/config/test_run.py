"""`make run` leaves nothing running, however it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

LAUNCHER = """
import sys
from pathlib import Path
from config import run

folder = Path(sys.argv[1])
child = run.Child("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], folder / "log")

def start(children, environment):
    child.start(environment)
    (folder / "pid").write_text(str(child.process.pid))

run._taken = lambda port: False
run._children = lambda *_: {"sleeper": child}
run._start = start
sys.exit(run.main())
"""
"""The launcher with one child that does nothing; all else is as `make run` has it."""


@pytest.fixture
def launched(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()
    if (tmp_path / "pid").exists() and runs(child_of(tmp_path)):
        os.kill(child_of(tmp_path), signal.SIGKILL)


def launch(folder: Path, started: list[subprocess.Popen[bytes]], *before: str):
    command = [*before, sys.executable, "-c", LAUNCHER, str(folder)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "DATA_DIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    started.append(process)
    until = time.monotonic() + 30
    while not (folder / "pid").exists() or not (folder / "pid").read_text():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    return process


def child_of(folder: Path) -> int:
    return int((folder / "pid").read_text())


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_way_to_stop_it_stops_all(tmp_path, launched, number):
    process = launch(tmp_path, launched)
    process.send_signal(number)
    assert process.wait(timeout=20) == 0
    assert not runs(child_of(tmp_path))


def test_pressing_many_times_stops_all_too(tmp_path, launched):
    process = launch(tmp_path, launched)
    for number in [signal.SIGHUP, signal.SIGTERM, signal.SIGINT] * 15:
        process.send_signal(number)
    process.wait(timeout=20)
    assert not runs(child_of(tmp_path))


def test_under_nohup_it_outlives_its_terminal(tmp_path, launched):
    process = launch(tmp_path, launched, "nohup")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None
    assert runs(child_of(tmp_path))
    process.terminate()
    assert process.wait(timeout=20) == 0
