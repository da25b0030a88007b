"""Her deadlines, in the order of their days."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from inbox.sync.freshness import labels
from inbox.web.deadlines import PARTS, read_deadlines
from inbox.web.filters import read_position
from inbox.web.sessions import citizen_required, viewer_of
from inbox.web.views.inbox import folders_of


@require_safe
@citizen_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show what is due; to htmx what follows the rows that it has."""
    viewer = viewer_of(request)
    part = request.GET.get("part", "")
    part = part if part in PARTS else ""
    position = read_position(request.GET.get("after", "")) if part else None
    groups, more = read_deadlines(viewer, part, position, labels(), folders_of(request))
    context: dict[str, Any] = {"groups": groups, "more": more, "part": part}
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    if htmx and position and htmx.target == f"more-{part}":
        response = render(request, "web/_deadlines_more.html", context)
    else:
        response = render(request, "web/deadlines.html", context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response
