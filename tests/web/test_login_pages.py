"""What the pages around a log-in offer; the log-in itself is walked in tests/web/login."""

from __future__ import annotations

import pytest

from tests.make import log_in, make_citizen, make_letter

pytestmark = pytest.mark.django_db

WAYS = ["/login/start/?level=3&amp;next=", "/login/start/?level=4&amp;next="]


@pytest.fixture(autouse=True)
def english(client):
    client.cookies["django_language"] = "en"


def test_both_levels_are_offered_and_lead_back_to_the_page_she_wanted(client):
    shown = client.get("/login/", {"next": "/?show=unread&q=a b"}).content.decode()
    for way in WAYS:
        assert f'href="{way}/%3Fshow%3Dunread%26q%3Da%20b"' in shown


@pytest.mark.parametrize("wanted", ["//evil.example", '/"><script>alert(1)</script>'])
def test_no_address_breaks_out_of_the_log_in_page(client, wanted):
    shown = client.get("/login/", {"next": wanted}).content.decode()
    assert "<script>alert" not in shown
    assert "//evil.example" not in shown.split("<main")[1].split("</main>")[0]


def test_only_the_demo_says_that_everybody_is_made_up(client, settings):
    assert "Everybody in it is made up." in client.get("/login/").content.decode()
    settings.DEMO = False
    assert "made up" not in client.get("/login/").content.decode()


def test_the_step_up_page_leads_to_the_higher_level_and_back_to_the_letter(client):
    kari = make_citizen()
    letter = make_letter(kari, security_level=4, title="Prøvesvar")
    log_in(client, kari, level=3)
    shown = client.get("/login/step-up/", {"next": f"/letters/{letter.id}/"}).content.decode()
    assert f'href="{WAYS[1]}/letters/{letter.id}/"' in shown
    assert "level=3" not in shown


def test_who_has_logged_out_can_log_in_again(client):
    shown = client.get("/logged-out/").content.decode()
    assert "You are logged out" in shown
    assert 'href="/login/"' in shown
