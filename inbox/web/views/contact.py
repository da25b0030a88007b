"""How she can be reached: what the contact register says, what that means, where to change it."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from inbox.citizens.models import Citizen
from inbox.sync import contacts
from inbox.web.contact_words import contact_context
from inbox.web.replying import host_of
from inbox.web.sessions import citizen_required, herself_required, viewer_of


@require_safe
@citizen_required
@herself_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show which e-mail and mobile are used, her reservation, and how the register fares."""
    citizen = Citizen.objects.get(pk=viewer_of(request).citizen_id)
    context = contact_context(citizen, contacts.standing_of(citizen.pk))
    return render(request, "web/contact.html", context | {"host": host_of(settings.KRR_CHANGE_URL)})


@require_POST
@citizen_required
@herself_required
def ask(request: HttpRequest) -> HttpResponseBase:
    """Ask the register about her anew: she has changed something there."""
    if contacts.is_on() and not getattr(request.user, "closes_at", None):
        contacts.ask(viewer_of(request).citizen_id)
        messages.success(
            request, gettext("We ask the register now. Load the page anew in a few seconds.")
        )
    return redirect("contact")


@require_safe
@citizen_required
@herself_required
def leave(request: HttpRequest) -> HttpResponseBase:
    """Say where the link to her entry leads before she follows it."""
    url, host = settings.KRR_CHANGE_URL, host_of(settings.KRR_CHANGE_URL)
    if not host:
        return redirect("contact")
    label = gettext("Your entry in the contact and reservation register")
    context = {
        "link": {"url": url, "host": host, "label": label, "takes_return": ""},
        "target": url,
        "back": reverse("contact"),
        "back_words": gettext("Back to your contact details"),
    }
    return render(request, "web/leave.html", context)
