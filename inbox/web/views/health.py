"""For those who run the service: is it there, and is its database?"""

from __future__ import annotations

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache


@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the database answers, else 503; never raises, tells nothing secret."""
    up = _database_answers()
    return JsonResponse(
        {"database": "ok" if up else "down", "version": settings.VERSION},
        status=200 if up else 503,
    )


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:  # A driver may raise its own; whatever it is, there is no database.
        return False
    return True
