"""An agency's figures by the API are those of the portal."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from connectors import clock
from inbox.agencies import figures
from inbox.agencies.models import Figures
from tests.web.agency_api.conftest import NAV, OSLO

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


def of(org_number: str, month: date, source: str, letters: int, opened: int) -> None:
    times = {str(figures.bucket_of(figures.timedelta(hours=1))): opened}
    Figures.objects.create(
        org_number=org_number,
        month=month,
        source=source,
        letters=letters,
        opened=opened,
        times=times,
    )


def test_the_figures_are_the_published_ones(ask):
    clock.freeze(datetime(2026, 11, 27, tzinfo=UTC))
    of(NAV, date(2026, 9, 1), "altinn", 40, 30)
    of(NAV, date(2026, 9, 1), "dpi", 8, 2)
    of(NAV, date(2026, 11, 1), "altinn", 400, 300)
    of(OSLO, date(2026, 9, 1), "altinn", 1000, 900)
    said = ask("statistics").json()
    published = {"letters": 40, "counted": 40, "opened": 30, "opening_rate": 0.75}
    altinn, dpi = said["by_month_and_source"]
    assert altinn.items() >= published.items()
    assert 3000 < altinn["median_seconds"] < 4300
    hidden = {"counted": 0, "opened": None, "opening_rate": None, "median_seconds": None}
    assert dpi == {"month": "2026-09", "source": "dpi", "letters": 8} | hidden
    (month,) = said["by_month"]
    assert month.items() >= ({"month": "2026-09"} | published | {"letters": 48}).items()
    assert said["total"].items() >= (published | {"letters": 48}).items()


def test_without_letters_there_is_nothing(ask):
    said = ask("statistics").json()
    assert said["total"]["letters"] == 0
    assert said["by_source"] == said["by_month"] == said["by_month_and_source"] == []
