"""The inbox's first page: the newest letters in it and those due soon, in one read.

Both parts are found by index and limited before any row is read, so that the cost does not grow
with the number of letters.
"""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models.expressions import RawSQL

from connectors import clock
from inbox.citizens.prepared import Prepared, Slot
from inbox.citizens.viewer import Viewer
from inbox.letters import presentation
from inbox.letters.models import Letter
from inbox.letters.presentation import Row
from inbox.letters.queries import DUE_SOON_MAX, LetterQuerySet, visible

FRONT_IDS = """
    SELECT id FROM (
        SELECT id FROM letters_letter
        WHERE citizen_id = %s AND place = 'inbox' AND due_at BETWEEN %s AND %s
            AND handled_at IS NULL AND (visible_from IS NULL OR visible_from <= %s)
        ORDER BY due_at, id LIMIT %s
    ) AS due
    UNION ALL
    SELECT id FROM (
        SELECT id FROM letters_letter
        WHERE citizen_id = %s AND place = 'inbox'
            AND (visible_from IS NULL OR visible_from <= %s)
        ORDER BY received_at DESC, id DESC LIMIT %s
    ) AS newest
"""
"""Written out, as the ORM has no limited parts of a union as a subquery on both databases."""


def front(viewer: Viewer, limit: int, due: tuple[datetime, datetime]) -> list[Row]:
    """Return the viewer's `limit` newest letters and those due in the span `due`, in no order.

    For who looks on somebody's behalf it takes two reads, as her scopes are not compiled in.
    """
    if not viewer.is_herself:
        return _front_within(viewer, limit, due)
    found = _FRONT.run(
        citizen=viewer.citizen_id, now=clock.now(), start=due[0], end=due[1], limit=limit
    )
    return [presentation.make_row(viewer, *values) for values in found]


def _front_within(viewer: Viewer, limit: int, due: tuple[datetime, datetime]) -> list[Row]:
    letters = presentation.ROWS.visible_to(viewer).in_place(Letter.Place.INBOX)
    found = presentation.rows(letters.due_between(*due), viewer, DUE_SOON_MAX)
    found += presentation.rows(letters.newest_first(), viewer, limit)
    return list({row.id: row for row in found}.values())


def _letters() -> LetterQuerySet:
    citizen = Slot("citizen", models.UUIDField())
    start, end, now = (Slot(name, models.DateTimeField()) for name in ("start", "end", "now"))
    limit = Slot("limit", models.IntegerField())
    ids = RawSQL(FRONT_IDS, (citizen, start, end, now, DUE_SOON_MAX, citizen, now, limit))
    return presentation.ROWS.filter(visible(citizen, now), id__in=ids)


_FRONT = Prepared(_letters)
