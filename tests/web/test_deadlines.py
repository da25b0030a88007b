"""The page of deadlines: passed, coming and done, each letter once, in the order of their days."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.utils import translation

from connectors import clock
from inbox.letters.models import Letter
from tests.make import log_in, make_citizen
from tests.web.test_inbox import group, html, titles, write, write_many

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]
PAGE = "/deadlines/"


@pytest.fixture(autouse=True)
def in_english(settings):
    settings.LANGUAGE_CODE = "en"
    with translation.override("en"):
        yield


@pytest.fixture
def kari(client):
    citizen = make_citizen()
    log_in(client, citizen)
    return citizen


def next_of(page, part):
    return unescape(re.search(rf'id="more-{part}"><a [^>]*href="([^"]*)"', page)[1])


def test_letters_stand_by_their_days_in_three_groups(client, kari):
    write(kari, "far", due=40)
    write(kari, "near", days=3, due=2)
    write(kari, "long passed", due=-40)
    write(kari, "passed", due=-3)
    write(kari, "done", due=5, handled_at=clock.now())
    write(kari, "none")
    page = html(client, PAGE)
    assert group(page, "passed") == ["passed", "long passed"]
    assert group(page, "coming") == ["near", "far"]
    assert group(page, "done") == ["done"]
    assert "none" not in titles(page)
    assert "Deadline passed 20 November" in page
    assert "Due 25 November (2 days left)" in page


def test_the_archive_is_there_and_the_bin_is_not(client, kari):
    for title, place in (("filed", "filed"), ("binned", "bin")):
        write(kari, title, due=3)
        Letter.objects.filter(title=title).update(place=place)
    page = html(client, PAGE)
    assert titles(page) == ["filed"]
    assert "In the archive" in page


@pytest.mark.parametrize(("part", "due"), [("passed", -1), ("coming", 1), ("done", 1)])
def test_each_part_goes_on_to_its_end(client, kari, part, due):
    handled = {"handled_at": clock.now()} if part == "done" else {}
    write_many(kari, 60, due_at=clock.now() + timedelta(days=due), **handled)
    page, seen = html(client, PAGE), []
    for _ in range(3):
        seen += titles(page)
        if "more-" in page:
            page = html(client, next_of(page, part))
    assert len(seen) == len(set(seen)) == 59, "the first of them has no deadline"


def test_htmx_gets_the_rows_that_follow(client, kari):
    write_many(kari, 40, due_at=clock.now() + timedelta(days=3))
    address = next_of(html(client, PAGE), "coming")
    rest = html(client, address, **{"HX-Request": "true", "HX-Target": "more-coming"})
    assert 'hx-swap-oob="beforeend:#rows-coming"' in rest
    assert "<html" not in rest
    assert len(titles(rest)) == 14


def test_a_letter_leads_back_to_the_deadlines(client, kari):
    letter = write(kari, "near", due=2, language="en")
    assert f'href="/letters/{letter.id}/?back=%2Fdeadlines%2F"' in html(client, PAGE)
    shown = html(client, f"/letters/{letter.id}/?back=%2Fdeadlines%2F")
    assert 'class="back" href="/deadlines/"' in shown


def test_a_title_above_the_session_is_not_shown(client, kari):
    write(kari, "Diagnose", due=3, security_level=4, public_title="Brev")
    page = html(client, PAGE)
    assert titles(page) == ["Brev"]
    assert "Diagnose" not in page


def test_others_deadlines_and_nonsense_show_nothing(client, kari):
    write(make_citizen("Ola"), "Not hers", due=3)
    for address in (PAGE, f"{PAGE}?part=x&after=y", f"{PAGE}?part=coming&after=%00"):
        assert "No letter of yours has a deadline." in html(client, address)


def test_the_page_costs_five_queries_however_many_letters(client, kari, django_assert_num_queries):
    for count in (10, 300):
        write_many(kari, count, due_at=clock.now() + timedelta(days=3))
        html(client, PAGE)
        with django_assert_num_queries(5):
            html(client, PAGE)


def test_navigation_leads_to_it_and_marks_it(client, kari):
    nav = re.search(r'<nav class="places.*?</nav>', html(client, PAGE), re.DOTALL)[0]
    assert '<a href="/deadlines/" aria-current="page">' in nav
    assert nav.count("aria-current") == 1
