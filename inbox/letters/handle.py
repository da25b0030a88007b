"""What a letter asks is done, or is not after all: said by her, or known of what she did here."""

from __future__ import annotations

import copy
from datetime import datetime
from uuid import UUID

from inbox.citizens.viewer import Viewer
from inbox.letters import counters
from inbox.letters.documents import LevelTooLow, NotOpened
from inbox.letters.join import current_id
from inbox.letters.models import Event, Letter
from inbox.letters.open import get_letter


def readable_letter(viewer: Viewer, letter_id: UUID) -> Letter:
    """Return a letter that the viewer may read, and so act on; by a former id, what it is now.

    Raises Letter.DoesNotExist, LevelTooLow or NotOpened.
    """
    try:
        letter = get_letter(viewer, letter_id)
    except Letter.DoesNotExist:
        # A page that was open when the letter became part of another: what she wrote counts.
        letter = get_letter(viewer, current_id(viewer, letter_id))
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


def reopen(
    letter: Letter,
    now: datetime,
    actor_id: UUID | None = None,
    how: str = Letter.HandledBy.HERSELF,
    refused_by: str = "",
) -> bool:
    """Take back that it is done; False when it was not done like that. In a transaction.

    `how` is one of Letter.HandledBy: what she said herself, or did and `refused_by`, a source's
    slug, did not take.
    """
    fresh = Letter.objects.select_for_update().get(citizen_id=letter.citizen_id, id=letter.id)
    if fresh.handled_at is None or fresh.handled_by != how:
        return False
    before = copy.copy(fresh)
    fresh.handled_at, fresh.handled_by = None, ""
    fresh.save(update_fields=["handled_at", "handled_by"])
    detail = {"source": refused_by} if refused_by else {}
    _note(fresh, Event.Kind.REOPENED, now, actor_id, detail)
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
