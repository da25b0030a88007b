"""Several letters at one go: chosen by their boxes or by the filter, and undone at one go."""

from __future__ import annotations

import re
from html import unescape

import pytest

from inbox.citizens.models import InboxState
from inbox.letters.models import Event, Filing, Letter
from inbox.sync.models import OutboundReceipt
from inbox.web.views import filing
from tests.make import log_in, make_citizen, make_letter
from tests.web.test_inbox import html, titles, write_many

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture(autouse=True)
def in_english(settings, tmp_path):
    settings.LANGUAGE_CODE = "en"
    settings.ARCHIVE_DIR = tmp_path / "archive"


@pytest.fixture
def kari(client):
    citizen = make_citizen()
    log_in(client, citizen)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return citizen


def letters_of(citizen, *names, **fields):
    return [make_letter(citizen, title=name, document=None, **fields) for name in names]


def do(client, what, letters=(), **fields):
    fields = {"do": what, "list": "/", "letter": [str(letter.id) for letter in letters]} | fields
    return client.post("/bulk/", fields)


def undo(client, address="/"):
    action = re.search(r'<form method="post" action="(/undo/[^"]*)"', html(client, address))[1]
    return client.post(action, {"next": address})


def counts(citizen):
    state = InboxState.objects.get(citizen=citizen)
    return (state.letters, state.unread)


def test_every_row_has_a_box_that_is_named_by_its_letter(client, kari):
    (letter,) = letters_of(kari, "Vedtak")
    page = html(client)
    assert f'name="letter" value="{letter.id}" aria-labelledby="pick letter-{letter.id}"' in page
    assert page.count('id="pick"') == page.count('id="bulk"') == 1
    assert "checked" not in re.search(r'<input class="pick"[^>]*>', page)[0]


def test_the_link_ticks_all_that_are_shown_without_javascript(client, kari):
    letters_of(kari, "a", "b")
    page = html(client)
    address = unescape(re.search(r'<a href="([^"]*)" data-pick-all', page)[1])
    boxes = re.findall(r'<input class="pick"[^>]*>', html(client, address))
    assert len(boxes) == 2
    assert all("checked" in box for box in boxes)


@pytest.mark.parametrize("to", ["filed", "bin"])
def test_chosen_letters_are_moved_and_come_back_by_one_undo(client, kari, to):
    chosen = letters_of(kari, "a", "b")
    letters_of(kari, "c")
    do(client, to, chosen)
    page = html(client)
    assert "2 letters moved to the" in page
    assert titles(page) == ["c"]
    assert counts(kari) == (1, 1)
    do(client, to, letters_of(kari, "d"))
    undo(client)
    assert counts(kari) == (2, 2)


def test_marking_as_read_opens_nothing_and_tells_nobody(client, kari):
    chosen = letters_of(kari, "a", "b", wants_opening_receipt=True)
    do(client, "read", chosen)
    assert "2 letters marked as read." in html(client)
    assert counts(kari) == (2, 0)
    assert not Event.objects.filter(kind=Event.Kind.OPENED).exists()
    assert not OutboundReceipt.objects.exists()
    assert not Letter.objects.filter(opened_at__isnull=False).exists()
    do(client, "unread", chosen[:1])
    assert counts(kari) == (2, 1)


def test_all_that_match_are_changed_shown_or_not_and_no_others(client, kari):
    write_many(kari, 60)
    letters_of(kari, "read", history=True)
    do(client, "filed", all="1", list="/?show=unread")
    assert Letter.objects.filter(place="filed").count() == 60
    assert titles(html(client)) == ["read"]


def test_at_the_limit_she_is_told_that_there_are_more(client, kari, monkeypatch):
    monkeypatch.setattr(filing, "BULK_MAX", 3)
    write_many(kari, 5)
    answer = do(client, "filed", all="1")
    page = html(client, answer["Location"])
    assert "3 letters moved to the archive." in page
    assert "No more than 3 letters at a time: there are more that match." in page
    assert Letter.objects.filter(place="filed").count() == 3


def test_letters_of_many_pages_go_and_come_back_in_few_queries(
    client, kari, django_assert_max_num_queries
):
    write_many(kari, 300)
    with django_assert_max_num_queries(15):
        do(client, "bin", all="1")
    assert counts(kari) == (0, 0)
    undo(client)
    assert counts(kari)[0] == 300


@pytest.mark.parametrize(
    ("what", "fields", "told"),
    [
        ("filed", {}, "Choose one or more letters first."),
        ("filed", {"letter": ["x", "\x00"]}, "Choose one or more letters first."),
        ("burn", {}, "Choose what is to be done with the letters."),
        ("", {}, "Choose what is to be done with the letters."),
    ],
)
def test_nonsense_is_said_so_and_loses_nothing(client, kari, what, fields, told):
    letters_of(kari, "a")
    do(client, what, **fields)
    page = html(client)
    assert told in page
    assert titles(page) == ["a"]


def test_what_the_session_may_not_read_is_left_and_said_so(client, kari):
    chosen = letters_of(kari, "a") + letters_of(kari, "High", security_level=4)
    do(client, "bin", chosen)
    page = html(client)
    assert "1 letter moved to the bin." in page
    assert "1 letter requires a higher security level" in page
    assert Letter.objects.get(title="High").place == "inbox"


def test_anothers_letters_are_as_if_not_there(client, kari):
    (others,) = letters_of(make_citizen("Ola"), "a")
    do(client, "bin", [others])
    assert "Nothing was changed." in html(client)
    assert Letter.objects.get(id=others.id).place == "inbox"
    assert not Filing.objects.exists()


def test_two_tabs_that_disagree_do_what_was_said_last(client, kari):
    chosen = letters_of(kari, "a")
    do(client, "filed", chosen)
    do(client, "bin", chosen)
    assert Letter.objects.get(title="a").place == "bin"
    do(client, "bin", chosen)
    assert counts(kari) == (0, 0)


def test_she_is_led_back_to_the_list_she_saw_and_nowhere_else(client, kari):
    chosen = letters_of(kari, "a")
    assert do(client, "read", chosen, list="/archive/?q=a")["Location"] == "/archive/?q=a"
    assert do(client, "unread", chosen, list="https://evil.example/?q=a")["Location"] == "/?q=a"
