"""She finds what she must do, and what she has read somewhere; in every way of using the pages."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenContext, OpenPage, let_in
from tests.browser.ways import WAYS, Person
from tests.journeys.processes import Demo

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("way", WAYS)
def test_she_finds_the_deadline_and_meets_it(open_page: OpenPage, running: Demo, way: str) -> None:
    title = f"Svar innen fristen ({way})"
    running.control(
        "send",
        person="jonas",
        channel="minside-nav",
        title=title,
        due_in_days=3,
        needs_action=True,
    )
    running.wait_for(lambda: running.asked(LETTER, title))
    she = Person(open_page, way)
    page = she.page
    let_in(page, running, "jonas")
    she.press(page.get_by_role("navigation").get_by_role("link", name=re.compile("^Frister")))
    expect(page.locator("h1")).to_have_text("Frister")
    row = page.locator(".row", has_text=title)
    expect(row).to_contain_text("3 dager igjen")
    she.press(row.get_by_role("link", name=re.compile("Svar innen fristen")))
    expect(page.locator("main")).to_contain_text("3 dager igjen")
    she.press(page.get_by_role("button", name="Marker som gjort"))
    expect(page.locator("main")).to_contain_text("Dette er gjort.")
    page.goto("/?show=action")
    expect(page.locator(".row", has_text=title)).to_have_count(0)


@pytest.mark.parametrize("way", WAYS)
def test_she_finds_a_letter_by_a_word_that_stands_only_in_its_pdf(
    open_page: OpenPage, running: Demo, way: str
) -> None:
    running.wait_for(lambda: not running.asked(TEXTS_WAITING, "Kari Nordmann"))
    she = Person(open_page, way)
    page = she.page
    let_in(page, running)
    expect(page.locator("main")).not_to_contain_text(re.compile("boutgifter", re.I))
    she.write(page.locator("#q"), "boutgifter")
    she.press(page.get_by_role("button", name="Søk", exact=True))
    row = page.locator(".row", has_text="Du får bostøtte")
    expect(row).to_have_count(1)
    she.press(row.get_by_role("link", name=re.compile("Du får bostøtte")))
    she.press(page.get_by_role("link", name=re.compile("^Les som tekst")))
    expect(page.locator("main")).to_contain_text("Boutgifter")


LETTER = "SELECT count(*) FROM letters_letter WHERE title = {}"
TEXTS_WAITING = (
    "SELECT count(*) FROM letters_documenttext AS text JOIN citizens_citizen AS citizen"
    " ON citizen.id = text.citizen_id WHERE text.state = 'waiting' AND citizen.name = {}"
)


def test_a_search_is_asked_for_once_and_again_as_it_is_narrowed(
    open_context: OpenContext, running: Demo
) -> None:
    page = open_context().new_page()
    let_in(page, running)
    page.goto("/search/")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    field = page.locator("#search-q")
    field.press_sequentially("barnehage")
    expect(page.locator("#status")).to_contain_text("treff")
    page.locator("details:has(#search-since) > summary").click()
    expect(page.locator("#search-since")).to_be_visible()
    assert len([each for each in asked if "q=barnehage" in each]) == 1, "left, and asked for again"
    page.locator("#search-since").fill("2026-12-01")
    page.locator("#search-until").focus()
    expect(page.locator("#status")).not_to_contain_text("2 treff")
    assert any("since=2026-12-01" in each for each in asked)
