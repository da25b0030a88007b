"""What a citizen is told at her first log-in: what is connected, fetched and kept."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from connectors import clock
from inbox.citizens.models import Citizen
from inbox.web.sessions import citizen_required, herself_required, viewer_of


@require_safe
@citizen_required
@herself_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show the welcome; the inbox points to it until she has put it away."""
    return render(request, "web/welcome.html")


@require_POST
@citizen_required
@herself_required
def done(request: HttpRequest) -> HttpResponseBase:
    """She has read it, or wants to go on without."""
    unread = Citizen.objects.filter(pk=viewer_of(request).citizen_id, welcomed_at=None)
    unread.update(welcomed_at=clock.now())
    return redirect("inbox")
