"""Letters that she sees in a source's own inbox as well: here they follow what she does there.

Of what the source says only a change since it last said so is followed, and of a letter that she
has moved here nothing until the source has been told (`sync/telling.py`): so neither echoes the
other. What the source's inbox does by itself when a sender changes a letter is not of her doing:
here the letter lies where she put it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from connectors.contract import LetterState, OutgoingState, Place
from inbox.letters import filing, join
from inbox.letters.models import Delivery, Letter, SourceState

OURS = {
    Place.INBOX: Letter.Place.INBOX,
    Place.ARCHIVE: Letter.Place.FILED,
    Place.BIN: Letter.Place.BIN,
}
"""What we call a place."""
THEIRS = {ours: theirs for theirs, ours in OURS.items()}


def follow(citizen_id: UUID, source: str, states: Iterable[LetterState]) -> list[UUID]:
    """Bring her letters to where she has put them at the source.

    Returns which have been put away or read by that. Letters that are not here are passed over.
    A letter that lies in the bin because of it has no day on which it is deleted: that she must
    ask for here. What says nothing new costs one query.
    """
    said = {each.external_id: each for each in states}
    if not _news(citizen_id, source, said):
        return []
    with transaction.atomic():
        join.lock([citizen_id])
        return _follow(citizen_id, source, said)


def _news(
    citizen_id: UUID, source: str, said: Mapping[str, LetterState]
) -> dict[UUID, LetterState]:
    """Return what is said anew, by the delivery of which it is said."""
    own = {"citizen_id": citizen_id}
    found = Delivery.objects.filter(**own, source=source, external_id__in=list(said))
    last = found.values_list(
        "id",
        "external_id",
        *(f"source_states__{name}" for name in ("place", "unread", "revision", "changed_at")),
        "source_states__as_of",
    )
    news = {}
    for delivery_id, external_id, *before, as_of in last:
        now = said[external_id]
        is_other = before != [now.place, now.unread, now.revision, now.changed_at]
        if as_of is None or (is_other and now.as_of > as_of):
            news[delivery_id] = now
    return news


def _follow(citizen_id: UUID, source: str, said: Mapping[str, LetterState]) -> list[UUID]:
    own = {"citizen_id": citizen_id}
    news = _news(citizen_id, source, said)
    deliveries = Delivery.objects.filter(**own, id__in=list(news))
    letter_of = dict(deliveries.values_list("id", "letter_id"))
    held = Letter.objects.select_for_update().filter(**own, id__in=set(letter_of.values()))
    letters = {each.id: each for each in held.defer(*filing.LONG_FIELDS).order_by("id")}
    rows = SourceState.objects.select_for_update().filter(**own, id__in=list(news)).order_by("id")
    known = {row.id: row for row in rows}
    fresh: list[SourceState] = []
    new: dict[UUID, dict[str, Any]] = {}
    for delivery_id, letter_id in letter_of.items():
        if letter_id not in letters:
            continue  # deleted for good meanwhile
        now, letter = news[delivery_id], letters[letter_id]
        row = known.get(delivery_id)
        if row is None:
            row = SourceState(**own, id=delivery_id, place=Place.INBOX, changed_at=now.changed_at)
            fresh.append(row)
        elif row.state == SourceState.State.WAITING:
            continue  # what she has done here comes first; then this is said once more
        if fields := _hers(row, now, letter):
            new[letter.id] = new.get(letter.id, {}) | fields
        row.place, row.unread, row.revision = now.place, now.unread, now.revision
        row.changed_at, row.as_of = now.changed_at, now.as_of
    SourceState.objects.bulk_create(fresh, batch_size=500)
    for row in known.values():
        row.save(update_fields=["place", "unread", "revision", "changed_at", "as_of"])
    filing.write(citizen_id, letters.values(), new)
    still_news = {"place": Letter.Place.INBOX, "unread": True}
    return [
        letter_id
        for letter_id, fields in new.items()
        if any(fields.get(name, value) != value for name, value in still_news.items())
    ]


def note_told(row: SourceState, told: OutgoingState, now: LetterState) -> None:
    """Let the row (unsaved) say what the source has been told.

    What else is another there by now has not been followed here: it is no part of it.
    """
    if told.place is not None:
        row.place = now.place
    if told.unread is not None:
        row.unread = now.unread
    row.revision, row.as_of = now.revision, now.as_of


def _hers(row: SourceState, now: LetterState, letter: Letter) -> dict[str, Any]:
    """Return what of the letter is another by what she has done at the source since `row`."""
    by_sender = now.changed_at != row.changed_at
    place = OURS[now.place]
    fields: dict[str, Any] = {}
    moved = now.place != row.place and not (by_sender and now.place == Place.INBOX)
    if moved and letter.place != place:
        fields |= {"place": place, "updated": False, "delete_at": None}
    if (
        now.unread != row.unread
        and letter.unread != now.unread
        and not (by_sender and not now.unread)
    ):
        fields |= {"unread": now.unread}
        fields |= {} if now.unread else {"updated": False}
    return fields
