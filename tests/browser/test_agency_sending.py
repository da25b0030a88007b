"""An agency without a service of its own sends from the portal, and a citizen answers it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from connectors.world.persons import by_slug
from tests.agencies.sending import pdf
from tests.browser.conftest import OpenPage, let_in, sideways, violations
from tests.browser.ways import Person
from tests.journeys.processes import Demo

pytestmark = pytest.mark.browser

AGENCY = "/virksomhet/940101808"
PDF = {"name": "brev.pdf", "mimeType": "application/pdf", "buffer": pdf()}


@pytest.mark.parametrize("way", ["keyboard", "no JavaScript"])
def test_a_letter_goes_out_and_its_answer_comes_back(
    open_page: OpenPage, running: Demo, way: str
) -> None:
    title = f"Time hos tannlegen ({way})"
    office = Person(open_page, way)
    page = office.page
    let_in(page, running, "tormod", high=True)
    page.goto(f"{AGENCY}/send/")
    judge(page, way)
    page.locator("#file").set_input_files([PDF])
    office.write(page.locator("#recipient"), "12345678901")
    office.write(page.locator("#title"), title)
    office.press(page.get_by_role("button", name="Se over før du sender"))
    expect(page.get_by_role("alert")).to_contain_text("Mottakerens nummer")
    judge(page, way)
    page.locator("#file").set_input_files([PDF])
    office.write(page.locator("#recipient"), by_slug("kari").national_id)
    for name in ("På betydelig nivå (MinID)", "Ved å velge et svar"):
        page.get_by_role("radio", name=name).check()
    office.write(page.locator("#choice_label"), "Passer tiden?")
    page.locator("#choices").fill("Ja, den passer\nNei, gi meg en annen")
    office.press(page.get_by_role("button", name="Se over før du sender"))
    expect(page.locator("h1")).to_contain_text("Se over før du sender")
    expect(page.locator("main")).to_contain_text("PDF-en er ikke tagget.")
    judge(page, way)
    office.press(page.get_by_role("button", name=re.compile("^Send ")))
    expect(page.locator("h1")).to_contain_text("Så langt er sendingen kommet")
    running.wait_for(lambda: shows(page, r"Levert\s+1", "#state + dl"))
    judge(page, way)

    kari = Person(open_page, way)
    let_in(kari.page, running)
    kari.press(kari.page.get_by_role("link", name=re.compile(re.escape(title))))
    kari.press(kari.page.get_by_role("button", name="Nei, gi meg en annen"))

    office.press(page.get_by_role("link", name="Se brevet"))
    expect(page.locator("h1")).to_contain_text(title)
    running.wait_for(lambda: shows(page, "Nei, gi meg en annen", "#answers ~ article"))
    judge(page, way)
    page.goto(f"{AGENCY}/sendt/")
    expect(page.get_by_role("row", name=title)).to_contain_text("Besvart")
    judge(page, way)


def shows(page: Page, words: str, where: str = "main") -> bool:
    page.reload()
    found: Any = page.locator(where).all_inner_texts()
    return bool(re.search(words, " ".join(found)))


def judge(page: Page, way: str) -> None:
    """Where axe can run it finds nothing, and nothing scrolls sideways on a narrow screen."""
    if way == "no JavaScript":
        return
    assert violations(page) == []
    page.set_viewport_size({"width": 320, "height": 800})
    assert sideways(page) <= 0
    page.set_viewport_size({"width": 1280, "height": 900})
