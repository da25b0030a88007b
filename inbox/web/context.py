"""What every page knows, with no question to the database beyond the citizen herself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import get_language, get_language_info, gettext, override
from markupsafe import Markup

from connectors import clock
from inbox.web import acting, event_words
from inbox.web.dates import Calendar
from inbox.web.lasting import lasting
from inbox.web.navigation import places
from inbox.web.sessions import find_viewer
from inbox.web.standing import sources_of

HIDDEN_FIELDS = Markup(
    '<input type="hidden" name="csrfmiddlewaretoken" value="{}">'
    '<input type="hidden" name="acting" value="{}">'
)
COLOR_SCHEMES = ("light", "dark", "auto")
SHORTCUTS_COOKIE = "shortcuts"
CLOCK_TOLERANCE = timedelta(minutes=1)


def page(request: HttpRequest) -> dict[str, Any]:
    """Return what `base.html` and the navigation show.

    Holds also for a request that an early middleware turned away: it has no session yet.
    `here` is where the footer's forms lead back to: the page itself, if it can be read again.
    """
    viewer = find_viewer(request) if hasattr(request, "session") else None
    citizen = request.user if viewer else None
    whose = acting.whose(viewer)
    language = get_language() or settings.LANGUAGE_CODE
    token = SimpleLazyObject(lambda: get_token(request))
    scheme = request.COOKIES.get("color_scheme")
    return {
        # Made once: every look at the backend's own would mask the secret anew.
        "csrf_token": token,
        "csrf_input": SimpleLazyObject(lambda: HIDDEN_FIELDS.format(token, whose)),
        "viewer": viewer,
        "citizen": citizen,
        "acting": acting.banner(request, viewer),
        "acting_for": whose,
        "inbox_state": SimpleLazyObject(lambda: acting.part_of(request, viewer).state)
        if whose
        else getattr(citizen, "inbox_state", None),
        "life_events": SimpleLazyObject(
            lambda: event_words.shelves(viewer, getattr(citizen, "inbox_state", None))
        ),
        "places": places(language, is_herself=viewer is None or viewer.is_herself),
        "sources": SimpleLazyObject(lambda: sources_of(request, viewer) if viewer else []),
        "_": _texts(language).__getitem__,
        "demo": settings.DEMO,
        "demo_clock": _moved_clock() if settings.DEMO else "",
        "simulators_url": settings.SIMULATORS_PUBLIC_URL,
        "language": language,
        "languages": _languages(),
        "session": lasting(request, viewer, language),
        "shortcuts": request.COOKIES.get(SHORTCUTS_COOKIE) != "off",
        "color_scheme": scheme if scheme in COLOR_SCHEMES else "auto",
        "here": request.get_full_path() if request.method == "GET" else reverse("inbox"),
    }


class _Texts(dict[str, str]):
    """Texts in one language, each looked up when it is first asked for."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._language = language

    def __missing__(self, text: str) -> str:
        with override(self._language):
            self[text] = gettext(text)
        return self[text]


@cache
def _texts(language: str) -> _Texts:
    """Return what templates call `_`: Django finds the language anew for each of fifty texts."""
    return _Texts(language)


@cache
def _languages() -> list[tuple[str, str]]:
    """Return each language's code and its name in that language."""
    names = [(code, str(get_language_info(code)["name_local"])) for code, _ in settings.LANGUAGES]
    return [(code, name[0].upper() + name[1:]) for code, name in names]


def _moved_clock() -> str:
    """Return the shared clock's moment, as people read it, when it is not the real one."""
    moment = clock.now()
    if abs(moment - datetime.now(UTC)) < CLOCK_TOLERANCE:
        return ""
    return Calendar(moment, get_language()).moment(moment)
