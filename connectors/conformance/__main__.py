"""The kit's command line.

NAME is a connector, tried beside its simulator. An address with `--spec minside` is an agency's
own running feed: it is read, never written to.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors import discovery
from connectors.conformance.bench import Tried
from connectors.conformance.feed import (
    MASKINPORTEN_PORT,
    OTHER_PERSON,
    PERSON,
    SOMEBODY,
    STRANGER,
    Feed,
    OwnTokens,
    RealTokens,
    own_maskinporten,
    real_tokens,
)
from connectors.conformance.feed_rules import RULES as FEED_RULES
from connectors.conformance.letters import RULES
from connectors.conformance.outcome import Finding, Rule
from connectors.conformance.report import MARKS, Report, as_html, as_junit, as_text
from connectors.conformance.run import run_connector, run_feed
from connectors.contract import ConnectorError, Temporary
from connectors.http import NotReached

SPECIFICATIONS = ("minside",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the kit; returns 0 where every rule is kept, 1 where one is not, 2 for a wrong call."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list:
        rules: list[Rule[Any]] = [*RULES, *FEED_RULES]
        for rule in rules:
            sys.stdout.write(f"{rule.code}  {rule.title}\n")
        return 0
    if not options.subject:
        parser.error("name a connector, or the address of a feed")
    is_feed = "://" in options.subject
    try:
        _check(options, FEED_RULES if is_feed else RULES)
        report = _feed(options) if is_feed else _connector(options)
    except (ConnectorError, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(as_text(report))
    for wanted, written in ((options.junit, as_junit), (options.html, as_html)):
        if wanted:
            Path(wanted).write_text(written(report), "utf-8")
    return 1 if report.failed else 0


def _check(options: argparse.Namespace, rules: Sequence[Rule[Any]]) -> None:
    """Raise ValueError for what would be found out too late, or not at all."""
    unknown = set(options.only) - {each.code for each in rules}
    if unknown:
        raise ValueError(f"there is no such rule here: {', '.join(sorted(unknown))} (see --list)")
    for wanted in (options.junit, options.html):
        if wanted and not Path(wanted).absolute().parent.is_dir():
            raise ValueError(f"there is no folder for {wanted}")


def _connector(options: argparse.Namespace) -> Report:
    try:
        tried = Tried.named(options.subject)
    except KeyError:
        names = ", ".join(discovery.find())
        raise ValueError(
            f"there is no connector named {options.subject!r}; there are: {names}"
        ) from None
    return run_connector(tried, options.only, _progress)


def _feed(options: argparse.Namespace) -> Report:
    if not options.spec or not options.org_number:
        raise ValueError("a feed's address needs --spec minside and --org-number")
    if not re.fullmatch(r"[0-9]{9}", options.org_number):
        raise ValueError("an organisation number has nine digits")
    with _tokens(options) as tokens:
        feed = Feed(
            options.subject,
            options.org_number,
            tokens,
            person=os.environ.get(PERSON) or SOMEBODY.national_id,
            stranger=os.environ.get(OTHER_PERSON) or STRANGER.national_id,
            retention_days=options.retention_days,
        )
        try:
            feed.ask("feed")
        except NotReached:
            raise ValueError(f"nobody answers at {options.subject}: does the feed run?") from None
        except Temporary:
            pass  # it is there, and the rules say what is wrong with it
        return run_feed(feed, options.only, _progress)


@contextmanager
def _tokens(options: argparse.Namespace) -> Iterator[OwnTokens | RealTokens]:
    if options.settings:
        said = json.loads(Path(options.settings).read_text("utf-8"))
        with real_tokens(said, options.subject) as real:
            yield real
        return
    with tempfile.TemporaryDirectory(prefix="samlepost-kit-") as state:
        keys = Path(options.keys or state)
        with own_maskinporten(keys, Path(state), options.maskinporten_port) as issuer:
            sys.stderr.write(f"tokens are issued by {issuer} (keys: {issuer}jwks)\n")
            yield OwnTokens(keys, options.subject)


def _progress(finding: Finding) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"{MARKS[finding.verdict]:8}  {finding.code}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m connectors.conformance", description=__doc__)
    add = parser.add_argument
    add("subject", nargs="?", default="", metavar="NAME|URL")
    add("--only", nargs="+", default=[], metavar="CODE", help="these rules alone")
    add("--list", action="store_true", help="list the rules, and end")
    add("--junit", metavar="FILE", help="write JUnit XML there, too")
    add("--html", metavar="FILE", help="write a page there, too")
    feed = parser.add_argument_group("an agency's own feed")
    feed.add_argument("--spec", choices=SPECIFICATIONS, help="what the address is to be")
    feed.add_argument("--org-number", metavar="NUMBER", help="the agency's nine digits")
    feed.add_argument(
        "--retention-days",
        type=int,
        default=0,
        metavar="N",
        help="how long it keeps letters, where they do not say so themselves",
    )
    feed.add_argument(
        "--settings",
        metavar="FILE",
        help="JSON with maskinporten_url, client_id and private_key_file; without it the kit "
        "serves a simulated Maskinporten whose tokens the feed must take",
    )
    feed.add_argument("--maskinporten-port", type=int, default=MASKINPORTEN_PORT, metavar="PORT")
    feed.add_argument(
        "--keys", metavar="FOLDER", help="keep the simulated Maskinporten's key there"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
