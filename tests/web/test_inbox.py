"""The list of letters: rows, groups, filters, pages and news."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.utils import translation

from connectors import clock
from inbox.citizens.models import InboxState
from inbox.letters.models import Letter
from inbox.sync.freshness import labels
from inbox.sync.models import Mailbox
from tests.make import copy_letter, log_in, make_citizen, make_letter, make_mailbox, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]
HTMX = {"HX-Request": "true"}
TITLE = re.compile(r'<h3><a id="letter-[^>]*>(?:<span[^>]*>[^<]*</span>)?([^<]*)</a>')


@pytest.fixture(autouse=True)
def in_english(settings):
    settings.LANGUAGE_CODE = "en"
    with translation.override("en"):
        yield


@pytest.fixture
def kari(client):
    citizen = make_citizen()
    make_mailbox(citizen)
    log_in(client, citizen)
    return citizen


def html(client, address="/", **headers):
    response = client.get(address, headers={"Accept-Language": "en", **headers})
    assert response.status_code == 200, response
    return response.content.decode()


def titles(page):
    return [unescape(title) for title in TITLE.findall(page)]


def group(page, key):
    """The titles under one heading."""
    found = re.search(rf'id="rows-{key}">(.*?)</ul>', page, re.DOTALL)
    return titles(found[1]) if found else None


def write(citizen, title, *, days=0, due=None, **fields):
    """A letter that came so many days ago, due in so many days."""
    fields.setdefault("document", None)
    if due is not None:
        fields["due_at"] = clock.now() + timedelta(days=due)
    sent_at = clock.now() - timedelta(days=days)
    return make_letter(citizen, title=title, sent_at=sent_at, **fields)


def write_many(citizen, count, **fields):
    """Letters straight into the table, an hour apart, as many as a life gives."""
    copy_letter(write(citizen, "First", days=1), count - 1, **fields)


def more(page):
    found = re.search(r'id="pager"><a [^>]*href="([^"]*)"', page)
    return unescape(found[1]) if found else ""


def test_a_row_says_who_what_when_and_by_which_way(client, kari):
    make_source("altinn", "Altinn")
    letter = write(
        kari, "Send payslips", due=8, sender="NAV", summary="We lack September.", language="en"
    )
    page = html(client)
    assert titles(page) == ["Send payslips"]
    assert f'href="/letters/{letter.id}/"' in page
    assert '<span class="ds-sr-only">Unread: </span>' in page
    assert "<strong>NAV</strong> · fetched from Altinn" in page
    assert '<p class="sum">We lack September.</p>' in page
    assert "Due 1 December (8 days left)" in page
    assert "today at 09:00" in page


def test_a_read_letter_is_not_marked_unread(client, kari):
    write(kari, "Old news")
    Letter.objects.update(unread=False)
    page = html(client)
    assert titles(page) == ["Old news"]
    assert '<li class="row">' in page
    assert '<span class="ds-sr-only">Unread: </span>' not in page


@pytest.mark.parametrize(
    ("due", "handled", "color", "text"),
    [
        (0.1, False, "danger", "Due 23 November (today)"),
        (1, False, "danger", "Due 24 November (tomorrow)"),
        (14, False, "warning", "Due 7 December (14 days left)"),
        (30, False, "warning", "Due 23 December"),
        (-3, False, "danger", "Deadline passed 20 November"),
        (8, True, "neutral", "Due 1 December"),
    ],
)
def test_a_deadline_is_said_by_how_near_it_is(client, kari, due, handled, color, text):
    write(kari, "Answer us", due=due)
    if handled:
        Letter.objects.update(handled_at=clock.now())
    tag = re.search(
        r'data-color="(\w+)"><svg(?:(?!</span>).)*?</svg>((?:Due|Dead)[^<]*)',
        html(client),
        re.DOTALL,
    )
    assert (tag[1], tag[2]) == (color, text)


def test_tags_say_what_else_there_is_to_know(client, kari):
    write(kari, "Soon gone", expires_at=clock.now() + timedelta(days=30))
    write(kari, "Long kept", expires_at=clock.now() + timedelta(days=61))
    write(kari, "Elsewhere")
    Letter.objects.filter(title="Elsewhere").update(
        content="on_open", withdrawn_at=clock.now(), attachments=2, needs_action=True
    )
    page = html(client)
    assert page.count("your copy is kept") == 1
    assert "Altinn deletes this on 23 December – your copy is kept" in page
    rest = page[page.index("Elsewhere") :]
    order = ["Needs action", "2 attachments", "Not kept yet", "Withdrawn by the sender"]
    places = [rest.index(text) for text in order]
    assert places == sorted(places)


def test_a_letter_in_another_language_says_so(client, kari):
    write(kari, "Vedtak", language="nb")
    write(kari, "Decision", language="en")
    page = html(client)
    assert re.search(r'<a id="letter-[^>]* lang="nb">', page)
    assert 'lang="en">Decision' not in page


def test_letters_are_grouped_and_each_stands_once(client, kari):
    write(kari, "late", days=20, due=-2)
    write(kari, "near", days=400, due=3)
    write(kari, "far", days=1, due=40)
    write(kari, "forgotten", days=60, due=-20)
    write(kari, "handled", days=2, due=4)
    Letter.objects.filter(title="handled").update(handled_at=clock.now())
    write(kari, "summer", days=120)
    write(kari, "old", days=800)
    page = html(client)
    assert group(page, "soon") == ["late", "near"]
    assert group(page, "recent") == ["far", "handled"]
    assert group(page, "earlier") == ["forgotten", "summer"]
    assert group(page, "2024") == ["old"]
    assert len(titles(page)) == len(set(titles(page))) == 7
    assert "Deadline soon <span>2 letters</span>" in page


def test_pages_go_through_every_letter_once(client, kari):
    write_many(kari, 70)
    for number in range(30):
        write(kari, f"due {number}", days=0 if number % 2 else 3, due=number % 13)
    page, seen = html(client), []
    assert len(group(page, "soon")) == 25
    assert "Deadline soon</h2>" in page, "there are more than are shown: no number"
    for _ in range(10):
        seen += titles(page)
        if not more(page):
            break
        page = html(client, more(page))
    assert len(seen) == len(set(seen)) == 100


def test_pages_go_on_when_the_newest_letters_are_all_due(client, kari):
    for number in range(25):
        write(kari, f"due {number}", due=5)
    for number in range(5):
        write(kari, f"plain {number}", days=1)
    page = html(client)
    assert len(titles(page)) == 25
    rest = html(client, more(page), **HTMX, **{"HX-Target": "pager"})
    assert sorted(titles(rest)) == [f"plain {number}" for number in range(5)]
    assert 'hx-swap-oob="beforeend' not in rest, "no list on the page would take them"


def test_letters_of_one_moment_are_all_shown(client, kari):
    write_many(kari, 60, received_at=clock.now() - timedelta(days=3))
    page = html(client)
    seen = titles(page)
    while more(page):
        page = html(client, more(page))
        seen += titles(page)
    assert len(seen) == len(set(seen)) == 60


def test_more_letters_go_on_under_the_heading_that_stands(client, kari):
    write_many(kari, 400)
    page = html(client)
    rest = html(client, more(page), **HTMX, **{"HX-Target": "pager"})
    assert 'hx-swap-oob="beforeend:#rows-recent"' in rest
    assert "<h2" not in rest[: rest.index("</ul>")]
    assert "<html" not in rest
    assert 'id="poll"' in rest and "keep=1" in rest
    whole = html(client, more(page))
    assert "<html" in whole and "Last two weeks" in whole
    assert titles(whole) == titles(rest)


def test_a_filter_shows_what_it_says(client, kari):
    write(kari, "plain", sender="Skatteetaten", org_number="974761076")
    write(kari, "task")
    Letter.objects.filter(title="task").update(needs_action=True)
    write(kari, "dated", due=30)
    Letter.objects.filter(title="dated").update(unread=False)
    assert titles(html(client, "/?show=unread")) == ["task", "plain"]
    assert titles(html(client, "/?show=action")) == ["task"]
    assert titles(html(client, "/?show=deadline")) == ["dated"]
    sender = Letter.objects.get(title="plain").sender_id
    assert titles(html(client, f"/?sender={sender}")) == ["plain"]
    assert titles(html(client, f"/?sender={sender}&show=action")) == []
    assert titles(html(client, "/?q=TASK")) == ["task"]
    assert titles(html(client, "/?q=skatte")) == ["plain"]
    assert titles(html(client, "/?source=minside-nav")) == []


def test_active_filters_are_stated_and_can_be_cleared(client, kari):
    letter = write(kari, "plain")
    page = html(client, f"/?show=unread&sender={letter.sender_id}&source=altinn&q=pla")
    stated = re.search(r'<p class="found">(.*?)</p>', page)[1]
    assert "1 letter · Unread · from NAV · fetched from Altinn · hits for “pla”" in stated
    assert '<a href="/">Clear filters</a>' in stated
    assert f'<option value="{letter.sender_id}" selected>' in page
    assert 'value="unread" checked' in page


def test_the_way_back_from_a_letter_keeps_the_filter(client, kari):
    letter = write(kari, "plain")
    page = html(client, "/?q=pla&show=unread")
    assert f'href="/letters/{letter.id}/?back=%2F%3Fshow%3Dunread%26q%3Dpla"' in page


@pytest.mark.parametrize(
    "query",
    [
        "show=everything&sender=nobody&source=%00&q=%00&after=garbage&view=x",
        f"sender={uuid4()}",
        "after=" + "A" * 3000,
        "after=LTEuMC4wLg",
        "q=" + "x" * 10_000,
        "q=" + "%27%22%3B--%25_%5C",
        "show=unread&show=action&q=a&q=b",
        "source=" + "s" * 500,
        "after=OTk5OTk5OTk5OTk5OTk5OTk5OTkuMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAuMC4",
    ],
)
def test_nonsense_in_the_address_is_passed_over(client, kari, query):
    write(kari, "plain")
    for headers in ({}, {**HTMX, "HX-Target": "results"}, {**HTMX, "HX-Target": "pager"}):
        response = client.get(f"/?{query}", headers=headers)
        assert response.status_code == 200


def test_a_percent_sign_is_no_wildcard(client, kari):
    write(kari, "Rate 5%")
    write(kari, "Rate 55 kr")
    assert titles(html(client, "/?q=5%25")) == ["Rate 5%"]


@pytest.mark.parametrize("address", ["/", "/?q=hemmelig", "/?show=unread", "/changes/?v=0"])
def test_nothing_above_the_level_of_the_session_is_shown(client, kari, address):
    write(
        kari,
        "Hemmelig diagnose",
        security_level=4,
        public_title="",
        sender="Sykehuset",
        summary="Hemmelig svar",
        org_number="983971636",
    )
    page = html(client, address).replace("hits for “hemmelig”", "").replace('value="hemmelig"', "")
    assert "iagnose" not in page
    assert "emmelig svar" not in page
    if "q=" in address:
        assert titles(page) == []
    else:
        assert titles(page) == ["Letter from Sykehuset"]
        assert "Higher security level" in page


def test_a_session_of_the_letters_level_sees_it(client, kari):
    write(kari, "Diagnose", security_level=4)
    log_in(client, kari, level=4)
    assert titles(html(client, "/?q=diag")) == ["Diagnose"]


def test_other_citizens_letters_are_nowhere(client, kari):
    ola = make_citizen("Ola Nordmann")
    write(ola, "Not hers")
    assert "Not hers" not in html(client)
    assert "Not hers" not in html(client, "/?q=not")


def test_a_letter_of_tomorrow_is_not_shown_today(client, kari):
    write(kari, "Tomorrow", visible_from=clock.now() + timedelta(days=1), due=2)
    assert titles(html(client)) == []


def test_texts_from_outside_are_escaped(client, kari):
    hostile = '<script>alert("x")</script>\'"'
    write(kari, hostile, sender=f"{hostile} AS", summary=hostile, due=3)
    page = html(client, "/?q=%3Cscript%3Ealert(%22")
    assert "<script>alert" not in page
    assert titles(page) == [hostile]
    assert "<script>alert" not in html(client)


def test_senders_of_one_name_are_one_to_her(client, kari):
    make_letter(kari, title="Med nummer", sender="Skatteetaten", org_number="974761076")
    make_letter(kari, title="Uten nummer", sender="Skatteetaten", org_number="")
    make_letter(kari, title="Fra Nav")
    page = html(client)
    assert page.count(">Skatteetaten</option>") == 1
    assert "from 2 senders" in page
    chosen = re.search(r'<option value="([^"]+)">Skatteetaten', page)[1]
    assert sorted(titles(html(client, f"/?sender={chosen}"))) == ["Med nummer", "Uten nummer"]
    found = html(client, f"/search/?sender={chosen}")
    assert "Med nummer" in found
    assert "Uten nummer" in found
    assert "Fra Nav" not in found.partition('id="results"')[2]


def test_a_page_costs_three_queries_however_many_letters(client, kari, django_assert_num_queries):
    addresses = ["/", "/?show=unread", "/?q=letter"]
    labels()
    for count in (10, 500):
        write_many(kari, count)
        write(kari, "due", due=3)
        second = more(html(client))
        for address in [*addresses, second] if second else addresses:
            with django_assert_num_queries(3):
                html(client, address)
    assert second


def test_counts_come_from_the_inbox_state(client, kari):
    write(kari, "one")
    write(kari, "two", sender="Skatteetaten", org_number="974761076")
    assert "2 unread of 2 letters from 2 senders" in html(client)


def test_an_empty_inbox_and_an_empty_search_say_different_things(client, kari):
    assert "No letters yet. When someone writes to you, you will see it here." in html(client)
    assert "No hits. Try fewer filters." in html(client, "/?q=x")


def test_a_failing_source_is_told_with_the_time_of_the_last_fetch(client, kari):
    Mailbox.objects.update(failure="temporary", last_success_at=clock.now() - timedelta(hours=1))
    page = html(client)
    assert "We cannot fetch new mail from Altinn right now." in page
    assert "Last fetched today at 08:00. Letters you already have are safe here." in page
    Mailbox.objects.update(failure="")
    assert "We cannot fetch" not in html(client)


def test_htmx_gets_the_list_alone_and_a_clean_address(client, kari):
    write(kari, "plain")
    address = "/?q=pla&show=&sender=&source="
    response = client.get(address, headers={**HTMX, "HX-Target": "results"})
    part = response.content.decode()
    assert part.lstrip().startswith('<div id="results">')
    assert titles(part) == ["plain"]
    assert response["HX-Push-Url"] == "/?q=pla"
    assert '<p id="status" hx-swap-oob="innerHTML">1 letter' in part
    assert "HX-Request" in response["Vary"]
    assert "no-store" in response["Cache-Control"]
    assert "HX-Request" in client.get("/")["Vary"]


def test_separate_inboxes_are_a_plain_list_of_links(client, kari):
    make_source("minside-nav", "Min side NAV")
    make_mailbox(kari, "minside-nav")
    write(kari, "By Altinn")
    page = html(client, "/?view=separate")
    assert 'href="/?view=separate&amp;source=altinn"' in page
    assert 'href="/?view=separate&amp;source=minside-nav"' in page
    assert "By Altinn" not in page
    assert "unread" not in re.sub(r"show=unread|data-show=\"unread\"", "", page)


def test_a_separate_inbox_knows_nothing_of_the_others(client, kari):
    make_source("minside-nav", "Min side NAV")
    make_mailbox(kari, "minside-nav", failure="temporary")
    write(kari, "By Altinn", sender="Skatteetaten", org_number="974761076")
    for number in range(26):
        write(kari, f"By NAV {number}", source="minside-nav", due=3)
    page = html(client, "/?view=separate&source=altinn")
    assert titles(page) == ["By Altinn"]
    assert "By NAV" not in page
    assert not re.search(r"\b27\b", re.search(r"<main.*</main>", page, re.DOTALL)[0])
    assert "27 unread" not in page
    assert "We cannot fetch" not in page
    assert 'id="poll"' not in page
    nav = html(client, "/?view=separate&source=minside-nav")
    assert "Skatteetaten" not in nav
    assert "view=separate" in more(nav) and "source=minside-nav" in more(nav)
    assert "back=%2F%3Fsource%3Dminside-nav%26view%3Dseparate" in nav
    assert titles(html(client, "/?view=separate&source=altinn&q=By+NAV+1")) == []


def test_a_separate_inbox_that_is_not_hers_shows_the_choice(client, kari):
    page = html(client, "/?view=separate&source=elsewhere")
    assert "Your inboxes" in page
    assert titles(page) == []


def test_an_unchanged_list_is_answered_in_one_query(client, kari, django_assert_num_queries):
    write(kari, "plain")
    version = InboxState.objects.get(citizen=kari).version
    with django_assert_num_queries(1):
        response = client.get(f"/changes/?v={version}", headers=HTMX)
    assert response.status_code == 204
    again = client.get("/changes/?v=0", headers={"If-None-Match": response["ETag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_a_page_that_stands_open_is_told_of_a_new_letter(client, kari):
    write(kari, "first")
    poll = unescape(re.search(r'id="poll" hx-get="([^"]*)"', html(client))[1])
    assert client.get(poll, headers=HTMX).status_code == 204
    write(kari, "second")
    news = html(client, poll, **HTMX)
    assert titles(news) == ["second", "first"]
    assert '<p id="status" hx-swap-oob="innerHTML">You have 1 new letter</p>' in news
    assert "2 unread of 2 letters" in news
    count = news.partition('<span id="count-all" hx-swap-oob="innerHTML">')[2]
    assert ">2 unread letters<" in count.partition("count-action")[0]
    poll = unescape(re.search(r'id="poll" hx-get="([^"]*)"', news)[1])
    assert client.get(poll, headers=HTMX).status_code == 204


def test_a_page_with_more_letters_is_told_without_losing_them(client, kari):
    write_many(kari, 40)
    page = html(client)
    given = re.search(r'hx-vals=\'{"v": "(\d+)", "n": "(\d+)"}\'', page)
    address = f"{more(page)}&v={given[1]}&n={given[2]}"
    rest = html(client, address, **HTMX, **{"HX-Target": "pager"})
    poll = unescape(re.search(r'id="poll" hx-get="([^"]*)"', rest)[1])
    assert client.get(poll, headers=HTMX).status_code == 204
    write(kari, "new")
    news = html(client, poll, **HTMX)
    assert titles(news) == []
    assert "You have 1 new letter. Show them" in news


def test_only_the_whole_first_page_asks_for_news(client, kari):
    write_many(kari, 60)
    assert 'id="poll"' in html(client)
    assert 'id="poll"' not in html(client, "/?show=unread")
    assert 'id="poll"' not in html(client, more(html(client)))


def test_a_stranger_is_sent_to_log_in(client):
    assert client.get("/").status_code == 302
    assert "HX-Redirect" in client.get("/changes/", headers=HTMX)
