"""The command line of the kit: `python -m connectors.conformance NAME`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from connectors import discovery
from connectors.conformance.bench import Tried
from connectors.conformance.letters import RULES
from connectors.conformance.outcome import Finding
from connectors.conformance.report import MARKS, Report, as_html, as_junit, as_text
from connectors.conformance.run import run_connector


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the kit; returns 0 where every rule is kept, 1 where one is not, 2 for a wrong call."""
    options = _parser().parse_args(arguments)
    if options.list:
        for rule in RULES:
            sys.stdout.write(f"{rule.code}  {rule.title}\n")
        return 0
    try:
        tried = Tried.named(options.subject)
    except KeyError:
        names = ", ".join(discovery.find())
        sys.stderr.write(f"there is no connector named {options.subject!r}; there are: {names}\n")
        return 2
    report = run_connector(tried, options.only, _progress)
    return finish(report, options)


def finish(report: Report, options: argparse.Namespace) -> int:
    """Print the report, write the files that are asked for, and return the exit code."""
    sys.stdout.write(as_text(report))
    for wanted, written in ((options.junit, as_junit), (options.html, as_html)):
        if wanted:
            Path(wanted).write_text(written(report), "utf-8")
    return 1 if report.failed else 0


def _progress(finding: Finding) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"{MARKS[finding.verdict]:8}  {finding.code}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m connectors.conformance", description=__doc__)
    parser.add_argument("subject", nargs="?", default="", metavar="NAME")
    parser.add_argument("--only", nargs="+", default=[], metavar="CODE", help="these rules alone")
    parser.add_argument("--list", action="store_true", help="list the rules, and end")
    parser.add_argument("--junit", metavar="FILE", help="write JUnit XML there, too")
    parser.add_argument("--html", metavar="FILE", help="write a page there, too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
