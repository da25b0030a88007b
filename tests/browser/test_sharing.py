"""What is shared with a helper ends on its day; a letter sent on by a link ends when withdrawn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from connectors.world.persons import by_slug
from inbox.web.dates import OSLO
from tests.browser.conftest import OpenPage, let_in, look_at, sideways, violations
from tests.journeys.processes import Demo

pytestmark = pytest.mark.browser


@contextmanager
def two_days_later(running: Demo) -> Iterator[None]:
    """The demo's clock two days on, and back again."""
    now = moment(running)
    try:
        running.control("clock", running_from=(now + timedelta(days=2)).isoformat())
        yield
    finally:
        running.control("clock", running_from=now.isoformat())


def at_home(running: Demo, page: Page, slug: str) -> Page:
    """Be logged in at the high level, before her own list."""
    let_in(page, running, slug, high=True)
    expect(page.locator("#results")).to_be_visible()
    return page


def tab_to(page: Page, control: Locator) -> None:
    """Go on by the Tab key until the control has the focus, as who has no mouse would."""
    expect(control).to_be_visible()
    for _ in range(80):
        if control.evaluate("(each) => each === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the Tab key does not lead to {control}")


def moment(running: Demo) -> datetime:
    """The demo's shared clock, in Norway."""
    state = httpx.get(f"{running.simulators}/control/api/state", trust_env=False).json()
    return datetime.fromisoformat(state["clock"]["now"]).astimezone(OSLO)


def test_a_case_is_shared_until_a_date_and_the_open_page_sees_it_end(
    open_page: OpenPage, running: Demo
) -> None:
    hers = at_home(running, open_page(), "kari")
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

    helper = at_home(running, open_page(), "jonas")
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
    with two_days_later(running):
        # The page that stands open is led away by itself.
        expect(helper.get_by_text("Du kan ikke lenger se posten til Kari")).to_be_visible()
        expect(helper.get_by_text("Du ser nå posten til Kari")).to_have_count(0)


@pytest.mark.parametrize(("end", "slug"), [("on its day", "ola"), ("taken back", "amina")])
def test_a_case_is_shared_and_the_sharing_ends_by_the_keyboard_alone(
    open_page: OpenPage, running: Demo, end: str, slug: str
) -> None:
    hers = at_home(running, open_page(), "kari")
    hers.goto("/sharing/give/")
    keys = hers.keyboard
    tab_to(hers, hers.get_by_label("Hvem skal få tilgang?"))
    keys.type(slug.capitalize())
    tab_to(hers, hers.get_by_role("radio", name="Med fødselsnummer"))
    tab_to(hers, hers.get_by_label("Fødselsnummeret til personen"))
    keys.type(by_slug(slug).national_id)
    tab_to(hers, hers.get_by_role("radio", name="Bare én sak"))
    keys.press("Space")
    tab_to(hers, hers.get_by_label("Sak", exact=True))
    keys.press("ArrowDown")
    day = hers.get_by_label("Til og med dato")
    tab_to(hers, day)
    keys.type(f"{moment(running):%m%d%Y}")  # the fields of Chromium's own language
    assert day.input_value() == f"{moment(running):%Y-%m-%d}"
    tab_to(hers, hers.get_by_role("button", name="Gi noen tilgang"))
    keys.press("Enter")
    expect(hers.get_by_text(f"{slug.capitalize()} er invitert")).to_be_visible()

    helper = at_home(running, open_page(), slug)
    helper.goto("/acting/")
    tab_to(helper, helper.get_by_role("button", name="Si ja"))
    helper.keyboard.press("Enter")
    tab_to(helper, helper.get_by_role("button", name="Se posten til Kari Nordmann"))
    helper.keyboard.press("Enter")
    expect(helper.get_by_text("Du ser nå posten til Kari Nordmann")).to_be_visible()
    tab_to(helper, helper.locator(".row h3 a").first)
    helper.keyboard.press("Enter")
    expect(helper.locator(".lhead h1")).to_be_visible()

    if end == "on its day":
        with two_days_later(running):
            helper.reload()
            expect(helper.get_by_text("Du kan ikke lenger se posten til Kari")).to_be_visible()
        return
    hers.goto("/sharing/")
    amina = hers.locator("section.card", has=hers.get_by_role("heading", name="Amina"))
    tab_to(hers, amina.get_by_role("button", name="Trekk tilbake"))
    keys.press("Enter")
    expect(hers.get_by_text("Tilgangen er trukket tilbake")).to_be_visible()
    helper.reload()
    expect(helper.get_by_text("Du kan ikke lenger se posten til Kari")).to_be_visible()


def test_sharing_until_a_date_works_without_javascript_at_320_px(
    open_page: OpenPage, running: Demo
) -> None:
    narrow = {"width": 320, "height": 800}
    hers = at_home(running, open_page(scripts=False, viewport=narrow), "kari")
    hers.goto("/sharing/give/")
    hers.get_by_label("Hvem skal få tilgang?").fill("Ingrid")
    hers.get_by_label("Fødselsnummeret til personen").fill(by_slug("ingrid").national_id)
    hers.get_by_label("Bare én sak").check()
    hers.get_by_label("Sak", exact=True).select_option(index=1)
    hers.get_by_label("Til og med dato").fill(f"{moment(running):%Y-%m-%d}")
    hers.get_by_role("button", name="Gi noen tilgang").click()
    expect(hers.get_by_text("Ingrid er invitert")).to_be_visible()
    helper = at_home(running, open_page(scripts=False, viewport=narrow), "ingrid")
    helper.goto("/acting/")
    helper.get_by_role("button", name="Si ja").click()
    helper.get_by_role("button", name="Se posten til Kari Nordmann").click()
    expect(helper.get_by_text("Du ser nå posten til Kari Nordmann")).to_be_visible()
    with two_days_later(running):
        helper.reload()
        expect(helper.get_by_text("Du kan ikke lenger se posten til Kari")).to_be_visible()


def test_a_letter_is_sent_on_by_a_link_and_the_link_withdrawn(
    open_page: OpenPage, running: Demo
) -> None:
    hers = at_home(running, open_page(), "kari")
    hers.get_by_role("link", name=re.compile("dokumentasjon på inntekt")).first.click()
    hers.get_by_role("link", name="Send brevet videre").click()
    assert violations(hers) == []
    hers.get_by_label("Hvem sender du det til?").fill("Jonas")
    hers.get_by_role("button", name="Lag lenken").click()
    address = hers.get_by_label("Lenke til brevet").input_value()
    assert violations(hers) == []
    hers.reload()
    expect(hers.get_by_label("Lenke til brevet")).to_have_count(0)

    other = open_page()
    other.goto(address)
    assert "/login/" in other.url
    at_home(running, other, "jonas")
    other.goto(address)
    expect(other.locator("h1")).to_contain_text("dokumentasjon på inntekt")
    document = other.get_by_role("listitem").get_by_role("link").first.get_attribute("href")
    assert other.request.get(document or "").body().startswith(b"%PDF")
    assert violations(other) == []
    other.set_viewport_size({"width": 320, "height": 800})
    assert sideways(other) <= 0

    hers.goto("/sharing/")
    hers.get_by_role("button", name="Trekk tilbake lenken").click()
    expect(hers.get_by_text("Den åpner ingenting lenger")).to_be_visible()
    other.reload()
    expect(other.locator("h1")).to_have_text("Lenken åpner ingenting")
    assert violations(other) == []
