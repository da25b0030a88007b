"""The addresses of log-in and log-out, and a few pages that say what a session is worth."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import path

from inbox.web.sessions import citizen_required, staff_required, viewer_of
from inbox.web.views import login


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
    path("", probe, name="inbox"),
    path("login/", login.choose, name="login"),
    path("login/start/", login.authenticate, name="login_start"),
    path("login/callback/", login.callback, name="login_callback"),
    path("login/step-up/", login.step_up, name="step_up"),
    path("logout/", login.logout, name="logout"),
    path("logged-out/", login.logged_out, name="logged_out"),
    path("logout/frontchannel/", login.frontchannel_logout, name="logout_frontchannel"),
]
