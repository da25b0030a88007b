"""Letters from an agency's own sources that could not be delivered: what is wrong, tried again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from connectors import clock
from inbox.agencies import quarantined
from inbox.agencies.models import Agency
from inbox.citizens.masking import masked, masked_reference
from inbox.sync.models import Quarantined
from inbox.web.agency_pages import for_agency, show
from inbox.web.cursors import row_of
from inbox.web.dates import Calendar

ITEMS_A_PAGE = 50


@require_safe
@for_agency
def page(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """List what waits, newest first."""
    waiting = quarantined.waiting(agency)
    last = row_of(waiting, request.GET.get("after", ""))
    if last:
        waiting = waiting.filter(
            Q(arrived_at__lt=last.arrived_at) | Q(arrived_at=last.arrived_at, id__lt=last.id)
        )
    found = list(waiting[: ITEMS_A_PAGE + 1])
    calendar = Calendar(clock.now(), get_language())
    said = {
        "items": [_item(each, calendar) for each in found[:ITEMS_A_PAGE]],
        "more": found[ITEMS_A_PAGE - 1].id if len(found) > ITEMS_A_PAGE else None,
        "first": not last,
    }
    return show(request, agency, "quarantine", said)


@require_POST
@for_agency
def replay(request: HttpRequest, agency: Agency, item_id: UUID) -> HttpResponseBase:
    """Try once more to make a letter of it."""
    try:
        became_letter = quarantined.replay(agency, item_id)
    except Quarantined.DoesNotExist:
        raise Http404 from None
    if became_letter:
        messages.success(request, _("It could be read now: the letter is with the citizen."))
    else:
        messages.warning(request, _("It still cannot be read. The new reason stands below."))
    return redirect("agency_quarantine", agency.org_number)


def _item(item: Quarantined, calendar: Calendar) -> dict[str, Any]:
    return {
        "id": item.id,
        "source": item.source.label,
        "external_id": masked_reference(item.external_id),
        "reason": masked(item.reason),
        "arrived_at": item.arrived_at,
        "arrived": calendar.moment(item.arrived_at),
        "replays": item.replays,
    }
