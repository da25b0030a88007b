"""How long a session lasts, and what the pages ask of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import time_machine
from django.contrib.messages import get_messages
from pytest_django import Settings

from inbox.citizens.models import Citizen
from tests.web.login.walk import (
    SITE,
    Browser,
    who,
)


def test_a_session_ends_after_half_an_hour_without_use(visitor: Browser) -> None:
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        visitor.log_in()
        for _ in range(3):
            traveller.shift(timedelta(minutes=29))
            assert who(visitor)
        traveller.shift(timedelta(minutes=31))
        assert who(visitor) is None
        assert visitor.site.session.get("level") is None


def test_asking_for_news_in_the_background_is_not_use(visitor: Browser) -> None:
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        visitor.log_in()
        for _ in range(2):
            traveller.shift(timedelta(minutes=14))
            assert visitor.site.get("/changes/probe/").status_code == 204
        traveller.shift(timedelta(minutes=3))
        assert visitor.site.get("/changes/probe/").status_code == 302


def test_a_session_ends_at_its_absolute_limit_however_much_it_is_used(
    visitor: Browser, settings: Settings
) -> None:
    # Shorter than the life of the session's file, which would end it as well.
    settings.SESSION_ABSOLUTE_SECONDS = 3600
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        visitor.log_in()
        for _ in range(3):
            traveller.shift(timedelta(minutes=19))
            assert who(visitor)
        traveller.shift(timedelta(minutes=4))
        assert who(visitor) is None


def test_the_citizen_is_told_that_the_session_is_over(visitor: Browser) -> None:
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        visitor.log_in()
        traveller.shift(timedelta(minutes=31))
        answer = visitor.site.get("/probe/")
        assert len(list(get_messages(answer.wsgi_request))) == 1


def test_reading_pages_writes_the_session_once_a_minute(visitor: Browser) -> None:
    with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
        visitor.log_in()
        began = visitor.site.session["seen_at"]
        traveller.shift(timedelta(seconds=59))
        assert "samlepost_session" not in visitor.site.get("/probe/").cookies
        assert visitor.site.session["seen_at"] == began
        traveller.shift(timedelta(seconds=1))
        visitor.site.get("/probe/")
        assert visitor.site.session["seen_at"] == began + 60


def test_a_session_without_its_times_is_no_session(visitor: Browser) -> None:
    for name in ("started_at", "seen_at"):
        visitor.log_in()
        session = visitor.site.session
        del session[name]
        session.save()
        assert who(visitor) is None


def test_an_inactive_citizen_is_logged_out_at_once(visitor: Browser, kari: Citizen) -> None:
    visitor.log_in()
    Citizen.objects.filter(pk=kari.pk).update(is_active=False)
    assert who(visitor) is None


def test_a_page_for_citizens_sends_others_to_the_log_in_and_is_not_kept(
    visitor: Browser,
) -> None:
    answer = visitor.site.get("/probe/?side=2")
    assert answer["Location"] == "/login/?" + urlencode({"next": "/probe/?side=2"}, safe="/")
    assert "no-store" in answer["Cache-Control"]
    visitor.log_in()
    assert "no-store" in visitor.site.get("/probe/")["Cache-Control"]


def test_htmx_is_told_to_load_the_log_in_page_whole(visitor: Browser) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": f"{SITE}/probe/?side=2"}
    answer = visitor.site.get("/changes/probe/", headers=headers)
    assert answer.status_code == 200
    assert answer["HX-Redirect"] == "/login/?" + urlencode({"next": "/probe/?side=2"}, safe="/")
    headers["HX-Current-URL"] = "https://evil.example/"
    assert "evil" not in visitor.site.get("/changes/probe/", headers=headers)["HX-Redirect"]


def test_a_page_for_citizens_costs_one_query_to_know_who_is_looking(
    visitor: Browser, django_assert_num_queries: Callable[[int], Any]
) -> None:
    visitor.log_in()
    with django_assert_num_queries(1):
        visitor.site.get("/probe/")


def test_operators_pages_do_not_exist_for_others(visitor: Browser, kari: Citizen) -> None:
    assert visitor.site.get("/staff/").status_code == 404
    visitor.log_in()
    assert visitor.site.get("/staff/").status_code == 404
    Citizen.objects.filter(pk=kari.pk).update(is_staff=True)
    answer = visitor.site.get("/staff/")
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]


def test_a_log_in_is_noted_in_real_time(visitor: Browser) -> None:
    before = time.time()
    visitor.log_in()
    assert before <= visitor.site.session["started_at"] <= time.time()
