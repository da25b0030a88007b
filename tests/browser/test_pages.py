from __future__ import annotations

import itertools

import pytest
from playwright.sync_api import Page, StorageState

from tests.browser.conftest import OpenContext, log_in, look_at, sideways, violations
from tests.journeys.processes import Demo

pytestmark = pytest.mark.browser

PAGES = ["inbox", "letter", "locked letter", "separate", "sources", "step-up", "demo", "log-in"]
"""The last one is a stranger's: it ends the session of the context it is shown in."""
SCHEMES = ["light", "dark"]
WIDTHS = [1280, 390]


def show(page: Page, which: str) -> None:
    """Go to one of the pages, as Kari at the lower level; to the log-in page as a stranger."""
    addresses = {
        "inbox": "/",
        "separate": "/?view=separate",
        "sources": "/sources/",
        "log-in": "/login/",
        "step-up": "/login/step-up/?next=/",
        "demo": "/demo/",
    }
    if which == "log-in":
        page.context.clear_cookies(name="samlepost_session")
    if which in addresses:
        page.goto(addresses[which])
        assert page.url.endswith(addresses[which]), "it led elsewhere"
        return
    page.goto("/?q=Helse" if which == "locked letter" else "/")
    rows = page.locator(".row")
    if which == "locked letter":
        rows.filter(has=page.locator('[data-color="warning"]')).first.locator("h3 a").click()
    else:
        rows.first.locator("h3 a").click()
    page.wait_for_url("**/letters/**")


@pytest.mark.parametrize("which", PAGES)
@pytest.mark.parametrize("language", ["nb", "en"])
def test_axe_finds_nothing(
    open_context: OpenContext, running: Demo, kari: StorageState, language: str, which: str
) -> None:
    """Every width and scheme are changes to the page as it was loaded: the server knows neither."""
    context = open_context(storage_state=kari)
    context.add_cookies([{"name": "django_language", "value": language, "url": running.web}])
    page = context.new_page()
    show(page, which)
    assert page.locator("html").get_attribute("lang") == language
    for width, scheme in itertools.product(WIDTHS, SCHEMES):
        look_at(page, width, scheme)
        assert violations(page) == [], (width, scheme)
        assert sideways(page) <= 0, (width, scheme)


@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_scrolls_sideways(
    open_context: OpenContext, kari: StorageState, width: int
) -> None:
    page = open_context(viewport={"width": width, "height": 800}, storage_state=kari).new_page()
    for which in PAGES:
        show(page, which)
        assert sideways(page) <= 0, which


def test_no_page_breaks_its_own_content_security_policy(open_context: OpenContext) -> None:
    page = open_context().new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    log_in(page)
    for which in PAGES:
        show(page, which)
        page.wait_for_timeout(300)
    assert [text for text in said if "Content Security Policy" in text or "Error" in text] == []
