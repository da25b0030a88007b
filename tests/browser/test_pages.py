from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import OpenContext, log_in, sideways, violations
from tests.journeys.processes import Demo

pytestmark = pytest.mark.browser

PAGES = ["inbox", "letter", "locked letter", "separate", "sources", "log-in", "step-up", "demo"]


def show(page: Page, which: str) -> None:
    """Go to one of the pages, as Kari at the lower level."""
    addresses = {
        "inbox": "/",
        "separate": "/?view=separate",
        "sources": "/sources/",
        "log-in": "/login/",
        "step-up": "/login/step-up/?next=/",
        "demo": "/demo/",
    }
    if which in addresses:
        page.goto(addresses[which])
        return
    page.goto("/?q=Helse" if which == "locked letter" else "/")
    rows = page.locator(".row")
    if which == "locked letter":
        rows.filter(has=page.locator('[data-color="warning"]')).first.locator("h3 a").click()
    else:
        rows.first.locator("h3 a").click()
    page.wait_for_url("**/letters/**")


@pytest.fixture(params=["nb", "en"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(
    open_context: OpenContext, running: Demo, language: str, width: int, scheme: str
) -> None:
    context = open_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.add_cookies([{"name": "django_language", "value": language, "url": running.web}])
    page = context.new_page()
    log_in(page)
    for which in PAGES:
        show(page, which)
        assert page.locator("html").get_attribute("lang") == language
        assert violations(page) == [], which
        assert sideways(page) <= 0, which


@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_scrolls_sideways(open_context: OpenContext, width: int) -> None:
    page = open_context(viewport={"width": width, "height": 800}).new_page()
    log_in(page)
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
