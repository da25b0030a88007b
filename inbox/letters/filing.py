"""Putting letters away and getting them back: inbox, archive and bin, and undoing it.

She may do it with what the session may read. Sources whose own inbox she uses as well are told
later, of what is so by then (`sync/telling.py`).
"""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from connectors import clock
from inbox.citizens.viewer import Viewer
from inbox.letters import answers, counters, event_shelf
from inbox.letters.models import Delivery, Filing, Folder, Letter, Placement, SourceState

BIN_LASTS = timedelta(days=30)
"""So long a letter lies in the bin before it is deleted for good."""
UNDO_LASTS = timedelta(hours=24)
LONG_FIELDS = ("body", "actions", "versions")
"""What no counting or filing looks at."""

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Undone:
    """What came of an undoing."""

    restored: int
    left: int
    """Letters that something else has changed since, or that are gone: left as they are."""


def move(viewer: Viewer, letter_ids: Iterable[UUID], place: str) -> Filing | None:
    """Move letters to a place (`Letter.Place`). Returns what can be undone, None for nothing.

    Letters that are not hers, that lie there already, or above the level of her session are
    left out.
    """
    delete_at = clock.now() + BIN_LASTS if place == Letter.Place.BIN else None
    moved = {"place": place, "updated": False, "delete_at": delete_at}

    def changed(letter: Letter) -> Fields:
        return {} if letter.place == place else moved

    return _file(viewer, letter_ids, Filing.Kind(place), changed)


def mark(viewer: Viewer, letter_ids: Iterable[UUID], *, unread: bool) -> Filing | None:
    """Mark letters as read or unread, in her list: it opens none, and counts as reading nowhere.

    Returns what can be undone, None for nothing; leaves out what `move` leaves out.
    """

    def changed(letter: Letter) -> Fields:
        if letter.unread == unread:
            return {}
        return {"unread": unread, "updated": letter.updated and unread}

    return _file(viewer, letter_ids, Filing.Kind.UNREAD if unread else Filing.Kind.READ, changed)


def put(
    viewer: Viewer, letter_ids: Iterable[UUID], folder_id: UUID, *, into: bool
) -> Filing | None:
    """Put letters into one of her folders, or take them out of it.

    Returns what can be undone, None for nothing; leaves out what `move` leaves out. Raises
    Folder.DoesNotExist.
    """
    key = str(Folder.objects.get(citizen_id=viewer.citizen_id, id=folder_id).id)

    def changed(letter: Letter) -> Fields:
        if (key in letter.folders) == into:
            return {}
        others = [one for one in letter.folders if one != key]
        return {"folders": [*others, key] if into else others}

    return _file(viewer, letter_ids, Filing.Kind.PUT if into else Filing.Kind.TAKEN_OUT, changed)


def above_level(viewer: Viewer, letter_ids: Iterable[UUID]) -> int:
    """Return how many of these letters of hers the session may not read, and so not file."""
    hers = Letter.objects.visible_to(viewer).filter(id__in=list(letter_ids))
    return hers.filter(security_level__gt=viewer.level).count()


def delete_now(viewer: Viewer, letter_id: UUID) -> bool:
    """Let a letter in the bin be deleted at the next emptying; False when it lies elsewhere.

    What she has written to it and not sent is thrown away.
    Raises Letter.DoesNotExist, also for one above the level of the session.
    """
    with transaction.atomic():
        found = _hold(viewer, [letter_id])
        if not found:
            raise Letter.DoesNotExist
        letter = found[0]
        if letter.place != Letter.Place.BIN:
            return False
        letter.delete_at = clock.now()
        letter.save(update_fields=["delete_at"])
        answers.discard_drafts(viewer.citizen_id, [letter.id])
    return True


def undo(viewer: Viewer, filing_id: UUID) -> Undone:
    """Put the letters of one filing back as they were; doing it again changes nothing.

    Raises Filing.DoesNotExist for what is not hers, or too long ago.
    """
    with transaction.atomic():
        filing = Filing.objects.select_for_update().get(
            citizen_id=viewer.citizen_id, id=filing_id, done_at__gt=timezone.now() - UNDO_LASTS
        )
        if filing.undone_at:
            return Undone(0, 0)
        letters = _hold(viewer, map(UUID, filing.changes))
        back = {}
        folders = _folders_of(viewer.citizen_id)
        for letter in letters:
            before, after = filing.changes[str(letter.id)]
            if _plain(letter, after) == after:
                back[letter.id] = before
                if "folders" in before:
                    back[letter.id] = {
                        "folders": [one for one in before["folders"] if one in folders]
                    }
        write(viewer.citizen_id, letters, back)
        owe_sources(viewer.citizen_id, back)
        filing.undone_at = timezone.now()
        filing.save(update_fields=["undone_at"])
    return Undone(len(back), len(filing.changes) - len(back))


