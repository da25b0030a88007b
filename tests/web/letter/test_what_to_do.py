from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from connectors.contract import Action, Kind, ReplyForm, ReplyKind
from connectors.world.model import STUDY_DATE
from tests.make import make_letter
from tests.web.letter.pages import page_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.mark.parametrize(
    ("days", "color", "said"),
    [
        (-1, "danger", "The deadline passed on 22 November 2026."),
        (0, "danger", "That is today."),
        (1, "danger", "There is 1 day left."),
        (13, "danger", "There are 13 days left."),
        (14, "warning", "There are 14 days left."),
    ],
)
def test_a_deadline_is_told_with_the_days_that_are_left(screen, kari, days, color, said):
    due = STUDY_DATE + timedelta(days=days)
    page = page_of(screen, make_letter(kari, due_at=due, needs_action=True))
    assert f'<div class="ds-alert" data-color="{color}"><p><strong>' in page
    assert said in page


def test_a_deadline_earlier_today_has_passed_on_the_letter_as_in_the_list(screen, kari):
    letter = make_letter(kari, due_at=STUDY_DATE - timedelta(hours=1), needs_action=True)
    assert "The deadline passed on 23 November 2026." in page_of(screen, letter)
    assert "Deadline passed 23 November" in screen.get("/").content.decode()


def test_a_letter_that_is_handled_asks_for_nothing_more(screen, kari):
    due = STUDY_DATE + timedelta(days=3)
    letter = make_letter(kari, due_at=due, needs_action=True, handled_at=STUDY_DATE)
    page = page_of(screen, letter)
    assert '<div class="ds-alert" data-color="success">' in page
    assert "days left" not in page
    assert "The deadline is 26 November 2026." in page


def test_who_noted_it_as_done_before_it_came_stands_among_the_events(screen, kari):
    done = STUDY_DATE - timedelta(days=3)
    letter = make_letter(
        kari,
        sent_at=STUDY_DATE - timedelta(days=4),
        due_at=STUDY_DATE - timedelta(days=1),
        handled_at=done,
        handled_by="deg, på nav.no",
    )
    page = page_of(screen, letter)
    assert "Noted as done by altinn: deg, på nav.no" in page
    assert "The deadline was 22 November 2026." in page


def test_a_letter_that_can_no_longer_be_answered_is_shown_all_the_same(screen, kari):
    closed = ReplyForm("lukket", ReplyKind.CLOSED, reason="Søknaden er behandlet.")
    page = page_of(screen, make_letter(kari, reply_forms=[closed]))
    assert "Søknaden er behandlet." in page
    assert "Vi mangler lønnsslipp." in page
    assert 'class="pbar"' in page
    assert "Go to the letter" not in page


def test_a_bill_says_by_when_to_pay(screen, kari):
    due = STUDY_DATE + timedelta(days=20)
    page = page_of(screen, make_letter(kari, due_at=due, kind=Kind.INVOICE, needs_action=True))
    assert "You must pay by 13 December 2026." in page


def test_a_letter_without_a_deadline_has_no_alert(screen, kari):
    assert "ds-alert" not in page_of(screen, make_letter(kari))


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "http://nav.no/",
        "data:text/html,x",
        "//nav.no/x",
        "https://nav.no@evil.example/",
        "https://evil.example\\.nav.no/",
        "https://[nav/",
        "https://nav .no/",
        "",
    ],
)
def test_an_action_that_does_not_lead_where_it_says_is_not_shown(screen, kari, url):
    letter = make_letter(kari, actions=[Action("https://nav.no/ok", "Svar"), Action(url, "Ondt")])
    page = page_of(screen, letter)
    leaving = reverse("letter_leave", args=[letter.id])
    assert f'href="{leaving}?to=a0"' in page and "?to=a1" not in page
    assert (
        'href="https://nav.no/ok" rel="noopener noreferrer external"'
        in screen.get(leaving, {"to": "a0"}).content.decode()
    )
    assert screen.get(leaving, {"to": "a1"}).status_code == 302
    assert "(opens nav.no)" in page
    assert "Ondt" not in page


def test_the_way_back_keeps_the_lists_filter(screen, kari):
    letter = make_letter(kari)
    address = reverse("letter", args=[letter.id])
    page = screen.get(address, {"back": "/?show=unread&q=bil"}).content.decode()
    assert '<a class="back" href="/?show=unread&amp;q=bil">' in page


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/",
        "//evil.example/?show=unread",
        "javascript:alert(1)",
        "\\\\evil.example",
        "https://[evil",
        "/logout/?x=1",
        '"><script>alert(1)</script>',
    ],
)
def test_the_way_back_never_leads_elsewhere(screen, kari, back):
    letter = make_letter(kari, wants_opening_receipt=True)
    address = reverse("letter", args=[letter.id])
    page = screen.get(address, {"back": back}).content.decode()
    assert '<a class="back" href="/"' in page or '<a class="back" href="/?show=unread"' in page
    agreed = screen.post(reverse("letter_agree", args=[letter.id]), {"back": back})
    assert agreed.url.partition("?")[0] == address
    assert "evil" not in agreed.url
