"""An agency's keys to the API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from connectors import clock
from inbox.agencies import keys
from inbox.agencies.models import Agency, Key
from inbox.web.agency_pages import for_agency, show
from inbox.web.dates import Calendar
from inbox.web.sessions import person_of

NAME_MAX = 100


@require_safe
@for_agency
def page(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """List the keys that work."""
    return _page(request, agency)


@require_POST
@for_agency
def create(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Make a key and show it, this one time."""
    name = " ".join(request.POST.get("name", "").split())[:NAME_MAX]
    if not name:
        said = {"error": _("Write which system is to use the key.")}
        return _page(request, agency, said)
    try:
        made = keys.create(agency, name, person_of(request).citizen_id)
    except keys.TooMany:
        said = {"error": _("You have as many keys as you may have. Revoke one first.")}
        return _page(request, agency, said)
    return _page(request, agency, {"made": made})


@require_POST
@for_agency
def rotate(request: HttpRequest, agency: Agency, key_id: UUID) -> HttpResponseBase:
    """Make a key in the place of another and show it, this one time."""
    try:
        made = keys.rotate(agency, key_id, person_of(request).citizen_id)
    except Key.DoesNotExist:
        raise Http404 from None
    except keys.TooMany:
        said = {"error": _("You have as many keys as you may have. Revoke one first.")}
        return _page(request, agency, said)
    return _page(request, agency, {"made": made})


@require_POST
@for_agency
def revoke(request: HttpRequest, agency: Agency, key_id: UUID) -> HttpResponseBase:
    """End a key at once."""
    try:
        keys.revoke(agency, key_id)
    except Key.DoesNotExist:
        raise Http404 from None
    messages.success(request, _("The key is revoked. It opens nothing any more."))
    return redirect("agency_keys", agency.org_number)


def _page(
    request: HttpRequest, agency: Agency, said: dict[str, Any] | None = None
) -> HttpResponseBase:
    calendar = Calendar(clock.now(), get_language())
    rows = [_row(each, calendar) for each in keys.working(agency)]
    known = {"keys": rows, "name_max": NAME_MAX}
    return show(request, agency, "keys", known | (said or {}))


def _row(key: Key, calendar: Calendar) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "created": calendar.moment(key.created_at),
        "used": calendar.moment(key.last_used_at) if key.last_used_at else "",
        "ends": calendar.moment(key.expires_at) if key.expires_at else "",
    }
