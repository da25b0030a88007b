"""One case is shared with a helper until a date; the clock moves, and it ends."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import httpx
import pytest
from playwright.sync_api import expect

from connectors.world.persons import by_slug
from inbox.web.dates import OSLO
from tests.browser.conftest import OpenContext, log_in, look_at, violations
from tests.journeys.processes import Demo

pytestmark = pytest.mark.browser


def moment(running: Demo) -> datetime:
    """The demo's shared clock, in Norway."""
    state = httpx.get(f"{running.simulators}/control/api/state", trust_env=False).json()
    return datetime.fromisoformat(state["clock"]["now"]).astimezone(OSLO)


def test_a_case_is_shared_until_a_date_and_the_open_page_sees_it_end(
    open_context: OpenContext, running: Demo
) -> None:
    hers = open_context().new_page()
    log_in(hers, "kari", high=True)
    expect(hers.locator("#results")).to_be_visible()  # the log-in has come to its end
    hers.goto("/sharing/give/")
    assert violations(hers) == []
    hers.get_by_label("Hvem skal få tilgang?").fill("Jonas")
    hers.get_by_label("Fødselsnummeret til personen").fill(by_slug("jonas").national_id)
    hers.get_by_label("Bare én sak").check()
    case = hers.get_by_label("Sak", exact=True)
    case.select_option(index=1)
    words = case.locator("option:checked").inner_text()
    now = moment(running)
    hers.get_by_label("Til og med dato").fill(f"{now:%Y-%m-%d}")
    hers.get_by_role("button", name="Gi noen tilgang").click()
    expect(hers.get_by_text("Jonas er invitert")).to_be_visible()
    assert violations(hers) == []

    helper = open_context().new_page()
    log_in(helper, "jonas", high=True)
    expect(helper.locator("#results")).to_be_visible()
    helper.goto("/acting/")
    helper.get_by_role("button", name="Si ja").click()
    assert violations(helper) == []
    helper.get_by_role("button", name="Se posten til Kari Nordmann").click()
    expect(helper.get_by_text("Du ser nå posten til Kari Nordmann")).to_be_visible()
    for width in (1280, 390):
        look_at(helper, width, "light")
        assert violations(helper) == []
    letters = helper.locator(".row h3 a")
    assert 0 < letters.count() < 10
    senders = set(helper.locator(".row .from strong, .row .from b").all_inner_texts())
    assert all(sender in words for sender in senders)
    letters.first.click()
    expect(helper.locator(".lhead h1")).to_be_visible()
    helper.goto("/")

    hers.goto("/access-log/")
    expect(hers.get_by_text(re.compile("Jonas Berg .fullmakt. åpnet brevet"))).to_be_visible()
    try:
        running.control("clock", running_from=(now + timedelta(days=2)).isoformat())
        # The page that stands open is led away by itself.
        expect(helper.get_by_text("Du kan ikke lenger se posten til Kari")).to_be_visible()
        expect(helper.get_by_text("Du ser nå posten til Kari")).to_have_count(0)
    finally:
        running.control("clock", running_from=now.isoformat())
