"""How pages behave while they stand open: the session's end, new letters, the back button."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext, OpenPage, let_in, look_at, violations
from tests.journeys.processes import Demo

pytestmark = pytest.mark.browser

AGE = """
from importlib import import_module
from django.conf import settings
session = import_module(settings.SESSION_ENGINE).SessionStore("{key}")
session["seen_at"] -= {minutes} * 60
session.save()
"""


def grow_old(page: Page, running: Demo, minutes: int) -> None:
    """Let her session at the server and the page's own clock be this much older."""
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    running.shell(AGE.format(key=cookies["samlepost_session"], minutes=minutes))
    page.clock.fast_forward(minutes * 60_000)


def test_she_is_warned_before_she_is_logged_out_and_goes_on_where_she_was(
    open_context: OpenContext, running: Demo
) -> None:
    page = open_context().new_page()
    let_in(page, running)
    page.clock.install()
    page.goto("/search/")
    field = page.locator("main input[type=search]").first
    field.fill("barnehage")
    field.focus()
    expect(page.locator("#status")).to_contain_text("treff")
    warning = page.get_by_role("region", name="Du blir logget ut om")
    expect(warning).to_have_count(0)
    grow_old(page, running, 26)
    expect(warning).to_be_visible()
    expect(page.get_by_role("status").last).to_contain_text("Du blir logget ut om")
    assert page.evaluate("document.activeElement.type") == "search", "the focus was taken"
    for width, scheme in [(390, "dark"), (320, "light"), (1280, "light")]:
        look_at(page, width, scheme)
        assert violations(page) == []
    button = page.get_by_role("button", name="Fortsett")
    button.focus()
    page.keyboard.press("Enter")
    expect(warning).to_be_hidden()
    expect(page.locator("#status")).to_have_text("Du er fortsatt innlogget.")
    expect(field).to_be_focused()
    expect(field).to_have_value("barnehage")
    grow_old(page, running, 31)
    over = page.get_by_role("region", name="Du er logget ut")
    expect(over).to_be_visible()
    expect(field).to_have_value("barnehage")
    expect(over.get_by_role("link", name="Logg inn")).to_have_attribute(
        "href", re.compile(r"^/login/\?next=%2Fsearch%2F")
    )


def test_a_new_letter_moves_neither_the_page_nor_the_focus(
    open_page: OpenPage, running: Demo
) -> None:
    page = open_page(viewport={"width": 1280, "height": 400})
    let_in(page, running)
    row = page.locator(".row h3 a").nth(12)
    address = row.get_attribute("href")
    row.focus()
    before = row.bounding_box()
    running.control("send", person="kari", channel="minside-nav", title="Et brev mens hun leser")
    expect(page.get_by_role("link", name="Et brev mens hun leser")).to_have_count(1)
    assert page.evaluate("document.activeElement.getAttribute('href')") == address
    after = page.locator(f'.row h3 a[href="{address}"]').bounding_box()
    assert before
    assert after
    assert abs(before["y"] - after["y"]) < 2, "what she reads jumped"


def test_the_back_button_leads_back_to_the_list_before_the_search(
    open_page: OpenPage, running: Demo
) -> None:
    page = open_page()
    let_in(page, running)
    shown = page.locator(".row").count()
    page.locator("#q").press_sequentially("barnehage")
    expect(page).to_have_url(re.compile(r"[?&]q=barnehage"))
    expect(page.locator(".found")).to_be_visible()
    assert page.locator(".row").count() < shown
    page.go_back()
    expect(page.locator(".found")).to_have_count(0)
    expect(page.locator("#q")).to_have_value("")
    expect(page.locator(".row")).to_have_count(shown)
