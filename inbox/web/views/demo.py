"""Being written."""

from __future__ import annotations

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase


def welcome(request: HttpRequest, **_kwargs: object) -> HttpResponseBase:
    raise Http404


def outbox(request: HttpRequest, **_kwargs: object) -> HttpResponseBase:
    raise Http404


def reset(request: HttpRequest, **_kwargs: object) -> HttpResponseBase:
    raise Http404
