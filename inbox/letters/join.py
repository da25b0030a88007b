"""Two letters become one, and one becomes two again. Rows move; bytes stay where they are.

Everything here must run in a transaction that holds `lock` of the citizen.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from inbox.citizens.models import Citizen, Representation
from inbox.citizens.owned import OwnedForeignKey, new_id
from inbox.citizens.viewer import Viewer
from inbox.letters import answers, cases, copies, counters, indexing, matching, proposals
from inbox.letters.models import Delivery, Event, FormerLetter, Letter, Placement
from inbox.letters.open import get_letter

OPENINGS = (Event.Kind.OPENED, Event.Kind.OPENED_ELSEWHERE, Event.Kind.DOCUMENT_OPENED)

PLACES = (Letter.Place.INBOX, Letter.Place.FILED, Letter.Place.BIN)
"""Of two that are joined the one nearest to her eyes says where the letter lies."""


def lock(citizen_ids: Iterable[UUID]) -> None:
    """Let nobody else match, join or split letters of these citizens until we commit.

    Taken before any lock on a letter, which in turn comes before that on her counts.
    """
    rows = Citizen.objects.select_for_update(no_key=True).filter(id__in=set(citizen_ids))
    list(rows.order_by("id").values_list("id"))


def join(keep: Letter, other: Letter, reason: str) -> None:
    """Make `other` a further delivery of `keep`; both are the citizen's, and fresh.

    Whatever hangs on `other` moves over; its id goes on leading to the letter.
    """
    before = copy.copy(keep)
    joining = copies.set_apart(other)
    done_here = copies.done_by_her(other, joining)
    staying = copies.set_apart(keep)
    done_there = copies.done_by_her(keep, staying)
    if done_here and not done_there:
        keep.handled_by = other.handled_by
    done_here = done_there or done_here
    proposals.merge(other, keep)
    answers.merge(other, keep)
    _move_all(other, keep)
    _move_shared(other, keep)
    for delivery in joining:
        delivery.letter_id = keep.id
        delivery.matched_by = delivery.matched_by or reason
        delivery.save(update_fields=["letter_id", "matched_by"])
    keep.unread = keep.unread and other.unread
    _lie_together(other, keep)
    keep.opened_at = min(filter(None, (keep.opened_at, other.opened_at)), default=None)
    copies.unite(keep, [*staying, *joining], done_here)
    cases.assign([keep])
    keep.save()
    FormerLetter.objects.create(citizen_id=keep.citizen_id, id=other.id, letter_id=keep.id)
    Letter.objects.filter(citizen_id=other.citizen_id, id=other.id).delete()
    indexing.write([keep])
    proposals.renew(keep)
    with counters.changing(keep.citizen_id) as state:
        counters.remove(state, other)
        counters.touch(state, before, keep)  # her answers have moved with the letter
        if keep.revealed:
            counters.replace(state, before, keep)


def join_same(letter: Letter) -> Letter:
    """Join to `letter` what is now seen to be the same; returns the letter that is left.

    For a letter of which more has become known: it was opened at its source, its day has come.
    """
    citizen_id = letter.citizen_id
    deliveries = Delivery.objects.filter(
        citizen_id=citizen_id, letter_id=letter.id, split_from_id=None
    )
    for delivery in list(deliveries):
        letter = _fresh(citizen_id, letter.id)
        mine = matching.copy_of(delivery, letter)
        keys = matching.keys_of(mine, delivery.same_as)
        index = matching.known_copies((citizen_id, key) for key in keys)
        for other_id, reason in matching.matches(citizen_id, mine, keys, index):
            pair = [_fresh(citizen_id, letter.id), _fresh(citizen_id, other_id)]
            letter, other = sorted(pair, key=lambda each: each.id)
            join(letter, other, reason)
    return letter


def split(viewer: Viewer, letter_id: UUID, delivery_id: UUID, now: datetime) -> Letter:
    """Show one copy of the letter as a letter of its own from now on; returns that letter.

    Raises Letter.DoesNotExist, and Delivery.DoesNotExist where the letter has no such copy, no
    other one, or the session's level is too low to see what they are.
    """
    lock([viewer.citizen_id])
    letter = _readable(viewer, letter_id)
    before = copy.copy(letter)
    deliveries = copies.set_apart(letter)
    chosen = next((each for each in deliveries if each.id == delivery_id), None)
    if chosen is None or len(deliveries) < 2:
        raise Delivery.DoesNotExist
    done_here = copies.done_by_her(letter, deliveries)
    alone = copies.read(chosen)
    alone.id = new_id()
    alone.unread = letter.unread
    alone.place, alone.delete_at = letter.place, letter.delete_at
    alone.updated, alone.folders = letter.updated, list(letter.folders)
    answers.split(letter, alone, deliveries, chosen)
    _move_delivery(chosen, letter, alone)
    copies.set_alone(alone, chosen)
    alone.opened_at = letter.opened_at
    if alone.handled_at is None and done_here:
        alone.handled_at, alone.handled_by = done_here, letter.handled_by
    cases.assign([alone])
    alone.save(force_insert=True)
    _place_likewise(letter, alone)
    staying = [each for each in deliveries if each.id != delivery_id]
    if len(staying) == 1:
        copies.set_alone(letter, staying[0])
        letter.handled_at = letter.handled_at or done_here
    else:
        copies.unite(letter, staying, done_here)
    copies.count_documents(letter)
    cases.assign([letter])
    letter.save()
    indexing.write([letter, alone])
    proposals.split(letter, alone)
    _note(letter, Event.Kind.SPLIT, viewer, now, chosen.source)
    with counters.changing(letter.citizen_id) as state:
        counters.touch(state, before, letter)
        counters.replace(state, before, letter)
        counters.split_off(state, alone)
    return alone


def unsplit(viewer: Viewer, delivery_id: UUID, now: datetime) -> Letter:
    """Undo `split` of that copy; returns the letter that it belongs to again.

    Raises Letter.DoesNotExist or Delivery.DoesNotExist.
    """
    lock([viewer.citizen_id])
    delivery = Delivery.objects.get(
        citizen_id=viewer.citizen_id, id=delivery_id, split_from_id__isnull=False
    )
    whole_id = current_id(viewer, delivery.split_from_id or delivery.letter_id)
    whole, alone = _readable(viewer, whole_id), _readable(viewer, delivery.letter_id)
    delivery.split_from_id = None
    delivery.save(update_fields=["split_from_id"])
    join(whole, alone, matching.BY_HERSELF)
    _note(whole, Event.Kind.JOINED, viewer, now, delivery.source)
    return whole


def current_id(viewer: Viewer, letter_id: UUID) -> UUID:
    """Return the id of the letter that this one has become part of, else the id itself."""
    former = FormerLetter.objects.filter(citizen_id=viewer.citizen_id, id=letter_id).first()
    return former.letter_id if former else letter_id


def _readable(viewer: Viewer, letter_id: UUID) -> Letter:
    letter = get_letter(viewer, letter_id)
    if not viewer.may_read(letter.security_level):
        raise Delivery.DoesNotExist
    return _fresh(letter.citizen_id, letter.id)


def _fresh(citizen_id: UUID, letter_id: UUID) -> Letter:
    """Return the letter as it is now, locked, with its sender."""
    Letter.objects.select_for_update().only("id").get(citizen_id=citizen_id, id=letter_id)
    return Letter.objects.select_related("sender").get(citizen_id=citizen_id, id=letter_id)


def _move_all(other: Letter, keep: Letter) -> None:
    """Let everything that refers to `other` refer to `keep`: of what may be there once, keep's."""
    for relation in Letter._meta.related_objects:
        field = relation.field
        if not isinstance(field, OwnedForeignKey) or relation.related_model is Delivery:
            continue
        column = field.from_fields[1]
        rows: Any = relation.related_model._default_manager
        mine = rows.filter(**{"citizen_id": other.citizen_id, column: other.id})
        try:
            with transaction.atomic():
                mine.update(**{column: keep.id})
        except IntegrityError:
            for row in mine:
                _move_one(rows.filter(citizen_id=row.citizen_id, id=row.id), column, keep.id)


