"""An agency's figures: how many of its letters are opened, and how soon.

The rules of what is published, so that nobody's opening can be told from them:

- The smallest piece is a channel's letters of one month. It is published whole or not at all, and
  every sum is a sum of published pieces: nothing that is hidden can be had by subtraction.
- Of a piece there must be FEWEST letters opened and as many unopened (the complement tells as
  much). The same holds for what is left of it without the letters whose opening the agency is
  told of one by one.
- A piece is published once, when it can no longer change: openings count for COUNTED_FOR from
  when the letter was with the citizen, and the month is shown when that has passed for its last
  letter. So nothing can be had by comparing two days' figures.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from inbox.agencies.models import Agency, Figures

K = TypeVar("K")

OSLO = ZoneInfo("Europe/Oslo")
COUNTED_FOR = timedelta(days=28)
"""An opening counts if it comes sooner than that: after any month the next is as long."""
SETTLED_AFTER = timedelta(days=1)
"""By then the collector has counted a month's last opening."""
FEWEST = 5
MONTHS = 12
STEPS = 4
"""Times to opening are kept to a quarter of a doubling: each bucket is 19 % wide."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is published of a channel's month, or of several together."""

    letters: int
    """All of them, of hidden pieces as well: the agency knows what it has sent."""
    of: int = 0
    """How many letters `opened` and `median` speak of: those of published pieces."""
    opened: int = 0
    median: timedelta | None = None
    """Of the time until the opening, to within a tenth; None where nothing is published."""

    @property
    def share(self) -> float | None:
        """The part of the letters that was opened, from 0 to 1; None where it is hidden."""
        return self.opened / self.of if self.of else None


@dataclass(frozen=True, slots=True)
class Published:
    """All that is published of the last MONTHS months."""

    total: Piece
    by_source: Sequence[tuple[str, Piece]]
    by_month: Sequence[tuple[date, Piece]]
    pieces: Sequence[tuple[date, str, Piece]]
    """Newest month first."""


def published(agency: Agency, now: datetime) -> Published:
    """Return what may be shown of the agency's figures at `now` (1 query)."""
    last = last_month(now)
    rows = list(
        Figures.objects.filter(
            org_number=agency.org_number, month__gt=_months_before(last, MONTHS), month__lte=last
        ).order_by("-month", "source")
    )
    return Published(
        total=_piece(rows),
        by_source=_grouped(rows, lambda row: row.source),
        by_month=_grouped(rows, lambda row: row.month),
        pieces=[(row.month, row.source, _piece([row])) for row in rows],
    )


def month_of(moment: datetime) -> date:
    """Return the first day of the month, in Norway, that a moment lies in."""
    return moment.astimezone(OSLO).date().replace(day=1)


def last_month(now: datetime) -> date:
    """Return the latest month whose figures can no longer change."""
    return _months_before(month_of(now - SETTLED_AFTER), 2)


def next_at(now: datetime) -> datetime:
    """Return when the month after `last_month` is shown."""
    following = _months_before(last_month(now), -3)
    return datetime(following.year, following.month, 1, tzinfo=OSLO) + SETTLED_AFTER


def bucket_of(waited: timedelta) -> int:
    """Return the number of the bucket that a time falls into; 0 is up to a minute."""
    return max(0, math.floor(STEPS * math.log2(max(waited.total_seconds(), 1) / 60)))


def time_of(bucket: int) -> timedelta:
    """Return the middle of a bucket."""
    return timedelta(minutes=2 ** ((bucket + 0.5) / STEPS))


def counted(waited: Iterable[timedelta]) -> dict[str, int]:
    """Return how many of these times fall into each bucket, as `Figures.times` keeps it."""
    return dict(Counter(str(bucket_of(each)) for each in waited if each < COUNTED_FOR))


def month_before(month: date) -> date:
    """Return the first day of the month before."""
    return _months_before(month, 1)


def is_hidden(row: Figures) -> bool:
    """Say whether too little is in a piece for it to be published."""
    rest, rest_opened = row.letters - row.asked, row.opened - row.asked_opened
    groups = [(row.letters, row.opened)] + ([(rest, rest_opened)] if rest else [])
    return any(opened < FEWEST or letters - opened < FEWEST for letters, opened in groups)


def _piece(rows: Iterable[Figures]) -> Piece:
    letters = of = opened = 0
    times: Counter[int] = Counter()
    for row in rows:
        letters += row.letters
        if not is_hidden(row):
            of += row.letters
            opened += row.opened
            times.update({int(bucket): count for bucket, count in row.times.items()})
    return Piece(letters, of, opened, _median(times))


def _median(times: Counter[int]) -> timedelta | None:
    seen, half = 0, (times.total() + 1) // 2
    for bucket in sorted(times):
        seen += times[bucket]
        if seen >= half:
            return time_of(bucket)
    return None


def _grouped(rows: Sequence[Figures], key: Callable[[Figures], K]) -> list[tuple[K, Piece]]:
    groups: dict[K, list[Figures]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return [(name, _piece(members)) for name, members in groups.items()]


def _months_before(month: date, months: int) -> date:
    number = month.year * 12 + month.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)
