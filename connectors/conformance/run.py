"""A whole run: every rule, and some letters as they are seen."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from urllib.parse import unquote

from connectors.conformance.bench import Tried, letters_in
from connectors.conformance.feed import Feed
from connectors.conformance.feed_rules import RULES as FEED_RULES
from connectors.conformance.letters import RULES, documents_of
from connectors.conformance.outcome import Broken, Finding, LeftOut, Verdict, try_rules
from connectors.conformance.report import Report
from connectors.conformance.shown import Shown, show
from connectors.contract import ConnectorError
from connectors.minside.entries import read_entries
from connectors.minside.mapping import Agency

SHOWN_MAX = 3
"""Letters that are shown as they are seen."""

log = logging.getLogger("samlepost.conformance")


def run_feed(
    feed: Feed,
    only: Sequence[str] = (),
    said: Callable[[Finding], None] = lambda finding: None,
) -> Report:
    """Try an agency's running feed, reading alone; as `run_connector`."""
    findings = []
    for finding in try_rules(FEED_RULES, feed, only):
        findings.append(finding)
        said(finding)
    return Report(feed.base_url, findings, _shown_of(feed))


def _shown_of(feed: Feed) -> list[Shown]:
    """The newest letters of the feed, as they are read, with those documents that were had."""
    agency = Agency(feed.org_number)
    try:
        latest = list(feed.latest.values())[-SHOWN_MAX:]
        found = read_entries(latest, feed.person, agency).letters
        return [
            show(each, [_had(feed, document.ref) for document in each.documents]) for each in found
        ]
    except (Broken, LeftOut, ConnectorError):
        return []
    except Exception:  # what cannot be shown is no end of the run: the rules have had their say
        log.debug("the letters cannot be shown", exc_info=True)
        return []


def _had(feed: Feed, ref: str) -> bytes | None:
    answer = feed.fetched.get(unquote(ref.rpartition("/")[2]))
    return answer.content if answer is not None and answer.status_code == 200 else None


def run_connector(
    tried: Tried,
    only: Sequence[str] = (),
    said: Callable[[Finding], None] = lambda finding: None,
) -> Report:
    """Try a connector; `only` names the rules by code, `said` hears each finding at once."""
    findings = []
    for finding in try_rules(RULES, tried, only):
        findings.append(finding)
        said(finding)
    usable = not any(
        each.verdict is Verdict.FAILED and each.code in ("C-01", "C-02") for each in findings
    )
    return Report(tried.name, findings, _shown(tried) if usable else ())


def _shown(tried: Tried) -> list[Shown]:
    """Send a letter with a deadline, and return it as the connector reads it."""
    try:
        with tried.bench() as bench:
            letter = bench.letter(1)
            bench.simulator.send(replace(letter, due_at=letter.sent_at + timedelta(days=21)))
            connector = bench.connector()
            found = letters_in(list(connector.fetch(bench.account, None)))
            return [
                show(each, [content for _, content in documents_of(bench, connector, each)])
                for each in found[:SHOWN_MAX]
            ]
    except ConnectorError:
        return []
