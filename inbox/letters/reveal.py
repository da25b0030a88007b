"""Letters delivered ahead of their day (DPI virkningstidspunkt): counted when it comes."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from connectors import clock
from inbox.letters import counters, delivery_log, join, proposals
from inbox.letters.models import Letter

BATCH = 500


def reveal_due() -> int:
    """Count the letters whose day has come; returns how many. Safe to run at any time, twice."""
    due = Letter.objects.filter(revealed=False, visible_from__lte=clock.now())
    keys = list(due.order_by("visible_from").values_list("citizen_id", "id")[:BATCH])
    return sum(_reveal(citizen_id, letter_id) for citizen_id, letter_id in keys)


def _reveal(citizen_id: UUID, letter_id: UUID) -> int:
    with transaction.atomic():
        join.lock([citizen_id])
        claimed = Letter.objects.filter(citizen_id=citizen_id, id=letter_id, revealed=False).update(
            revealed=True
        )
        if claimed:
            letter = Letter.objects.get(citizen_id=citizen_id, id=letter_id)
            with counters.changing(letter.citizen_id) as state:
                counters.add(state, [letter])
            delivery_log.note_delivered(letter, clock.now())
            proposals.propose([letter])
            join.join_same(letter)
    return claimed
