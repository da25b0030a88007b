"""The frame of every page: who is logged in, the demo's banner, navigation and choices."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import RequestFactory

from connectors import clock
from inbox.web.context import page
from inbox.web.filters import Filter
from inbox.web.templating import inbox_url
from tests.make import log_in, make_citizen, make_letter, make_mailbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def kari(client):
    citizen = make_citizen("Kari Nordmann")
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    log_in(client, citizen)
    return citizen


def body(client, address="/sources/", **cookies):
    """The page's text, with these cookies set."""
    for name, value in cookies.items():
        client.cookies[name] = value
    return client.get(address).content.decode()


def test_a_page_says_who_is_logged_in_and_logs_her_out_by_a_form(client, kari):
    text = body(client)
    assert "Kari Nordmann" in text
    # Beside her name, and in the menu of a narrow page.
    assert text.count('<form method="post" action="/logout/">') == 2
    assert 'href="/logout/"' not in text


def test_a_page_for_nobody_has_no_navigation_and_a_way_in(client):
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    text = body(client, "/demo/")
    assert "Log out" not in text
    assert 'aria-label="Your mail"' not in text
    assert 'href="/login/"' in text


def test_the_demo_says_that_everything_is_made_up(client, kari):
    assert "All people and letters are made up." in body(client)


def test_the_banner_tells_the_clock_when_it_is_not_the_real_one(client, kari, frozen_clock):
    assert "The demo's clock says 23 November 2026" in body(client)


def test_the_banner_is_silent_about_a_clock_that_is_right(client, kari):
    clock.reset()
    assert "clock says" not in body(client)


def test_a_clock_that_is_a_minute_or_more_off_is_moved(rf: RequestFactory):
    clock.set_running(clock.now() + timedelta(minutes=2))
    try:
        assert page(rf.get("/"))["demo_clock"]
    finally:
        clock.reset()


@pytest.mark.parametrize(
    ("cookie", "scheme"), [("dark", "dark"), ("light", "light"), ("auto", "auto"), ('"><x', "auto")]
)
def test_the_appearance_follows_her_choice_and_nothing_else(client, kari, cookie, scheme):
    assert f'data-color-scheme="{scheme}"' in body(client, color_scheme=cookie)


def test_the_page_before_is_where_the_choices_lead_back_to(rf: RequestFactory):
    assert page(rf.get("/?show=unread"))["here"] == "/?show=unread"
    assert page(rf.post("/letters/1/open/"))["here"] == "/"


def test_a_request_without_session_has_a_page_too(rf: RequestFactory):
    context = page(rf.get("/"))
    assert (context["viewer"], context["citizen"], context["inbox_state"]) == (None, None, None)


def test_navigation_counts_what_is_unread_and_needs_action(client, kari):
    make_letter(kari, needs_action=True)
    make_letter(kari)
    text = body(client)
    assert "2 unread letters" in text
    assert ">1 letter<" in text


def test_who_looks_at_one_separate_inbox_stays_in_it():
    asked = Filter(view="separate", source="altinn", q="skatt")
    assert inbox_url(asked, show="unread") == "/?show=unread&source=altinn&view=separate"


def test_navigation_leads_away_from_a_search():
    asked = Filter(q="skatt", source="altinn")
    assert inbox_url(asked, show="unread") == "/?show=unread"


@pytest.mark.parametrize(
    ("address", "current"),
    [
        ("/", "/"),
        ("/?show=unread", "/"),
        ("/?show=action", "/?show=action"),
        ("/archive/?q=skatt", "/archive/"),
        ("/bin/", "/bin/"),
        ("/?source=altinn", "/?source=altinn"),
        ("/deadlines/", "/deadlines/"),
        ("/search/?q=skatt", "/search/"),
        ("/sharing/", "/sharing/"),
        ("/life-events/", "/life-events/"),
    ],
)
def test_navigation_marks_where_she_is(client, kari, address, current):
    make_mailbox(kari, "altinn", failure="temporary")
    text = client.get(address).content.decode()
    text = text[text.index('<nav class="places') : text.index("<main")]
    assert text.count("aria-current") == 1
    assert f'<a href="{current}"' in text[: text.index("aria-current")].rsplit("<li", 1)[1]
    assert "Down" in text


def test_a_page_holds_neither_inline_script_nor_style(client, kari):
    text = body(client)
    assert "<style" not in text
    assert " style=" not in text
    assert "<script>" not in text
    assert " onclick=" not in text
