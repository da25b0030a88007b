"""Each rule has a connector that breaks it, and the kit names this rule and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.conformance.letters import RULES
from connectors.conformance.outcome import Verdict, try_rules
from tests.conformance.broken import broken


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_what_is_broken_is_named_and_nothing_else(code: str, kit_keys: Path) -> None:
    findings = list(try_rules(RULES, broken(kit_keys)[code]))
    failed = [each for each in findings if each.verdict is Verdict.FAILED]
    assert [each.code for each in failed] == [code], [f"{x.code} {x.detail}" for x in failed]
    assert failed[0].detail and failed[0].advice
