"""The panel on agencies' pages: only the number, only where she agreed, only while logged in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from config.panel import read_panel_sites
from inbox.citizens import panel as agreed
from inbox.letters.models import Letter
from inbox.web.panel import COOKIE
from tests.make import log_in, make_citizen, make_letter
from tests.web.test_inbox import html

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kari(client, settings):
    settings.LANGUAGE_CODE = "en"
    settings.PANEL_SITES = read_panel_sites(
        [
            "nav|https://www.nav.example/min-side|889640782|NAV",
            "oslo|https://oslo.example/|958935420|Oslo kommune",
        ],
        loopback=False,
    )
    citizen = make_citizen("Kari Nordmann", language="en")
    log_in(client, citizen)
    make_letter(citizen, title="Secret one", sender="Oslo kommune", org_number="958935420")
    make_letter(citizen, title="Secret two", sender="Skatteetaten", org_number="974761076")
    make_letter(citizen, title="Its own", sender="NAV", org_number="889640782")
    return citizen


def frame(client, site="nav"):
    """What a frame on another site gets: the panel's cookie, and not the session's."""
    other = Client()
    if COOKIE in client.cookies:
        other.cookies[COOKIE] = client.cookies[COOKIE].value
    return other.get("/panel/", {"site": site})


def says(client, site="nav"):
    return frame(client, site).content.decode()


def test_where_she_has_agreed_it_tells_how_many_others_have_written_and_nothing_else(client):
    assert client.post("/panel/consent/", {"site": "nav"}).status_code == 200
    shown = says(client)
    assert "2 new letters from others" in shown
    for secret in ("Secret", "Its own", "Skatteetaten", "Oslo", "Kari"):
        assert secret not in shown


def test_a_site_that_she_has_not_agreed_to_shows_a_link_alone(client):
    assert "new letters from others" not in says(client).split("</head>")[1]
    client.post("/panel/consent/", {"site": "nav"})
    shown = says(client, "oslo").split("</head>")[1]
    assert "from others" not in shown
    assert "/panel/consent/?site=oslo" in shown


def test_only_the_site_itself_may_frame_it(client):
    client.post("/panel/consent/", {"site": "nav"})
    answer = frame(client)
    policy = answer["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors https://www.nav.example")
    assert "X-Frame-Options" not in answer
    assert "no-store" in answer["Cache-Control"]
    assert "Set-Cookie" not in answer.headers
    for address in ("/panel/consent/?site=nav", "/"):
        assert client.get(address)["X-Frame-Options"] == "DENY"


def test_unknown_sites_are_not_there(client):
    for address in ("/panel/", "/panel/?site=evil", "/panel/consent/?site=evil"):
        assert client.get(address).status_code == 404
    assert client.post("/panel/consent/", {"site": "https://evil.example"}).status_code == 404


def test_its_cookie_opens_nothing_else_and_goes_to_the_panel_alone(client):
    client.post("/panel/consent/", {"site": "nav"})
    cookie = client.cookies[COOKIE]
    assert (cookie["path"], cookie["samesite"]) == ("/panel/", "None")
    assert cookie["secure"]
    assert cookie["httponly"]
    other = Client()
    other.cookies[COOKIE] = cookie.value
    assert other.get("/").status_code == 302
    assert other.get("/panel/consent/?site=nav").status_code == 302


def test_who_has_agreed_to_nothing_gets_no_cookie(client):
    client.get("/panel/consent/", {"site": "nav"})
    assert COOKIE not in client.cookies


def test_it_is_empty_when_she_has_logged_out_or_the_session_is_over(client, kari):
    client.post("/panel/consent/", {"site": "nav"})
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=31)):
        assert "2 new" not in says(client)
    assert "2 new" in says(client)
    kari.end_sessions()
    assert "2 new" not in says(client)
    log_in(client, kari)
    client.get("/panel/consent/", {"site": "nav"})
    assert "2 new" in says(client)
    client.logout()
    assert "2 new" not in says(client)


def test_showing_it_is_no_use_of_the_session(client):
    client.post("/panel/consent/", {"site": "nav"})
    before = client.session["seen_at"]
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=20)):
        assert "2 new" in says(client)
    assert client.session["seen_at"] == before


def test_she_takes_it_back_on_her_account_page(client, kari):
    client.post("/panel/consent/", {"site": "nav"})
    assert "Stop showing it at NAV" in html(client, "/account/")
    assert client.post("/panel/withdraw/", {"site": "nav"})["Location"] == "/account/"
    assert "2 new" not in says(client)
    assert "Stop showing it at NAV" not in html(client, "/account/")
    assert client.post("/panel/withdraw/", {"site": "nav"}).status_code == 404


def test_agreeing_twice_is_agreeing_once(client, kari):
    for _ in range(2):
        client.post("/panel/consent/", {"site": "nav"})
    assert agreed.consents(kari.id).count() == 1


def test_read_letters_and_letters_out_of_the_inbox_are_not_new(client, kari):
    client.post("/panel/consent/", {"site": "nav"})
    Letter.objects.filter(citizen=kari, title="Secret one").update(place=Letter.Place.FILED)
    assert "1 new letter from others" in says(client)
    Letter.objects.filter(citizen=kari).update(unread=False)
    assert "No new letters from others" in says(client)


def test_others_do_not_agree_for_her(client, kari):
    agreed.agree(make_citizen("Ola").id, "nav")
    assert "2 new" not in says(client)


@pytest.mark.parametrize(
    "line",
    [
        "nav",
        "nav|http://www.nav.example/|889640782|NAV",
        "nav|http://127.0.0.1:8010/|889640782|NAV",
        "nav|https://www.nav.example/|889|NAV",
        "nav|https://www.nav.example/|889640782|",
        "N V|https://www.nav.example/|889640782|NAV",
    ],
)
def test_a_site_that_cannot_be_read_stops_the_start(line):
    with pytest.raises(ImproperlyConfigured, match="PANEL_SITES must be"):
        read_panel_sites([line], loopback=False)
