"""The kit on an agency's feed over HTTP: a good one passes, and a broken one is named."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.conformance.__main__ import main
from connectors.conformance.bench import served
from connectors.conformance.feed import Feed, OwnTokens
from connectors.conformance.feed_rules import RULES
from connectors.conformance.outcome import Finding, Verdict, try_rules
from connectors.conformance.run import run_feed
from tests.conformance import feeds


def tried(make: Callable[[Path], feeds.Feed], keys: Path) -> list[Finding]:
    """Serve it and try every rule."""
    app = make(keys)
    with served(app) as address:
        app.base_url = address
        return list(try_rules(RULES, Feed(address, feeds.ORG, OwnTokens(keys, address))))


def test_a_good_feed_keeps_every_rule_and_nothing_is_left_out(kit_keys: Path) -> None:
    findings = tried(feeds.Feed, kit_keys)
    assert [(x.code, x.detail) for x in findings if x.verdict is not Verdict.PASSED] == []


@pytest.mark.parametrize("code", sorted(feeds.BROKEN))
def test_what_is_broken_is_named_and_nothing_else(code: str, kit_keys: Path) -> None:
    failed = [x for x in tried(feeds.BROKEN[code], kit_keys) if x.verdict is Verdict.FAILED]
    assert [each.code for each in failed] == [code], [f"{x.code} {x.detail}" for x in failed]
    assert failed[0].advice


def with_entries(*entries: Any) -> Callable[[Path], feeds.Feed]:
    """A feed of these."""

    def make(keys: Path) -> feeds.Feed:
        app = feeds.Feed(keys)
        app.entries = list(entries)
        return app

    return make


def failed(*entries: Any, keys: Path) -> dict[str, str]:
    found = tried(with_entries(*entries), keys)
    return {each.code: each.detail for each in found if each.verdict is Verdict.FAILED}


def test_an_entry_may_say_that_it_is_a_letter(kit_keys: Path) -> None:
    said = [feeds.letter(1, event="letter"), feeds.letter(2)]
    assert "F-20" not in failed(*said, keys=kit_keys)
    handled = {"event": "handled", "id": "2026-1", "at": feeds.AT}
    assert "F-43" not in failed(*said, handled, keys=kit_keys)


def test_an_old_letter_that_has_changed_may_stand_last_alone(kit_keys: Path) -> None:
    assert failed(*(feeds.letter(each) for each in (4, 5, 1)), keys=kit_keys) == {}
    assert "F-12" in failed(*(feeds.letter(each) for each in (5, 4, 1)), keys=kit_keys)


def test_what_the_connector_would_set_aside_does_not_pass(kit_keys: Path) -> None:
    backwards = {"title": "Time", "starts_at": feeds.AT, "ends_at": "2026-09-01T08:00:00+02:00"}
    found = failed(feeds.letter(1, appointments=[backwards]), keys=kit_keys)
    assert list(found) == ["F-20"] and "ends before it starts" in found["F-20"]


@pytest.mark.parametrize(
    "change",
    [
        *({"documents": each} for each in (1.5, {"a": 1}, "x", [1])),
        *({"reply_forms": each} for each in (-1, "x", [[]], [{"code": []}, {"code": {}}])),
        *({"event": each} for each in ([1], {}, 1)),
        {"link": {"url": "https://["}},
        {"link": {"url": 1}},
        {"documents": [feeds.document(feeds.PDF, "\ud800")]},
        {"sent_at": "2026-99-99T00:00:00Z"},
        {"documents": [feeds.document(feeds.PDF, "")]},
        {"messages": [{"id": "", "at": feeds.AT, "text": "Hei"}]},
        {"messages": [{"id": "1", "at": "i går", "text": "Hei"}]},
    ],
    ids=str,
)
def test_of_a_field_of_any_other_type_it_is_said_what_is_wrong(
    change: dict[str, Any], kit_keys: Path
) -> None:
    found = failed(feeds.letter(1, **change), feeds.letter(2), feeds.letter(3), keys=kit_keys)
    assert found and not any("it raised" in detail for detail in found.values()), found


@pytest.mark.parametrize("name", ["sent_at", "due_at"])
def test_a_letter_of_the_last_hour_of_all_years_is_shown(name: str, kit_keys: Path) -> None:
    app = with_entries(feeds.letter(1, **{name: "9999-12-31T23:59:59Z"}))(kit_keys)
    with served(app) as address:
        app.base_url = address
        report = run_feed(Feed(address, feeds.ORG, OwnTokens(kit_keys, address)), ["F-10"])
    assert any("31. desember 9999" in line for view in report.shown[0].views for line in view.lines)


@pytest.mark.parametrize("by", [1, [], "x" * 256], ids=str)
def test_who_has_done_it_is_said_in_words(by: Any, kit_keys: Path) -> None:
    handled = {"event": "handled", "id": "2026-1", "at": feeds.AT, "by": by}
    assert list(failed(feeds.letter(1), handled, keys=kit_keys)) == ["F-42"]


def test_every_rule_has_a_feed_that_breaks_it() -> None:
    assert {rule.code for rule in RULES} == set(feeds.BROKEN)


def test_every_rule_of_the_kit_is_one_of_the_specification() -> None:
    page = (Path(__file__).parents[2] / "docs" / "minside-feed.md").read_text("utf-8")
    assert all(f"| {rule.code} |" in page for rule in RULES)
    assert len({rule.code for rule in RULES}) == len(RULES)


def test_a_feed_that_is_not_there_fails_and_does_not_hang(kit_keys: Path) -> None:
    address = "http://127.0.0.1:9"
    findings = try_rules(RULES, Feed(address, feeds.ORG, OwnTokens(kit_keys, address)))
    assert {each.verdict for each in findings} == {Verdict.FAILED}


def test_the_letters_of_a_feed_are_shown(kit_keys: Path) -> None:
    app = feeds.Feed(kit_keys)
    with served(app) as address:
        app.base_url = address
        report = run_feed(Feed(address, feeds.ORG, OwnTokens(kit_keys, address)), ["F-10"])
    assert [each.title for each in report.shown] == [f"Brev nummer {n}" for n in (1, 2, 3)]
    assert "W-11" in [each.code for each in report.shown[0].warnings]


def test_from_the_command_line(kit_keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = feeds.Feed(kit_keys)
    with served(app) as address:
        app.base_url = address
        call = [address, "--spec", "minside", "--org-number", feeds.ORG]
        assert main([*call, "--keys", str(kit_keys), "--maskinporten-port", "0"]) == 0
        assert main([address]) == 2
    said = capsys.readouterr()
    assert f"{len(RULES)} kept, 0 not kept" in said.out
    assert "--org-number" in said.err


def test_as_a_pytest_plugin(
    kit_keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    monkeypatch.setenv("SIMULATORS_PUBLIC_URL", f"http://127.0.0.1:{port}")  # who issues tokens
    app = feeds.with_first(security_level=2)(kit_keys)
    with served(app) as address:
        app.base_url = address
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-c",
            "/dev/null",
            "-p",
            "no:cacheprovider",
        ]
        command += ["-p", "connectors.conformance.plugin", "--samlepost-feed", address]
        command += ["--samlepost-org-number", feeds.ORG, "--samlepost-keys", str(kit_keys)]
        command += [
            "--samlepost-maskinporten-port",
            port,
            "--rootdir",
            str(tmp_path),
            str(tmp_path),
        ]
        root = Path(__file__).parents[2]
        done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=120)
    assert f"1 failed, {len(RULES) - 1} passed" in done.stdout, done.stdout
    assert "F-23 The level is 3 or 4" in done.stdout and "What to do" in done.stdout
