"""The inbox page against a bare ORM view of the same 25 rows, at two sizes of the nation.

Each size is a process of its own with its own database; rounds go from one to the other, so
that page, yardstick and both sizes are measured in the same minute.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

from bench.rounds import milliseconds, ratio

ROUNDS = 25
REQUESTS = 20
SUBJECTS = ("page", "bare", "letter", "unchanged")


def report(folder: Path, small: int, large: int) -> None:
    """Print page against bare view, and large against small."""
    children = {size: _Child(folder, size) for size in (small, large)}
    times: dict[tuple[int, str], list[float]] = {}
    for size, child in children.items():
        print(f"inbox page: {child.ask('size')} letters made", flush=True)
        times.update({(size, subject): [] for subject in SUBJECTS})
    for number in range(ROUNDS + 1):
        for subject in SUBJECTS:
            for size, child in children.items():
                seconds = float(child.ask(f"{subject} {REQUESTS}"))
                if number:
                    times[size, subject].append(seconds)
    for child in children.values():
        child.end()
    for size in children:
        print(f"at {size:,} letters")
        for subject in SUBJECTS:
            print(f"  {subject:10} {milliseconds(times[size, subject])}")
        speed = 1 / ratio(times[size, "page"], times[size, "bare"])
        print(f"  inbox page at {speed:.2f} of the bare ORM view's speed (goal 0.5)")
    growth = statistics.median(times[large, "page"]) / statistics.median(times[small, "page"])
    growth_paired = ratio(times[large, "page"], times[small, "page"])
    print(
        f"inbox page at {large:,} letters takes {growth_paired:.2f} × its time at {small:,} "
        f"(goal 1.2; by medians {growth:.2f})"
    )


def child(folder: Path, name: str, command: list[str]) -> None:
    """Run another benchmark in a process and folder of its own."""
    subprocess.run(command, env=environment(folder / name, None), check=True)


def environment(folder: Path, size: int | None) -> dict[str, str]:
    """Return the environment of a benchmark's process."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {**os.environ, "DEMO": "1", "DATA_DIR": str(folder), "LOG_LEVEL": "ERROR"}
    made["DJANGO_SETTINGS_MODULE"] = "config.settings"
    made["CLOCK_FILE"] = str(folder / "clock.json")
    server = os.environ.get("BENCH_DATABASE_URL")
    if server:
        made["DATABASE_URL"] = f"{server.rstrip('/')}/bench_{size or folder.name}"
    return made


class _Child:
    """A process that answers one line with one line."""

    def __init__(self, folder: Path, size: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.page_server", str(size)],
            env=environment(folder / str(size), size),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError("the benchmark's process has died")
        return answer

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
