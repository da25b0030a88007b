"""The citizen's sources: how each of them stands, and whether she has it connected."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from inbox.sync import consent
from inbox.web.paths import own_path
from inbox.web.sessions import citizen_required, herself_required, viewer_of


@require_safe
@citizen_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show each of the citizen's sources: whether we reach it and when we last did."""
    viewer = viewer_of(request)
    if viewer.scopes is not None:  # it would tell who else writes to her
        raise Http404
    return render(request, "web/sources.html")


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


def _back(request: HttpRequest) -> HttpResponseBase:
    return redirect(own_path(request.POST.get("next", "")) or "sources")
