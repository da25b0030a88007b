"""The agency API: its operations, the document that describes them, and its addresses."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from pydantic import BaseModel

from inbox.web.agency_api import (
    agency,
    described,
    letters,
    problems,
    sandbox,
    sending,
    sources,
    statistics,
    webhooks,
)
from inbox.web.agency_api.by_key import Bearer

PREFIX = "api/agency/v1/"
VERSION = "1.0.0"
BESIDE_THE_PDF_BYTES = 2**20
ROUTERS = tuple(
    each.router for each in (agency, letters, sending, sources, statistics, webhooks, sandbox)
)
DESCRIPTION = (
    "For systems of agencies that send letters. Every call has a key, made in the portal:"
    " `Authorization: Bearer <key>`. Times are UTC. Fields may be added; ignore those that you do"
    " not know. Of a letter you learn how far it has come, not what it says or whose it is."
)


def known_only(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a parameter that an operation does not have: a misspelt filter would filter nothing.

    ninja gives the operation each of its own by name, a form's fields as a model.
    """

    @wraps(operation)
    def checked(request: HttpRequest, **own: Any) -> Any:
        forms = [each for each in own.values() if isinstance(each, BaseModel)]
        fields = {name for form in forms for name in type(form).model_fields}
        if not own.keys() >= request.GET.keys():
            said = f"Unknown parameter. Known here: {', '.join(sorted(own)) or 'none'}."
            raise problems.Problem(400, said)
        if not fields | own.keys() >= request.POST.keys() | request.FILES.keys():
            said = f"Unknown field. Known here: {', '.join(sorted(fields)) or 'none'}."
            raise problems.Problem(400, said)
        return operation(request, **own)

    return checked


def made() -> NinjaAPI:
    """Return the API with its operations and with our words for what goes wrong."""
    api = NinjaAPI(
        title="Samlepost's agency API",
        version=VERSION,
        description=DESCRIPTION,
        openapi_url=None,
        urls_namespace="agency-api",
        auth=Bearer(),
    )
    for router in ROUTERS:
        api.add_router("", router)
    api.add_decorator(known_only)
    for error in (Exception, Http404, HttpError, ValidationError):
        api.add_exception_handler(error, problems.answer_for)
    return api


API = made()


def address() -> str:
    """Return where the API is, without a slash at the end."""
    return f"{settings.WEB_PUBLIC_URL.rstrip('/')}/{PREFIX.rstrip('/')}"


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    found = described.tidied(dict(API.get_openapi_schema(path_prefix="")))
    found["servers"] = [{"url": address()}]
    found["components"]["schemas"]["Problem"] = described.PROBLEM
    found["components"]["responses"] = described.answers()
    return found


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """Serve the document; it is the same for everybody, and needs no key."""
    return JsonResponse(document())


def nothing(request: HttpRequest) -> HttpResponse:
    """404 for an address that the API does not have."""
    raise Http404


def sealed(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let every answer be a problem or what the document says, and be kept by nobody."""

    @csrf_exempt  # no cookie opens anything here
    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            _check_size(request)
            answer = view(request, *args, **kwargs)
        except Exception as error:
            answer = problems.answer_for(request, error)
        if answer.status_code == 405:
            headers = {"Allow": answer.headers["Allow"]}
            answer = problems.answer(405, "Not a method of this address.", headers)
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Content-Language"] = "en"
        return answer

    return answered


def _check_size(request: HttpRequest) -> None:
    """Raise RequestDataTooBig for more than any operation takes, before any of it is read."""
    try:
        size = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise BadRequest from None
    if size > settings.OUTGOING_PDF_MAX_BYTES + BESIDE_THE_PDF_BYTES:
        raise RequestDataTooBig


def addresses() -> list[URLPattern]:
    """Return every address below PREFIX, for the URLconf."""
    operations = [
        path(str(each.pattern), sealed(each.callback), name=f"api_{each.name}")
        for each in API.urls[0]
        if isinstance(each, URLPattern) and each.name != "api-root"
    ]
    return [
        *operations,
        path("openapi.json", sealed(openapi), name="api_document"),
        re_path("", sealed(nothing), name="api_nothing"),
    ]
