"""Every address, and before them a few pages that say what a session is worth."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import include, path

from inbox.web.sessions import citizen_required, staff_required, viewer_of


@citizen_required
def probe(request: HttpRequest) -> HttpResponseBase:
    """Tell who is looking and at what level."""
    viewer = viewer_of(request)
    return JsonResponse({"citizen": str(viewer.citizen_id), "level": int(viewer.level)})


@citizen_required
def poll(request: HttpRequest) -> HttpResponseBase:
    """Stand where pages ask for news by themselves."""
    return HttpResponse(status=204)


@staff_required
def staff(request: HttpRequest) -> HttpResponseBase:
    """Stand for the operators' pages."""
    return HttpResponse("staff")


urlpatterns = [
    path("probe/", probe),
    path("changes/probe/", poll),
    path("staff/", staff),
    path("", probe),
    path("", include("config.urls")),
]
