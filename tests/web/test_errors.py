"""What a citizen is told when something goes wrong, and what those who run Samlepost are told."""

from __future__ import annotations

import re

import pytest
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import connections
from django.db.utils import ConnectionHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils.translation import override

from config.urls import handler400, handler403, handler404, handler500
from inbox.web.sessions import citizen_required
from inbox.web.views import health
from tests.make import log_in, make_citizen


def break_down(request: HttpRequest) -> HttpResponse:
    """A page with a fault."""
    raise RuntimeError("a fault of ours")


def refuse(request: HttpRequest) -> HttpResponse:
    """A page that nobody may see."""
    raise PermissionDenied


def misunderstand(request: HttpRequest) -> HttpResponse:
    """A page that understands nothing."""
    raise BadRequest


@citizen_required
def accept(request: HttpRequest) -> HttpResponse:
    """A page that takes a form."""
    return HttpResponse("taken")


urlpatterns = [
    path("fault/", break_down),
    path("refused/", refuse),
    path("misunderstood/", misunderstand),
    path("form/", accept),
    path("", include("config.urls")),
]
__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db]


@pytest.fixture
def browser():
    """A client that is answered as a browser would be."""
    return Client(raise_request_exception=False, headers={"accept-language": "en"})


@pytest.fixture
def impossible_database(monkeypatch, tmp_path):
    """A connection to a database that cannot be opened."""
    settings = connections.settings["default"] | {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "nowhere" / "samlepost.sqlite3"),
        "OPTIONS": {},
    }
    broken = ConnectionHandler({"default": settings})["default"]
    monkeypatch.setattr(health, "connection", broken)
    return broken


@pytest.mark.parametrize(
    ("address", "status", "heading"),
    [
        ("/misunderstood/", 400, "We did not understand the request"),
        ("/refused/", 403, "You cannot open this page"),
        ("/nowhere/", 404, "We cannot find this page"),
        ("/fault/", 500, "Something went wrong on our side"),
    ],
)
@pytest.mark.parametrize("logged_in", [False, True])
def test_an_error_is_told_in_plain_words(browser, address, status, heading, logged_in):
    if logged_in:
        log_in(browser, make_citizen())
    answer = browser.get(address)
    assert answer.status_code == status
    assert f">{heading}</h1>" in answer.content.decode()
    assert 'href="/"' in answer.content.decode()


def test_an_error_page_speaks_the_language_of_the_citizen(browser):
    with override("nb"):
        answer = browser.get("/nowhere/", headers={"accept-language": "nb"})
    assert '<html lang="nb"' in answer.content.decode()
    assert "We cannot find this page" not in answer.content.decode()


def test_a_fault_is_shown_without_database_or_session(browser, django_assert_num_queries):
    log_in(browser, make_citizen("Kari Nordmann"))
    with django_assert_num_queries(0):
        answer = browser.get("/fault/")
    text = answer.content.decode()
    assert "Kari Nordmann" not in text
    assert "a fault of ours" not in text


def test_a_fault_has_a_code_that_is_in_the_log_too(browser, caplog):
    text = browser.get("/fault/").content.decode()
    (code,) = re.findall(r"Error code: ([0-9A-F]{6})\b", text)
    assert f"error code {code}" in caplog.text
    assert "a fault of ours" in caplog.text


def test_a_request_with_a_foreign_host_name_is_refused_before_it_has_a_user(browser):
    answer = browser.get("/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "We did not understand the request" in answer.content.decode()


def test_an_old_form_is_not_taken_and_she_is_told_to_try_again():
    browser = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})
    log_in(browser, make_citizen())
    answer = browser.post("/form/", {"csrfmiddlewaretoken": "x" * 64})
    assert answer.status_code == 403
    assert ">Try once more</h1>" in answer.content.decode()
    assert "taken" not in answer.content.decode()


def test_the_health_page_tells_of_a_database_that_answers(browser):
    answer = browser.get("/healthz")
    assert answer.status_code == 200
    assert set(answer.json()) == {"database", "version"}
    assert answer.json()["database"] == "ok"
    assert "no-store" in answer.headers["Cache-Control"]


def test_the_health_page_tells_of_a_database_that_does_not_answer(browser, impossible_database):
    with pytest.raises(Exception, match="unable to open database file"):
        impossible_database.ensure_connection()
    answer = browser.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["database"] == "down"
    assert set(answer.json()) == {"database", "version"}
