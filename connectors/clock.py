"""One clock for every process of a demo, a study or a test.

Letters, deadlines and reminders ask `now()`. It is the real time, unless a small shared file
says otherwise: an offset in seconds (the clock runs, shifted) or a moment at which it stands
still. Leases, tokens and sessions use the real time and never ask here.

The file is named by the environment variable CLOCK_FILE; without it the clock is the real one.
"""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

_cached: tuple[tuple[int, int], dict[str, str]] | None = None


def now() -> datetime:
    """Return the present moment as Samlepost sees it, aware, in UTC."""
    state = _read()
    if "frozen_at" in state:
        return datetime.fromisoformat(state["frozen_at"])
    return datetime.now(UTC) + timedelta(seconds=float(state.get("offset_seconds", "0")))


def is_frozen() -> bool:
    """Say whether the clock stands still."""
    return "frozen_at" in _read()


def is_set() -> bool:
    """Say whether somebody has set the clock (or reset it) since its file was made."""
    path = _path()
    return path is not None and path.exists()


def freeze(moment: datetime) -> None:
    """Stop the clock at `moment` (aware). Raises ValueError without a time zone."""
    _write({"frozen_at": _utc(moment).isoformat()})


def set_running(moment: datetime) -> None:
    """Let the clock run on from `moment` (aware). Raises ValueError without a time zone."""
    _write({"offset_seconds": str((_utc(moment) - datetime.now(UTC)).total_seconds())})


def reset() -> None:
    """Go back to the real time."""
    _write({})


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("the clock needs a time with a time zone")
    return moment.astimezone(UTC)


def _path() -> Path | None:
    name = os.environ.get("CLOCK_FILE")
    return Path(name) if name else None


def _read() -> dict[str, str]:
    global _cached
    name = os.environ.get("CLOCK_FILE")
    if not name:
        return {}
    try:
        stat = os.stat(name)  # noqa: PTH116 - several times a page: a Path costs as much again
        key = (stat.st_mtime_ns, stat.st_ino)
        if _cached is None or _cached[0] != key:
            _cached = (key, json.loads(Path(name).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    return _cached[1]


def _write(state: dict[str, str]) -> None:
    path = _path()
    if path is None:
        raise RuntimeError("CLOCK_FILE is not set: the clock is the real one")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    fresh.write_text(json.dumps(state), encoding="utf-8")
    fresh.replace(path)
