"""Pages about Samlepost itself, the same for everybody: help, accessibility, privacy."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from inbox.web.stored import stored


@never_cache
@require_safe
def help_page(request: HttpRequest) -> HttpResponseBase:
    """Show how to do things, what words mean, and whom to ask."""
    context = {
        "contact": settings.CONTACT_EMAIL,
        "idle_minutes": settings.SESSION_IDLE_SECONDS // 60,
        "absolute_minutes": settings.SESSION_ABSOLUTE_SECONDS // 60,
    }
    return render(request, "web/help.html", context)


@never_cache
@require_safe
def accessibility(request: HttpRequest) -> HttpResponseBase:
    """Show the accessibility statement.

    Its content is what the Norwegian regulation on universal design of ICT solutions asks for,
    by way of the EU's model statement (Commission Implementing Decision (EU) 2018/1523).
    """
    return render(request, "web/accessibility.html", {"contact": settings.CONTACT_EMAIL})


@never_cache
@require_safe
def privacy(request: HttpRequest) -> HttpResponseBase:
    """Show what is kept about a citizen, for how long, and who sees it."""
    context = {"stored": stored(), "contact": settings.CONTACT_EMAIL}
    return render(request, "web/privacy.html", context)
