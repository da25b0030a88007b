"""Reading letters. `visible_to` is the only way in; everything else narrows what it gives.

The list is read by keyset on (citizen, received_at, id): no COUNT, no OFFSET, no list of ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Self
from uuid import UUID

from django.db import models
from django.db.models import Q

from connectors import clock
from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer

if TYPE_CHECKING:
    from inbox.letters.models import Letter  # noqa: F401

MAX_SEARCH_WORDS = 8
DUE_SOON_MAX = 25
"""No more letters than this stand under "Deadline soon"."""


class LetterQuerySet(models.QuerySet["Letter"]):
    """Named reads of letters."""

    def visible_to(self, viewer: Viewer) -> Self:
        """Letters whose existence the viewer may know of: her own, from their day on.

        A letter above the level of her session is among them; what of it may be shown is
        decided by `presentation.py`.
        """
        return self.filter(citizen_id=viewer.citizen_id).filter(
            Q(visible_from=None) | Q(visible_from__lte=clock.now())
        )

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

    def whole_page(
        self, limit: int, due: tuple[datetime, datetime], position: tuple[datetime, UUID] | None
    ) -> models.QuerySet[Letter]:
        """One page of the whole list in one query: the letters due soon, then `limit` others.

        Letters due soon stand on the first page alone (`position` is None) and nowhere else.
        Both parts are found by index and limited before their rows are read, so that the cost
        does not grow with the number of letters. Their order is for the caller to make.
        """
        soon = self.due_between(*due).values("id")[:DUE_SOON_MAX]
        others = self.newest_first().exclude(id__in=soon)
        if position:
            return others.after(*position)[:limit]
        first = self.filter(id__in=others.values("id")[:limit])
        return first.union(self.filter(id__in=soon), all=True)

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
