"""The shared clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from connectors import clock

MOMENT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def clock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "deep" / "clock.json"
    monkeypatch.setenv("CLOCK_FILE", str(path))
    return path


def is_close(one: datetime, other: datetime) -> bool:
    return abs(one - other) < timedelta(seconds=5)


def test_without_a_file_the_clock_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOCK_FILE", raising=False)
    assert is_close(clock.now(), datetime.now(UTC))
    assert not clock.is_frozen() and not clock.is_set()
    with pytest.raises(RuntimeError):
        clock.freeze(MOMENT)


def test_a_named_file_that_is_not_there_yet_changes_nothing(clock_file: Path) -> None:
    assert is_close(clock.now(), datetime.now(UTC))
    assert not clock.is_set()


def test_a_frozen_clock_stands_still(clock_file: Path) -> None:
    clock.freeze(MOMENT)
    assert clock.now() == MOMENT == clock.now()
    assert clock.is_frozen() and clock.is_set()


def test_a_running_clock_goes_on_from_where_it_was_set(clock_file: Path) -> None:
    clock.set_running(MOMENT)
    first = clock.now()
    assert is_close(first, MOMENT)
    assert first < clock.now()
    assert not clock.is_frozen()


def test_a_reset_clock_is_the_real_one_and_stays_so(clock_file: Path) -> None:
    clock.freeze(MOMENT)
    clock.reset()
    assert is_close(clock.now(), datetime.now(UTC))
    assert clock.is_set()


def test_the_moment_is_kept_in_utc_whatever_zone_it_came_in(clock_file: Path) -> None:
    clock.freeze(datetime(2026, 11, 23, 9, 0, tzinfo=timezone(timedelta(hours=1))))
    assert clock.now() == MOMENT
    assert clock.now().utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_refused(clock_file: Path) -> None:
    for setter in (clock.freeze, clock.set_running):
        with pytest.raises(ValueError, match="time zone"):
            setter(datetime(2026, 11, 23))
    assert not clock.is_set()


def test_a_change_by_another_process_is_seen_at_once(clock_file: Path) -> None:
    clock.freeze(MOMENT)
    assert clock.now() == MOMENT
    fresh = clock_file.with_name("fresh")
    fresh.write_text('{"frozen_at": "2030-01-01T00:00:00+00:00"}', encoding="utf-8")
    fresh.replace(clock_file)
    assert clock.now() == datetime(2030, 1, 1, tzinfo=UTC)
