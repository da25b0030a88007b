"""How long she stays logged in: what pages say, the warning, and going on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from tests.make import log_in, make_citizen
from tests.web.test_inbox import html

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/papers/"}


@pytest.fixture(autouse=True)
def kari(client, settings):
    settings.LANGUAGE_CODE = "en"
    citizen = make_citizen()
    with time_machine.travel(datetime(2026, 11, 24, 12, 0, tzinfo=UTC), tick=False) as clock:
        log_in(client, citizen)
        yield clock


def left(client, **headers):
    return client.get("/session/left/", headers=headers).content.decode()


def test_each_page_says_when_she_is_logged_out(client, kari):
    assert "You are logged out at 13:30 if you open no page" in html(client)
    assert "and at 15:00 in any case" in html(client)
    kari.shift(timedelta(minutes=20))
    assert "You are logged out at 13:50 if" in html(client)


def test_nobody_is_warned_long_before_or_when_nobody_is_logged_in(client):
    assert 'id="ending"' in html(client)
    assert "session-warning" not in html(client)
    client.logout()
    assert 'id="ending"' not in html(client, "/help/")


def test_five_minutes_before_the_open_page_is_told_and_she_goes_on(client, kari):
    kari.shift(timedelta(minutes=24))
    assert " hidden" in left(client, **HTMX)
    kari.shift(timedelta(minutes=2))
    warned = left(client, **HTMX)
    assert "You are logged out in 4 minutes" in warned
    assert "Stay logged in" in warned
    assert 'name="next" value="/papers/"' in warned
    answer = client.post("/session/", headers=HTMX).content.decode()
    assert "You are still logged in." in answer
    assert 'data-left="1800"' in answer
    assert " hidden" in answer


def test_asking_how_long_is_left_is_no_use(client, kari):
    for _ in range(3):
        kari.shift(timedelta(minutes=9))
        left(client)
    kari.shift(timedelta(minutes=3))
    assert client.get("/").status_code == 302


def test_without_javascript_going_on_leads_back_to_the_page(client):
    assert client.post("/session/", {"next": "/papers/"})["Location"] == "/papers/"
    assert client.post("/session/", {"next": "https://evil.example/"})["Location"] == "/"


def test_at_the_limit_only_a_new_log_in_helps_and_the_page_says_so_itself(client, kari):
    for _ in range(4):
        kari.shift(timedelta(minutes=29))
        page = html(client, "/papers/")
    assert "You are logged out at 15:00." in page
    assert "You are logged out in 4 minutes" in page
    assert "Stay logged in" not in page
    assert 'href="/login/start/?level=3&amp;next=%2Fpapers%2F"' in page


def test_when_it_is_over_the_page_is_left_as_it_is(client, kari):
    kari.shift(timedelta(minutes=31))
    for answer in (client.post("/session/", headers=HTMX), client.get("/session/left/")):
        assert answer.status_code == 200
        assert "You are logged out" in answer.content.decode()
        assert "data-left" not in answer.content.decode()
    kept = client.post("/session/", headers=HTMX).content.decode()
    assert 'href="/login/?next=%2Fpapers%2F"' in kept
