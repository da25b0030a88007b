"""An agency's figures as it sees them."""

from __future__ import annotations

import csv
from datetime import date
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inbox.agencies import figures
from inbox.agencies.models import Agency, Employee, Figures
from tests.make import log_in, make_citizen, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

NAV = "889640782"
ADDRESS = f"/virksomhet/{NAV}/tall/"
SEPTEMBER = date(2026, 9, 1)


@pytest.fixture
def portal(client: Client) -> Client:
    nav = Agency.objects.create(org_number=NAV, name="NAV")
    berit = make_citizen("Berit")
    Employee.objects.create(agency=nav, citizen=berit)
    log_in(client, berit, 4)
    client.cookies["django_language"] = "en"
    return client


def counted(letters: int, opened: int, minutes: int = 180, **fields: Any) -> Figures:
    said = {"org_number": NAV, "source": "dpi", "month": SEPTEMBER} | fields
    bucket = figures.bucket_of(figures.timedelta(minutes=minutes))
    return Figures.objects.create(
        letters=letters, opened=opened, times={str(bucket): opened}, **said
    )


def seen(portal: Client) -> str:
    answer = portal.get(ADDRESS)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_share_and_the_median_are_told_by_channel_and_by_month(portal):
    make_source("dpi", "Digipost")
    counted(200, 124)
    counted(100, 50, minutes=3 * 24 * 60, month=date(2026, 8, 1))
    page = seen(portal)
    assert "62 %" in page and "50 %" in page and "58 %" in page
    assert "3 hours" in page and "3 days" in page
    assert "Digipost" in page and "September 2026" in page and "August 2026" in page


def test_what_is_hidden_is_said_to_be_and_stands_in_no_sum(portal):
    counted(200, 124)
    counted(40, 37, source="altinn")
    page = seen(portal)
    assert "Hidden" in page
    assert "62 % of 200 letters" in page
    assert ">37<" not in page and ">161<" not in page and "93 %" not in page
    assert ">40<" in page and ">240<" in page


def test_a_month_that_can_still_change_is_not_there(portal):
    counted(200, 124, month=date(2026, 10, 1))
    page = seen(portal)
    assert "There are no figures" in page and "62 %" not in page
    assert "2 December 2026" in page


def test_another_agencys_figures_are_not_there(portal):
    counted(200, 124, org_number="974761076")
    assert "62 %" not in seen(portal)
    for path in ("", "csv/"):
        assert portal.get(f"/virksomhet/974761076/tall/{path}").status_code == 404


def lines(portal: Client) -> list[list[str]]:
    answer = portal.get(f"{ADDRESS}csv/")
    assert answer["Content-Type"].startswith("text/csv")
    assert "attachment" in answer["Content-Disposition"]
    text = answer.content.decode("utf-8-sig")
    return list(csv.reader(StringIO(text, newline=""), delimiter=";"))


def test_the_table_for_a_spreadsheet_has_the_published_pieces_alone(portal):
    make_source("dpi", "Digipost")
    counted(200, 124)
    counted(40, 37, source="altinn")
    counted(200, 100, month=date(2026, 10, 1))
    head, *rows = lines(portal)
    assert head[:3] == ["Month", "Channel", "Letters"]
    assert rows == [
        ["2026-09", "altinn", "40", "Hidden", "Hidden", "Hidden"],
        ["2026-09", "Digipost", "200", "124", "62", "2,8"],
    ]


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_no_name_of_a_channel_is_reckoned_with_by_a_spreadsheet(portal, label):
    make_source("dpi", label)
    counted(200, 124)
    assert lines(portal)[1][1] == f"'{label}"


def test_it_costs_as_much_at_a_year_as_at_a_month(portal):
    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            seen(portal)
        return len(asked)

    counted(200, 124)
    seen(portal)
    few = cost()
    for month in range(1, 9):
        counted(200, 124, month=date(2026, month, 1))
    assert cost() == few <= 6