def forget_old() -> int:
    """Delete filings that can no longer be undone; returns how many."""
    old = Filing.objects.filter(done_at__lte=timezone.now() - UNDO_LASTS)
    return old.delete()[0]


def _file(
    viewer: Viewer,
    letter_ids: Iterable[UUID],
    kind: Filing.Kind,
    changed: Callable[[Letter], Fields],
) -> Filing | None:
    """Change each letter by what `changed` says of it, and keep what it was."""
    with transaction.atomic():
        letters = _hold(viewer, letter_ids)
        new = {letter.id: fields for letter in letters if (fields := changed(letter))}
        if not new:
            return None
        filing = Filing(
            citizen_id=viewer.citizen_id,
            kind=kind,
            actor_id=viewer.actor_id,
            done_at=timezone.now(),
            changes={
                str(letter.id): [_plain(letter, new[letter.id]), _stored(new[letter.id])]
                for letter in letters
                if letter.id in new
            },
        )
        write(viewer.citizen_id, letters, new)
        if kind not in (Filing.Kind.PUT, Filing.Kind.TAKEN_OUT):
            owe_sources(viewer.citizen_id, new)
        filing.save(force_insert=True)
    return filing


def _hold(viewer: Viewer, letter_ids: Iterable[UUID]) -> list[Letter]:
    """Return those of the letters that she may file, held until the transaction ends."""
    # In one order everywhere, so that two of her tabs never wait for each other's rows.
    return list(
        Letter.objects.visible_to(viewer)
        .select_for_update(of=("self",))
        .filter(id__in=list(letter_ids), security_level__lte=viewer.level)
        .defer(*LONG_FIELDS)
        .order_by("id")
    )


def owe_sources(citizen_id: UUID, letter_ids: Iterable[UUID]) -> None:
    """Have the sources' own inboxes follow what she has done with letters. In a transaction."""
    deliveries = Delivery.objects.filter(citizen_id=citizen_id, letter_id__in=list(letter_ids))
    SourceState.objects.filter(citizen_id=citizen_id, id__in=deliveries.values("id")).update(
        state=SourceState.State.WAITING, due_at=timezone.now(), attempts=0, last_error=""
    )


def write(citizen_id: UUID, letters: Iterable[Letter], new: Mapping[UUID, Fields]) -> None:
    """Write new values with one statement for each set of them, and count the letters anew.

    The letters are held; in a transaction.
    """
    alike: dict[str, list[UUID]] = defaultdict(list)
    fields_of = {}
    for letter_id, fields in new.items():
        key = json.dumps(_stored(fields), sort_keys=True)
        alike[key].append(letter_id)
        fields_of[key] = _loaded(fields)
    for key, ids in alike.items():
        Letter.objects.filter(citizen_id=citizen_id, id__in=ids).update(**fields_of[key])
        if "folders" in fields_of[key]:
            _place(citizen_id, ids, fields_of[key]["folders"])
    if new:
        with counters.changing(citizen_id) as state:
            for letter in letters:
                if letter.id in new:
                    before = copy.copy(letter)
                    for name, value in _loaded(new[letter.id]).items():
                        setattr(letter, name, value)
                    counters.replace(state, before, letter)
            event_shelf.note(state, event_shelf.events_of(citizen_id, new))


def _place(citizen_id: UUID, letter_ids: list[UUID], folders: Iterable[str]) -> None:
    """Let these letters be in these folders and no others."""
    own = {"citizen_id": citizen_id}
    Placement.objects.filter(**own, letter_id__in=letter_ids).delete()
    Placement.objects.bulk_create(
        [
            Placement(**own, folder_id=UUID(folder), letter_id=letter_id)
            for folder in folders
            for letter_id in letter_ids
        ],
        batch_size=500,
    )


def _folders_of(citizen_id: UUID) -> set[str]:
    found = Folder.objects.filter(citizen_id=citizen_id).values_list("id", flat=True)
    return set(map(str, found))


def _plain(letter: Letter, fields: Iterable[str]) -> Fields:
    """Return the letter's present values of these fields as JSON keeps them."""
    return _stored({name: getattr(letter, name) for name in fields})


def _stored(fields: Fields) -> Fields:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in fields.items()
    }


def _loaded(fields: Fields) -> Fields:
    """Return the values as the model takes them: a moment may come as JSON keeps it."""
    moment = fields.get("delete_at")
    if isinstance(moment, str):
        return fields | {"delete_at": datetime.fromisoformat(moment)}
    return fields
