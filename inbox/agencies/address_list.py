"""The list of whom a letter goes to: a CSV file, as spreadsheets write it.

The first line names the columns; each further one is a letter. Nothing of what stands in the list
is repeated in what is said of it: it holds national identity numbers.
"""

from __future__ import annotations

import csv
from datetime import datetime, time
from io import StringIO

from django.conf import settings

from inbox.agencies.letters import Problem, Refused, Wanted
from inbox.citizens.register import OSLO

COLUMNS = {
    "recipient": ("mottaker", "mottakar", "recipient"),
    "title": ("tittel", "title"),
    "due_at": ("frist", "due"),
    "case_reference": ("saksnummer", "case"),
    "reference": ("referanse", "reference"),
    "file": ("fil", "file"),
}
"""What each column may be called; the recipient's is the only one that must be there."""
BYTES_A_ROW = 1000


def read(content: bytes, title: str, due_at: datetime | None) -> list[Wanted]:
    """Return the letters of a list; those that say no title or deadline get these.

    UTF-8 or Windows-1252, divided by `;` or `,`. Raises Refused with every line that cannot be
    read.
    """
    if len(content) > settings.OUTGOING_ROWS_MAX * BYTES_A_ROW:
        raise Refused([Problem("too_many", detail=str(settings.OUTGOING_ROWS_MAX))])
    text = _decoded(content)
    head = text.split("\n", 1)[0]
    rows = csv.reader(StringIO(text, newline=""), delimiter=";" if ";" in head else ",")
    letters: list[Wanted] = []
    problems: list[Problem] = []
    columns: list[str] = []
    line = 1
    try:
        for row in rows:
            values = [" ".join(each.split()) for each in row]
            if not columns:
                columns = _columns(values)
            elif any(values):
                if len(values) != len(columns):
                    problems.append(Problem("columns", line))
                else:
                    said = {
                        name: value for name, value in zip(columns, values, strict=True) if name
                    }
                    letters += _letter(said, title, due_at, line, problems)
            line = rows.line_num + 1
    except csv.Error:
        problems.append(Problem("columns", line))
    if not columns:
        problems.append(Problem("no_letters"))
    if problems:
        raise Refused(problems)
    return letters


def day_of(written: str) -> datetime | None:
    """Return the end of a day in Norway, written as 24.12.2026 or 2026-12-24; None for else."""
    for pattern in ("%d.%m.%Y", "%Y-%m-%d"):
        try:
            day = datetime.strptime(written, pattern).date()
        except ValueError:
            continue
        return datetime.combine(day, time(23, 59), OSLO)
    return None


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _columns(values: list[str]) -> list[str]:
    """Return which field each column is. Raises Refused.

    A column without a name is passed over; one with another name may be a slip of the pen.
    """
    by_name = {name: field for field, names in COLUMNS.items() for name in names}
    columns = [by_name.get(each.casefold(), "" if not each else "?") for each in values]
    if "recipient" not in columns:
        raise Refused([Problem("no_header", 1)])
    known = [each for each in columns if each]
    if "?" in known or len(set(known)) < len(known):
        raise Refused([Problem("unknown_column", 1)])
    return columns


def _letter(
    said: dict[str, str],
    title: str,
    due_at: datetime | None,
    line: int,
    problems: list[Problem],
) -> list[Wanted]:
    due = said.pop("due_at", "")
    if due:
        due_at = day_of(due)
        if due_at is None:
            problems.append(Problem("date", line))
    said["title"] = said.get("title") or title
    return [Wanted(**said, due_at=due_at, line=line)]
