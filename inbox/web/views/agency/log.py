"""The delivery log: what has become of an agency's letters. Never what they say, nor to whom."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from connectors import clock
from inbox.agencies import log, quarantined
from inbox.agencies.access import sources_of
from inbox.agencies.models import Agency
from inbox.citizens.masking import masked_reference
from inbox.letters.models import DeliveryRecord
from inbox.sync.sources import labels
from inbox.web.agency_pages import for_agency, show
from inbox.web.dates import Calendar

LINES_A_PAGE = 50
REFERENCE_MAX = 255


@require_http_methods(["GET", "HEAD", "POST"])
@for_agency
def page(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Show the log, newest first, or the rows with one reference.

    The reference is posted: an agency's own may hold what must stand in no address.
    """
    if request.method == "POST":
        return _by_reference(request, agency, request.POST.get("reference", "").strip())
    channels = {each.slug: each.label for each in log.channels(agency)}
    source = request.GET.get("source", "")
    source = source if source in channels else ""
    rows = log.lines(agency, source, request.GET.get("after", ""))
    found = list(rows[: LINES_A_PAGE + 1])
    said = {
        "channels": channels,
        "source": source,
        "undelivered": quarantined.waiting(agency).count(),
        "more": found[LINES_A_PAGE - 1].id if len(found) > LINES_A_PAGE else None,
    }
    return show(request, agency, "log", said | _table(found[:LINES_A_PAGE]))


@require_safe
@for_agency
def line(request: HttpRequest, agency: Agency, record_id: UUID) -> HttpResponseBase:
    """Show the steps of one letter by one channel."""
    try:
        row = log.line(agency, record_id)
    except DeliveryRecord.DoesNotExist:
        raise Http404 from None
    calendar = Calendar(clock.now(), get_language())
    own = set(sources_of(agency).values_list("slug", flat=True))
    said = {"line": _line(row, calendar), "steps": _steps(row, calendar, own)}
    return show(request, agency, "log_line", said)


def _by_reference(request: HttpRequest, agency: Agency, reference: str) -> HttpResponseBase:
    rows = list(log.by_reference(agency, reference[:REFERENCE_MAX])[:LINES_A_PAGE])
    channels = {each.slug: each.label for each in log.channels(agency)}
    said = {"channels": channels, "source": "", "more": None, "reference": reference}
    return show(request, agency, "log", said | _table(rows))


def _table(rows: list[DeliveryRecord]) -> dict[str, Any]:
    calendar = Calendar(clock.now(), get_language())
    return {"lines": [_line(row, calendar) for row in rows], "reference_max": REFERENCE_MAX}


def _line(row: DeliveryRecord, calendar: Calendar) -> dict[str, Any]:
    def at(moment: datetime | None) -> str:
        return calendar.moment_short(moment) if moment else ""

    return {
        "id": row.id,
        "reference": masked_reference(row.external_id),
        "channel": _channel(row),
        "received": at(row.arrived_at),
        "delivered": at(row.delivered_at) or _("Waits for its day"),
        "notified": at(row.notified_at) or "–",
        "opened": at(row.told_opened_at) or _unopened(row),
        "replied": at(row.replied_at) or "–",
        "withdrawn": at(row.withdrawn_at),
    }


def _steps(row: DeliveryRecord, calendar: Calendar, own: set[str]) -> list[dict[str, str]]:
    steps = [
        (_("Received"), row.arrived_at, ""),
        (_("Sender verified"), row.arrived_at, _verified(row, own)),
        (_("With the citizen"), row.delivered_at, _("Waits for its day")),
        (_("Notified"), row.notified_at, _("No notification has been sent.")),
        (_("Opened"), row.told_opened_at, _unopened(row)),
        (_("Answered"), row.replied_at, _("No answer by Samlepost.")),
    ]
    if row.withdrawn_at:
        steps.append((_("Withdrawn"), row.withdrawn_at, ""))
    return [
        {
            "name": name,
            "at": calendar.moment(at) if at else "",
            "said": said if at is None or name == steps[1][0] else "",
        }
        for name, at, said in steps
    ]


def _channel(row: DeliveryRecord) -> str:
    return labels().get(row.source, row.source)


def _verified(row: DeliveryRecord, own: set[str]) -> str:
    if row.verified == "certificate":
        return _("Signed with your business certificate")
    if row.verified == "token":
        return _("Sent by your authority")
    if row.source in own:
        return _("By your own connection")
    return _("%(source)s vouches for you") % {"source": _channel(row)}


def _unopened(row: DeliveryRecord) -> str:
    return _("No receipt yet") if row.asks_opening else _("Not asked for")
