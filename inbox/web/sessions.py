"""A citizen's session: how it begins, how long it lasts, who it says is looking.

It lies on the server, keyed by a random cookie. Limits run in real time: 30 minutes without use
and 120 in all, as at ID-porten (Digdir docs `oidc_func_sso.md`; OWASP ASVS 5.0 7.2.4, 7.3).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from importlib import import_module
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, login
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, resolve_url
from django.utils.cache import patch_cache_control
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from inbox.citizens.identity import seal, unseal
from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.oidc import Proof
from inbox.citizens.viewer import Viewer
from inbox.web import acting

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]

NOTED_EVERY_SECONDS = 60
"""Use is noted at most this often, so that reading pages does not write the session each time."""
BACKGROUND_PATHS = ("/changes/", "/session/left/", "/logout/frontchannel/", "/api/")
"""What a page, the provider or a system asks by itself: no sign that the citizen is there."""
SESSIONS_OF_ONE_SID = 10
FRESH_SECONDS = 5 * 60
"""Who takes all letters away must have identified herself so lately: a screen may be left open."""
LEVELS = frozenset(SecurityLevel.values)


def session_limits(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: end the session that is over its limits; note that the others are in use."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and SESSION_KEY in request.session:
            if is_over(request):
                request.session.flush()
                request.user = AnonymousUser()
                request.META["samlepost.session_over"] = True
            elif not request.path_info.startswith(BACKGROUND_PATHS):
                _note_use(request)
        return get_response(request)

    return middleware


def start(request: HttpRequest, citizen: Citizen, proof: Proof) -> None:
    """Begin a session at the level of `proof`, under a new key and with nothing of the old one.

    But that who steps up while she looks at somebody else's mail goes on with it.
    """
    before = find_person(request)
    goes_on = before is not None and before.citizen_id == citizen.pk
    acting_for = request.session.get(acting.SESSION_NAME) if goes_on else None
    request.session.flush()
    login(request, citizen)
    if acting_for:
        request.session[acting.SESSION_NAME] = acting_for
    now = time.time()
    request.session.update(
        {
            "level": int(proof.level),
            "started_at": now,
            "seen_at": now,
            "issuer": settings.OIDC_ISSUER,
            "sid": proof.sid,
            "identified_at": proof.auth_time,
            # It holds the identity number, which lies nowhere in the clear.
            "id_token": seal("id_token", proof.id_token),
        }
    )
    request.session.save()
    name = _index_name(settings.OIDC_ISSUER, proof.sid)
    # One log-in at the provider may carry several sessions here (another host name, say).
    keys = [*cache.get(name, []), request.session.session_key]
    cache.set(name, keys[-SESSIONS_OF_ONE_SID:], settings.SESSION_ABSOLUTE_SECONDS)


def is_fresh(request: HttpRequest) -> bool:
    """Say whether she has identified herself at the highest level within the last five minutes."""
    if request.session.get("level") != SecurityLevel.HIGH:
        return False
    identified_at: float = request.session.get("identified_at", 0.0)
    return time.time() - identified_at <= FRESH_SECONDS


def is_over(request: HttpRequest) -> bool:
    """Say whether the session is over its limits, or has none and so is no session."""
    if "started_at" not in request.session or "seen_at" not in request.session:
        return True
    return time.time() >= min(ends_of(request))


def ends_of(request: HttpRequest) -> tuple[float, float]:
    """Return when the session ends without use and when it ends in any case (seconds, real time).

    Raises KeyError outside a session.
    """
    seen_at: float = request.session["seen_at"]
    started_at: float = request.session["started_at"]
    return seen_at + settings.SESSION_IDLE_SECONDS, started_at + settings.SESSION_ABSOLUTE_SECONDS


def id_token_of(request: HttpRequest) -> str:
    """Return the id_token that the session began with, or "" outside a session."""
    sealed = request.session.get("id_token")
    return unseal("id_token", sealed) if sealed else ""


def end_all(issuer: str, sid: str) -> None:
    """End every session that came of the provider's session `sid`; no cookie is needed."""
    name = _index_name(issuer, sid)
    store = import_module(settings.SESSION_ENGINE).SessionStore
    for key in cache.get(name, []):
        store().delete(key)
    cache.delete(name)


