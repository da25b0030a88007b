"""Reading letters. `visible_to` is the only way in; everything else narrows what it gives.

The list is read by keyset on (citizen, received_at, id): no COUNT, no OFFSET, no list of ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, cast
from uuid import UUID

from django.db import connections, models
from django.db.models import Q
from django.db.models.expressions import RawSQL

from connectors import clock
from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer

if TYPE_CHECKING:
    from inbox.letters.models import Letter  # noqa: F401

MAX_SEARCH_WORDS = 8
DUE_SOON_MAX = 25
"""No more letters than this stand under "Deadline soon"."""

FRONT_IDS = """
    SELECT id FROM (
        SELECT id FROM letters_letter
        WHERE citizen_id = %s AND due_at BETWEEN %s AND %s AND handled_at IS NULL
            AND (visible_from IS NULL OR visible_from <= %s)
        ORDER BY due_at, id LIMIT %s
    ) AS due
    UNION ALL
    SELECT id FROM (
        SELECT id FROM letters_letter
        WHERE citizen_id = %s AND (visible_from IS NULL OR visible_from <= %s)
        ORDER BY received_at DESC, id DESC LIMIT %s
    ) AS newest
"""
"""Written out: Django takes longer to compile such a union than the rest of the page takes."""


class LetterQuerySet(models.QuerySet["Letter"]):
    """Named reads of letters."""

    def visible_to(self, viewer: Viewer) -> Self:
        """Letters whose existence the viewer may know of: her own, from their day on.

        A letter above the level of her session is among them; what of it may be shown is
        decided by `presentation.py`.
        """
        has_come = Q(visible_from=None) | Q(visible_from__lte=clock.now())
        return self.filter(has_come, citizen_id=viewer.citizen_id)

    def newest_first(self) -> Self:
        """In the order of the list."""
        return self.order_by("-received_at", "-id")

    def after(self, received_at: datetime, letter_id: UUID) -> Self:
        """Those that stand below this position in the list."""
        return self.filter(received_at__lte=received_at).filter(
            Q(received_at__lt=received_at) | Q(id__lt=letter_id)
        )

    def unread(self) -> Self:
        """Letters that are news to her."""
        return self.filter(unread=True)

    def needing_action(self) -> Self:
        """Letters that ask something of her and are not handled."""
        return self.filter(needs_action=True, handled_at=None)

    def with_deadline(self) -> Self:
        """Letters with a deadline, handled or not."""
        return self.filter(due_at__isnull=False)

    def due_between(self, start: datetime, end: datetime) -> Self:
        """Unhandled letters whose deadline lies in [start, end], nearest first."""
        return self.filter(due_at__range=(start, end), handled_at=None).order_by("due_at", "id")

    def front(self, viewer: Viewer, limit: int, due: tuple[datetime, datetime]) -> Self:
        """The viewer's `limit` newest letters and those due in the span `due`, in one query.

        Both parts are found by index and limited before any row is read, so that the cost does
        not grow with the number of letters. Their order is for the caller to make.
        """
        fields = (self.model._meta.get_field(name) for name in ("citizen_id", "due_at"))
        owner, moment = cast("tuple[models.Field[Any, Any], models.Field[Any, Any]]", fields)
        ready = connections[self.db]
        citizen = owner.get_db_prep_value(viewer.citizen_id, ready)
        start, end, now = (moment.get_db_prep_value(at, ready) for at in (*due, clock.now()))
        params = (citizen, start, end, now, DUE_SOON_MAX, citizen, now, limit)
        return self.filter(id__in=RawSQL(FRONT_IDS, params))

    def without_due(self, due: tuple[datetime, datetime]) -> Self:
        """All but those that `front` adds for being due."""
        return self.exclude(id__in=self.due_between(*due).values("id")[:DUE_SOON_MAX])

    def from_sender(self, sender_id: UUID) -> Self:
        """Letters of one sender."""
        return self.filter(sender_id=sender_id)

    def by_source(self, sources: Iterable[str]) -> Self:
        """Letters that came by one of these sources (slugs)."""
        return self.filter(source__in=list(sources))

    def matching(self, text: str, viewer: Viewer) -> Self:
        """Letters whose sender or title holds every word of `text`.

        What stands above the level of the session is not searched: a hit would tell of it.
        """
        found = self
        for word in text.casefold().split()[:MAX_SEARCH_WORDS]:
            if viewer.level >= SecurityLevel.HIGH:
                found = found.filter(search_full__contains=word)
            else:
                found = found.filter(
                    Q(search_open__contains=word)
                    | Q(security_level__lte=viewer.level, search_full__contains=word)
                )
        return found
