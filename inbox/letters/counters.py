"""Keeping `InboxState`: the counts and the version that pages read instead of counting.

The cases of letters that are counted anew are brought up to date with them (`cases.py`).
Every function here must run inside the transaction that changes the letters it counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import transaction

from inbox.citizens.models import InboxState
from inbox.letters import cases, event_shelf
from inbox.letters.life_events import EVENTS
from inbox.letters.models import Case, Letter


@contextmanager
def changing(citizen_id: UUID) -> Iterator[InboxState]:
    """Lock the citizen's state, let the block change it, and save it with a new version."""
    state = InboxState.objects.select_for_update().filter(citizen_id=citizen_id).first()
    if state is None:
        InboxState.objects.get_or_create(citizen_id=citizen_id)
        state = InboxState.objects.select_for_update().get(citizen_id=citizen_id)
    state.touched_cases = set()
    yield state
    cases.refresh(citizen_id, state.touched_cases)
    state.version += 1
    state.save()


def add(state: InboxState, letters: Iterable[Letter]) -> None:
    """Count letters that have come."""
    for letter in letters:
        state.arrived += 1
        touch(state, letter)
        _count(state, letter, 1)


def remove(state: InboxState, letter: Letter) -> None:
    """Leave out a letter that is deleted."""
    touch(state, letter)
    if letter.revealed:
        _count(state, letter, -1)


def split_off(state: InboxState, letter: Letter) -> None:
    """Count a letter that was part of another until now: it is no news."""
    touch(state, letter)
    _count(state, letter, 1)


def replace(state: InboxState, before: Letter, after: Letter) -> None:
    """Count a letter that has come already and has changed."""
    if cases.shown_of(before) != cases.shown_of(after):
        touch(state, before, after)
    if after.revealed:
        _count(state, before, -1)
        _count(state, after, 1)


def answered(citizen_id: UUID, letter_id: UUID) -> None:
    """Bring the letter's case up to date with an answer of hers that has gone, or was refused."""
    letter = Letter.objects.filter(citizen_id=citizen_id, id=letter_id).only("case_id").first()
    if letter is not None and letter.case_id is not None:
        with changing(citizen_id) as state:
            touch(state, letter)


def recount(citizen_id: UUID) -> InboxState:
    """Count everything anew from the rows; for repair and for tests, never for a page."""
    with transaction.atomic(), changing(citizen_id) as state:
        state.letters = state.unread = state.needs_action = state.updated = 0
        state.senders = {}
        for letter in Letter.objects.filter(citizen_id=citizen_id, revealed=True).iterator():
            _count(state, letter, 1)
        known = Case.objects.filter(citizen_id=citizen_id).values_list("id", flat=True)
        named = Letter.objects.filter(citizen_id=citizen_id, case_id__isnull=False)
        state.touched_cases = {*known, *filter(None, named.values_list("case_id", flat=True))}
        event_shelf.note(state, EVENTS)
    return state


def touch(state: InboxState, *letters: Letter) -> None:
    """Note that these letters' cases change; a state that is not held (`scoped.py`) has none."""
    if state.touched_cases is not None:
        state.touched_cases.update(each.case_id for each in letters if each.case_id)


def _count(state: InboxState, letter: Letter, by: int) -> None:
    """Count `letter` where it lies; in the bin it counts nowhere."""
    if letter.place == Letter.Place.BIN:
        return
    is_filed = letter.place == Letter.Place.FILED
    if is_filed:
        state.updated = max(0, state.updated + by * letter.updated)
    else:
        state.letters = max(0, state.letters + by)
        state.unread = max(0, state.unread + by * letter.unread)
    asks = letter.needs_action and letter.handled_at is None
    state.needs_action = max(0, state.needs_action + by * asks)
    key = str(letter.sender_id)
    counts = state.senders.get(key, ["", 0, 0])[1:]
    counts[is_filed] = max(0, counts[is_filed] + by)
    if any(counts):
        state.senders[key] = [letter.sender_name, *counts]
    else:
        state.senders.pop(key, None)
