"""Dates and times in Norwegian time and the page's language, one plain function call each.

Django's template filters would do the same at several times the cost: a list formats a hundred.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

OSLO = ZoneInfo("Europe/Oslo")


@dataclass(frozen=True, slots=True)
class Words:
    """What a language needs to say when something was."""

    months: tuple[str, ...]
    short_months: tuple[str, ...]
    today: str
    yesterday: str
    at: str
    """Between a day and a time of day."""
    time: str
    """For strftime."""
    day: str
    """Day and month."""


NB_MONTHS = "januar februar mars april mai juni juli august september oktober november desember"
NB_SHORT = "jan. feb. mars april mai juni juli aug. sep. okt. nov. des."
EN_MONTHS = "January February March April May June July August September October November December"
EN_SHORT = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
NB = Words(
    months=tuple(NB_MONTHS.split()),
    short_months=tuple(NB_SHORT.split()),
    today="i dag",
    yesterday="i går",
    at=" kl. ",
    time="%H.%M",
    day="{day}. {month}",
)
# Nynorsk names months, days and times of day as bokmål does.
SE_MONTHS = (
    "ođđajagemánu guovvamánu njukčamánu cuoŋománu miessemánu geassemánu suoidnemánu borgemánu"
    " čakčamánu golggotmánu skábmamánu juovlamánu"
)
SE_SHORT = "ođđj. guov. njuk. cuo. mies. geas. suoi. borg. čakč. golg. skáb. juov."
SE = Words(
    months=tuple(SE_MONTHS.split()),
    short_months=tuple(SE_SHORT.split()),
    today="odne",
    yesterday="ikte",
    at=" dii. ",
    time="%H.%M",
    day="{month} {day}. b.",
)
EN = Words(
    months=tuple(EN_MONTHS.split()),
    short_months=tuple(EN_SHORT.split()),
    today="today",
    yesterday="yesterday",
    at=" at ",
    time="%H:%M",
    day="{day} {month}",
)


WORDS = {"nb": NB, "nn": NB, "se": SE, "en": EN}


def local(moment: datetime) -> datetime:
    """Return an aware moment in Norwegian time; at the ends of all time, as it is."""
    try:
        return moment.astimezone(OSLO)
    except OverflowError:
        return moment  # "31.12.9999", as some write for no deadline at all


class Calendar:
    """Formats moments (aware datetimes) as seen from `now`."""

    def __init__(self, now: datetime, language: str | None) -> None:
        self._words = WORDS.get((language or "")[:2], NB)
        self.now = now
        self.today = local(now).date()
        self._yesterday = self.today - timedelta(days=1)

    def time_of_day(self, moment: datetime) -> str:
        """ "14.02"."""
        return local(moment).strftime(self._words.time)

    def short(self, moment: datetime) -> str:
        """ "i dag kl. 14.02", "i går kl. 14.02", "19. nov.", "19. nov. 2024"."""
        there = local(moment)
        day = there.date()
        if day == self.today:
            return f"{self._words.today}{self._words.at}{there.strftime(self._words.time)}"
        if day == self._yesterday:
            return f"{self._words.yesterday}{self._words.at}{there.strftime(self._words.time)}"
        return self._day(day, self._words.short_months)

    def moment(self, moment: datetime) -> str:
        """ "22. november 2026 kl. 14.02"."""
        there = local(moment)
        return f"{self.full_day(moment)}{self._words.at}{there.strftime(self._words.time)}"

    def moment_short(self, moment: datetime) -> str:
        """ "22. nov. kl. 14.02", with the year when it is another than today's."""
        there = local(moment)
        day = self._day(there.date(), self._words.short_months)
        return f"{day}{self._words.at}{there.strftime(self._words.time)}"

    def day(self, moment: datetime) -> str:
        """ "1. desember", with the year when it is another than today's."""
        return self._day(local(moment).date(), self._words.months)

    def full_day(self, moment: datetime) -> str:
        """ "1. desember 2026"."""
        there = local(moment)
        day = self._words.day.format(day=there.day, month=self._words.months[there.month - 1])
        return f"{day} {there.year}"

    def month(self, month: date) -> str:
        """ "desember 2026"."""
        return f"{self._words.months[month.month - 1]} {month.year}"

    def days_until(self, moment: datetime) -> int:
        """How many days are left: 0 today, negative when past."""
        return (local(moment).date() - self.today).days

    def midnight(self, days: int = 0) -> datetime:
        """The start of today in Norway, `days` later."""
        day = self.today + timedelta(days=days)
        return datetime(day.year, day.month, day.day, tzinfo=OSLO)

    def _day(self, day: date, months: tuple[str, ...]) -> str:
        said = self._words.day.format(day=day.day, month=months[day.month - 1])
        return said if day.year == self.today.year else f"{said} {day.year}"
