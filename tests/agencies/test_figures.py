"""Figures that nobody's opening can be told from, counted from the delivery log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import httpx
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from connectors import clock
from inbox.agencies import collect, demo, figures, webhooks
from inbox.agencies.models import Agency, Figures, WebhookMessage
from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters.models import DeliveryRecord
from inbox.sync.opening import open_letter
from tests.conftest import SIMULATORS
from tests.make import make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

NAV = "889640782"
SEPTEMBER = datetime(2026, 9, 10, 10, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 27, 10, tzinfo=UTC)


@pytest.fixture
def nav() -> Agency:
    return Agency.objects.create(org_number=NAV, name="NAV")


def delivered(
    opened_after: Sequence[timedelta | None],
    at: datetime = SEPTEMBER,
    source: str = "dpi",
    org_number: str = NAV,
    **fields: Any,
) -> list[DeliveryRecord]:
    """Rows of the delivery log: one letter for each time until its opening, None for never."""
    return DeliveryRecord.objects.bulk_create(
        DeliveryRecord(
            org_number=org_number,
            source=source,
            external_id=str(number),
            verified="certificate",
            security_level=3,
            arrived_at=at,
            delivered_at=at,
            opened_at=at + waited if waited is not None else None,
            **fields,
        )
        for number, waited in enumerate(opened_after)
    )


def hours(*numbers: float) -> list[timedelta | None]:
    return [timedelta(hours=each) for each in numbers]


def never(letters: int) -> list[timedelta | None]:
    return [None] * letters


def shown(agency: Agency, now: datetime = NOVEMBER) -> figures.Published:
    while collect.collect_due():
        pass
    return figures.published(agency, now)


def test_letters_and_openings_are_counted_each_once_from_the_inbox_to_the_figures(nav):
    clock.freeze(SEPTEMBER)
    kari = make_citizen()
    letters = [make_letter(kari, title=f"Brev {number}") for number in range(11)]
    assert collect.collect_due() == 11
    clock.freeze(SEPTEMBER + timedelta(hours=2))
    for letter in letters[:6]:
        open_letter(Viewer(kari.id, SecurityLevel.HIGH), letter.id)
    assert collect.collect_due() == 6
    assert collect.collect_due() == 0
    total = shown(nav).total
    assert (total.letters, total.of, total.opened) == (11, 11, 6)
    assert total.median is not None
    assert abs(total.median / timedelta(hours=2) - 1) < 0.1


def test_an_opening_that_is_told_to_nobody_is_forgotten_once_it_is_counted(nav):
    told, untold = delivered(hours(1, 1))
    DeliveryRecord.objects.filter(id=told.id).update(tells_opening=True)
    collect.collect_due()
    told.refresh_from_db()
    untold.refresh_from_db()
    assert told.opened_at is not None and untold.opened_at is None
    assert untold.opening_counted
    DeliveryRecord.objects.update(untold=True)  # she has answered
    collect.collect_due()
    assert Figures.objects.get().opened == 2


def test_what_is_taken_up_is_told_to_the_agencys_webhooks(nav):
    webhooks.create(nav, "https://nav.example/webhook", list(webhooks.EVENTS))
    clock.freeze(clock.now() + timedelta(minutes=1))
    kari = make_citizen()
    asks = make_letter(kari, title="Ett", wants_opening_receipt=True, external_id="1")
    does_not = make_letter(kari, title="To", external_id="2")
    collect.collect_due()
    for letter in (asks, does_not):
        open_letter(Viewer(kari.id, SecurityLevel.HIGH), letter.id, agreed=True)
    collect.collect_due()
    told = WebhookMessage.objects.order_by("event", "id")
    assert [each.event for each in told] == ["letter.delivered"] * 2 + ["letter.opened"]
    assert '"reference":"1"' in told[2].payload


def test_what_never_counts_is_taken_up_and_counts_nowhere(nav):
    delivered(hours(1, 2), counts=False)
    (hidden,) = delivered([None])
    DeliveryRecord.objects.filter(id=hidden.id).update(delivered_at=None)
    assert collect.collect_due() == 3
    assert not Figures.objects.exists()
    DeliveryRecord.objects.filter(id=hidden.id).update(delivered_at=SEPTEMBER, untold=True)
    collect.collect_due()
    assert Figures.objects.get().letters == 1


def test_an_opening_after_four_weeks_counts_no_more(nav):
    late = figures.COUNTED_FOR
    delivered([late, late - timedelta(seconds=1)])
    collect.collect_due()
    row = Figures.objects.get()
    assert (row.letters, row.opened, sum(row.times.values())) == (2, 1, 1)


@pytest.mark.parametrize(
    ("opened", "unopened", "is_shown"),
    [(5, 5, True), (4, 50, False), (0, 50, False), (50, 4, False), (50, 0, False), (2, 1, False)],
)
def test_few_openings_are_hidden_and_so_are_few_that_are_not(nav, opened, unopened, is_shown):
    delivered([*hours(*[1.0] * opened), *never(unopened)])
    total = shown(nav).total
    assert total.letters == opened + unopened
    assert (total.share is not None) is is_shown
    assert (total.median is not None) is is_shown


def test_letters_whose_opening_is_told_one_by_one_hide_no_others_among_them(nav):
    """Twenty that the agency knows of, and one that it would learn of by subtraction."""
    delivered([*hours(*[1.0] * 10), *never(10)], asks_opening=True, tells_opening=True)
    assert shown(nav).total.share == 0.5
    delivered(hours(1))
    assert shown(nav).total.share is None
    delivered([*hours(*[1.0] * 4), *never(5)])
    assert shown(nav).total.share == 0.5


def test_nothing_hidden_can_be_had_by_subtraction(nav):
    delivered([*hours(*[1.0] * 10), *never(10)], source="dpi")
    delivered([*hours(1), *never(10)], source="altinn")
    said = shown(nav)
    by_source = dict(said.by_source)
    assert by_source["altinn"].share is None
    assert (said.total.letters, said.total.of, said.total.opened) == (31, 20, 10)
    assert said.total.opened == by_source["dpi"].opened
    assert dict(said.by_month)[date(2026, 9, 1)].opened == 10


def test_a_month_is_shown_when_nothing_in_it_can_change_any_more(nav):
    last = datetime(2026, 9, 30, 21, 59, tzinfo=UTC)  # a minute before October in Norway
    slowest = figures.COUNTED_FOR - timedelta(seconds=1)
    delivered([*hours(1, 1, 1, 1), slowest, *never(5)], at=last)
    assert last + slowest < datetime(2026, 11, 1, 23, tzinfo=UTC)
    assert shown(nav, datetime(2026, 11, 1, 22, tzinfo=UTC)).pieces == []
    (piece,) = shown(nav, datetime(2026, 11, 1, 23, tzinfo=UTC)).pieces
    assert piece[:2] == (date(2026, 9, 1), "dpi")
    assert piece[2].opened == 5


def test_february_settles_as_january_does(nav):
    for month in range(1, 13):
        start = date(2026, month, 1)
        following = date(2026 + month // 12, month % 12 + 1, 1)
        after = date(2026 + (month + 1) // 12, (month + 1) % 12 + 1, 1)
        assert following - start >= timedelta(days=28)
        shown_from = datetime(after.year, after.month, after.day, tzinfo=figures.OSLO)
        shown_from += figures.SETTLED_AFTER
        assert figures.last_month(shown_from) == start
        before = shown_from - timedelta(seconds=1)
        assert figures.last_month(before) < start
        assert figures.next_at(before) == shown_from


def test_twelve_months_are_shown_and_no_other_agencys(nav):
    for year, month in [(2025, 9), (2025, 10), (2026, 9), (2026, 10)]:
        delivered([*hours(*[1.0] * 5), *never(5)], at=datetime(year, month, 10, tzinfo=UTC))
    delivered([*hours(*[1.0] * 5), *never(5)], org_number="974761076")
    months = [month for month, _ in shown(nav).by_month]
    assert months == [date(2026, 9, 1), date(2025, 10, 1)]
    assert shown(nav).total.letters == 20


@pytest.mark.parametrize("minutes", [1, 7, 60, 600, 20_000, 40_319])
def test_a_time_is_kept_to_within_a_tenth(minutes):
    waited = timedelta(minutes=minutes)
    kept = figures.time_of(figures.bucket_of(waited))
    assert abs(kept / waited - 1) < 0.1
    assert figures.bucket_of(timedelta(0)) == 0


def test_the_figures_cost_one_query_and_a_row_a_month_and_channel(nav):
    delivered(hours(*[1.0] * 40) + never(40))
    collect.collect_due()
    with CaptureQueriesContext(connection) as asked:
        figures.published(nav, NOVEMBER)
    assert len(asked) == 1
    assert Figures.objects.count() == 1


def test_the_collector_asks_as_often_for_many_as_for_few(nav):
    def cost(letters: int) -> int:
        delivered(never(letters))
        with CaptureQueriesContext(connection) as asked:
            assert collect.collect_due() == letters
        return len(asked)

    few = cost(2)
    assert cost(300) == few


def test_more_than_a_batch_is_taken_up_in_one_run(nav, monkeypatch):
    monkeypatch.setattr(collect, "BATCH", 3)
    delivered(never(10))
    assert collect.collect_due() == 10
    assert Figures.objects.get().letters == 10


def test_the_demos_agencies_have_a_made_up_year_some_of_which_is_hidden(demo_citizens):
    transport = httpx.WSGITransport(app=demo_citizens.wsgi)
    demo.configure(f"{SIMULATORS}/control/api/", transport)
    before = Figures.objects.count()
    for agency in Agency.objects.filter(sources__isnull=False).distinct():
        said = figures.published(agency, clock.now())
        assert len(said.by_month) == figures.MONTHS
        assert said.total.share is not None and said.total.median is not None
    demo.configure(f"{SIMULATORS}/control/api/", transport)
    assert Figures.objects.count() == before > 0
    for row in Figures.objects.all():
        assert sum(row.times.values()) == row.opened <= row.letters


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_two_collectors_at_once_count_each_letter_once(monkeypatch):
    monkeypatch.setattr(collect, "BATCH", 20)
    for source in ("dpi", "altinn", "minside-nav"):
        delivered([*hours(*[1.0] * 40), *never(40)], source=source)
    start = Barrier(3)

    def run() -> None:
        start.wait()
        while collect.collect_due():
            pass
        connection.close()

    workers = [Thread(target=run) for _ in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    collect.collect_due()
    counted = Figures.objects.values_list("letters", "opened")
    assert list(counted) == [(80, 40)] * 3


@pytest.mark.servers
@pytest.mark.django_db(transaction=True)
def test_an_opening_under_way_holds_up_nobody_elses_letters():
    first, _ = delivered(never(2))
    ready, done = Barrier(2), Barrier(2)

    def opens() -> None:
        with transaction.atomic():
            DeliveryRecord.objects.filter(id=first.id).update(opened_at=SEPTEMBER)
            ready.wait()
            done.wait()
        connection.close()

    opening = Thread(target=opens)
    opening.start()
    ready.wait()
    assert collect.collect_due() == 1
    done.wait()
    opening.join()
    assert collect.collect_due() == 1
    row = Figures.objects.get()
    assert (row.letters, row.opened) == (2, 1)
