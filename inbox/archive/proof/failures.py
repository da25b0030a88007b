"""What of the log's work fails at present, kept as small files beside the log.

Not in the database: it must be known, too, when the database and the log contradict each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.contract import ConnectorError
from connectors.tlog import tiles
from inbox.archive.proof.log import LogBroken, folder

SEQUENCER, WITNESS, TIMESTAMPS = "sequencer", "witness", "timestamps"
COPY, COMPARISON = "copy", "comparison"
"""Of the log's second copy: that it is brought up, and that both are what was signed."""
STATE = "state"


class Untrusted(Exception):
    """The witness or the time-stamping authority gave an answer that must not be believed."""


@dataclass(frozen=True)
class Failure:
    """What fails, since when, and why."""

    what: str
    since: datetime
    reason: str


@contextmanager
def noted(what: str) -> Iterator[None]:
    """Note what a block raises, and raise it; forget an earlier failure when it ends well."""
    try:
        yield
    except (LogBroken, Untrusted, ConnectorError, OSError) as error:
        _note(what, str(error))
        raise
    (folder() / STATE / what).unlink(missing_ok=True)


def failures() -> list[Failure]:
    """Return what fails at present."""
    found = []
    for what in (SEQUENCER, WITNESS, TIMESTAMPS, COPY, COMPARISON):
        failure = _read(what)
        if failure:
            found.append(failure)
    return found


def _note(what: str, reason: str) -> None:
    before = _read(what)
    since = before.since if before else datetime.now(UTC)
    (folder() / STATE).mkdir(parents=True, exist_ok=True)
    said = json.dumps({"since": since.isoformat(), "reason": reason})
    tiles.replace(folder(), f"{STATE}/{what}", said.encode())


def _read(what: str) -> Failure | None:
    try:
        said = json.loads((folder() / STATE / what).read_text("utf-8"))
        return Failure(what, datetime.fromisoformat(said["since"]), said["reason"])
    except FileNotFoundError:
        return None
