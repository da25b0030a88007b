"""The kit as a pytest plugin: one test for each rule, in an agency's own suite.

`pytest --samlepost-connector NAME`, or `samlepost_connectors = ["NAME"]` in the ini file, adds
them to whatever else is tested. `samlepost` must be installed in the same environment.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from connectors.conformance.bench import Tried
from connectors.conformance.feed import (
    MASKINPORTEN_PORT,
    OTHER_PERSON,
    PERSON,
    SOMEBODY,
    STRANGER,
    Feed,
    OwnTokens,
    own_maskinporten,
)
from connectors.conformance.feed_rules import RULES as FEED_RULES
from connectors.conformance.letters import RULES
from connectors.conformance.outcome import Rule, Verdict, try_rule


class NotKept(Exception):
    """A rule is not kept."""


class RuleItem(pytest.Item):
    """One rule, tried on one connector."""

    def __init__(self, *, rule: Rule[Any], tried: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rule, self.tried = rule, tried

    def runtest(self) -> None:
        """Raise NotKept, or skip what cannot be tried."""
        finding = try_rule(self.rule, self.tried)
        if finding.verdict is Verdict.LEFT_OUT:
            pytest.skip(finding.detail)
        if finding.verdict is Verdict.FAILED:
            raise NotKept(f"{finding.detail}\nWhat to do: {finding.advice}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Say what was seen and what to do; the kit's own lines help nobody."""
        if isinstance(excinfo.value, NotKept):
            return f"{self.rule.code} {self.rule.title}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Name the rule in the list of failures."""
        return self.path, None, f"{self.rule.code} {self.rule.title}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the ini setting."""
    group = parser.getgroup("samlepost", "conformance of connectors with Samlepost")
    group.addoption(
        "--samlepost-connector",
        action="append",
        default=[],
        metavar="NAME",
        help="try every rule of Samlepost's contract on this connector",
    )
    group.addoption(
        "--samlepost-feed",
        metavar="URL",
        help="try the rules of Samlepost's min side feed on the one that runs there",
    )
    group.addoption("--samlepost-org-number", metavar="NUMBER", help="the feed's agency")
    group.addoption(
        "--samlepost-maskinporten-port", type=int, default=MASKINPORTEN_PORT, metavar="PORT"
    )
    group.addoption("--samlepost-keys", metavar="FOLDER", help="keep Maskinporten's key there")
    parser.addini("samlepost_connectors", "connectors to try", type="args", default=[])


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add an item for each rule of each connector that is named. Raises UsageError for none."""
    names = config.getoption("--samlepost-connector") or config.getini("samlepost_connectors")
    for name in names:
        try:
            tried = Tried.named(name)
        except KeyError:
            raise pytest.UsageError(f"there is no connector named {name!r}") from None
        items += [
            RuleItem.from_parent(session, name=f"{name}::{rule.code}", rule=rule, tried=tried)
            for rule in RULES
        ]
    if address := config.getoption("--samlepost-feed"):
        feed = _feed(config, address, config.getoption("--samlepost-org-number"))
        items += [
            RuleItem.from_parent(session, name=f"feed::{rule.code}", rule=rule, tried=feed)
            for rule in FEED_RULES
        ]


def _feed(config: pytest.Config, address: str, org_number: str | None) -> Feed:
    """The feed, with a simulated Maskinporten that serves until pytest ends."""
    if org_number is None or not re.fullmatch(r"[0-9]{9}", org_number):
        raise pytest.UsageError("--samlepost-feed needs --samlepost-org-number, nine digits")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="samlepost-kit-")))
        keys = Path(config.getoption("--samlepost-keys") or folder)
        port = config.getoption("--samlepost-maskinporten-port")
        stack.enter_context(own_maskinporten(keys, folder, port))
        config.add_cleanup(stack.pop_all().close)
    return Feed(
        address,
        org_number,
        OwnTokens(keys, address),
        person=os.environ.get(PERSON) or SOMEBODY.national_id,
        stranger=os.environ.get(OTHER_PERSON) or STRANGER.national_id,
    )
