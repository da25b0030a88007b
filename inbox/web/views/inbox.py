"""The inbox: the list of letters, and what has changed in it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from inbox.letters import presentation
from inbox.letters.models import Letter
from inbox.web.sessions import citizen_required, viewer_of


@citizen_required
def page(request: HttpRequest) -> HttpResponse:
    """Show the newest letters."""
    viewer = viewer_of(request)
    letters = Letter.objects.visible_to(viewer).newest_first()
    rows = presentation.rows(letters, viewer, limit=25)
    return render(request, "web/inbox.html", {"rows": rows})


@citizen_required
def changes(request: HttpRequest) -> HttpResponse:
    """Answer that nothing has changed."""
    return HttpResponse(status=204)
