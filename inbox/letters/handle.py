"""What a letter asks is done, or is not after all: said by her, or known of what she did here."""

from __future__ import annotations

import copy
from datetime import datetime
from uuid import UUID

from inbox.citizens.viewer import Viewer
from inbox.letters import counters
from inbox.letters.documents import LevelTooLow, NotOpened
from inbox.letters.models import Event, Letter
from inbox.letters.open import get_letter


def readable_letter(viewer: Viewer, letter_id: UUID) -> Letter:
    """Return a letter that the viewer may read, and so act on.

    Raises Letter.DoesNotExist, LevelTooLow or NotOpened.
    """
    letter = get_letter(viewer, letter_id)
    if not viewer.may_read(letter.security_level):
        raise LevelTooLow
    if letter.asks_receipt and letter.opened_at is None:
        raise NotOpened
    return letter


def mark_handled(letter: Letter, how: str, now: datetime, actor_id: UUID | None = None) -> bool:
    """Note that what the letter asks is done; False when that was known. In a transaction.

    `how` is one of Letter.HandledBy.
    """
    fresh = Letter.objects.select_for_update().get(citizen_id=letter.citizen_id, id=letter.id)
    if fresh.handled_at is not None:
        return False
    before = copy.copy(fresh)
    fresh.handled_at, fresh.handled_by = now, how
    fresh.save(update_fields=["handled_at", "handled_by"])
    _note(fresh, Event.Kind.HANDLED, now, actor_id, {"how": how})
    with counters.changing(letter.citizen_id) as state:
        counters.replace(state, before, fresh)
    letter.handled_at, letter.handled_by = fresh.handled_at, fresh.handled_by
    return True


def reopen(letter: Letter, now: datetime, actor_id: UUID | None = None) -> bool:
    """Take back what she herself said; False when it was not she. In a transaction."""
    fresh = Letter.objects.select_for_update().get(citizen_id=letter.citizen_id, id=letter.id)
    if fresh.handled_at is None or fresh.handled_by != Letter.HandledBy.HERSELF:
        return False
    before = copy.copy(fresh)
    fresh.handled_at, fresh.handled_by = None, ""
    fresh.save(update_fields=["handled_at", "handled_by"])
    _note(fresh, Event.Kind.REOPENED, now, actor_id, {})
    with counters.changing(letter.citizen_id) as state:
        counters.replace(state, before, fresh)
    letter.handled_at, letter.handled_by = None, ""
    return True


def _note(
    letter: Letter, kind: str, now: datetime, actor_id: UUID | None, detail: dict[str, str]
) -> None:
    Event.objects.create(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        kind=kind,
        at=now,
        actor_id=actor_id,
        detail=detail,
    )
