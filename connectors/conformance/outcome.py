"""What a rule is, and what came of trying it."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeVar

from connectors.contract import ConnectorError

Subject = TypeVar("Subject")
"""What is tried: a connector at its bench, or a feed."""

SECONDS_MAX = 90.0
"""For one rule; who takes longer has not kept it."""

log = logging.getLogger("samlepost.conformance")


class Broken(Exception):
    """The rule is not kept; the text says what was seen, and names no person."""


class LeftOut(Exception):
    """The rule cannot be tried here; the text says why."""


class Verdict(StrEnum):
    """How a rule fared."""

    PASSED = "passed"
    FAILED = "failed"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Rule(Generic[Subject]):
    """One rule: what is promised, and what to do where it is not kept."""

    code: str
    """Stable: "C-05" of a connector, "F-05" of a feed."""
    title: str
    advice: str
    check: Callable[[Subject], None] = field(repr=False)
    """Raises Broken or LeftOut; any other error counts as broken."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one rule."""

    code: str
    title: str
    verdict: Verdict
    detail: str = ""
    """What was seen, or why it was left out; empty where it passed."""
    advice: str = ""
    """What to do; only where it failed."""
    seconds: float = 0.0


def must(condition: object, detail: str) -> None:
    """Raise Broken with `detail` unless `condition` holds."""
    if not condition:
        raise Broken(detail)


def try_rules(
    rules: Sequence[Rule[Subject]], subject: Subject, only: Sequence[str] = ()
) -> Iterator[Finding]:
    """Yield what came of each rule, in order; with `only`, of the rules with these codes alone."""
    for rule in rules:
        if not only or rule.code in only:
            yield try_rule(rule, subject)


def try_rule(rule: Rule[Subject], subject: Subject) -> Finding:
    """Try one rule, for at most SECONDS_MAX seconds; raises nothing."""
    said: list[tuple[Verdict, str]] = []
    started = time.monotonic()
    # What never comes back is left behind in its thread, which ends with the process.
    thread = threading.Thread(target=_tried, args=(rule, subject, said), daemon=True)
    thread.start()
    thread.join(SECONDS_MAX)
    late = Verdict.FAILED, f"it did not come to an end in {SECONDS_MAX:.0f} seconds"
    verdict, detail = said[0] if said else late
    advice = rule.advice if verdict is Verdict.FAILED else ""
    seconds = time.monotonic() - started
    return Finding(rule.code, rule.title, verdict, without_numbers(detail), advice, seconds)


def without_numbers(text: str) -> str:
    """Return `text` with everything that may be an identity number taken out."""
    return re.sub(r"(?<!\d)\d{11}(?!\d)", "(number)", text)


def _tried(rule: Rule[Any], subject: Any, said: list[tuple[Verdict, str]]) -> None:
    try:
        rule.check(subject)
    except Broken as error:
        said.append((Verdict.FAILED, str(error)))
    except LeftOut as error:
        said.append((Verdict.LEFT_OUT, str(error)))
    except ConnectorError as error:
        said.append((Verdict.FAILED, f"it raised {type(error).__name__}: {error}"))
    except Exception as error:  # whatever another's code does is a finding, no end of the run
        log.debug("rule %s", rule.code, exc_info=True)
        said.append((Verdict.FAILED, f"it raised {type(error).__name__}: {error}"))
    else:
        said.append((Verdict.PASSED, ""))
