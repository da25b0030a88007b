"""Pages for what goes wrong, in plain words.

400 and 500 are shown without session, database or context processors: any of them may be what
failed, or may not have run yet.
"""

from __future__ import annotations

import logging
import secrets

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import get_language

log = logging.getLogger(__name__)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: we could not understand what the browser asked for."""
    return _bare("web/error_400.html", 400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: she may not do this."""
    return render(request, "web/error_403.html", status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: not there, or not hers; nobody can tell which."""
    return render(request, "web/error_404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: a fault of ours. The page and the log share a code, so that she can refer to it."""
    code = secrets.token_hex(3).upper()
    log.error("error code %s was shown to the citizen", code)
    return _bare("web/error_500.html", 500, code=code)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form was too old, or came from elsewhere."""
    return render(request, "web/error_csrf.html", status=403)


def _bare(template: str, status: int, **context: str) -> HttpResponse:
    page = render_to_string(template, {"language": get_language() or "nb", **context})
    return HttpResponse(page, status=status)
