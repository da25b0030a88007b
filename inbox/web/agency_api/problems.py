"""What the API answers when it does not do what it was asked: application/problem+json (RFC 9457).

The status says which problem it is, so `type` is left out: "about:blank" (section 4.2.1). No
answer repeats what was sent.
"""

from __future__ import annotations

import json
import logging
import secrets
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from ninja.errors import AuthenticationError, HttpError, ValidationError

MEDIA_TYPE = "application/problem+json"
UNREADABLE = (
    *(BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError),
    HttpError,  # ninja's, of a body that is no JSON
)

log = logging.getLogger("samlepost.web.agency_api")


class Problem(Exception):
    """The API does not do what it was asked; `detail` says why, to a developer."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


def answer(
    status: int,
    detail: str,
    headers: dict[str, str] | None = None,
    errors: list[dict[str, str]] | None = None,
) -> HttpResponse:
    """Return a problem; `errors` say what in the request was wrong, and where it stood."""
    phrase = HTTPStatus(status).phrase
    said: dict[str, Any] = {"title": phrase, "status": status, "detail": detail}
    if errors:
        said["errors"] = errors
    return HttpResponse(json.dumps(said), status=status, content_type=MEDIA_TYPE, headers=headers)


def answer_for(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    """Return the problem that an exception stands for; one that nobody expected is logged."""
    if isinstance(error, Problem):
        return answer(error.status, error.detail, error.headers)
    if isinstance(error, Http404):
        return answer(404, "There is no such thing, or it is not your agency's.")
    if isinstance(error, AuthenticationError):
        said = "A working key is needed: Authorization: Bearer <key>"
        return answer(401, said, {"WWW-Authenticate": "Bearer"})
    if isinstance(error, ValidationError):
        return answer(400, "The request is not as described.", errors=_errors(error))
    if isinstance(error, RequestDataTooBig):
        return answer(413, "The request is too large.")
    if isinstance(error, UNREADABLE):
        return answer(400, "The request could not be read.")
    code = secrets.token_hex(3).upper()
    log.exception("error code %s was shown to an agency", code)
    return answer(500, f"A fault of ours, logged as {code}.")


def _errors(error: ValidationError) -> list[dict[str, str]]:
    """Name each fault by where it stood. What the agency called something unknown is left out."""
    found = []
    for each in error.errors:
        where, *path = each["loc"]
        if where == "body":
            del path[0]  # what the operation calls the whole
        if each["type"] == "extra_forbidden":
            path.pop()
        name = ".".join(str(part) for part in path)
        found.append({"in": str(where), "name": name, "detail": str(each["msg"])})
    return found
