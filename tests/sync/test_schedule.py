"""A thousand mailboxes and a few sources: who is fetched when."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors import clock
from connectors.simulation import Faults
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen
from inbox.sync import engine, pauses, schedule
from inbox.sync.models import Mailbox, Source
from tests.make import make_source

pytestmark = pytest.mark.django_db

MANY = 1000


def connect_many(slug: str, number: int, due_at: datetime, step: timedelta = timedelta()) -> None:
    """Connect so many citizens to a source; each is due `step` after the one before."""
    source = make_source(slug, slug)
    citizens = Citizen.objects.bulk_create(
        [Citizen(name=f"N{index}", email=f"{slug}{index}@example.org") for index in range(number)]
    )
    Mailbox.objects.bulk_create(
        Mailbox(
            citizen=citizen, source=source, connected_at=clock.now(), due_at=due_at + index * step
        )
        for index, citizen in enumerate(citizens)
    )


def handed_out() -> list[str]:
    return [mailbox for _, mailbox in schedule.due_mailboxes()]


class Time:
    """The real time, as the scheduler reads it."""

    def __init__(self) -> None:
        self.at = timezone.now()

    def __call__(self) -> datetime:
        return self.at

    def passes(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def time(monkeypatch) -> Time:
    made = Time()
    monkeypatch.setattr(timezone, "now", made)
    return made


def test_a_thousand_connected_in_one_second_come_back_spread_over_the_interval(settings, time):
    settings.SYNC_INTERVAL_SECONDS = 300
    now = time.at
    ids = [UUID(int=number << 64 | number) for number in range(MANY)]
    turns = [schedule.next_turn(each, now) for each in ids]
    waits = [(turn - now).total_seconds() for turn in turns]
    assert min(waits) >= 150 and max(waits) < 450
    tenths = Counter(int((wait - 150) / 30) for wait in waits)
    assert len(tenths) == 10 and max(tenths.values()) < 2 * MANY / 10
    for each, turn in zip(ids, turns, strict=True):
        again = schedule.next_turn(each, turn + timedelta(seconds=1))
        assert (again - turn).total_seconds() == pytest.approx(300, abs=0.01)


def test_a_source_is_asked_for_its_mailboxes_a_minute_and_each_has_its_turn(settings, time):
    settings.SYNC_INTERVAL_SECONDS = 3600
    connect_many("altinn", MANY, time.at - timedelta(hours=1), timedelta(seconds=1))
    Source.objects.update(per_minute=240)
    oldest_first = [
        str(each) for each in Mailbox.objects.order_by("due_at").values_list("id", flat=True)
    ]
    taken: list[str] = []
    minute: list[int] = []
    for _ in range(130):
        found = handed_out()
        taken += found
        minute = [*minute, len(found)][-30:]
        assert sum(minute) <= 240 * (60 + schedule.BURST_SECONDS) / 60
        time.passes(2)
    assert taken == oldest_first, "the longest waiting first, each once, nobody is left out"


def test_more_mailboxes_than_the_limit_allows_take_turns_and_none_starves(settings, time):
    settings.SYNC_INTERVAL_SECONDS = 20
    connect_many("altinn", 100, time.at)
    Source.objects.update(per_minute=60)
    times: Counter[str] = Counter()
    for _ in range(205):
        times.update(handed_out())
        time.passes(2)
    assert len(times) == 100
    assert max(times.values()) - min(times.values()) <= 1


def test_a_source_with_many_due_holds_up_no_other(time):
    connect_many("altinn", MANY, time.at - timedelta(hours=2))
    connect_many("nav", 3, time.at)
    nav = {str(each) for each in Mailbox.objects.filter(source="nav").values_list("id", flat=True)}
    first = handed_out()[:6]
    assert nav < set(first), "they take turns"


def test_what_is_unused_while_nothing_is_due_is_not_saved_up(time):
    make_source("altinn").save()
    Source.objects.update(per_minute=60, next_slot_at=time.at - timedelta(days=1))
    connect_many("altinn", 100, time.at)
    assert len(handed_out()) == schedule.BURST_SECONDS


def test_a_slow_limit_still_lets_one_through(time):
    connect_many("altinn", 3, time.at)
    Source.objects.update(per_minute=1)
    assert len(handed_out()) == 1
    time.passes(59)
    assert handed_out() == []
    time.passes(1)
    assert len(handed_out()) == 1


@pytest.mark.parametrize("due", [1, 50, 400])
def test_the_queries_are_as_many_however_many_are_due(settings, time, due):
    settings.SYNC_SOURCE_PER_MINUTE = 60_000
    connect_many("altinn", due, time.at)
    make_source("nav", "NAV")
    with CaptureQueriesContext(connection) as made:
        assert len(handed_out()) == due
    said = [each["sql"] for each in made if "SAVEPOINT" not in each["sql"]]
    # The sources; what is due of each of two; of one: who is busy there, its slot, putting off.
    assert len(said) == 6


def test_two_schedulers_at_once_hand_out_each_mailbox_once(settings, time, monkeypatch):
    connect_many("altinn", 20, time.at)
    real, others = schedule.transaction.atomic, []

    def meanwhile(*args, **kwargs):
        monkeypatch.setattr(schedule.transaction, "atomic", real)
        others.extend(handed_out())
        return real(*args, **kwargs)

    monkeypatch.setattr(schedule.transaction, "atomic", meanwhile)
    assert handed_out() == []
    assert len(set(others)) == 20


def test_a_source_that_asks_us_to_wait_is_left_alone_and_no_mailbox_counts_it_as_a_failure(
    demo_citizens,
):
    kari = find_citizen("national_id", by_slug("kari").national_id)
    altinn = demo_citizens.control.by_channel[Channel.ALTINN]
    altinn.state.set_faults("altinn", Faults(mode="rate_limited"))
    hers = Mailbox.objects.get(citizen=kari, source_id="altinn")
    Mailbox.objects.filter(source_id="altinn").update(failures=1)
    asked = timezone.now()
    engine.sync_mailbox(kari.id, hers.id)
    altinn.state.set_faults("altinn", Faults())
    source = Source.objects.get(slug="altinn")
    assert source.paused_until > asked
    hers.refresh_from_db()
    assert (hers.failures, hers.failure, hers.due_at) == (1, "ratelimited", source.paused_until)
    others = Mailbox.objects.filter(source_id="altinn").exclude(citizen=kari)
    due = set(handed_out())
    assert not due & {str(each.id) for each in others}
    assert due & {str(each.id) for each in Mailbox.objects.filter(source_id="minside-nav")}
    other = others.first()
    engine.sync_mailbox(other.citizen_id, other.id)  # its wake-up was on its way already
    other.refresh_from_db()
    assert other.last_attempt_at is None
    Source.objects.update(paused_until=asked)
    assert str(other.id) in handed_out()
    engine.sync_mailbox(other.citizen_id, other.id)
    other.refresh_from_db()
    assert other.last_success_at is not None and other.failures == 0


def test_a_pause_is_not_cut_short_by_a_shorter_one(time):
    make_source("altinn")
    until = pauses.pause("altinn", 600)
    pauses.pause("altinn", 5)
    assert Source.objects.get(slug="altinn").paused_until == until
