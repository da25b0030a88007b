"""One page of the list of letters: rows with every text ready, in groups under headings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import get_language, gettext, ngettext

from connectors import clock
from inbox.citizens.viewer import Viewer
from inbox.letters import presentation
from inbox.letters.front import front
from inbox.letters.models import Letter
from inbox.letters.presentation import Row
from inbox.letters.queries import DUE_SOON_MAX
from inbox.web.dates import Calendar, local
from inbox.web.filters import Filter, Position
from inbox.web.rows import Folders, PrintedRow, Printer, avatar_color, initials

__all__ = ["Group", "Listing", "avatar_color", "initials", "read_list", "say_count"]

PAGE_ROWS = 25
DUE_SOON_DAYS = 14
"""Due soon: from so many days ago, as what is late is still to be done, to so many ahead."""
RECENT_DAYS = 14
CURSOR_LASTS = timedelta(hours=12)


@dataclass(slots=True)
class Group:
    """Letters under one heading."""

    key: str
    title: str
    rows: list[PrintedRow]
    counted: str = ""
    """How many letters there are under the heading, where that is known without counting."""
    continued: bool = False
    """The page before ended in the same group."""
    more: str = ""
    """The address of more letters of this group, where it has a next page of its own."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the list."""

    groups: Sequence[Group]
    shown: int
    more: str
    """The address of the next page, empty on the last."""


def read_list(
    viewer: Viewer,
    asked: Filter,
    position: Position | None,
    labels: Mapping[str, str],
    folders: Folders,
) -> Listing:
    """Return one page of the list, in one query."""
    now = _seen_at(position)
    calendar = Calendar(now, get_language())
    due = (calendar.midnight(-DUE_SOON_DAYS), calendar.midnight(DUE_SOON_DAYS + 1))
    rows = _read(viewer, asked, position, due)
    soon = _due_soon(rows, due) if asked.is_whole and not position else []
    taken = {row.id for row in soon}
    rows.sort(key=lambda row: (row.received_at, row.id), reverse=True)
    is_last, rows = len(rows) <= PAGE_ROWS, rows[:PAGE_ROWS]
    back = "" if asked.is_whole else asked.address()
    printer = Printer(calendar, labels, back, asked.place or Letter.Place.INBOX, folders)
    groups = _groups((row for row in rows if row.id not in taken), calendar, printer)
    shown = len(soon) + sum(len(group.rows) for group in groups)
    more = ""
    if not is_last:
        ended_in = groups[-1].key if groups else ""
        more = _next_page(asked, Position(rows[-1].received_at, rows[-1].id, now, ended_in))
    _count(groups, position, is_last)
    if soon:
        counted = say_count(len(soon)) if len(soon) < DUE_SOON_MAX else ""
        printed = [printer.row(row) for row in soon]
        groups.insert(0, Group("soon", gettext("Deadline soon"), printed, counted))
    return Listing(groups, shown, more)


def say_count(number: int) -> str:
    """Return "1 letter" or "7 letters"."""
    return ngettext("{n} letter", "{n} letters", number).format(n=number)


def _seen_at(position: Position | None) -> datetime:
    """When the first page was seen, unless that is long ago or not to be believed."""
    now: datetime = clock.now()
    if position and now - CURSOR_LASTS <= position.seen_at <= now:
        return position.seen_at
    return now


def _read(
    viewer: Viewer, asked: Filter, position: Position | None, due: tuple[datetime, datetime]
) -> list[Row]:
    limit = PAGE_ROWS + 1
    if asked.is_whole and not position:
        return front(viewer, limit, due)
    letters = presentation.ROWS.visible_to(viewer)
    page = asked.apply(letters, viewer)
    if asked.is_whole:
        page = page.without_due(due)
    if position:
        page = page.after(position.received_at, position.letter_id)
    return presentation.rows(page.newest_first(), viewer, limit)


def _next_page(asked: Filter, position: Position) -> str:
    address = asked.address()
    return f"{address}{'&' if '?' in address else '?'}after={position.cursor()}"


def _due_soon(rows: Iterable[Row], due: tuple[datetime, datetime]) -> list[Row]:
    """Return those due soon, nearest first: the very ones that `front` added for it."""
    near = [(row.due_at, row.id, row) for row in rows if row.due_at and not row.handled]
    return [row for _, _, row in sorted(n for n in near if due[0] <= n[0] <= due[1])][:DUE_SOON_MAX]


def _groups(rows: Iterable[Row], calendar: Calendar, printer: Printer) -> list[Group]:
    """Group rows, newest first, by age."""
    recent = calendar.midnight(-RECENT_DAYS)
    titles = {"recent": gettext("Last two weeks"), "earlier": gettext("Earlier")}
    groups: list[Group] = []
    for row in rows:
        key = _key(row.received_at, recent, calendar)
        if not groups or groups[-1].key != key:
            groups.append(Group(key, titles.get(key, key), []))
        groups[-1].rows.append(printer.row(row))
    return groups


def _count(groups: Sequence[Group], position: Position | None, is_last: bool) -> None:
    """Count what is whole on this page: not what began before it, nor what goes on after it."""
    if groups and position:
        groups[0].continued = groups[0].key == position.group
    for group in groups if is_last else groups[:-1]:
        group.counted = "" if group.continued else say_count(len(group.rows))


def _key(moment: datetime, recent: datetime, calendar: Calendar) -> str:
    """Return "recent", "earlier" (this year) or the year."""
    if moment >= recent:
        return "recent"
    year = local(moment).year
    return "earlier" if year == calendar.today.year else str(year)
