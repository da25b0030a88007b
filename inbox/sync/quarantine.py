"""What could not be read or placed: kept whole, shown to the operator, replayed when mended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from connectors import clock
from connectors.contract import Batch, RawPart, Scope, Unreadable
from inbox.archive import store
from inbox.sync.models import Mailbox, Quarantined, Source
from inbox.sync.sources import account_of, connected

DISCONNECTED = "its recipient has disconnected this source"
"""The reason of a letter that could be read and is put aside unread (`consent.py`)."""


def waiting() -> QuerySet[Quarantined]:
    """Return what waits for an operator, newest first.

    A letter that is put aside because she has disconnected its source is no operator's business.
    """
    return (
        Quarantined.objects.select_related("source")
        .filter(resolved_at=None)
        .exclude(reason=DISCONNECTED)
        .order_by("-arrived_at", "-id")
    )


def keep(source: Source, item: Unreadable, citizen_id: UUID | None) -> Quarantined | None:
    """Archive what arrived; returns an unsaved row, or None when we hold the very same already."""
    parts = list(item.raw) or [_nothing_but_the_reason(item)]
    digest = _digest(parts)
    external_id = item.external_id[:255] or digest
    if Quarantined.objects.filter(
        source=source, external_id=external_id, content_sha256=digest
    ).exists():
        return None
    row = Quarantined(
        source=source,
        external_id=external_id,
        citizen_id=citizen_id,
        reason=item.reason[:255],
        content_sha256=digest,
        arrived_at=clock.now(),
    )
    stored = store.put(row.id, {f"original/{part.name}": part.content for part in parts})
    row.files = [
        {"path": file.path, "size": file.size, "sha256": file.sha256}
        for file in stored.files.values()
    ]
    return row


def record(rows: Iterable[Quarantined | None]) -> None:
    """Write the rows, inside the transaction that saves the cursor past them."""
    Quarantined.objects.bulk_create([row for row in rows if row], ignore_conflicts=True)


def read_file(item: Quarantined, path: str) -> Iterator[bytes]:
    """Yield the bytes of one of the item's files. Raises KeyError for a path that it lacks."""
    if path not in {file["path"] for file in item.files}:
        raise KeyError(path)
    return store.read_chunks(item.id, path)


def raw_parts(item: Quarantined) -> list[RawPart]:
    """Return what arrived, as the connector gave it."""
    return [
        RawPart(file["path"].removeprefix("original/"), store.read_bytes(item.id, file["path"]))
        for file in item.files
    ]


def reread(item: Quarantined) -> Batch:
    """Ask the connector to read the kept bytes once more. Raises ConnectorError."""
    with connected(item.source) as connector:
        account = None
        if connector.scope is Scope.PER_CITIZEN and item.citizen_id:
            account = account_of(item.citizen_id)
        return connector.reread(account, item.external_id, raw_parts(item))


def mailbox_of(item: Quarantined) -> Mailbox | None:
    """Return the mailbox that the item was on its way to, where one citizen is known."""
    if item.citizen_id is None or item.source.shared_queue:
        return None
    return (
        Mailbox.objects.select_related("source")
        .filter(citizen_id=item.citizen_id, source=item.source)
        .first()
    )


def note_replay(item: Quarantined, reason: str) -> None:
    """Write down how a replay went: an empty reason means that it became a letter."""
    with transaction.atomic():
        item.replays += 1
        if reason:
            item.reason = reason[:255]
        else:
            item.resolved_at = timezone.now()
        item.save(update_fields=["replays", "reason", "resolved_at"])


def _nothing_but_the_reason(item: Unreadable) -> RawPart:
    said = {"external_id": item.external_id, "reason": item.reason}
    return RawPart("reason.json", json.dumps(said).encode(), "application/json")


def _digest(parts: Sequence[RawPart]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{part.name}:{len(part.content)}:".encode())
        digest.update(part.content)
    return digest.hexdigest()
