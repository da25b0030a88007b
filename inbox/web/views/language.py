"""The citizen chooses how pages behave: language, light or dark, keyboard shortcuts."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from inbox.citizens.models import Citizen
from inbox.web.context import COLOR_SCHEMES, SHORTCUTS_COOKIE
from inbox.web.paths import own_path
from inbox.web.sessions import find_person

YEAR_SECONDS = 365 * 24 * 3600
SCHEME_COOKIE = "color_scheme"


@never_cache
@require_POST
def choose(request: HttpRequest) -> HttpResponseBase:
    """Keep the posted `language`, `color_scheme` or `shortcuts` and go back to `next`."""
    language = request.POST.get("language", "")
    scheme = request.POST.get("color_scheme", "")
    known_language = language in dict(settings.LANGUAGES)
    known_scheme = scheme in COLOR_SCHEMES
    shortcuts = request.POST.get("shortcuts", "")
    known_shortcuts = shortcuts in ("on", "off")
    if not (known_language or known_scheme or known_shortcuts):
        return HttpResponse(status=400)
    next_page = own_path(request.POST.get("next", ""))
    answer = redirect(next_page or resolve_url(settings.LOGIN_REDIRECT_URL))
    if known_language:
        _remember(answer, settings.LANGUAGE_COOKIE_NAME, language)
        person = find_person(request)
        if person:  # notices follow it
            Citizen.objects.filter(pk=person.citizen_id).update(
                language=language, has_chosen_language=True
            )
    if known_scheme:
        _remember(answer, SCHEME_COOKIE, scheme)
    if known_shortcuts:
        _remember(answer, SHORTCUTS_COOKIE, shortcuts)
    return answer


def _remember(answer: HttpResponse, name: str, value: str) -> None:
    answer.set_cookie(
        name,
        value,
        max_age=YEAR_SECONDS,
        path=settings.LANGUAGE_COOKIE_PATH,
        domain=settings.LANGUAGE_COOKIE_DOMAIN,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite=settings.LANGUAGE_COOKIE_SAMESITE or "Lax",
    )
