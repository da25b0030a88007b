"""The panel that an agency's site can show: how many new letters she has from others.

The agency puts a frame of ours on its page and learns nothing of what stands in it. A frame on
another site gets no cookie that is SameSite=Lax, so the panel has its own, which opens nothing
but the number: it is bound to her session, goes to /panel/ alone, and is given only to who has
agreed to show the panel somewhere. A browser that keeps cookies from frames shows the link.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.core.cache import cache
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare

from inbox.citizens.models import Citizen
from inbox.citizens.panel import consents
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Letter
from inbox.web.sessions import is_over

COOKIE = "samlepost_panel" if settings.DEMO else "__Secure-panel"
PATH = "/panel/"
SESSION_NAME = "panel"
COUNT_MAX = 99
"""More are not counted, so that the panel costs the same however many there are."""


@dataclass(frozen=True, slots=True)
class Site:
    """An agency's site that may ask to show the panel (PANEL_SITES in the settings)."""

    slug: str
    page: str
    """Its address for citizens."""
    origins: tuple[str, ...]
    org_numbers: tuple[str, ...]
    """Of the agency: its own letters are not counted there."""
    name: str


def find_site(slug: str) -> Site | None:
    """Return the site of this name, None when there is none."""
    found = settings.PANEL_SITES.get(slug)
    return Site(slug, *found) if found else None


def give_cookie(request: HttpRequest, response: HttpResponseBase, citizen: Citizen) -> None:
    """Let the panel know of this session, if she has agreed to show it anywhere."""
    if not consents(citizen.pk).exists():
        return
    token = request.session.get(SESSION_NAME) or secrets.token_urlsafe(32)
    request.session[SESSION_NAME] = token
    request.session.save()
    cache.set(_name(token), request.session.session_key, settings.SESSION_ABSOLUTE_SECONDS)
    # Secure also in the demo: browsers refuse SameSite=None without, and take loopback for safe.
    response.set_cookie(COOKIE, token, path=PATH, secure=True, httponly=True, samesite="None")


def find_citizen(request: HttpRequest) -> Citizen | None:
    """Return whose session the panel's cookie belongs to, None when that is over."""
    token = request.COOKIES.get(COOKIE, "")
    key = cache.get(_name(token)) if token else None
    if key is None:
        return None
    theirs = HttpRequest()
    theirs.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    if not constant_time_compare(theirs.session.get(SESSION_NAME, ""), token) or is_over(theirs):
        return None
    user = get_user(theirs)
    return user if isinstance(user, Citizen) and user.deceased_at is None else None


def count_others(citizen: Citizen, site: Site) -> int:
    """Count her unread letters from others than the site's agency, to COUNT_MAX + 1 at most."""
    letters = Letter.objects.visible_to(Viewer(citizen.pk)).in_place(Letter.Place.INBOX)
    return letters.unread().from_others(site.org_numbers)[: COUNT_MAX + 1].count()


def _name(token: str) -> str:
    return "panel-of:" + sha256(token.encode()).hexdigest()
