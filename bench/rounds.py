"""Running two things in turn, and what came of it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(
    subjects: Mapping[str, Callable[[], object]], rounds: int, repeats: int = 1
) -> dict[str, list[float]]:
    """Run every subject `repeats` times in each round; returns seconds a call, by round.

    One round before the first is not counted.
    """
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(rounds + 1):
        for name, run in subjects.items():
            started = time.perf_counter()
            for _ in range(repeats):
                run()
            if number:
                times[name].append((time.perf_counter() - started) / repeats)
    return times


def milliseconds(seconds: list[float]) -> str:
    """Return median and fastest as text."""
    return f"{statistics.median(seconds) * 1000:8.2f} ms (fastest {min(seconds) * 1000:.2f})"


def ratio(of: list[float], to: list[float]) -> float:
    """Return the median over rounds of `of` divided by `to` in the same round."""
    return statistics.median(a / b for a, b in zip(of, to, strict=True))


def spin() -> float:
    """Return how fast this machine is just now, in millions of loop steps a second."""
    started = time.perf_counter()
    total = 0
    for number in range(2_000_000):
        total += number
    return 2 / (time.perf_counter() - started)
