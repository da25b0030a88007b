"""Serves every simulator over HTTP from one process, each at /<name>/, the control page at /.

`python -m connectors.simulate` serves; `--seed` fills the made-up world and ends.
State lies in SIMULATORS_DIR, keys in KEYS_DIR.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from connectors import clock
from connectors.control.world import World, create_world
from connectors.world.letters import letters
from connectors.world.model import STUDY_DATE

__all__ = ["World", "create_world", "main", "seed", "wsgi"]

THREADS = 64
"""A source that is told not to answer holds a thread for two minutes; the others go on."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m connectors.simulate", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument(
        "--seed", action="store_true", help="fill the world if it is empty, and end"
    )
    options = parser.parse_args(arguments)
    if options.seed:
        sent = seed(world_of_environment())
        sys.stdout.write(f"{sent} letters sent\n" if sent else "the world is filled already\n")
        return
    Granian(
        "connectors.simulate:wsgi",
        factory=True,
        address=options.host,
        port=options.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        websockets=False,
        log_access=False,
        log_level=LogLevels.error,
    ).serve()


def seed(world: World) -> int:
    """Fill the world unless that is done; returns how many letters were sent.

    The clock is set to the day on which the letters make sense, unless somebody has set it.
    """
    if os.environ.get("CLOCK_FILE") and not clock.is_set():
        clock.set_running(STUDY_DATE)
    return world.control.seed.fill(letters())


def wsgi() -> Callable[..., Any]:
    """Return the application that the server serves."""
    application: Callable[..., Any] = world_of_environment().wsgi
    return application


def world_of_environment() -> World:
    """Make the world in the folders that the environment names."""
    return create_world(
        Path(os.environ.get("SIMULATORS_DIR") or "data/simulators"),
        Path(os.environ.get("KEYS_DIR") or "data/keys"),
    )


if __name__ == "__main__":
    main()
