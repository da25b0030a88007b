"""Who asks: a key of an agency's, and how often it may."""

from __future__ import annotations

from django.http import HttpRequest
from ninja.security import HttpBearer

from inbox.agencies import keys
from inbox.agencies.models import Key
from inbox.web import throttle
from inbox.web.agency_api.problems import Problem

REQUESTS_A_MINUTE = 600


class KeyRequest(HttpRequest):
    """A request that a key let through."""

    auth: Key


class Bearer(HttpBearer):
    """`Authorization: Bearer <key>` (RFC 6750, section 2.1); no cookie counts."""

    def authenticate(self, request: HttpRequest, token: str) -> Key | None:
        """Return the key if it works. Raises Problem when it is used too often."""
        key = keys.find(token)
        if key is None:
            return None
        wait = throttle.spend("api", key.id, REQUESTS_A_MINUTE)
        if wait:
            said = f"More than {REQUESTS_A_MINUTE} requests with this key in a minute."
            raise Problem(429, said, {"Retry-After": str(wait)})
        return key
