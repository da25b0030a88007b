"""Which life events stand in her navigation: kept in `InboxState.life_events`, never counted there.

An event stands there when it has an accepted letter or PROPOSALS_SHOWN proposed ones outside the
bin. What it takes to know of these (the letter's level, unless sender and public title say it)
decides from which level of session on it stands there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from inbox.citizens.models import InboxState, SecurityLevel
from inbox.letters.models import Letter, LifeEventLetter

PROPOSALS_SHOWN = 2
OPEN_STATES = (LifeEventLetter.State.PROPOSED, LifeEventLetter.State.ACCEPTED)


def events_of(citizen_id: UUID, letter_ids: Iterable[UUID]) -> set[str]:
    """Return the life events that these letters are in or proposed for."""
    rows = LifeEventLetter.objects.filter(
        citizen_id=citizen_id, letter_id__in=list(letter_ids), state__in=OPEN_STATES
    )
    return set(rows.values_list("event", flat=True))


def note(state: InboxState, events: Iterable[str]) -> None:
    """Note on `state` (held, and saved by the caller) whether these events are shown now."""
    wanted = list(events)
    if not wanted:
        return
    rows = LifeEventLetter.objects.filter(
        citizen_id=state.citizen_id,
        event__in=wanted,
        state__in=OPEN_STATES,
        letter__place__in=(Letter.Place.INBOX, Letter.Place.FILED),
    )
    accepted: dict[str, list[int]] = defaultdict(list)
    proposed: dict[str, list[int]] = defaultdict(list)
    for event, said, safe, level in rows.values_list(
        "event", "state", "safe", "letter__security_level"
    ):
        found = accepted if said == LifeEventLetter.State.ACCEPTED else proposed
        found[event].append(SecurityLevel.SUBSTANTIAL if safe else level)
    for event in wanted:
        levels = [*sorted(accepted[event])[:1], *sorted(proposed[event])[PROPOSALS_SHOWN - 1 :][:1]]
        if levels:
            state.life_events[event] = min(levels)
        else:
            state.life_events.pop(event, None)
