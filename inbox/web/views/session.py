"""How long she stays logged in: the page that stands open asks, and she goes on."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from inbox.web.paths import own_path
from inbox.web.sessions import find_person


@never_cache
@require_safe
def left(request: HttpRequest) -> HttpResponseBase:
    """Tell a page that stands open how long is left, or that it is over; asking is no use."""
    return _answer(request, "")


@never_cache
@require_POST
def go_on(request: HttpRequest) -> HttpResponseBase:
    """She goes on: the request itself was use. When it is too late the page stays as it is."""
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    if htmx:
        return _answer(request, gettext("You are still logged in.") if find_person(request) else "")
    return redirect(own_path(request.POST.get("next", "")) or resolve_url("inbox"))


def _answer(request: HttpRequest, said: str) -> HttpResponseBase:
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    page = own_path((htmx and htmx.current_url_abs_path) or "") or resolve_url("inbox")
    login = f"{reverse('login')}?{urlencode({'next': page})}"
    return render(request, "web/_session_answer.html", {"said": said, "page": page, "login": login})
