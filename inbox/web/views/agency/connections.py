"""An agency's sources, and the feed that it connects by itself."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import get_language, gettext, ngettext
from django.views.decorators.http import require_POST, require_safe

from connectors import clock
from inbox.agencies import connections
from inbox.agencies.models import Agency
from inbox.citizens.masking import masked
from inbox.sync.models import Source
from inbox.web.agency_pages import for_agency, show
from inbox.web.dates import Calendar
from inbox.web.source_words import failure_words


@require_safe
@for_agency
def page(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Show how each of the agency's sources stands, and the form for a feed of its own."""
    return _page(request, agency)


@require_POST
@for_agency
def write_down(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Write down where the agency's feed is."""
    said = {name: request.POST.get(name, "") for name in ("address", "label", "retention_days")}
    days = said["retention_days"].strip() or "0"
    try:
        if not (days.isascii() and days.isdecimal()):
            raise connections.Refused("retention_days")
        wanted = connections.Wanted(said["address"], said["label"], int(days[:9]))
        connections.write_down(agency, wanted)
    except connections.Refused as error:
        return _page(request, agency, {"form": said, "error": _refusal(str(error))})
    messages.success(request, gettext("Written down. Run the conformance test next."))
    return redirect("agency_connections", agency.org_number)


@require_POST
@for_agency
def take_into_use(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Fetch from the agency's feed from now on."""
    if connections.take_into_use(agency):
        messages.success(
            request, gettext("The feed is in use. Citizens find it among their sources.")
        )
    else:
        messages.error(request, gettext("The feed must pass the conformance test first."))
    return redirect("agency_connections", agency.org_number)


@require_POST
@for_agency
def stop(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Fetch from it no more."""
    connections.stop(agency)
    messages.success(
        request, gettext("We fetch no more from the feed. Citizens keep what they have got.")
    )
    return redirect("agency_connections", agency.org_number)


def _page(
    request: HttpRequest, agency: Agency, said: dict[str, Any] | None = None
) -> HttpResponseBase:
    calendar = Calendar(clock.now(), get_language())
    own = connections.own_feed(agency)
    rows = [_row(each, calendar, own) for each in connections.health(agency)]
    form = {
        "address": own.settings.get("base_url", "") if own else "",
        "label": own.label if own else agency.name,
        "retention_days": own.settings.get("retention_days", "") if own else "",
    }
    known = {
        "rows": rows,
        "own": own,
        "ready": own is not None and connections.is_ready(own),
        "form": form,
        "label_max": connections.LABEL_MAX,
        "address_max": connections.ADDRESS_MAX,
        "on_loopback": settings.FEEDS_ON_LOOPBACK,
    }
    return show(request, agency, "connections", known | (said or {}))


def _row(each: connections.Health, calendar: Calendar, own: Source | None) -> dict[str, Any]:
    source = each.source
    success = each.last_success_at
    return {
        "slug": source.slug,
        "label": source.label,
        "connector": source.connector,
        "active": source.active,
        "failing": [
            {"what": failure_words(failure), "said": _mailboxes(source, n)}
            for failure, n in each.failing.items()
        ],
        "detail": masked(each.detail),
        "success": calendar.moment(success) if success else "",
        "paused": each.paused_until is not None,
        "ping": ping_address(source),
        "is_own": own is not None and own.slug == source.slug,
    }


def ping_address(source: Source) -> str:
    """Return where the source's pings go."""
    return settings.WEB_PUBLIC_URL.rstrip("/") + reverse("hook", args=[source.slug])


def _mailboxes(source: Source, n: int) -> str:
    if source.shared_queue:
        return gettext("the whole queue")
    return ngettext("{n} citizen's inbox", "{n} citizens' inboxes", n).format(n=n)


def _refusal(what: str) -> dict[str, str]:
    words = {
        "label": ("label", gettext("Write the name that citizens know your site by.")),
        "retention_days": (
            "retention_days",
            gettext("Write a number of days, or leave it empty if you delete nothing."),
        ),
        "ours": (
            "address",
            gettext("Samlepost is not set up to fetch from feeds. Tell those who run it."),
        ),
        "another's label": (
            "label",
            gettext("Another source has this name. Write one that is your own."),
        ),
        "another's": ("address", gettext("This address belongs to another agency's source.")),
    }
    usual = (
        "address",
        gettext("Write the feed's address in full. It begins with https:// and has no password."),
    )
    field, text = words.get(what, usual)
    return {"field": field, "text": text}
