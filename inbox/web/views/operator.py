"""Being written."""

from __future__ import annotations

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase


def quarantine(request: HttpRequest, **_kwargs: object) -> HttpResponseBase:
    raise Http404


def replay(request: HttpRequest, **_kwargs: object) -> HttpResponseBase:
    raise Http404


def file(request: HttpRequest, **_kwargs: object) -> HttpResponseBase:
    raise Http404
