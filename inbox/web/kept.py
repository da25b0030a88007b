"""What she was writing when her session ended: kept sealed for an hour, offered after log-in.

The browser holds a random name alone. Who logs in gets the text only with a letter of her own.
"""

from __future__ import annotations

import json
import secrets
from hashlib import sha256
from uuid import UUID

from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from inbox.citizens.identity import seal, unseal
from inbox.citizens.viewer import Viewer
from inbox.letters.join import current_id

COOKIE = "samlepost_kept" if settings.DEMO else "__Host-kept"
KEPT_SECONDS = 3600
TEXT_MAX = 20_000


def keep(request: HttpRequest, response: HttpResponseBase, letter_id: UUID) -> None:
    """Keep the text of a form that was sent without a session."""
    text = request.POST.get("text", "")[:TEXT_MAX]
    if not text.strip():
        return
    name = secrets.token_urlsafe(32)
    said = {"letter": str(letter_id), "form": request.POST.get("form", "")[:64], "text": text}
    cache.set(_key(name), seal("kept reply", json.dumps(said)), KEPT_SECONDS)
    response.set_cookie(
        COOKIE,
        name,
        max_age=KEPT_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def holds(request: HttpRequest) -> bool:
    """Say whether something of this browser's is kept, whoever wrote it."""
    name = request.COOKIES.get(COOKIE, "")
    return bool(name) and cache.get(_key(name)) is not None


def find(request: HttpRequest, viewer: Viewer, letter_id: UUID) -> dict[str, str] | None:
    """Return what was kept for this letter, also by a former id of it: `form` and `text`."""
    name = request.COOKIES.get(COOKIE, "")
    sealed = cache.get(_key(name)) if name else None
    if not sealed:
        return None
    try:
        said: dict[str, str] = json.loads(unseal("kept reply", sealed))
    except (InvalidTag, ValueError):
        return None
    if said.get("letter") == str(letter_id):
        return said
    is_part = current_id(viewer, UUID(said["letter"])) == letter_id
    return said if is_part else None


def forget(request: HttpRequest, response: HttpResponseBase) -> None:
    """Let go of what was kept, once it lies in a draft."""
    name = request.COOKIES.get(COOKIE, "")
    if name:
        cache.delete(_key(name))
        response.delete_cookie(COOKIE, samesite="Lax")


def _key(name: str) -> str:
    return "kept-reply:" + sha256(name.encode()).hexdigest()