def _move_shared(other: Letter, keep: Letter) -> None:
    """Let whom she has given access to this one letter see the letter that it is now."""
    shared = Representation.objects.filter(
        citizen_id=other.citizen_id,
        reach=Representation.Reach.LETTER,
        limits__letter=str(other.id),
    )
    for row in shared:
        row.limits = row.limits | {"letter": str(keep.id)}
        row.save(update_fields=["limits"])


def _lie_together(other: Letter, keep: Letter) -> None:
    """Let `keep` (unsaved) lie where the one that is nearest to her eyes lay, in the folders of
    both; in the bin until the later of their days, or until she says where either has none.
    """
    theirs, mine = (PLACES.index(Letter.Place(each.place)) for each in (other, keep))
    if theirs == mine:
        days = [each.delete_at for each in (keep, other) if each.delete_at]
        keep.delete_at = max(days) if len(days) == 2 else None
        keep.updated = keep.updated or other.updated
    elif theirs < mine:
        keep.place, keep.delete_at, keep.updated = other.place, other.delete_at, other.updated
    keep.updated = keep.updated and keep.unread
    keep.folders = [*keep.folders, *(each for each in other.folders if each not in keep.folders)]


def _place_likewise(letter: Letter, alone: Letter) -> None:
    """Let a copy that becomes a letter of its own be in the letter's folders."""
    Placement.objects.bulk_create(
        [
            Placement(citizen_id=alone.citizen_id, folder_id=UUID(each), letter_id=alone.id)
            for each in letter.folders
        ]
    )


def _move_one(row: Any, column: str, letter_id: UUID) -> None:
    try:
        with transaction.atomic():
            row.update(**{column: letter_id})
    except IntegrityError:
        row.delete()


def _move_delivery(chosen: Delivery, letter: Letter, alone: Letter) -> None:
    """Move a delivery, and what came of it, to the letter that it is alone."""
    own = {"citizen_id": letter.citizen_id, "letter_id": letter.id}
    for relation in Delivery._meta.related_objects:
        model: Any = relation.related_model
        if any(field.name == "letter_id" for field in model._meta.get_fields()):
            model._default_manager.filter(**own, delivery_id=chosen.id).update(letter_id=alone.id)
    events = Event.objects.filter(**own)
    openings = [event for event in events.filter(kind__in=OPENINGS) if not _of(event, chosen)]
    for event in openings:
        event.id, event.letter_id = new_id(), alone.id
    Event.objects.bulk_create(openings)
    moved = [event.id for event in events if _of(event, chosen)]
    events.filter(id__in=moved).update(letter_id=alone.id)
    chosen.letter_id, chosen.split_from_id = alone.id, letter.id
    chosen.save(update_fields=["letter_id", "split_from_id"])


def _of(event: Event, delivery: Delivery) -> bool:
    made_by_her = event.kind in (Event.Kind.SPLIT, Event.Kind.JOINED)
    return not made_by_her and event.detail.get("source") == delivery.source


def _note(letter: Letter, kind: str, viewer: Viewer, now: datetime, source: str) -> None:
    Event.objects.create(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        kind=kind,
        at=now,
        actor_id=viewer.actor_id,
        detail={"source": source},
    )
