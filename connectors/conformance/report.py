"""What came of a run, as text, as JUnit XML and as a page of its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from connectors.conformance.outcome import Finding, Verdict
from connectors.conformance.shown import Shown

HERE = Path(__file__).parent / "templates"
MARKS = {Verdict.PASSED: "pass", Verdict.FAILED: "FAIL", Verdict.LEFT_OUT: "left out"}


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run: what was tried, when, what came of each rule, and some letters as seen."""

    subject: str
    findings: Sequence[Finding]
    shown: Sequence[Shown] = ()
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def failed(self) -> int:
        """How many rules are not kept."""
        return sum(each.verdict is Verdict.FAILED for each in self.findings)

    @property
    def passed(self) -> int:
        """How many are."""
        return sum(each.verdict is Verdict.PASSED for each in self.findings)

    @property
    def left_out(self) -> int:
        """How many could not be tried."""
        return sum(each.verdict is Verdict.LEFT_OUT for each in self.findings)

    @property
    def summary(self) -> str:
        """One line of the whole."""
        said = f"{self.passed} kept, {self.failed} not kept, {self.left_out} left out"
        return f"{self.subject}: {said}"


def as_text(report: Report) -> str:
    """Return the report for a terminal."""
    lines = []
    for each in report.findings:
        lines.append(f"{MARKS[each.verdict]:8}  {each.code}  {each.title}")
        if each.detail:
            lines.append(f"{'':16}{each.detail}")
        if each.advice:
            lines.append(f"{'':16}What to do: {each.advice}")
    for letter in report.shown:
        lines += ["", f"The letter «{letter.title}» as it is seen"]
        for view in letter.views:
            note = f" ({view.note})" if view.note else ""
            lines.append(f"  {view.who}{note}")
            lines += [f"    {line}" for line in view.lines]
        for warning in letter.warnings:
            lines.append(f"  warning {warning.code}: {warning.text}")
            lines.append(f"    What to do: {warning.advice}")
    return "\n".join([*lines, "", report.summary, ""])


def as_junit(report: Report) -> str:
    """Return JUnit XML: one suite, one case a rule."""
    suite = ElementTree.Element(
        "testsuite",
        name="samlepost.conformance",
        tests=str(len(report.findings)),
        failures=str(report.failed),
        errors="0",
        skipped=str(report.left_out),
        time=f"{sum(each.seconds for each in report.findings):.3f}",
        timestamp=report.at.replace(microsecond=0, tzinfo=None).isoformat(),
    )
    for each in report.findings:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=report.subject,
            name=f"{each.code} {each.title}",
            time=f"{each.seconds:.3f}",
        )
        if each.verdict is Verdict.FAILED:
            told = ElementTree.SubElement(case, "failure", message=_plain(each.detail))
            told.text = f"What to do: {each.advice}"
        elif each.verdict is Verdict.LEFT_OUT:
            ElementTree.SubElement(case, "skipped", message=_plain(each.detail))
    root = ElementTree.Element("testsuites")
    root.append(suite)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def as_html(report: Report) -> str:
    """Return a page that stands by itself: nothing is loaded, no script runs."""
    loader = FileSystemLoader(HERE)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    style = (HERE / "report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = made.get_template("report.html")
    return page.render(
        report=report, style=Markup(style), style_digest=digest, Verdict=Verdict, marks=MARKS
    )


def _plain(text: str) -> str:
    """XML 1.0 takes no control characters."""
    return "".join(each if each.isprintable() else " " for each in text)
