"""Tables to take away: CSV as spreadsheets in Norway open it, and nothing in it that reckons."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

from django.http import HttpResponse
from django.utils.http import content_disposition_header

BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would reckon with (OWASP, CSV Injection)."""


def csv_answer(rows: Iterable[Sequence[str | int]], name: str) -> HttpResponse:
    """Return the rows as a file of that name, to be kept; the first names the columns."""
    text = StringIO(newline="")
    lines = csv.writer(text, delimiter=";")
    lines.writerows([[harmless(each) for each in row] for row in rows])
    answer = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name)
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def harmless(value: str | int) -> str | int:
    """Return a cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value.startswith(BEGINS_A_FORMULA):
        return f"'{value}"
    return value
