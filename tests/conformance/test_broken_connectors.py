"""Each rule has a connector that breaks it, and the kit names this rule and no other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from connectors.conformance.letters import RULES
from connectors.conformance.outcome import Verdict, try_rules
from tests.conformance.broken import broken

SHARE = 1 if os.environ.get("THOROUGH") else 3


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_what_is_broken_is_named_and_nothing_else(code: str, kit_keys: Path) -> None:
    """Each connector is held against its rule and a third of the others, so that all are tried."""
    number = [rule.code for rule in RULES].index(code)
    rules = RULES[number % SHARE :: SHARE]
    findings = list(try_rules(rules, broken(kit_keys)[code]))
    failed = [each for each in findings if each.verdict is Verdict.FAILED]
    assert [each.code for each in failed] == [code], [f"{x.code} {x.detail}" for x in failed]
    assert failed[0].detail and failed[0].advice
