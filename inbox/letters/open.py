"""The citizen opens a letter, or sets it aside to read again: what that changes among her own."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from inbox.citizens.viewer import Viewer
from inbox.letters import counters, delivery_log, indexing
from inbox.letters.filing import LONG_FIELDS, owe_sources
from inbox.letters.models import Event, Letter


def get_letter(viewer: Viewer, letter_id: UUID) -> Letter:
    """Return the viewer's letter with its sender. Raises Letter.DoesNotExist."""
    return Letter.objects.visible_to(viewer).select_related("sender").get(id=letter_id)


def mark_opened(letter: Letter, viewer: Viewer, now: datetime) -> bool:
    """Note that the viewer opens `letter` for the first time; False when she had before.

    Must run in a transaction. A letter opened elsewhere is opened here too, once. What a helper
    opens stays unread and unopened for the recipient, unless the helper stands in for her by law.
    """
    # Of two tabs that open it at once the second waits here and finds the first one's event.
    before = _locked(letter)
    mine = Event.objects.filter(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        kind=Event.Kind.OPENED,
        actor_id=viewer.actor_id,
    )
    if mine.exists():
        return False
    letter.place = before.place
    if viewer.stands_in:
        letter.unread = letter.updated = False
        letter.opened_at = before.opened_at or now
        letter.save(update_fields=["unread", "updated", "opened_at"])
        delivery_log.note_opened(letter, now)
        if before.asks_receipt and before.opened_at is None:
            # What it says is searched from now on.
            indexing.write_letter(letter.citizen_id, letter.id)
    Event.objects.create(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        kind=Event.Kind.OPENED,
        at=now,
        actor_id=viewer.actor_id,
        detail={} if viewer.is_herself else {"role": viewer.role.value},
    )
    if before.unread and viewer.stands_in:
        with counters.changing(letter.citizen_id) as state:
            counters.replace(state, before, letter)
    return True


def set_unread(letter: Letter, unread: bool) -> None:
    """Mark a letter as unread or read: the sender is told of an opening once, and not of this.

    Must run in a transaction.
    """
    before = _locked(letter)
    letter.unread, letter.updated = unread, before.updated and unread
    letter.place = before.place
    if before.unread != unread:
        letter.save(update_fields=["unread", "updated"])
        owe_sources(letter.citizen_id, [letter.id])
        with counters.changing(letter.citizen_id) as state:
            counters.replace(state, before, letter)


def _locked(letter: Letter) -> Letter:
    """Return the letter as it is now, held until the transaction ends. Raises DoesNotExist."""
    held = Letter.objects.select_for_update().defer(*LONG_FIELDS)
    return held.get(citizen_id=letter.citizen_id, id=letter.id)
