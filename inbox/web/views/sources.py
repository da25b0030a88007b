"""The citizen's sources and how each of them stands."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from inbox.sync.freshness import freshness
from inbox.web.sessions import citizen_required, viewer_of


@citizen_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show each of the citizen's sources."""
    states = freshness(viewer_of(request).citizen_id)
    return render(request, "web/sources.html", {"sources": states})
