"""All her letters as one zip."""

from __future__ import annotations

from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import get_language
from django.views.decorators.http import require_POST, require_safe

from connectors import clock
from inbox.citizens.models import SecurityLevel
from inbox.sync.freshness import labels
from inbox.web.dates import OSLO
from inbox.web.exporting import Export
from inbox.web.sessions import citizen_required, herself_required, viewer_of
from inbox.web.zipped import zip_stream


@require_safe
@citizen_required
@herself_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Say what she gets."""
    is_high = viewer_of(request).level == SecurityLevel.HIGH
    return render(request, "web/export.html", {"is_high": is_high})


@require_POST
@citizen_required
@herself_required
def download(request: HttpRequest) -> HttpResponseBase:
    """Send the zip, made as it is sent; below the highest level she must log in anew first."""
    viewer = viewer_of(request)
    if viewer.level != SecurityLevel.HIGH:
        return redirect(f"{reverse('step_up')}?{urlencode({'next': reverse('export')})}")
    at = clock.now()
    name = request.user.name  # type: ignore[union-attr]  # citizen_required has seen to it
    export = Export(viewer, name, at, get_language() or settings.LANGUAGE_CODE, labels())
    response = StreamingHttpResponse(zip_stream(export.entries()))
    response["Content-Type"] = "application/zip"
    file = f"Samlepost {at.astimezone(OSLO):%Y-%m-%d}.zip"
    response["Content-Disposition"] = content_disposition_header(True, file) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    return response
