from __future__ import annotations

import re
from datetime import timedelta

import pytest

from connectors import clock
from inbox.sync.models import Mailbox, Source
from tests.make import log_in, make_citizen, make_mailbox, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture
def kari(client):
    citizen = make_citizen()
    log_in(client, citizen)
    client.cookies["django_language"] = "en"
    return citizen


def page(client) -> str:
    return client.get("/sources/").content.decode()


def test_a_source_that_works_says_when_it_was_last_fetched(client, kari):
    make_mailbox(kari)
    shown = page(client)
    assert '<h2 id="source-altinn">Altinn</h2>' in shown
    assert "Working" in shown
    assert "Last fetched today at" in shown
    assert "We cannot fetch" not in shown


def test_a_source_that_fails_says_so_and_that_the_letters_are_safe(client, kari):
    yesterday = clock.now() - timedelta(days=1)
    make_mailbox(kari, failure="temporary", failures=3, last_success_at=yesterday)
    shown = page(client)
    assert "We cannot fetch new mail from Altinn right now." in shown
    assert "Last fetched yesterday at" in shown
    assert "Letters you already have are safe here." in shown
    assert "Working" not in shown


def test_a_source_that_refuses_us_is_told_from_one_that_is_down(client, kari):
    make_mailbox(kari, failure="notpermitted")
    shown = page(client)
    assert "Altinn does not let us fetch your mail." in shown
    assert "We cannot fetch" not in shown


def test_a_source_that_we_have_switched_off_says_so(client, kari):
    make_source(active=False)
    make_mailbox(kari)
    assert "We no longer fetch mail from Altinn." in page(client)


def test_a_source_that_was_never_reached_does_not_claim_a_time(client, kari):
    make_mailbox(kari, last_success_at=None)
    shown = page(client)
    assert "Last fetched" not in shown
    assert "Nothing has been fetched yet." in shown


def test_a_queue_that_all_share_shows_the_queues_own_health(client, kari):
    make_source("dpi-digipost", "Digipost", shared_queue=True, failure="temporary")
    make_mailbox(kari, "dpi-digipost")
    assert "We cannot fetch new mail from Digipost right now." in page(client)


def test_another_citizens_sources_are_not_shown(client, kari):
    make_mailbox(make_citizen("Ola"), "minside-nav")
    shown = page(client)
    assert "source-minside-nav" not in shown
    assert "No source is connected to your inbox yet." in shown


def test_the_page_takes_three_queries_however_many_sources_there_are(
    client, kari, django_assert_max_num_queries
):
    for number in range(6):
        make_mailbox(kari, f"source-{number}")
    with django_assert_max_num_queries(3):
        shown = page(client)
    assert shown.count("Working") == 6


def test_the_page_is_not_kept_by_browser_or_proxy(client, kari):
    assert "no-store" in client.get("/sources/")["Cache-Control"]


def test_the_page_names_no_failure_of_the_machine(client, kari):
    make_mailbox(kari, failure="temporary", failure_detail="GET /secret 503")
    assert "503" not in re.sub(r"<svg.*?</svg>", "", page(client), flags=re.DOTALL)
    assert Mailbox.objects.count() == Source.objects.count() == 1
