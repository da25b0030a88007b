from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from connectors.world.persons import by_slug
from tests.browser.conftest import OpenPage, log_in
from tests.journeys.processes import Demo

pytestmark = pytest.mark.browser


def test_a_new_letter_shows_by_itself_and_a_notice_lies_in_the_outbox(
    open_page: OpenPage, running: Demo
) -> None:
    page = open_page()
    log_in(page, "solveig")
    expect(page.locator("h1")).to_be_visible()
    page.locator("#q").focus()
    running.control("send", person="solveig", channel="minside-nav", title="Brevet som nettopp kom")
    row = page.get_by_role("link", name="Brevet som nettopp kom")
    expect(row).to_be_visible(timeout=10_000)
    assert page.evaluate("document.activeElement.id") == "q", "the focus was taken"
    outbox = open_page()

    def notice() -> bool:
        outbox.goto("/demo/outbox/")
        return "solveig" in outbox.locator("main").inner_text().lower()

    running.wait_for(notice)
    text = outbox.locator("main").inner_text()
    assert "Brevet som nettopp kom" not in text
    assert "NAV" in text


def test_what_she_changes_at_the_contact_register_is_used_within_seconds(
    open_page: OpenPage, running: Demo
) -> None:
    page = open_page(scripts=False)
    log_in(page, "eirik")
    running.control("contact", person="eirik", email="eirik.ny@example.no")
    page.goto("/account/contact/")
    page.get_by_role("button", name="Spør registeret nå").click()

    def known() -> bool:
        page.goto("/account/contact/")
        return "eirik.ny@example.no" in page.locator("main").inner_text()

    running.wait_for(known)
    page.get_by_role("link", name="Endre det på").click()
    expect(page.locator("h1")).to_contain_text("Du forlater Samlepost")


def test_she_opens_a_letter_and_sees_its_document(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page)
    link = page.get_by_role("link", name=re.compile("dokumentasjon på inntekt"))
    link.click()
    expect(page.locator("h1")).to_contain_text("dokumentasjon på inntekt")
    shown = page.locator('object[type="application/pdf"]')
    expect(shown).to_be_visible()
    address = shown.get_attribute("data")
    answer = page.request.get(address or "")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.body().startswith(b"%PDF")
    page.goto("/?show=unread")
    expect(page.get_by_role("link", name=re.compile("dokumentasjon på inntekt"))).to_have_count(0)


def test_altinns_letter_is_fetched_when_she_opens_it(open_page: OpenPage) -> None:
    page = open_page()
    log_in(page)
    page.goto("/?source=altinn")
    page.locator(".row h3 a").first.click()
    expect(page.locator('object[type="application/pdf"], .paper').first).to_be_visible()


def test_a_letter_of_the_high_level_asks_for_the_high_level_and_then_opens(
    open_page: OpenPage,
) -> None:
    page = open_page()
    log_in(page)
    page.goto("/?q=Helse")
    page.locator(".row h3 a").first.click()
    assert "poliklinisk" not in page.content()
    page.locator('main a[href*="level=4"]').first.click()
    page.locator('button[name="person"][value="kari"]').click()
    page.wait_for_url("**/letters/**")
    expect(page.locator("h1")).to_contain_text("poliklinisk")


def core_journey(page: Page) -> None:
    """List, search, filter, letter, document, log-out."""
    log_in(page, "ola")
    page.locator("#q").fill("pensjon")
    page.get_by_role("button", name="Søk").click()
    expect(page.locator(".row").first).to_be_visible()
    page.goto("/")
    page.locator(".pager a").first.click()
    expect(page.locator(".row").first).to_be_visible()
    page.locator(".row h3 a").first.click()
    page.wait_for_url("**/letters/**")
    expect(page.locator("h1")).to_be_visible()
    page.locator("a.back").first.click()
    page.get_by_role("button", name="Logg ut").first.click()


def test_the_core_journey_works_without_javascript(open_page: OpenPage) -> None:
    core_journey(open_page(scripts=False))


def test_the_core_journey_works_with_javascript(open_page: OpenPage) -> None:
    core_journey(open_page())


def test_after_log_out_the_session_is_over_at_both_ends(open_page: OpenPage, running: Demo) -> None:
    page = open_page()
    log_in(page)
    page.get_by_role("button", name="Logg ut").first.click()
    page.wait_for_url(lambda address: "logged-out" in address)
    page.goto("/")
    assert "/login/" in page.url
    page.goto("/login/start/?level=3&next=/")
    assert page.url.startswith(running.simulators), "ID-porten still knew her"


FETCH_FROM_OSLO = f"""
from inbox.sync import engine
from inbox.sync.models import Mailbox
mailboxes = Mailbox.objects.filter(citizen__name={by_slug("jonas").name!r}, source="minside-oslo")
for each in mailboxes:
    engine.sync_mailbox(each.citizen_id, each.id, waits_its_turn=False)
"""


def test_a_source_that_is_down_is_said_on_the_page(open_page: OpenPage, running: Demo) -> None:
    page = open_page()
    log_in(page, "jonas")
    running.control("faults", channel="minside-oslo", mode="down")
    try:
        running.shell(FETCH_FROM_OSLO)
        page.goto("/")
        expect(page.locator('.ds-alert[data-color="warning"]').first).to_be_visible()
        assert "Oslo" in page.locator(".ds-alert").first.inner_text()
        assert page.locator(".row").count() > 0
    finally:
        running.control("faults", channel="minside-oslo", mode="ok")
        running.shell(FETCH_FROM_OSLO)


def test_a_reset_gives_the_next_participant_the_same_list(
    open_page: OpenPage, running: Demo
) -> None:
    page = open_page()
    listed = []
    for _participant in range(2):
        running.control("reset", person="amina")
        page.goto("/")
        assert "/login/" in page.url
        log_in(page, "amina")
        listed.append(page.locator(".row").all_inner_texts())
        page.locator(".row h3 a").first.click()
        page.wait_for_url("**/letters/**")
    assert listed[0] == listed[1]