def find_viewer(request: HttpRequest) -> Viewer | None:
    """Return who is looking, at whose letters and at what level; None: nobody is logged in."""
    person = find_person(request)
    if person is None:
        return None
    found = acting.find(request, person.citizen_id, person.level)
    return found.viewer if found else person


def find_person(request: HttpRequest) -> Viewer | None:
    """Return who is logged in as a viewer of her own letters, whosever she looks at."""
    level = request.session.get("level")
    if level not in LEVELS or not isinstance(request.user, Citizen):
        return None
    return Viewer(request.user.pk, SecurityLevel(level))


def viewer_of(request: HttpRequest) -> Viewer:
    """Return who is looking, behind `citizen_required`. Raises PermissionDenied for nobody."""
    viewer = find_viewer(request)
    if viewer is None:
        raise PermissionDenied
    return viewer


def person_of(request: HttpRequest) -> Viewer:
    """Return who is logged in, behind `person_required`. Raises PermissionDenied for nobody."""
    person = find_person(request)
    if person is None:
        raise PermissionDenied
    return person


def citizen_required(view: View[P]) -> View[P]:
    """Let a logged-in citizen through and send others to the log-in page; nothing is cached.

    Who looks at somebody else's mail gets through as far as she may: to change something only if
    she may answer, and never from a page that shows other mail than the session looks at.
    """

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        viewer = find_viewer(request)
        response: HttpResponseBase
        if viewer is None:
            response = _ask_to_log_in(request)
        elif acting.is_of_another(request, viewer):
            response = _start_over(request)
        elif request.method not in acting.SAFE and not viewer.may_answer:
            raise Http404
        else:
            response = view(request, *args, **kwargs)
        patch_cache_control(response, private=True, no_store=True)
        return response

    return checked


def person_required(view: View[P]) -> View[P]:
    """Let whoever is logged in through, as herself, whosever mail she looks at."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        logged_in = find_person(request) is not None
        response = view(request, *args, **kwargs) if logged_in else _ask_to_log_in(request)
        patch_cache_control(response, private=True, no_store=True)
        return response

    return checked


def herself_required(view: View[P]) -> View[P]:
    """Let the citizen herself through, behind `citizen_required`; to a helper it is 404."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not viewer_of(request).is_herself:
            raise Http404
        return view(request, *args, **kwargs)

    return checked


def staff_required(view: View[P]) -> View[P]:
    """Let those who run Samlepost through; for everybody else the page does not exist."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if find_viewer(request) is None or not request.user.is_staff:
            raise Http404
        response = view(request, *args, **kwargs)
        patch_cache_control(response, private=True, no_store=True)
        return response

    return checked


def _note_use(request: HttpRequest) -> None:
    now = time.time()
    if now - request.session["seen_at"] >= NOTED_EVERY_SECONDS:
        request.session["seen_at"] = now


def _ask_to_log_in(request: HttpRequest) -> HttpResponse:
    """Come back to the page she looks at, not to the part of it that htmx asked for."""
    if request.META.get("samlepost.session_over"):
        messages.info(request, _("You were logged out because the session had lasted too long."))
    htmx: Any = getattr(request, "htmx", None)
    if htmx:
        page = htmx.current_url_abs_path or resolve_url(settings.LOGIN_REDIRECT_URL)
    elif request.method in ("GET", "HEAD"):
        page = request.get_full_path()
    else:
        page = resolve_url(settings.LOGIN_REDIRECT_URL)
    answer = redirect_to_login(page)
    return HttpResponseClientRedirect(answer.url) if htmx else answer


def _start_over(request: HttpRequest) -> HttpResponse:
    """Lead to the inbox that is looked at now, the whole page."""
    page = resolve_url(settings.LOGIN_REDIRECT_URL)
    htmx: Any = getattr(request, "htmx", None)
    return HttpResponseClientRedirect(page) if htmx else redirect(page)


def _index_name(issuer: str, sid: str) -> str:
    return "sessions-of:" + sha256(f"{issuer}\n{sid}".encode()).hexdigest()
