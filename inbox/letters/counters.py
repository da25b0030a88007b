"""Keeping `InboxState`: the counts and the version that pages read instead of counting.

Every function here must run inside the transaction that changes the letters it counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction

from inbox.citizens.models import InboxState
from inbox.letters.models import Letter


@contextmanager
def changing(citizen_id: UUID) -> Iterator[InboxState]:
    """Lock the citizen's state, let the block change it, and save it with a new version."""
    state = InboxState.objects.select_for_update().filter(citizen_id=citizen_id).first()
    if state is None:
        InboxState.objects.get_or_create(citizen_id=citizen_id)
        state = InboxState.objects.select_for_update().get(citizen_id=citizen_id)
    yield state
    state.version += 1
    state.save()


def add(state: InboxState, letters: Iterable[Letter]) -> None:
    """Count letters that have come into her list."""
    for letter in letters:
        state.letters += 1
        state.unread += letter.unread
        state.needs_action += _asks(letter)
        key = str(letter.sender_id)
        count = state.senders.get(key, ["", 0])[1]
        state.senders[key] = [letter.sender_name, count + 1]


def replace(state: InboxState, before: Letter, after: Letter) -> None:
    """Count a letter that is in her list already and has changed."""
    state.unread = max(0, state.unread + after.unread - before.unread)
    state.needs_action = max(0, state.needs_action + _asks(after) - _asks(before))


def recount(citizen_id: UUID) -> InboxState:
    """Count everything anew from the rows; for repair and for tests, never for a page."""
    with transaction.atomic(), changing(citizen_id) as state:
        state.letters = state.unread = state.needs_action = 0
        state.senders = {}
        add(state, Letter.objects.filter(citizen_id=citizen_id, revealed=True).iterator())
    return state


def _asks(letter: Letter) -> int:
    return int(letter.needs_action and letter.handled_at is None)
