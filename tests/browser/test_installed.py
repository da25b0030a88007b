"""The installed app in Chromium: what stays on the device, and what shows without a network."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenContext, log_in, sideways, violations
from tests.journeys.processes import Demo

pytestmark = pytest.mark.browser

EVERYTHING_KEPT = """
async () => {
  const kept = [];
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) {
      const answer = await cache.match(request);
      kept.push([new URL(request.url).pathname, await answer.text()]);
    }
  }
  return kept;
}
"""


def test_without_a_network_nothing_of_hers_shows_and_nothing_is_kept(
    open_context: OpenContext, running: Demo
) -> None:
    context = open_context(service_workers="allow")
    page = context.new_page()
    broken: list[str] = []
    page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)
    log_in(page)
    page.wait_for_function("navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    page.locator(".row h3 a").first.click()
    letter = page.url
    title = page.locator("h1").inner_text()
    page.goto("/")
    name = page.locator(".top .who").first.inner_text().strip()
    kept = dict(page.evaluate(EVERYTHING_KEPT))
    assert "/offline/" in kept
    assert all(path == "/offline/" or path.startswith("/static/") for path in kept)
    assert not [path for path, text in kept.items() if name in text or title in text]
    assert broken == []
    context.set_offline(True)
    for address in ["/", letter]:
        page.goto(address)
        expect(page.locator("h1")).to_have_text("Du er uten nett")
        assert name not in page.content()
        assert title not in page.content()
        assert violations(page) == []
    page.set_viewport_size({"width": 320, "height": 700})
    assert sideways(page) <= 0
    context.set_offline(False)
    page.get_by_role("link", name=re.compile("igjen")).first.click()
    expect(page.locator(".row").first).to_be_visible()
    page.locator(".only-d form, .sheet form").first.evaluate("(form) => form.submit()")
    page.wait_for_url(re.compile("logged-out"))
    context.set_offline(True)
    page.goto("/")
    expect(page.locator("h1")).to_have_text("Du er uten nett")
    page.goto(letter)
    expect(page.locator("h1")).to_have_text("Du er uten nett")
    assert title not in page.content()
    assert dict(page.evaluate(EVERYTHING_KEPT)).keys() == kept.keys()


def test_chromium_can_install_it(open_context: OpenContext) -> None:
    context = open_context(service_workers="allow")
    page = context.new_page()
    page.goto("/login/")
    session = context.new_cdp_session(page)
    manifest = session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    assert manifest["url"].endswith("/manifest.webmanifest")
    problems = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    # A private window, which each context of a test is, installs nothing.
    assert {each["errorId"] for each in problems} <= {"in-incognito"}
