"""One size of the nation: makes it, then times requests through the whole WSGI application."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth.decorators import login_required  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.middleware.csrf import CSRF_ALLOWED_CHARS, CSRF_SECRET_LENGTH  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils.crypto import get_random_string  # noqa: E402

from bench import nation  # noqa: E402
from config import urls  # noqa: E402
from config.wsgi import application  # noqa: E402
from inbox.citizens.models import InboxState  # noqa: E402
from inbox.letters.models import Letter  # noqa: E402


@login_required
def bare(request: HttpRequest) -> HttpResponse:
    """The yardstick: the same citizen's same 25 rows by the ORM, behind the same middleware."""
    letters = Letter.objects.filter(citizen_id=request.user.pk).order_by("-received_at", "-id")[:25]
    return HttpResponse("\n".join(f"{letter.id} {letter.title}" for letter in letters))


def main(size: int) -> None:
    """Answer "page 20" with the seconds that one of 20 requests took, and so on."""
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    citizen = nation.make(size)
    urls.urlpatterns.append(path("bench/bare/", bare))
    client = Client()
    client.force_login(citizen)
    session = client.session
    session.update({"level": 3, "started_at": time.time(), "seen_at": time.time()})
    session.save()
    token = get_random_string(CSRF_SECRET_LENGTH, CSRF_ALLOWED_CHARS)
    cookie = (
        f"{settings.SESSION_COOKIE_NAME}={session.session_key}; {settings.CSRF_COOKIE_NAME}={token}"
    )
    letter = _request(f"/letters/{Letter.objects.filter(citizen=citizen).first().id}/", cookie)
    letter()  # the first opening changes her inbox, later ones do not
    version = InboxState.objects.get(citizen=citizen).version
    subjects = {
        "page": _request("/", cookie),
        "bare": _request("/bench/bare/", cookie),
        "letter": letter,
        "unchanged": _request(f"/changes/?v={version}", cookie),
    }
    for line in sys.stdin:
        name, _, times = line.strip().partition(" ")
        if name == "size":
            answer: object = Letter.objects.count()
        else:
            answer = _timed(subjects[name], int(times))
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _timed(run: Callable[[], None], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        run()
    return (time.perf_counter() - started) / times


def _request(address: str, cookie: str) -> Callable[[], None]:
    where, _, query = address.partition("?")

    def run() -> None:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": where,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "127.0.0.1:8000",
            "HTTP_COOKIE": cookie,
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        }
        statuses: list[str] = []
        answer = application(environ, lambda status, _headers: statuses.append(status))
        body = b"".join(answer)
        answer.close()
        if statuses[0][:3] not in ("200", "204", "304"):
            raise RuntimeError(f"{address}: {statuses[0]} {body[:200]!r}")

    return run


if __name__ == "__main__":
    main(int(sys.argv[1]))
