"""Answering in the three ways, and the agency's answer, in a browser before the whole demo."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, log_in, sideways, violations
from tests.browser.ways import Person
from tests.journeys.processes import Demo

pytestmark = pytest.mark.browser

TASK = "Du må sende dokumentasjon på inntekt"
OFFER = "Svar på søknad om barnehageplass"
DECISION = "Vedtak: Du får bostøtte"


def open_letter(page: Page, title: str) -> None:
    page.goto("/")
    page.get_by_role("link", name=re.compile(re.escape(title))).first.click()
    expect(page.locator("h1")).to_contain_text(title)


@pytest.mark.parametrize("way", ["keyboard", "no JavaScript"])
def test_one_press_is_an_answer(open_page: OpenPage, running: Demo, way: str) -> None:
    running.control("reset", person="kari")  # a letter is answered once
    person = Person(open_page, way)
    page = person.page
    log_in(page)
    open_letter(page, OFFER)
    person.press(page.get_by_role("button", name="Ja, vi tar imot plassen"))
    expect(page.locator("#thread")).to_contain_text("Ja, vi tar imot plassen")

    def sent() -> bool:
        page.reload()
        return "OSLO-2026-" in page.locator("#thread").inner_text()

    running.wait_for(sent)


def test_a_text_is_kept_sent_and_answered_by_keyboard_alone(
    open_page: OpenPage, running: Demo
) -> None:
    person = Person(open_page, "keyboard")
    page = person.page
    log_in(page)
    open_letter(page, DECISION)
    person.write(page.locator("#reply textarea"), "Hvordan er beløpet regnet ut?")
    expect(page.locator(".saved")).to_contain_text("Utkast lagret")
    page.reload()
    expect(page.locator("#reply textarea")).to_have_value("Hvordan er beløpet regnet ut?")
    assert violations(page) == []
    person.press(page.get_by_role("button", name="Se over før du sender"))
    expect(page.locator("h1")).to_contain_text("Se over svaret ditt")
    assert violations(page) == []
    person.press(page.get_by_role("button", name="Send", exact=True))
    expect(page.locator("#thread")).to_contain_text("NAV-2026-")
    running.control("answer", person="kari", channel="minside-nav", text="Her er utregningen.")
    expect(page.locator("#thread")).to_contain_text("Her er utregningen.")
    page.set_viewport_size({"width": 320, "height": 800})
    assert sideways(page) <= 0


def test_a_text_survives_the_end_of_the_session(open_page: OpenPage) -> None:
    page = open_page(scripts=False)
    log_in(page)
    open_letter(page, DECISION)
    page.locator("#reply textarea").fill("Dette må ikke gå tapt.")
    # An answer still on its way, such as the PDF, would set the cookie again.
    page.wait_for_load_state("networkidle")
    page.context.clear_cookies(name="samlepost_session")
    page.get_by_role("button", name="Se over før du sender").click()
    page.wait_for_url(lambda address: "/login/" in address)
    page.locator('main a[href*="/login/start/"]').first.click()
    page.wait_for_url(lambda address: "/letters/" in address or "/idporten" in address)
    if "/idporten" in page.url:
        page.locator('button[name="person"][value="kari"]').click()
    expect(page.locator("#reply textarea")).to_have_value("Dette må ikke gå tapt.")


def test_the_link_leads_to_the_agency_without_a_new_log_in_and_back_by_keyboard_alone(
    open_page: OpenPage, running: Demo
) -> None:
    person = Person(open_page, "keyboard")
    page = person.page
    log_in(page)
    open_letter(page, TASK)
    person.press(page.get_by_role("link", name=re.compile("Send dokumentasjon")))
    expect(page.locator("h1")).to_contain_text("Du forlater Samlepost")
    assert violations(page) == []
    person.press(page.get_by_role("link", name=re.compile("Gå videre til")))
    expect(page.locator(".name")).to_contain_text("NAV")
    person.press(page.get_by_role("button", name="Send dokumentasjon"))
    expect(page.locator(".done")).to_be_visible()
    person.press(page.get_by_role("link", name="Tilbake til Samlepost"))
    expect(page.locator("h1")).to_contain_text(TASK)
    done = page.get_by_text("Dette er gjort. Du trenger ikke gjøre noe mer.")

    def is_done() -> bool:
        page.reload()
        return done.count() > 0

    running.wait_for(is_done)
