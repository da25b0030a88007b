"""The letters with a deadline in the order of their days: passed, coming, and done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from django.utils.translation import get_language, gettext

from connectors import clock
from inbox.citizens.viewer import Viewer
from inbox.letters import presentation
from inbox.letters.models import Letter
from inbox.web.dates import Calendar
from inbox.web.filters import Position
from inbox.web.listing import PAGE_ROWS, Group
from inbox.web.paths import address_of
from inbox.web.rows import Folders, Printer

PARTS = ("passed", "coming", "done")


def read_deadlines(
    viewer: Viewer,
    part: str,
    position: Position | None,
    labels: Mapping[str, str],
    folders: Folders,
) -> tuple[Sequence[Group], str]:
    """Return the groups of the page and the address of its next one, "" where there is none.

    One query for each group. Without a `part` (one of PARTS) each begins, and leads on to its own.
    """
    printer = Printer(
        Calendar(clock.now(), get_language()),
        labels,
        address_of("deadlines"),
        Letter.Place.INBOX,
        folders,
    )
    shown = [_group(viewer, name, position, printer) for name in ([part] if part else PARTS)]
    groups = [group for group, _ in shown if group.rows]
    if part:
        return groups, shown[0][1]
    return [replace(group, more=more) for group, more in shown if group.rows], ""


def _group(
    viewer: Viewer, part: str, position: Position | None, printer: Printer
) -> tuple[Group, str]:
    now = clock.now()
    letters = presentation.ROWS.visible_to(viewer).outside_bin().with_deadline()
    letters = letters.handled() if part == "done" else letters.unhandled()
    if part == "passed":
        letters = letters.due_before(now)
    elif part == "coming":
        letters = letters.due_from(now)
    # What is coming begins with the nearest, what is over with the latest.
    letters = letters.by_due(nearest_first=part == "coming")
    if position:
        moment, after = position.received_at, position.letter_id
        letters = letters.after_due(moment, after, nearest_first=part == "coming")
    rows = presentation.rows(letters, viewer, PAGE_ROWS + 1)
    more = ""
    if len(rows) > PAGE_ROWS:
        last = rows[PAGE_ROWS - 1]
        assert last.due_at
        cursor = Position(last.due_at, last.id, now).cursor()
        more = f"{address_of('deadlines')}?part={part}&after={cursor}"
    titles = {
        "passed": gettext("The deadline has passed"),
        "coming": gettext("Coming deadlines"),
        "done": gettext("Done"),
    }
    return Group(part, titles[part], [printer.row(row) for row in rows[:PAGE_ROWS]]), more
