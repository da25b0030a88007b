"""What a source says has happened to a letter that is here: it is done, taken back, deleted there.

The letter itself does not come with it. What is known already changes nothing. A whole letter that
comes after that is how it stands from then on, also when it says what it said before.
"""

from __future__ import annotations

import copy
from datetime import datetime
from uuid import UUID

from connectors.contract import Happening, LetterNote
from inbox.letters import copies, counters, delivery_log, keeping
from inbox.letters.models import Delivery, Event, Letter
from inbox.letters.receive import TITLE_MAX, clean


def take_note(citizen_id: UUID, source: str, note: LetterNote, now: datetime) -> Letter | None:
    """Write down what happened; returns the letter, None where it is not here.

    Must run in a transaction. A letter that is done no longer waits for her; one that its source
    has taken back or deleted stays, and says so.
    """
    own = {"citizen_id": citizen_id}
    delivery = Delivery.objects.filter(**own, source=source, external_id=note.external_id).first()
    if delivery is None:
        return None
    letter = Letter.objects.select_for_update().filter(**own, id=delivery.letter_id).first()
    if letter is None:
        return None
    Delivery.objects.filter(**own, id=delivery.id).update(fingerprint="")
    if note.what is Happening.DELETED:
        keeping.mark_gone(letter, delivery, now, said_at=note.at)
        return letter
    before = copy.copy(letter)
    detail = {"source": source, "said_at": note.at.isoformat()}
    with copies.editing(letter, delivery) as said:
        if note.what is Happening.WITHDRAWN:
            is_news, kind, at = said.withdrawn_at is None, Event.Kind.WITHDRAWN, now
            said.withdrawn_at = delivery.withdrawn_at = said.withdrawn_at or now
        else:
            is_news, kind, at = said.handled_at is None, Event.Kind.HANDLED, note.at
            detail["by"] = clean(note.by, TITLE_MAX)
            said.needs_action = False
            if is_news:
                said.handled_at, said.handled_by = note.at, Letter.HandledBy.SOURCE
    letter.save()
    delivery.save(update_fields=["withdrawn_at"])
    if is_news:
        if kind == Event.Kind.WITHDRAWN:
            delivery_log.note_withdrawn(delivery)
        if not keeping.is_told(letter, kind, note.at):
            Event.objects.create(**own, letter_id=letter.id, kind=kind, at=at, detail=detail)
    if letter.revealed:
        with counters.changing(citizen_id) as state:
            counters.replace(state, before, letter)
    return letter
