"""The life events' pages: what is proposed and why, what is left, nothing above the level."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from lxml import html

from connectors import clock
from inbox.citizens.viewer import Viewer
from inbox.letters import proposals
from inbox.letters.life_events import DEATH, EVENTS, HAVING_A_CHILD, NEW_IN_NORWAY, UDI
from inbox.letters.models import Letter, LifeEventLetter
from inbox.sync.freshness import labels
from tests.make import (
    act_for,
    copy_letter,
    log_in,
    make_citizen,
    make_letter,
    make_representation,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

State = LifeEventLetter.State
HOME = f"/life-events/{HAVING_A_CHILD}/"


@pytest.fixture
def kari(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return make_citizen()


@pytest.fixture
def screen(kari):
    return opened(kari, 3)


def opened(citizen, level: int) -> Client:
    client = Client()
    log_in(client, citizen, level)
    client.cookies["django_language"] = "en"
    return client


def benefit(kari, title: str = "Vedtak om barnetrygd", **fields: Any) -> Letter:
    return make_letter(kari, title=title, document=None, **fields)


def tree(client: Client, address: str) -> Any:
    answer = client.get(address)
    assert answer.status_code == 200
    return html.document_fromstring(answer.content.decode())


def titles(page: Any, section: str) -> list[str]:
    found = page.xpath(f"//section[@aria-labelledby='{section}']//li//h3/a")
    return [link.xpath("string(text()[last()])").strip() for link in found]


def text(page: Any) -> str:
    return " ".join(page.xpath("string(//main)").split())


def decide(client: Client, letter: Letter, do: str, event: str = HAVING_A_CHILD) -> Any:
    address = reverse("life_event_decide", args=[event])
    return client.post(address, {"letter": letter.id, "do": do}, follow=True)


def test_all_six_are_listed_with_what_each_is_and_what_there_is(screen, kari):
    benefit(kari)
    page = tree(screen, "/life-events/")
    links = page.xpath("//main//h2/a/@href")
    assert links == [f"/life-events/{event}/" for event in EVENTS]
    assert text(page).count("No letters yet") == 5
    assert "1 suggested" in text(page)


def test_a_proposal_says_why_and_is_accepted_or_rejected(screen, kari):
    keep, other = benefit(kari, "Vedtak om barnetrygd"), benefit(kari, "Tilbud om barnehageplass")
    page = tree(screen, HOME)
    assert "Suggested because it is from NAV and is about child benefit." in text(page)
    assert set(titles(page, "proposed")) == {keep.title, other.title}
    assert "is kept under" in decide(screen, keep, "accept").content.decode()
    decide(screen, other, "reject")
    page = tree(screen, HOME)
    assert titles(page, "proposed") == []
    assert titles(page, "accepted") == [keep.title]
    decide(screen, keep, "remove")
    assert "No letters here yet." in text(tree(screen, HOME))


def test_progress_counts_what_the_accepted_letters_ask_and_says_what_is_left_by_when(screen, kari):
    due = clock.now() + timedelta(days=5)
    first = benefit(kari, "Barnetrygd 1", needs_action=True, handled_at=clock.now())
    second = benefit(kari, "Barnetrygd 2", needs_action=True)
    third = benefit(kari, "Barnetrygd 3", needs_action=True, due_at=due)
    benefit(kari, "Barnetrygd 4", needs_action=True)
    for letter in (first, second, third, benefit(kari, "Barnetrygd 5")):
        decide(screen, letter, "accept")
    page = tree(screen, HOME)
    assert page.xpath("string(//h2[@id='progress'])") == "1 of 3 done"
    named = page.xpath("//section[@aria-labelledby='progress']//a/bdi/text()")
    assert named == ["Barnetrygd 3", "Barnetrygd 2"]
    assert "Due" in page.xpath("string(//section[@aria-labelledby='progress'])")


def test_a_letter_is_added_from_its_own_page(screen, kari):
    letter = make_letter(kari, title="Noe helt annet", document=None)
    page = tree(screen, reverse("letter", args=[letter.id]))
    (form,) = page.xpath("//form[.//select[@name='event']]")
    assert form.xpath(".//label[@for='letter-event']")
    assert [each for each in form.xpath(".//option/@value") if each] == list(EVENTS)
    address = form.get("action")
    assert "Choose a life event." in screen.post(address, {}, follow=True).content.decode()
    added = screen.post(address, {"event": DEATH}, follow=True).content.decode()
    assert "is kept under" in added
    assert "already" in screen.post(address, {"event": DEATH}, follow=True).content.decode()
    assert titles(tree(screen, f"/life-events/{DEATH}/"), "accepted") == [letter.title]


def test_an_event_stands_in_the_navigation_when_there_is_enough_for_it(screen, kari):
    links = "//nav[@aria-labelledby='nav-events']//a/@href"
    benefit(kari)
    assert tree(screen, "/").xpath(links) == ["/life-events/"]
    benefit(kari)
    assert tree(screen, "/").xpath(links) == [HOME, "/life-events/"]
    here = "//nav[@aria-labelledby='nav-events']//a[@aria-current='page']/@href"
    assert tree(screen, HOME).xpath(here) == [HOME]


def test_below_the_level_nothing_tells_what_a_letter_is_about(screen, kari):
    letters = [
        benefit(kari, security_level=4, public_title="Brev fra NAV", needs_action=True)
        for _ in range(3)
    ]
    proposals.decide(Viewer(kari.id, 4), letters[0].id, HAVING_A_CHILD, accept=True)
    for address in ("/", "/life-events/", HOME):
        page = screen.get(address).content.decode()
        assert "barnetrygd" not in page
        assert str(letters[0].id) not in page or address == "/"
    assert text(tree(screen, "/life-events/")).count("No letters yet") == 6
    assert "No letters here yet." in text(tree(screen, HOME))
    assert tree(screen, "/").xpath("//nav[@aria-labelledby='nav-events']//a/@href") == [
        "/life-events/"
    ]
    assert "Log in at the higher level" in text(tree(screen, HOME))
    high = opened(kari, 4)
    assert len(titles(tree(high, HOME), "proposed")) == 2
    assert "0 of 1 done" in text(tree(high, HOME))


def test_below_the_level_a_letter_known_by_its_sender_shows_its_safe_title_and_no_buttons(
    screen, kari
):
    letter = make_letter(
        kari,
        title="You have been granted a residence permit",
        public_title="Letter from UDI",
        sender="Utlendingsdirektoratet",
        org_number=UDI,
        security_level=4,
        document=None,
    )
    home = f"/life-events/{NEW_IN_NORWAY}/"
    page = tree(screen, home)
    assert titles(page, "proposed") == ["Letter from UDI"]
    assert "Suggested because it is from Utlendingsdirektoratet." in text(page)
    assert "immigration" not in text(page)
    assert "granted" not in text(page)
    assert not page.xpath("//main//form")
    assert decide(screen, letter, "accept", NEW_IN_NORWAY).status_code == 404
    assert "is about immigration" in text(tree(opened(kari, 4), home))


def test_what_is_in_the_bin_or_anothers_is_not_there(screen, kari):
    benefit(make_citizen("Ola"), "Olas barnetrygd")
    binned = benefit(kari, "Kastet barnetrygd")
    Letter.objects.filter(id=binned.id).update(place="bin")
    assert "barnetrygd" not in text(tree(screen, HOME))


def test_nonsense_gets_a_clear_answer_and_changes_nothing(screen, kari):
    letter, others = benefit(kari), benefit(make_citizen("Ola"))
    assert screen.get("/life-events/winning-the-lottery/").status_code == 404
    assert decide(screen, letter, "accept", "winning-the-lottery").status_code == 404
    assert decide(screen, others, "accept").status_code == 404
    address = reverse("life_event_decide", args=[HAVING_A_CHILD])
    assert screen.post(address, {"letter": "x", "do": "accept"}).status_code == 404
    said = decide(screen, letter, "burn").content.decode()
    assert "Choose whether the letter belongs here." in said
    assert "Nothing was changed." in decide(screen, letter, "accept", DEATH).content.decode()
    for after in ("x", str(others.id)):
        assert screen.get(f"{HOME}?after={after}").status_code == 200
    assert LifeEventLetter.objects.get(citizen=kari).state == State.PROPOSED


def test_a_helper_has_no_way_to_her_life_events(kari):
    benefit(kari)
    benefit(kari)
    helper = make_citizen("Solveig")
    make_representation(kari, helper)
    client = opened(helper, 4)
    act_for(client, kari)
    for address in ("/life-events/", HOME):
        assert client.get(address).status_code == 404
    assert "life-events" not in client.get("/").content.decode()


def test_a_page_costs_the_same_at_many_letters_as_at_ten(screen, kari):
    addresses = ["/life-events/", HOME, f"{HOME}?after="]
    labels()
    first = benefit(kari, needs_action=True)
    copy_letter(first, 9)
    viewer = Viewer(kari.id, 4)
    for letter_id in Letter.objects.values_list("id", flat=True)[:5]:
        proposals.add(viewer, letter_id, HAVING_A_CHILD)
    proposals.catch_up()
    screen.get(HOME)
    few = [queries(screen, address) for address in addresses]
    copy_letter(first, 290, title="Vedtak om barnetrygd")
    for letter_id in Letter.objects.values_list("id", flat=True)[:60]:
        proposals.add(viewer, letter_id, HAVING_A_CHILD)
    assert [queries(screen, address) for address in addresses] == few
    assert max(few) <= 8


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)


def test_accepted_letters_come_page_by_page_without_a_gap(screen, kari):
    first = benefit(kari, "Letter 0")
    copy_letter(first, 59)
    viewer = Viewer(kari.id, 4)
    for letter_id in Letter.objects.values_list("id", flat=True):
        proposals.add(viewer, letter_id, HAVING_A_CHILD)
    seen, address = [], HOME
    while address:
        page = tree(screen, address)
        seen += titles(page, "accepted")
        address = next(iter(page.xpath("//div[@class='pager']/a/@href")), "")
    assert seen == [f"Letter {number}" for number in range(60)]
