"""The portal's front page, and the choice between agencies."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from inbox.agencies import webhooks
from inbox.agencies.access import agencies_of
from inbox.agencies.models import Agency
from inbox.web.agency_pages import for_agency, places, show
from inbox.web.sessions import person_of, person_required

COUNTED_MAX = 99
"""Of what waits, no more is counted."""


@require_safe
@person_required
def choose(request: HttpRequest) -> HttpResponseBase:
    """Lead to her agency, ask which one, or say how an agency gets in."""
    found = agencies_of(person_of(request).citizen_id)
    if len(found) == 1:
        return redirect("agency_home", found[0].org_number)
    return render(request, "web/agency/choose.html", {"agencies": found})


@require_safe
@for_agency
def page(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Name what the portal has."""
    others = [each for each in places(request, agency) if not each.is_here]
    said = {"others": others, "webhooks_fail": webhooks.troubled(agency)}
    return show(request, agency, "home", said)
