"""The kit from the command line, and the folder to begin with."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from connectors import new
from connectors.conformance.__main__ import main
from connectors.conformance.letters import RULES
from connectors.conformance.outcome import Finding, Verdict
from connectors.conformance.report import Report, as_html, as_junit, as_text
from connectors.conformance.run import run_connector
from tests import vnu, wheels
from tests.conformance.broken import broken

ROOT = Path(__file__).resolve().parent.parent.parent
CONNECTORS = ROOT / "connectors"
FEED = ["http://127.0.0.1:9/v1", "--spec", "minside"]
QUICK = ["--only", "C-01", "C-05", "C-33"]


def test_a_good_connector_gives_success_and_shows_its_letter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["minside", *QUICK]) == 0
    said = capsys.readouterr().out
    assert "3 kept, 0 not kept, 0 left out" in said
    assert "Nytt brev fra NAV" in said and "Frist 22. september 2026" in said


def test_an_unknown_name_is_answered_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["nobody"]) == 2
    assert "minside" in capsys.readouterr().err


def test_the_rules_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert "C-33" in capsys.readouterr().out


def test_what_is_not_kept_is_told_with_what_to_do_in_every_form(kit_keys: Path) -> None:
    report = run_connector(broken(kit_keys)["C-23"], ["C-05", "C-23", "C-24"])
    assert (report.passed, report.failed, report.left_out) == (1, 1, 1)
    text = as_text(report)
    assert "FAIL      C-23" in text and "What to do: Put what the source sent" in text
    suite = ElementTree.fromstring(as_junit(report))[0]
    assert [suite.get(name) for name in ("tests", "failures", "skipped")] == ["3", "1", "1"]
    assert [case.find("failure") is not None for case in suite] == [False, True, False]
    assert "C-23" in as_html(report)


def test_a_hostile_detail_stays_text(kit_keys: Path) -> None:
    hostile = "<script>alert(1)</script>\x00 01828012345"
    finding = Finding("C-05", "Title", Verdict.FAILED, hostile, "Do <b>this</b>")
    report = Report("<i>name</i>", [finding])
    page = as_html(report)
    assert "<script" not in page and "<b>" not in page and "<i>" not in page
    assert ElementTree.fromstring(as_junit(report))[0][0][0].get("message", "").startswith("<scr")


@pytest.mark.skipif(bool(vnu.missing()), reason=vnu.missing() or "it is here")
def test_the_page_is_valid(kit_keys: Path) -> None:
    page = as_html(run_connector(broken(kit_keys)["C-23"], ["C-23", "C-24"]))
    said = vnu.complaints([("report", page.encode())])
    # The checker does not reckon a digest in style-src; Chromium does.
    assert [each for each in said if "Inline style violates" not in each] == []


@pytest.mark.parametrize("name", ["x", "Upper", "with-dash", "../up", "example", "dpi", "class"])
def test_a_name_that_cannot_be_used_makes_nothing(name: str, tmp_path: Path) -> None:
    assert new.main([name, "--package", str(tmp_path / "made")]) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["http", "testing", "contract", "conformance", "world"])
def test_a_folder_never_hides_what_is_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    there = {each: each.stat().st_mtime for each in CONNECTORS.iterdir()}
    assert new.main([name]) == 2
    assert name in capsys.readouterr().err
    assert {each: each.stat().st_mtime for each in CONNECTORS.iterdir()} == there


def test_a_folder_that_cannot_be_made_is_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert new.main(["town", "--package", str(tmp_path / "file" / "below")]) == 2
    assert "file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["example", "--only", "C-01", "C-99"], "C-99"),
        (["example", "--only", "F-10"], "F-10"),
        (["example", "--only", "C-05", "--junit", "/nowhere/found.xml"], "/nowhere"),
        (["example", "--only", "C-05", "--html", "/nowhere/found.html"], "/nowhere"),
        ([*FEED, "--org-number", "12"], "nine digits"),
        ([*FEED, "--org-number", "889640782", "--only", "C-05"], "C-05"),
        ([*FEED, "--org-number", "889640782", "--maskinporten-port", "0"], "nobody answers"),
    ],
)
def test_a_wrong_call_is_no_result(
    call: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(call) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == ""


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """The Python of an environment with Samlepost's wheel."""
    return wheels.environment(tmp_path)


def test_a_package_of_ones_own_is_found_and_passes(fresh: Path, tmp_path: Path) -> None:
    package = tmp_path / "my-town"

    def run(*command: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(fresh), *command], cwd=cwd, capture_output=True, text=True, timeout=120
        )

    made = run("-m", "connectors.new", "my_town", "--package", str(package))
    assert made.returncode == 0, made.stderr
    wheels.install(fresh, package)
    where = run("-c", "import connectors, samlepost_my_town as m; print(connectors, m)")
    assert str(ROOT) not in where.stdout and where.stdout.count(str(tmp_path)) == 2
    kit = run("-m", "connectors.conformance", "my_town", *QUICK)
    assert kit.returncode == 0 and "3 kept, 0 not kept" in kit.stdout
    own = run("-m", "pytest", "-q", "-p", "no:django", cwd=package)
    assert own.returncode == 0, own.stdout
    assert f"{len(RULES) - 3 + 1} passed, 3 skipped" in own.stdout
