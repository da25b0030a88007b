"""Where a source says that it has something new for somebody."""

from __future__ import annotations

import logging

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from connectors.contract import ConnectorError, NotPermitted, Unproven
from inbox.sync import pings

BODY_BYTES_MAX = 64 * 1024

log = logging.getLogger("samlepost.web.hooks")


@csrf_exempt
@require_POST
def ping(request: HttpRequest, source: str) -> HttpResponseBase:
    """Take a CloudEvents event; the answer is the same whether we know the person or not.

    An agency with a feed proves that it is from there (docs/minside-feed.md, F-61).
    """
    body = request.read(BODY_BYTES_MAX + 1)
    if len(body) > BODY_BYTES_MAX:
        return HttpResponse(status=413)
    proof = request.headers.get("Authorization", "")
    address = f"{settings.WEB_PUBLIC_URL.rstrip('/')}{request.path}"
    try:
        pings.ping(source, body, proof, address)
    except Unproven:
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    except NotPermitted:
        return HttpResponse(status=403)
    except ConnectorError as error:
        log.warning("a ping of %s could not be checked: %s", source, error)
        return HttpResponse(status=503, headers={"Retry-After": "60"})
    except (ValueError, RecursionError):  # not JSON, no such event, or JSON nested without end
        return HttpResponse(status=400)
    return HttpResponse(status=202)
