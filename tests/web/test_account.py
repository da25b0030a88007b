"""Her account: what is shown, closing it, taking that back."""

from __future__ import annotations

import pytest
from django.test import Client

from inbox.citizens.models import Citizen
from inbox.sync.models import Mailbox
from tests.make import log_in, make_citizen, make_mailbox

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture
def kari(client: Client) -> Citizen:
    citizen = make_citizen(email="kari@example.org")
    make_mailbox(citizen)
    log_in(client, citizen, level=4)
    client.cookies["django_language"] = "en"
    return citizen


def shown(client: Client, path: str = "/account/") -> str:
    return client.get(path).content.decode()


def test_the_account_shows_her_address_and_the_way_to_all_that_is_hers(client, kari):
    page = shown(client)
    assert "kari@example.org" in page
    for path in ("/sources/", "/export/", "/privacy/", "/account/close/"):
        assert f'href="{path}"' in page


def test_closing_offers_the_letters_first_and_needs_a_tick(client, kari):
    page = shown(client, "/account/close/")
    assert 'href="/export/"' in page
    assert "For 30 days you can log in again" in page
    answer = client.post("/account/close/")
    assert "Tick the box" in answer.content.decode()
    kari.refresh_from_db()
    assert kari.closes_at is None


def test_closing_needs_the_higher_level(client, kari):
    log_in(client, kari, level=3)
    for ask in (client.get, client.post):
        assert ask("/account/close/")["Location"].startswith("/login/step-up/")
    kari.refresh_from_db()
    assert kari.closes_at is None


def test_closing_ends_every_session_and_says_until_when_it_can_be_taken_back(client, kari):
    elsewhere = Client()
    log_in(elsewhere, kari)
    answer = client.post("/account/close/", {"sure": "yes"}, follow=True)
    assert "Everything is removed on 23 December 2026." in answer.content.decode()
    for browser in (client, elsewhere):
        assert browser.get("/")["Location"].startswith("/login/")


def test_logged_in_again_she_is_told_on_every_page_and_can_keep_it(client, kari):
    client.post("/account/close/", {"sure": "yes"})
    kari.refresh_from_db()
    log_in(client, kari)
    client.cookies["django_language"] = "en"
    assert "Your account is being closed." in shown(client, "/")
    client.post("/sources/altinn/connect/")
    assert not Mailbox.objects.get(citizen=kari).active
    assert "Everything is removed on 23 December 2026." in shown(client)
    client.post("/account/keep/")
    assert "being closed" not in shown(client, "/")
    assert Mailbox.objects.get(citizen=kari).active
