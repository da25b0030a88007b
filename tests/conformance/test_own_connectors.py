"""Every connector of ours keeps every rule of the contract, tried beside its simulator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connectors import discovery
from connectors.conformance.bench import Tried
from connectors.conformance.letters import RULES
from connectors.conformance.outcome import Rule, Verdict, try_rule
from tests.connectors.altinn_judge import judge

CONNECTORS = sorted(set(discovery.find()) & set(discovery.own_modules("simulator")))
"""Each connector folder that has a simulator; a new one is tested without being named here."""
LEFT_OUT = {
    "C-11": {"dpi", "svarut"},
    "C-24": {"example"},
    "C-29": {"example"},
    "C-30": {"example"},
}
"""Which rules cannot be tried on which connectors; all others must pass."""


def test_every_connector_of_ours_has_a_simulator_and_can_be_used() -> None:
    found = discovery.find()
    assert {"altinn", "dpi", "example", "minside", "svarut"} <= set(CONNECTORS)
    assert {name: each.off_reason for name, each in found.items() if each.off_reason} == {}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
@pytest.mark.parametrize("name", CONNECTORS)
def test_it_keeps_the_rule(
    name: str, rule: Rule[Tried], kit_keys: Path, request: pytest.FixtureRequest
) -> None:
    if rule.code == "C-19":
        request.getfixturevalue("impatient")
    wrong: list[str] = []
    tried = replace(Tried.named(name), keys=kit_keys)
    tried = replace(tried, simulator=judged(tried.simulator, wrong))
    finding = try_rule(rule, tried)
    if name in LEFT_OUT.get(rule.code, set()):
        assert finding.verdict is Verdict.LEFT_OUT
    else:
        assert (finding.verdict, finding.detail) == (Verdict.PASSED, "")
    assert wrong == []


def judged(module: Any, wrong: list[str]) -> Any:
    """The same simulator, whose requests and answers are judged by the source's own schemas."""

    def make(state_dir: Path, keys_dir: Path) -> Any:
        simulator = module.make(state_dir, keys_dir)
        judge(simulator, wrong)
        return simulator

    others = {"sources": module.sources} if hasattr(module, "sources") else {}
    return SimpleNamespace(make=make, **others)
