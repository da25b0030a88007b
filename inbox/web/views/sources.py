"""The citizen's sources: how each of them stands, and whether she has it connected."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language, gettext, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from connectors import clock
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Letter
from inbox.sync import consent, keeping
from inbox.web.dates import Calendar
from inbox.web.letter_words import disappears, other_language, title_of
from inbox.web.paths import own_path
from inbox.web.sessions import citizen_required, herself_required, viewer_of
from inbox.web.standing import Standing, sources_of

SHOWN_MAX = 50


@require_safe
@citizen_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show each of the citizen's sources: whether we reach it and when we last did."""
    viewer = viewer_of(request)
    if viewer.scopes is not None:  # it would tell who else writes to her
        raise Http404
    others = consent.offered(viewer.citizen_id) if viewer.is_herself else []
    return render(request, "web/sources.html", {"others": others})


@require_POST
@citizen_required
@herself_required
def connect(request: HttpRequest, source: str) -> HttpResponseBase:
    """She lets us fetch from the source again."""
    if getattr(request.user, "closes_at", None):
        return redirect("account")  # she must take the closing back first
    mailbox = consent.connect(viewer_of(request).citizen_id, source)
    if mailbox is None:
        raise Http404
    said = gettext("%(source)s is connected. We fetch new letters now.")
    messages.success(request, said % {"source": mailbox.source.label})
    return _back(request)


@require_POST
@citizen_required
@herself_required
def disconnect(request: HttpRequest, source: str) -> HttpResponseBase:
    """She lets us fetch from the source no longer."""
    mailbox = consent.disconnect(viewer_of(request).citizen_id, source)
    if mailbox is None:
        raise Http404
    said = gettext("%(source)s is disconnected. We fetch no new letters. You keep those you have.")
    messages.success(request, said % {"source": mailbox.source.label})
    return _back(request)


@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
def copies(request: HttpRequest, source: str) -> HttpResponseBase:
    """Show which letters lie at the source alone; she has them kept, now or before they go."""
    viewer = viewer_of(request)
    hers = {each.slug: each for each in sources_of(request, viewer) if each.withholds}
    if source not in hers:
        raise Http404
    if request.method == "POST":
        _do(request, viewer, hers[source])
        return redirect("source_copies", source)
    calendar = Calendar(clock.now(), get_language())
    found, more = keeping.not_kept(viewer, source, SHOWN_MAX)
    since = hers[source].keeps_since
    context = {
        "source": hers[source],
        "letters": [_not_kept(each, hers[source].label, calendar) for each in found],
        "more": more,
        "agreed": calendar.full_day(since) if since else "",
        "assumed_days": settings.KEEPING_ASSUMED_DAYS,
    }
    return render(request, "web/source_copies.html", context)


def _do(request: HttpRequest, viewer: Viewer, source: Standing) -> None:
    """Do what one of the page's forms asks for; what no form asks for does nothing."""
    wanted = request.POST.get("do")
    if wanted == "keep" and source.connected:
        n = keeping.keep_all(viewer, source.slug)
        said = ngettext("We are fetching {n} letter.", "We are fetching {n} letters.", n)
        messages.success(request, said.format(n=n))
    elif wanted == "agree" and keeping.agree(viewer.citizen_id, source.slug):
        messages.success(request, gettext("We fetch copies before letters disappear."))
    elif wanted == "stop" and keeping.take_back(viewer.citizen_id, source.slug):
        messages.success(request, gettext("We fetch no more copies by ourselves."))


def _not_kept(each: keeping.NotKept, label: str, calendar: Calendar) -> dict[str, Any]:
    return {
        "id": each.row.id,
        "address": reverse("letter", args=[each.row.id]),
        "title": title_of(each.row),
        "lang": other_language(each.row.language),
        "sender": each.row.sender_name,
        "locked": each.row.locked,
        "requested": each.row.content == Letter.Content.REQUESTED,
        "said": disappears(each.keep_by, label, calendar, is_said=each.said),
    }


def _back(request: HttpRequest) -> HttpResponseBase:
    return redirect(own_path(request.POST.get("next", "")) or "sources")
