"""Logging in and out by ID-porten, and from one level to a higher one.

Sources: OpenID Connect Core 1.0 §3.1.2, RP-Initiated Logout 1.0 and Front-Channel Logout 1.0;
Digdir docs `oidc_protocol_authorize.md` and `oidc_func_pkce.md`.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.crypto import get_random_string
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_GET, require_POST
from mozilla_django_oidc.utils import (
    absolutify,
    add_state_and_verifier_and_nonce_to_session,
    generate_code_challenge,
)

from connectors.contract import ConnectorError
from inbox.citizens.models import SecurityLevel
from inbox.citizens.oidc import Attempt, IdportenBackend, LoginRefused
from inbox.sync import contacts, parties
from inbox.web import kept, panel, sessions
from inbox.web.paths import own_path

ACR_VALUES = {
    SecurityLevel.SUBSTANTIAL: "idporten-loa-substantial",
    SecurityLevel.HIGH: "idporten-loa-high",
}
ATTEMPT_SECONDS = 15 * 60
"""A log-in that takes longer must be started anew."""

log = logging.getLogger("samlepost.login")


@dataclass(frozen=True, slots=True)
class Started:
    """A log-in under way: what was asked of the provider, and where it leads afterwards."""

    attempt: Attempt
    next_page: str


@never_cache
@require_GET
def choose(request: HttpRequest) -> HttpResponseBase:
    """The log-in page; who is logged in already goes on to where she was going."""
    next_page = _next_page(request)
    if sessions.find_viewer(request):
        return redirect(next_page)
    context = {"next": next_page, "keeps_text": kept.holds(request)}
    return render(request, "web/login.html", context)


@never_cache
@require_GET
def authenticate(request: HttpRequest) -> HttpResponseBase:
    """Send the browser to ID-porten, asking for `level` (3 or 4)."""
    wants_high = request.GET.get("level") == str(SecurityLevel.HIGH)
    level = SecurityLevel.HIGH if wants_high else SecurityLevel.SUBSTANTIAL
    viewer = sessions.find_viewer(request)
    wants_fresh = wants_high and "fresh" in request.GET
    is_step_up = viewer is not None and (level > viewer.level or wants_fresh)
    verifier = get_random_string(64)
    asked = {
        "response_type": "code",
        "client_id": settings.OIDC_RP_CLIENT_ID,
        "redirect_uri": absolutify(request, reverse(settings.OIDC_AUTHENTICATION_CALLBACK_URL)),
        "scope": settings.OIDC_RP_SCOPES,
        "state": get_random_string(32),
        "nonce": get_random_string(32),
        "acr_values": ACR_VALUES[level],
        "ui_locales": get_language() or settings.LANGUAGE_CODE,
        "code_challenge": generate_code_challenge(verifier, "S256"),
        "code_challenge_method": "S256",
    }
    if is_step_up:
        # Whoever sits at a screen that was left open must identify herself.
        asked["prompt"] = "login"
    add_state_and_verifier_and_nonce_to_session(request, asked["state"], asked, verifier)
    request.session["oidc_states"][asked["state"]].update(
        level=int(level), fresh=is_step_up, next=_next_page(request)
    )
    request.session.modified = True
    return redirect(f"{settings.OIDC_OP_AUTHORIZATION_ENDPOINT}?{urlencode(asked)}")


@never_cache
@require_GET
def callback(request: HttpRequest) -> HttpResponseBase:
    """Take the browser back from ID-porten: log the citizen in, or say why not."""
    started = _take_started(request)
    if started is None:
        return _sorry(request, _("This log-in has expired or was used before. Try again."))
    if "code" not in request.GET:
        return _sorry(request, _("The log-in was cancelled. Try again."), started.next_page)
    backend = IdportenBackend()
    try:
        citizen = backend.authenticate(request, attempt=started.attempt)
    except LoginRefused as refusal:
        log.warning("log-in refused: %s", refusal)
        text = _("We could not accept the answer from ID-porten. Try again.")
        return _sorry(request, text, started.next_page)
    except ConnectorError as problem:
        log.error("log-in failed, ID-porten cannot be used: %s", problem)
        text = _("ID-porten does not answer right now. Try again shortly.")
        return _sorry(request, text, started.next_page)
    before = sessions.find_person(request)
    if citizen is not None and citizen.deceased_at:
        request.session.flush()
        text = _(
            "This inbox is closed, as the population register says that its owner has died. "
            "The letters are kept. Whoever represents the estate can see them."
        )
        return _sorry(request, text)
    if citizen is None:
        if before:  # somebody else sits here now
            request.session.flush()
        return _sorry(request, _("You have no inbox in Samlepost."))
    sessions.start(request, citizen, backend.proof)
    contacts.ask_if_old(citizen)
    parties.ask_if_old(citizen)
    is_another = before is not None and before.citizen_id != citizen.pk
    answer = redirect(settings.LOGIN_REDIRECT_URL if is_another else started.next_page)
    panel.give_cookie(request, answer, citizen)
    return answer


@never_cache
@require_GET
@sessions.citizen_required
def step_up(request: HttpRequest) -> HttpResponseBase:
    """Explain that a letter, or another page, needs a safer log-in, and lead there.

    With `fresh` in the query the log-in must be a new one, however safe that of the session was.
    """
    next_page = _next_page(request)
    is_high = sessions.viewer_of(request).level == SecurityLevel.HIGH
    wants_fresh = "fresh" in request.GET
    if sessions.is_fresh(request) if wants_fresh else is_high:
        return redirect(next_page)
    context = {
        "next": next_page,
        "is_letter": next_page.startswith("/letters/"),
        "wants_fresh": wants_fresh and is_high,
    }
    return render(request, "web/step_up.html", context)


@never_cache
@require_POST
def logout(request: HttpRequest) -> HttpResponseBase:
    """End the session here, then at ID-porten, which ends it at other services."""
    id_token = sessions.id_token_of(request)
    request.session.flush()
    if not id_token:
        return redirect(settings.LOGOUT_REDIRECT_URL)
    asked = {
        "id_token_hint": id_token,
        "post_logout_redirect_uri": absolutify(request, reverse("logged_out")),
        "state": get_random_string(32),
    }
    return redirect(f"{settings.OIDC_OP_LOGOUT_ENDPOINT}?{urlencode(asked)}")


@never_cache
@require_GET
def logged_out(request: HttpRequest) -> HttpResponseBase:
    """Where ID-porten leads after a log-out."""
    return render(request, "web/logged_out.html")


@never_cache
@xframe_options_exempt
@require_GET
def frontchannel_logout(request: HttpRequest) -> HttpResponseBase:
    """ID-porten's frame: the citizen logged out elsewhere. The frame seldom has our cookies."""
    issuer, sid = request.GET.get("iss", ""), request.GET.get("sid", "")
    is_meant = issuer == settings.OIDC_ISSUER and sid != ""
    if is_meant:
        sessions.end_all(issuer, sid)
    # Production's issuer and its log-out page have different hosts.
    frames = {_origin(settings.OIDC_ISSUER), _origin(settings.OIDC_OP_LOGOUT_ENDPOINT)}
    policy = f"default-src 'none'; frame-ancestors {' '.join(sorted(frames))}"
    return HttpResponse(
        status=200 if is_meant else 400, headers={"Content-Security-Policy": policy}
    )


def _take_started(request: HttpRequest) -> Started | None:
    """Return the log-in that `state` names, once: it is forgotten before anything is done."""
    kept: dict[str, Any] = request.session.get("oidc_states", {})
    found = kept.pop(request.GET.get("state", ""), None)
    if found is None:
        return None
    request.session.modified = True
    request.session.save()
    if time.time() - found["added_on"] > ATTEMPT_SECONDS:
        return None
    attempt = Attempt(
        nonce=found["nonce"],
        code_verifier=found["code_verifier"],
        level=SecurityLevel(found["level"]),
        fresh=found["fresh"],
        asked_at=found["added_on"],
    )
    return Started(attempt, found["next"])


def _sorry(request: HttpRequest, text: str, next_page: str = "") -> HttpResponseBase:
    """Lead back to where the log-in began; a session that is there already stays as it was."""
    messages.error(request, text)
    page = "step_up" if sessions.find_viewer(request) else "login"
    return redirect(f"{reverse(page)}?{urlencode({'next': next_page})}")


def _next_page(request: HttpRequest) -> str:
    """Return the page of ours that `next` names, else the inbox."""
    wanted = own_path(request.GET.get("next", ""))
    return wanted or resolve_url(settings.LOGIN_REDIRECT_URL)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
