"""Her account: what it holds, taking it away, closing it and taking that back."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from connectors import clock
from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.panel import consents
from inbox.sync import closing
from inbox.web.dates import Calendar
from inbox.web.panel import find_site
from inbox.web.sessions import citizen_required, herself_required, viewer_of


@require_safe
@citizen_required
@herself_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show what we know of her, and what she can do with her account."""
    return render(
        request, "web/account.html", {"closes": _closes(request), "panels": _panels(request)}
    )


@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
def close(request: HttpRequest) -> HttpResponseBase:
    """Explain what closing means; close when she is logged in safely and has ticked for it."""
    viewer = viewer_of(request)
    if viewer.level != SecurityLevel.HIGH:
        return redirect(f"{reverse('step_up')}?{urlencode({'next': reverse('account_close')})}")
    if request.method == "POST" and request.POST.get("sure") == "yes":
        closes_at = closing.ask(viewer.citizen_id)
        day = Calendar(clock.now(), get_language()).full_day(closes_at)
        request.session.flush()
        said = gettext("Your account is closed. Everything is removed on %(day)s.")
        messages.success(request, said % {"day": day})
        return redirect("logged_out")
    context = {"failed": request.method == "POST", "days": closing.REGRET.days}
    return render(request, "web/account_close.html", context)


@require_POST
@citizen_required
@herself_required
def keep(request: HttpRequest) -> HttpResponseBase:
    """She takes the closing back."""
    if closing.take_back(viewer_of(request).citizen_id):
        messages.success(request, gettext("You keep your account. We fetch your letters again."))
    return redirect("account")


def _closes(request: HttpRequest) -> str:
    """Return the day on which her account is removed, or "" when it is not being closed."""
    citizen = request.user
    if not isinstance(citizen, Citizen) or citizen.closes_at is None:
        return ""
    return Calendar(clock.now(), get_language()).full_day(citizen.closes_at)


def _panels(request: HttpRequest) -> list[tuple[str, str, str]]:
    """Return (slug, name, day) of each site on which she shows how many new letters she has."""
    calendar = Calendar(clock.now(), get_language())
    found = []
    for given in consents(viewer_of(request).citizen_id).order_by("agreed_at"):
        site = find_site(given.site)
        name = site.name if site else given.site
        found.append((given.site, name, calendar.full_day(given.agreed_at)))
    return found
