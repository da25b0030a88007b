"""The panel in a frame on another site: 127.0.0.1 and localhost are two sites to Chromium."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, BrowserType, FrameLocator, Page, expect

from tests.browser.conftest import OpenPage, log_in, violations
from tests.journeys.processes import PATIENCE, Demo

pytestmark = pytest.mark.browser

NUMBER = re.compile(r"(Ingen|\d+) ny(e|tt)? brev fra andre")
ALLOWED = {"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": False}}


@pytest.fixture
def allowing(
    browser_type: BrowserType,
    browser_type_launch_args: dict[str, Any],
    running: Demo,
    tmp_path: Path,
) -> Iterator[BrowserContext]:
    """A browser whose owner lets frames of other sites have their cookies."""
    (tmp_path / "Default").mkdir()
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(ALLOWED), "utf-8")
    context = browser_type.launch_persistent_context(
        tmp_path, **browser_type_launch_args, base_url=running.web, locale="nb-NO"
    )
    context.set_default_timeout(PATIENCE * 1000)
    yield context
    context.close()


def show(page: Page, running: Demo, agency: str, host: str = "localhost") -> FrameLocator:
    """Go to an agency's page, under one of the loopback host's names; return its panel."""
    page.goto(f"{running.simulators}/minside/{agency}/pages/".replace("127.0.0.1", host))
    return page.frame_locator("iframe.panel")


def offered(panel: FrameLocator) -> None:
    """See that the panel shows its link, and no number."""
    expect(panel.get_by_role("link", name=re.compile("Se om andre har skrevet"))).to_be_visible()
    expect(panel.locator("body")).not_to_contain_text("brev fra andre")


def agree(page: Page) -> None:
    page.goto("/panel/consent/?site=nav")
    page.get_by_role("button", name="Ja, vis antallet").click()
    expect(page.get_by_role("status").first).to_contain_text("NAV")


def test_an_agencys_page_on_another_site_shows_the_number_where_she_has_agreed(
    allowing: BrowserContext, running: Demo
) -> None:
    page = allowing.new_page()
    log_in(page)
    panel = show(page, running, "nav")
    offered(panel)
    with page.expect_popup() as opened:
        panel.get_by_role("link").click()
    consent = opened.value
    expect(consent.locator("h1")).to_contain_text("NAV")
    assert violations(consent) == []
    agree(consent)
    assert violations(consent) == []
    expect(show(page, running, "nav").locator("body")).to_contain_text(NUMBER)
    offered(show(page, running, "oslo"))
    consent.locator(".only-d form[action='/logout/'] button").click()
    consent.wait_for_url(re.compile("logged-out"))
    offered(show(page, running, "nav"))
    log_in(consent)
    expect(show(page, running, "nav").locator("body")).to_contain_text(NUMBER)
    consent.goto("/account/")
    assert violations(consent) == []
    consent.get_by_role("button", name=re.compile("Slutt å vise det hos NAV")).click()
    expect(consent.get_by_role("status").first).to_contain_text("NAV")
    offered(show(page, running, "nav"))


def test_a_browser_that_keeps_cookies_from_frames_of_other_sites_shows_the_link(
    open_page: OpenPage, running: Demo
) -> None:
    page = open_page()
    log_in(page)
    agree(page)
    expect(show(page, running, "nav", "127.0.0.1").locator("body")).to_contain_text(NUMBER)
    offered(show(page, running, "nav"))
    page.goto("/account/")
    page.get_by_role("button", name=re.compile("Slutt å vise det hos NAV")).click()
