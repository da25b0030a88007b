"""Where a source says that it has something new for somebody."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from inbox.sync import pings

BODY_BYTES_MAX = 64 * 1024


@csrf_exempt
@require_POST
def ping(request: HttpRequest, source: str) -> HttpResponseBase:
    """Take a CloudEvents event; the answer is the same whether we know the person or not."""
    body = request.read(BODY_BYTES_MAX + 1)
    if len(body) > BODY_BYTES_MAX:
        return HttpResponse(status=413)
    try:
        pings.ping(source, body)
    except (ValueError, RecursionError):  # not JSON, no such event, or JSON nested without end
        return HttpResponse(status=400)
    return HttpResponse(status=202)
