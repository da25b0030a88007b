"""What could not be read or placed: kept whole, shown to the operator, replayed when mended."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from connectors import clock
from connectors.contract import EVIDENCE_PREFIX, Batch, RawPart, Recipient, Scope, Unreadable
from inbox.archive import store
from inbox.citizens.identity import blind_index
from inbox.citizens.models import Citizen, Identifier
from inbox.sync.models import Mailbox, Quarantined, Source
from inbox.sync.sources import account_of, connected

QUOTED_PART_MAX_BYTES = 1_000_000
DISCONNECTED = "its recipient has disconnected this source"
"""The reason of a letter that could be read and is put aside unread (`consent.py`)."""
UNKNOWN_RECIPIENT = "nobody here has this recipient"
"""The reason of a letter that could be read, and whose recipient may yet be found."""
ANOTHERS = "it was another citizen's when it came first"
"""The reason of a message whose address has moved to another citizen since."""
OF_ONE_OF_TWO = "its address was two citizens', of whom one has closed her account"
"""The reason of a letter that may have been hers: the other does not get it."""
RELEASED = (DISCONNECTED, UNKNOWN_RECIPIENT)
"""Reasons that pass by themselves: what waits for them is released (`put_aside.py`)."""
REPLAYS_MAX = 32_767
"""What the column holds on every database; more are not counted."""


def waiting() -> QuerySet[Quarantined]:
    """Return what waits for an operator, newest first.

    A letter that is put aside because she has disconnected its source is no operator's business.
    """
    return (
        Quarantined.objects.select_related("source", "rejection")
        .filter(resolved_at=None)
        .exclude(reason=DISCONNECTED)
        .order_by("-arrived_at", "-id")
    )


def of(citizen: Citizen) -> QuerySet[Quarantined]:
    """Return what lies here for her, also what has not yet been found to be hers."""
    own = Identifier.objects.filter(citizen=citizen, claimed_by=None)
    indexes = [bytes(each.blind_index) for each in own]
    unfound = Q(citizen=None, resolved_at=None, recipient_index__in=indexes)
    return Quarantined.objects.filter(Q(citizen=citizen) | unfound)


def withhold_contested(citizen: Citizen) -> None:
    """Let nobody get what waits for an address that she and another have: her account is removed.

    That the other has the address alone from then on says nothing of whose the letters are.
    """
    hers = Q(citizen=citizen) | Q(claimed_by=citizen)
    contested = Identifier.objects.filter(hers, claimed_by__isnull=False)
    indexes = [bytes(each.blind_index) for each in contested]
    waits = Quarantined.objects.filter(recipient_index__in=indexes, resolved_at=None)
    waits.filter(reason=UNKNOWN_RECIPIENT).update(reason=OF_ONE_OF_TWO)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is safe in the archive, with its unsaved row."""

    row: Quarantined
    unreadable: Unreadable


def keep(source: Source, item: Unreadable, citizen_id: UUID | None) -> Kept | None:
    """Archive what arrived; returns its unsaved row, None when we hold the very same already."""
    parts = list(item.raw) or [_nothing_but_the_reason(item)]
    digest = _digest(parts)
    external_id = item.external_id.replace("\0", "")[:255] or digest
    if Quarantined.objects.filter(
        source=source, external_id=external_id, content_sha256=digest
    ).exists():
        return None
    row = Quarantined(
        source=source,
        external_id=external_id,
        citizen_id=citizen_id,
        recipient_index=index_of(item.recipient),
        reason=item.reason[:255],
        content_sha256=digest,
        arrived_at=clock.now(),
    )
    stored = store.put(
        store.SYSTEM, row.id, {f"original/{part.name}": part.content for part in parts}
    )
    row.files = [
        {"path": file.path, "size": file.size, "sha256": file.sha256}
        for file in stored.files.values()
    ]
    return Kept(row, item)


def index_of(recipient: Recipient | None) -> bytes | None:
    """Return the blind index of a recipient as the source names her; None where it names none."""
    return blind_index(recipient.kind, recipient.value) if recipient else None


def record(kept: Iterable[Kept]) -> None:
    """Write the rows, inside the transaction that saves the cursor past them."""
    Quarantined.objects.bulk_create([each.row for each in kept], ignore_conflicts=True)


def read_file(item: Quarantined, path: str) -> Iterator[bytes]:
    """Yield the bytes of one of the item's files. Raises KeyError for a path that it lacks."""
    if path not in {file["path"] for file in item.files}:
        raise KeyError(path)
    return store.read_chunks(store.SYSTEM, item.id, path)


def raw_parts(item: Quarantined) -> list[RawPart]:
    """Return what arrived, as the connector gave it."""
    return [
        RawPart(
            file["path"].removeprefix("original/"),
            store.read_bytes(store.SYSTEM, item.id, file["path"]),
        )
        for file in item.files
    ]


def quotable(item: Quarantined) -> dict[str, bytes]:
    """Return the small parts of what arrived, which a receipt may have to quote."""
    return {
        file["path"].removeprefix("original/"): store.read_bytes(
            store.SYSTEM, item.id, file["path"]
        )
        for file in item.files
        if file["size"] <= QUOTED_PART_MAX_BYTES
    }


def reread(item: Quarantined) -> Batch:
    """Ask the connector to read the kept bytes once more. Raises ConnectorError."""
    with connected(item.source, is_asked=False) as connector:
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
    """Write down how a replay went: an empty reason means that it became a letter.

    So are the citizen and the recipient's index of the item, where the replay has found them.
    """
    item.replays = min(item.replays + 1, REPLAYS_MAX)
    if reason:
        item.reason = reason[:255]
    else:
        item.resolved_at = timezone.now()
    found = ["citizen", "recipient_index"]
    item.save(update_fields=["replays", "reason", "resolved_at", *found])


def _nothing_but_the_reason(item: Unreadable) -> RawPart:
    said = {"external_id": item.external_id, "reason": item.reason}
    return RawPart("reason.json", json.dumps(said).encode(), "application/json")


def _digest(parts: Sequence[RawPart]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        if part.name.startswith(EVIDENCE_PREFIX):
            continue  # a message that comes again may have other answers with it
        digest.update(f"{part.name}:{len(part.content)}:".encode())
        digest.update(part.content)
    return digest.hexdigest()
