"""An agency's figures: how many of its letters are opened, how soon, by channel and by month."""

from __future__ import annotations

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from connectors import clock
from inbox.agencies import figures
from inbox.agencies.figures import Piece
from inbox.agencies.models import Agency
from inbox.sync.sources import labels
from inbox.web.agency_pages import for_agency, show
from inbox.web.dates import Calendar

BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would reckon with (OWASP, CSV Injection)."""


@require_safe
@for_agency
def page(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Show the figures as tables."""
    now = clock.now()
    calendar = Calendar(now, get_language())
    found = figures.published(agency, now)
    said = {
        "last": calendar.month(figures.last_month(now)),
        "next": calendar.full_day(figures.next_at(now)),
        "fewest": figures.FEWEST,
        "weeks": figures.COUNTED_FOR // timedelta(weeks=1),
        "total": _row(_("All channels"), found.total),
        "by_channel": [_row(_channel(source), piece) for source, piece in found.by_source],
        "by_month": [_row(calendar.month(month), piece) for month, piece in found.by_month],
    }
    return show(request, agency, "figures", said)


@require_safe
@for_agency
def download(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Give the published pieces, one a line, for a spreadsheet in Norway: a semicolon between."""
    text = StringIO(newline="")
    lines = csv.writer(text, delimiter=";")
    lines.writerow(
        [
            _("Month"),
            _("Channel"),
            _("Letters"),
            _("Opened"),
            _("Opened, per cent"),
            _("Median time to opening, hours"),
        ]
    )
    for month, source, piece in figures.published(agency, clock.now()).pieces:
        channel = _harmless(_channel(source))
        lines.writerow([month.strftime("%Y-%m"), channel, piece.letters, *_numbers(piece)])
    answer = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"samlepost-{agency.org_number}.csv"
    answer["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name)
    return answer


def _row(name: str, piece: Piece) -> dict[str, Any]:
    """Words of a row; what is hidden is said to be."""
    if piece.share is None or piece.median is None:
        return {
            "name": name,
            "letters": _count(piece.letters),
            "opened": _("Hidden"),
            "time": _("Hidden"),
        }
    share = f"{round(piece.share * 100)} %"
    of_some = _("%(share)s of %(n)s letters") % {"share": share, "n": _count(piece.of)}
    return {
        "name": name,
        "letters": _count(piece.letters),
        "opened": share if piece.of == piece.letters else of_some,
        "time": _time(piece.median),
    }


def _count(number: int) -> str:
    """Return "6 625", on one line."""
    return f"{number:,}".replace(",", "\u00a0")


def _numbers(piece: Piece) -> list[str | int]:
    if piece.share is None or piece.median is None:
        return [_("Hidden")] * 3
    hours = piece.median / timedelta(hours=1)
    return [piece.opened, round(piece.share * 100), f"{hours:.1f}".replace(".", ",")]


def _time(waited: timedelta) -> str:
    """Return "3 hours", "2 days": as many as say it to within a tenth or so."""
    minutes = round(waited / timedelta(minutes=1))
    if minutes < 90:
        said = ngettext("%(n)s minute", "%(n)s minutes", minutes)
        return said % {"n": minutes}
    if minutes < 36 * 60:
        hours = round(minutes / 60)
        return ngettext("%(n)s hour", "%(n)s hours", hours) % {"n": hours}
    days = round(minutes / (24 * 60))
    return ngettext("%(n)s day", "%(n)s days", days) % {"n": days}


def _channel(source: str) -> str:
    return labels().get(source, source)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(BEGINS_A_FORMULA) else text
