"""The citizen's sources and how each of them stands."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from inbox.sync.freshness import freshness
from inbox.web.sessions import citizen_required, viewer_of
from inbox.web.standing import standings


@require_safe
@citizen_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show each of the citizen's sources: whether we reach it and when we last did."""
    sources = standings(freshness(viewer_of(request).citizen_id))
    return render(request, "web/sources.html", {"sources": sources})
