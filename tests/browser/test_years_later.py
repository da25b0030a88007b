"""Two years on: the agency has deleted the letter long ago, and she still has it.

The clock of the whole demo is moved for this, so that these tests come last in their folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from connectors.world.model import STUDY_DATE
from tests.browser.conftest import OpenPage, let_in
from tests.browser.ways import WAYS, Person
from tests.journeys.processes import Demo

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", autouse=True)
def _two_years_on(running: Demo) -> Iterator[None]:
    running.control("clock", frozen_at="2028-10-12T10:00:00+02:00")
    yield
    running.control("clock", frozen_at=STUDY_DATE.isoformat())


@pytest.mark.parametrize("way", WAYS)
def test_she_finds_a_decision_that_its_agency_has_deleted(
    open_page: OpenPage, running: Demo, way: str
) -> None:
    she = Person(open_page, way)
    page = she.page
    let_in(page, running)
    she.write(page.locator("#q"), "bostøtte")
    she.press(page.get_by_role("button", name="Søk", exact=True))
    she.press(page.get_by_role("link", name=re.compile("Vedtak: Du får bostøtte")))
    about = page.locator("#letter-about")
    expect(about).to_contain_text("NAV sluttet å vise brevet 23. desember 2026.")
    expect(about).to_contain_text("Kopien din er lagret her.")
    kept = page.get_by_role("link", name=re.compile("^Last ned")).first.get_attribute("href")
    assert page.request.get(kept or "").body().startswith(b"%PDF")
    she.press(page.get_by_role("link", name=re.compile("^Les som tekst")))
    expect(page.locator("main")).to_contain_text("Bostøtten er 70 prosent")
