"""Letters proposed for life events: made as letters come and change, accepted or rejected by her.

Everything but `catch_up`, `decide` and `add` must run in the transaction that writes the letters.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet

from inbox.citizens.models import InboxState
from inbox.citizens.viewer import Viewer
from inbox.letters import counters, event_shelf, presentation
from inbox.letters.event_shelf import OPEN_STATES
from inbox.letters.life_events import RULES_VERSION, matches
from inbox.letters.models import Letter, LifeEventLetter
from inbox.letters.presentation import Row

State = LifeEventLetter.State

EVENT_MAX = 500
"""So many letters, proposed or accepted, may one life event hold; then none is proposed."""
LEFT_MAX = 10
"""No more letters than this are named as still to be done."""
CATCH_UP_BATCH = 20
STRONGEST = (State.ACCEPTED, State.REJECTED, State.PROPOSED)
"""Of two letters that turn out to be one: what she has said stands, a yes before a no."""


class Full(Exception):
    """The life event holds as many letters as it may."""


def propose(letters: Iterable[Letter]) -> None:
    """Propose letters that have no rows yet; those whose day has not come wait for it."""
    by_citizen: dict[UUID, list[LifeEventLetter]] = defaultdict(list)
    for letter in letters:
        if letter.revealed and (rows := _proposed(letter)):
            by_citizen[letter.citizen_id] += rows
    # In one order everywhere, so that two batches never wait for each other's rows.
    for citizen_id in sorted(by_citizen):
        _write(citizen_id, by_citizen[citizen_id], ())


def renew(letter: Letter) -> None:
    """Bring the rows of a letter of which the source has said something new up to that.

    A proposal that has lost its ground goes; what she has decided stays.
    """
    if not letter.revealed:
        return
    found = {row.event: row for row in _proposed(letter)}
    old = list(_rows_of(letter))
    for row in old:
        match = found.pop(row.event, None)
        if match is None and row.state == State.PROPOSED:
            row.delete()
            continue
        reason = match.reason if match and row.reason else row.reason
        safe = match is not None and match.safe
        if (reason, safe) != (row.reason, row.safe):
            row.reason, row.safe = reason, safe
            row.save(update_fields=["reason", "safe"])
    if old or found:
        _write(letter.citizen_id, list(found.values()), {row.event for row in old})


def merge(other: Letter, keep: Letter) -> None:
    """Let `keep`, which `other` becomes a part of, have the weightier word where both have one."""
    hers = {row.event: row for row in _rows_of(other)}
    for row in _rows_of(keep) if hers else ():
        twin = hers.get(row.event)
        if twin and STRONGEST.index(State(twin.state)) < STRONGEST.index(State(row.state)):
            row.state, row.reason = twin.state, twin.reason
            row.save(update_fields=["state", "reason"])


def split(letter: Letter, alone: Letter) -> None:
    """Let a copy that becomes a letter of its own stay where the letter is."""
    rows = [
        LifeEventLetter(
            citizen_id=alone.citizen_id,
            event=row.event,
            letter_id=alone.id,
            state=row.state,
            reason=row.reason,
        )
        for row in _rows_of(letter)
    ]
    LifeEventLetter.objects.bulk_create(rows)
    renew(letter)
    renew(alone)


def catch_up() -> int:
    """Hold letters that came before the present rules against them; returns how many inboxes.

    One transaction for each citizen. Safe to run at any time, twice.
    """
    behind = InboxState.objects.filter(proposed_by__lt=RULES_VERSION).order_by("proposed_by")
    citizens = list(behind.values_list("citizen_id", flat=True)[:CATCH_UP_BATCH])
    for citizen_id in citizens:
        _catch_up(citizen_id)
    return len(citizens)


def _catch_up(citizen_id: UUID) -> None:
    hers = Letter.objects.filter(citizen_id=citizen_id, revealed=True)
    read = (
        hers.order_by("-received_at", "-id")
        .select_related("sender")
        .only(
            *("citizen_id", "id", "title", "public_title", "kind", "revealed", "sender__org_number")
        )
    )
    with transaction.atomic():
        wanted = [letter.id for letter in read.iterator() if matches(letter)]
        # Letters are held before the counts, as everywhere; what changes them meanwhile waits.
        held = Letter.objects.select_for_update(of=("self",)).select_related("sender")
        for start in range(0, len(wanted), EVENT_MAX):
            ids = wanted[start : start + EVENT_MAX]
            propose(held.filter(citizen_id=citizen_id, id__in=ids).order_by("id"))
        InboxState.objects.filter(citizen_id=citizen_id).update(proposed_by=RULES_VERSION)


def decide(viewer: Viewer, letter_id: UUID, event: str, *, accept: bool) -> None:
    """Accept or reject a letter for a life event; also takes an accepted one out again.

    Raises Letter.DoesNotExist, also above the level of the session, and
    LifeEventLetter.DoesNotExist for a letter that is not in the event.
    """
    with transaction.atomic():
        letter = _hold(viewer, letter_id)
        row = _rows_of(letter).get(event=event, state__in=OPEN_STATES)
        row.state = State.ACCEPTED if accept else State.REJECTED
        row.save(update_fields=["state"])
        with counters.changing(letter.citizen_id) as state:
            event_shelf.note(state, [event])


def add(viewer: Viewer, letter_id: UUID, event: str) -> bool:
    """Put a letter into a life event by hand; False when it was there.

    Raises Letter.DoesNotExist, also above the level of the session, and Full.
    """
    with transaction.atomic():
        letter = _hold(viewer, letter_id)
        with counters.changing(letter.citizen_id) as state:
            row = _rows_of(letter).filter(event=event).first()
            if row is None or row.state == State.REJECTED:
                if _held_by(letter.citizen_id, [event])[event] >= EVENT_MAX:
                    raise Full
                row = row or LifeEventLetter(
                    citizen_id=letter.citizen_id, event=event, letter_id=letter.id
                )
            elif row.state == State.ACCEPTED:
                return False
            row.state = State.ACCEPTED
            row.save()
            event_shelf.note(state, [event])
    return True


def numbers(viewer: Viewer) -> Mapping[tuple[str, str], int]:
    """Return how many letters there are for each (event, state), as far as she may know (1 query).

    Bounded by EVENT_MAX, as are all reads of a life event.
    """
    counts: Counter[tuple[str, str]] = Counter()
    known = Q(life_events__safe=True) | Q(security_level__lte=viewer.level)
    letters = Letter.objects.visible_to(viewer).outside_bin()
    found = letters.filter(known, life_events__state__in=OPEN_STATES)
    for event, state, number in found.values_list(
        "life_events__event", "life_events__state"
    ).annotate(Count("id")):
        counts[event, state] = number
    return counts


def reasons(viewer: Viewer, event: str, rows: Sequence[Row]) -> dict[UUID, str]:
    """Return why each of these letters, which she may know of, is proposed (1 query).

    Of a letter above the level of her session the reason is left out.
    """
    found = LifeEventLetter.objects.filter(
        citizen_id=viewer.citizen_id, event=event, letter_id__in=[row.id for row in rows]
    )
    said = dict(found.values_list("letter_id", "reason"))
    return {row.id: "" if row.locked else said.get(row.id, "") for row in rows}


def progress(viewer: Viewer, event: str) -> tuple[int, int]:
    """Return how many accepted letters that asked for something are done, and of how many."""
    asking = Letter.objects.visible_to(viewer).outside_bin().filter(needs_action=True)
    found = asking.in_life_event(viewer, event, State.ACCEPTED).aggregate(
        done=Count("id", filter=Q(handled_at__isnull=False)), total=Count("id")
    )
    return found["done"], found["total"]


def left(viewer: Viewer, event: str) -> list[Row]:
    """Return the accepted letters with something to do, the nearest deadline first."""
    letters = presentation.ROWS.visible_to(viewer).outside_bin().needing_action()
    letters = letters.in_life_event(viewer, event, State.ACCEPTED)
    ordered = letters.order_by(F("due_at").asc(nulls_last=True), "id")
    return presentation.rows(ordered, viewer, LEFT_MAX)


def _proposed(letter: Letter) -> list[LifeEventLetter]:
    return [
        LifeEventLetter(
            citizen_id=letter.citizen_id,
            event=match.event,
            letter_id=letter.id,
            reason=match.code,
            safe=match.safe,
        )
        for match in matches(letter)
    ]


def _rows_of(letter: Letter) -> QuerySet[LifeEventLetter]:
    return LifeEventLetter.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id)


def _hold(viewer: Viewer, letter_id: UUID) -> Letter:
    """Return her letter, held until the transaction ends. Raises Letter.DoesNotExist."""
    held = Letter.objects.visible_to(viewer).select_for_update(of=("self",)).only("citizen_id")
    return held.get(id=letter_id, security_level__lte=viewer.level)


def _write(citizen_id: UUID, rows: Sequence[LifeEventLetter], changed: Iterable[str]) -> None:
    """Write new proposals as far as there is room, and note what is shown now."""
    with counters.changing(citizen_id) as state:
        if rows:
            held = _held_by(citizen_id, {row.event for row in rows})
            fitting = []
            for row in rows:
                held[row.event] += 1
                if held[row.event] <= EVENT_MAX:
                    fitting.append(row)
            LifeEventLetter.objects.bulk_create(fitting, ignore_conflicts=True)
        event_shelf.note(state, {*changed, *(row.event for row in rows)})


def _held_by(citizen_id: UUID, events: Iterable[str]) -> Counter[str]:
    """Return how many letters each of these events holds."""
    rows = LifeEventLetter.objects.filter(
        citizen_id=citizen_id, event__in=list(events), state__in=OPEN_STATES
    )
    return Counter(dict(rows.values_list("event").annotate(Count("id"))))
