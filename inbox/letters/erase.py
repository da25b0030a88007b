"""Deleting a letter for good: its rows at once, its bytes right after, a tombstone for the rest.

A tombstone is written with the deletion and finished when the bytes are gone, so that a process
that dies in between leaves work that is found again, never bytes that nobody knows of.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from connectors import clock
from inbox.archive import store
from inbox.archive.models import Package
from inbox.letters import counters, event_shelf
from inbox.letters.models import Delivery, DeliveryRecord, Letter, Reply, Tombstone

BATCH = 500


def erase(letter: Letter) -> None:
    """Delete a letter with all that hangs on it, and owe the removal of its bytes.

    Must run in a transaction that holds the letter's row. Whatever refers to a letter by an
    OwnedForeignKey goes with it.
    """
    own = {"citizen_id": letter.citizen_id}
    deliveries = list(Delivery.objects.filter(**own, letter_id=letter.id))
    now = clock.now()
    Tombstone.objects.bulk_create(
        [
            Tombstone(
                **own,
                id=delivery.id,
                source=delivery.source,
                external_digest=_digest(delivery.external_id),
                deleted_at=now,
            )
            for delivery in deliveries
        ],
        ignore_conflicts=True,
    )
    files = _reply_files(letter)
    Tombstone.objects.bulk_create(
        [
            Tombstone(**own, id=each, external_digest=_digest(str(each)), deleted_at=now)
            for each in files
        ],
        ignore_conflicts=True,
    )
    events = event_shelf.events_of(letter.citizen_id, [letter.id])
    Letter.objects.filter(**own, id=letter.id).delete()
    objects = [*(delivery.id for delivery in deliveries), *files]
    Package.objects.filter(**own, id__in=objects).delete()
    with counters.changing(letter.citizen_id) as state:
        counters.remove(state, letter)
        event_shelf.note(state, events)


def _reply_files(letter: Letter) -> list[UUID]:
    """Return the archive objects of the files that stand beside her answers."""
    replies = Reply.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id)
    kept = replies.values_list("attachments", flat=True)
    return [UUID(each["id"]) for attachments in kept for each in attachments]


def erase_bytes(citizen_id: UUID | None = None) -> int:
    """Remove from the archive what deleted letters left there; returns how many objects went.

    Of one citizen's letters, or of everybody's.
    """
    owed = Tombstone.objects.filter(erased_at=None).order_by("deleted_at")
    if citizen_id:
        owed = owed.filter(citizen_id=citizen_id)
    keys = list(owed.values_list("citizen_id", "id")[:BATCH])
    for owner_id, object_id in keys:
        store.remove(owner_id, object_id)
        Tombstone.objects.filter(citizen_id=owner_id, id=object_id).update(erased_at=timezone.now())
    return len(keys)


def pass_over(citizen_id: UUID, source: str, external_id: str) -> None:
    """Let what `source` offers her under this id be passed over: she has the letter already."""
    Tombstone.objects.bulk_create(
        [
            Tombstone(
                citizen_id=citizen_id,
                source=source,
                external_digest=_digest(external_id),
                deleted_at=clock.now(),
                erased_at=timezone.now(),
            )
        ],
        ignore_conflicts=True,
    )


def erased(source: str, keys: Iterable[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Return which of these (citizen, external id) at `source` have a tombstone."""
    wanted: dict[UUID, dict[str, str]] = defaultdict(dict)
    for citizen_id, external_id in keys:
        wanted[citizen_id][_digest(external_id)] = external_id
    return {
        (citizen_id, by_digest[digest])
        for citizen_id, by_digest in wanted.items()
        for digest in Tombstone.objects.filter(
            citizen_id=citizen_id, source=source, external_digest__in=list(by_digest)
        ).values_list("external_digest", flat=True)
    }


def note_withdrawn(source: str, keys: Iterable[tuple[UUID, str]], at: datetime) -> None:
    """Let its sender's log say that a letter with a tombstone is taken back, as of any other.

    A log that did not would tell the sender that she has deleted it. In a transaction.
    """
    for citizen_id, external_id in keys:
        deliveries = Tombstone.objects.filter(
            citizen_id=citizen_id, source=source, external_digest=_digest(external_id)
        )
        rows = DeliveryRecord.objects.filter(id__in=deliveries.values("id"), withdrawn_at=None)
        rows.update(withdrawn_at=at, untold=True)


def erased_by_anybody(source: str, external_id: str) -> bool:
    """Say whether somebody has deleted for good what `source` calls this."""
    found = Tombstone.objects.filter(source=source, external_digest=_digest(external_id))
    return found.exists()


def _digest(external_id: str) -> str:
    return hashlib.sha256(external_id.encode()).hexdigest()
