"""Dates as people read them, in Norwegian time whatever the server's."""

from datetime import UTC, datetime

import pytest

from inbox.web.dates import Calendar

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
NB = Calendar(NOW, "nb")
EN = Calendar(NOW, "en")


@pytest.mark.parametrize(
    ("moment", "nb", "en"),
    [
        (datetime(2026, 11, 23, 7, 14, tzinfo=UTC), "i dag kl. 08.14", "today at 08:14"),
        (datetime(2026, 11, 22, 13, 2, tzinfo=UTC), "i går kl. 14.02", "yesterday at 14:02"),
        (datetime(2026, 11, 19, 13, 2, tzinfo=UTC), "19. nov.", "19 Nov"),
        (datetime(2024, 11, 19, 13, 2, tzinfo=UTC), "19. nov. 2024", "19 Nov 2024"),
        (datetime(2025, 12, 31, 23, 30, tzinfo=UTC), "1. jan.", "1 Jan"),
        (datetime(2026, 11, 22, 23, 30, tzinfo=UTC), "i dag kl. 00.30", "today at 00:30"),
        (datetime(2026, 7, 1, 22, 30, tzinfo=UTC), "2. juli", "2 Jul"),
    ],
)
def test_a_row_says_when_in_few_words(moment, nb, en):
    assert NB.short(moment) == nb
    assert EN.short(moment) == en


def test_a_letter_says_day_month_year_and_time():
    moment = datetime(2026, 11, 22, 13, 2, tzinfo=UTC)
    assert NB.moment(moment) == "22. november 2026 kl. 14.02"
    assert EN.moment(moment) == "22 November 2026 at 14:02"
    assert NB.moment_short(moment) == "22. nov. kl. 14.02"


def test_a_day_has_its_year_only_when_it_is_another():
    assert NB.day(datetime(2026, 12, 1, 11, tzinfo=UTC)) == "1. desember"
    assert EN.day(datetime(2027, 1, 1, 11, tzinfo=UTC)) == "1 January 2027"
    assert NB.full_day(datetime(2026, 12, 1, 11, tzinfo=UTC)) == "1. desember 2026"


def test_days_are_counted_by_midnights_in_norway():
    assert NB.days_until(datetime(2026, 11, 23, 22, 59, tzinfo=UTC)) == 0
    assert NB.days_until(datetime(2026, 11, 23, 23, 0, tzinfo=UTC)) == 1
    assert NB.days_until(datetime(2026, 11, 22, 22, 0, tzinfo=UTC)) == -1


def test_midnight_is_norways_on_both_sides_of_summer_time():
    assert NB.midnight().astimezone(UTC) == datetime(2026, 11, 22, 23, tzinfo=UTC)
    summer = Calendar(datetime(2026, 10, 24, 12, tzinfo=UTC), "nb")
    assert summer.midnight().astimezone(UTC) == datetime(2026, 10, 23, 22, tzinfo=UTC)
    assert summer.midnight(2).astimezone(UTC) == datetime(2026, 10, 25, 23, tzinfo=UTC)


def test_nynorsk_and_sami_say_dates_in_their_own_way():
    moment = datetime(2026, 11, 22, 13, 2, tzinfo=UTC)
    assert Calendar(NOW, "nn").moment(moment) == "22. november 2026 kl. 14.02"
    assert Calendar(NOW, "se").moment(moment) == "skábmamánu 22. b. 2026 dii. 14.02"
    assert Calendar(NOW, "se").short(moment) == "ikte dii. 14.02"


def test_an_unknown_language_is_said_in_norwegian():
    assert Calendar(NOW, None).short(NOW) == "i dag kl. 09.00"
