"""`python -m connectors.witness`: a witness as a process of its own.

It needs a folder that nobody else writes, best on another machine under another operator:

    python -m connectors.witness --directory /var/lib/witness --name witness.example/1 --print-key
    python -m connectors.witness --directory /var/lib/witness --name witness.example/1 \\
        --log samlepost.example/archive+…
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from connectors.tlog import note
from connectors.witness.app import cosigner


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m connectors.witness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--directory", required=True, type=Path, help="its key, what it has signed")
    parser.add_argument("--name", required=True, help="an address without https://, e.g. a.example")
    parser.add_argument("--log", action="append", default=[], help="a log's verifier key")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8020)
    parser.add_argument("--print-key", action="store_true", help="print its verifier key, and end")
    options = parser.parse_args(arguments)
    try:
        key = cosigner(options.directory, options.name).verifier
        logs = [note.read_vkey(vkey) for vkey in options.log]
    except (note.BadNote, OSError, ValueError) as error:
        parser.error(str(error))
    if options.print_key:
        sys.stdout.write(f"{key}\n")
        return
    if not logs:
        parser.error("--log: at least one log is to be witnessed")
    os.environ.update(
        WITNESS_DIR=str(options.directory),
        WITNESS_NAME=options.name,
        WITNESS_LOGS=" ".join(map(str, logs)),
    )
    Granian(
        "connectors.witness.app:wsgi",
        factory=True,
        address=options.host,
        port=options.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=1,
        websockets=False,
        log_access=False,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    main()
