"""The letters of the database made anew from the archive: its objects, their keys and nothing else.

Each object's versions are received again in their order, by the code that received them first, from
the record that each of them holds. Nobody is notified, and no sender is told anything. What the
database alone knew is not known then: what has been read, where letters lie, what is answered. It
comes back from a backup (`inbox/sync/state.py`); without one nothing is unread.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import Q

from connectors import clock
from connectors.contract import PaperNotice, RecipientKind, Unreadable
from inbox.archive import backup, keys, store
from inbox.archive.deposit import package_rows
from inbox.archive.models import Blob, ObjectKey, Package
from inbox.citizens.identity import Taken, identify
from inbox.citizens.models import Citizen, Identifier, InboxState
from inbox.citizens.viewer import Viewer
from inbox.letters import counters, join, paper, record
from inbox.letters.change import add_content, add_messages, change, save_package
from inbox.letters.models import Delivery, DeliveryRecord, Letter, Tombstone
from inbox.letters.own import restate, sender_named
from inbox.letters.receive import Arrival, receive
from inbox.letters.record import Record, What

BATCH = 500
WRONG = (store.Damaged, LookupError, OSError, ValueError, ObjectDoesNotExist)
"""What one object may be wrong with, and the others are not."""

Tell = Callable[[UUID, str], None]


class Unexpected(ValueError):
    """A version says something that does not go with the versions before it."""


@dataclass
class Counts:
    """How many objects there were of each sort."""

    made: int = 0
    """Their letters were made, or brought up to their latest version."""
    known: int = 0
    """Their letters were there already."""
    others: int = 0
    """They are no letters: files of answers, what an agency sent."""
    keyless: int = 0
    """There is no key of theirs: it was destroyed, or its backup is too old."""
    problems: int = 0


@dataclass(frozen=True)
class Version:
    """One version of an object, and what is to be written of it."""

    number: int
    record: Record | None
    package: Package
    blobs: dict[str, Blob]
    """By path; not saved."""
    at: datetime
    """When it was sealed."""


def rebuild(tell: Tell) -> Counts:
    """Make the letters that the archive has and the database has not.

    Needs the keys (`archive_keys restore`). May be stopped and called again; memory stays the same
    however many there are. `tell` is given what cannot be read, with the object; the rest goes on.
    """
    counts = Counts()
    owner: UUID | None = None
    for owner_id, object_id in _objects():
        if owner_id != owner and owner is not None:
            _settle(owner)
        owner = owner_id
        try:
            _rebuild_one(owner_id, object_id, counts)
        except WRONG as error:
            counts.problems += 1
            tell(object_id, str(error) or type(error).__name__)
    if owner is not None:
        _settle(owner)
    counts.keyless = sum(1 for _ in backup.without_key())
    return counts


def _objects() -> Iterator[keys.Pair]:
    """Yield each owner's objects in the order in which they came: ids begin with the time."""
    last: keys.Pair | None = None
    while True:
        rows = ObjectKey.objects.exclude(owner_id=store.SYSTEM).order_by("owner_id", "object_id")
        if last is not None:
            owner_id, object_id = last
            rows = rows.filter(
                Q(owner_id__gt=owner_id) | Q(owner_id=owner_id, object_id__gt=object_id)
            )
        batch = list(rows.values_list("owner_id", "object_id")[:BATCH])
        yield from batch
        if len(batch) < BATCH:
            return
        last = batch[-1]


def _rebuild_one(owner_id: UUID, object_id: UUID, counts: Counts) -> None:
    if object_id == keys.state_id(owner_id):
        return
    stored = store.note_again(owner_id, object_id)
    own = {"citizen_id": owner_id, "id": object_id}
    there = Package.objects.filter(**own).values_list("version", flat=True).first() or 0
    if there >= stored.version or Tombstone.objects.filter(**own).exists():
        counts.known += 1
        return
    if json.loads(store.seal_of(owner_id, object_id))["source"] == Letter.BROUGHT:
        raise Unexpected("it was brought in from a copy, which is to be brought in again")
    if record.RECORD not in stored.files:
        if any(path.startswith("original/") for path in stored.files):
            raise Unexpected(f"it has no {record.RECORD}: it was kept before there were any")
        counts.others += 1
        if Citizen.objects.filter(pk=owner_id).exists():
            version = _version(owner_id, object_id, stored.version)
            save_package(version.package, list(version.blobs.values()))
        return
    versions = range(there + 1, stored.version + 1)
    # Read before the transaction, so that nothing waits while files are.
    read = [_version(owner_id, object_id, number) for number in versions]
    with transaction.atomic():
        for version in read:
            _receive_again(owner_id, object_id, version)
        _quiet(owner_id, object_id)
    counts.made += 1


def _version(owner_id: UUID, object_id: UUID, number: int) -> Version:
    stored = store.describe(owner_id, object_id, number)
    seal = json.loads(store.seal_of(owner_id, object_id, number))
    media_types = {file["path"]: file["media_type"] for file in seal["files"]}
    package, blobs = package_rows(owner_id, stored, media_types)
    package.deposited_at = datetime.fromisoformat(seal["sealed_at"])
    said = None
    # A version that leaves the record as it was adds to the letter, and changes nothing of it.
    if _record_of(owner_id, object_id, stored) != _record_of(owner_id, object_id, stored, -1):
        said = record.read(store.read_bytes(owner_id, object_id, record.RECORD, number))
        if said.owner.id != owner_id:
            raise Unexpected(f"the record of v{number} is of somebody else's letter")
    return Version(number, said, package, {blob.path: blob for blob in blobs}, package.deposited_at)


def _record_of(
    owner_id: UUID, object_id: UUID, stored: store.Stored, versions_later: int = 0
) -> str:
    """Return the digest of a version's record, or of the one before it; empty where it has none."""
    number = stored.version + versions_later
    if versions_later and number:
        stored = store.describe(owner_id, object_id, number)
    file = stored.files.get(record.RECORD) if number else None
    return file.sha256 if file else ""


def _receive_again(owner_id: UUID, object_id: UUID, version: Version) -> None:
    said = version.record
    if said is None and version.number > 1:
        new = [blob for blob in version.blobs.values() if blob.path.startswith("access/")]
        save_package(version.package, new)
        return
    if said is None or (said.what is What.RECEIVED) != (version.number == 1):
        raise Unexpected(f"the record of v{version.number} is missing, or that of another version")
    if said.what is What.RECEIVED:
        _received(said, object_id, version)
        return
    join.lock([owner_id])
    delivery = Delivery.objects.get(citizen_id=owner_id, id=object_id)
    letter = Letter.objects.select_for_update().get(citizen_id=owner_id, id=delivery.letter_id)
    originals = [blob for path, blob in version.blobs.items() if path.startswith("original/")]
    if said.what is What.THREAD:
        save_package(version.package, originals)
        add_messages(letter, delivery, said.messages, version.at)
    elif said.what is What.PAPER:
        _on_paper(said, delivery, version, originals)
    else:
        arrival = _arrival(said, object_id, version, version.at)
        arrival.letter_id = letter.id
        if said.what is What.CORRECTED:
            arrival.sender, _ = sender_named(Viewer(owner_id), arrival.incoming.sender.name)
            arrival.case_id = letter.case_id
            restate(letter, arrival)
        elif said.what is What.CHANGED:
            change(delivery, arrival)
        else:
            add_content(letter, delivery, arrival)
            join.join_same(letter)


def _received(said: Record, object_id: UUID, version: Version) -> None:
    citizen = _citizen(said)
    arrival = _arrival(said, object_id, version, said.received_at or version.at)
    arrival.letter_id = said.letter_id or arrival.letter_id
    # That it was unread is not known; that it was opened at its source is.
    arrival.history = True
    arrival.place = said.place or arrival.place
    if said.source == Letter.OWN:
        arrival.sender, _ = sender_named(Viewer(citizen.id), arrival.incoming.sender.name)
    now = clock.now()
    is_logged = DeliveryRecord.objects.filter(id=object_id).exists()
    receive([arrival], now)
    if not arrival.received:
        _take_the_place(arrival)
        receive([arrival], now)
    if not arrival.received:
        raise Unexpected("another object of hers holds the same message")
    if not is_logged:
        DeliveryRecord.objects.filter(id=object_id).update(
            untold=False, counted=True, opening_counted=True, counts=False, opened_at=None
        )


def _take_the_place(arrival: Arrival) -> None:
    """Drop an older object's rows of the same message: its letter was never committed.

    A process that dies before it commits leaves bytes that nothing refers to; the source offers
    the message again, and what comes of that is the letter.
    """
    same = Delivery.objects.filter(
        citizen_id=arrival.citizen_id,
        source=arrival.source,
        external_id=arrival.incoming.external_id,
    )
    for older in same:
        others = Delivery.objects.filter(citizen_id=older.citizen_id, letter_id=older.letter_id)
        if others.exclude(id=older.id).exists() or older.fetched_at > arrival.fetched_at:
            continue
        Letter.objects.filter(citizen_id=older.citizen_id, id=older.letter_id).delete()
        DeliveryRecord.objects.filter(id=older.id).delete()


def _arrival(said: Record, object_id: UUID, version: Version, at: datetime) -> Arrival:
    if said.letter is None or len(said.documents) != len(said.letter.documents):
        raise Unexpected(f"the record of v{version.number} does not tell of its documents")
    arrival = Arrival(said.owner.id, said.source, said.letter, at, delivery_id=object_id)
    arrival.package = version.package
    arrival.raw_blobs = [
        blob for path, blob in version.blobs.items() if path.startswith("original/")
    ]
    for position, kept in enumerate(said.documents):
        blob = None
        if kept.path and kept.version:
            blob = Blob.objects.get(
                citizen_id=said.owner.id,
                package_id=object_id,
                path=kept.path,
                version=kept.version,
            )
        elif kept.path:
            blob = version.blobs[kept.path]
        arrival.blobs.append(blob)
        if kept.gone:
            arrival.gone.add(position)
        if kept.not_given:
            arrival.not_given[position] = kept.not_given
    return arrival


def _on_paper(said: Record, delivery: Delivery, version: Version, originals: list[Blob]) -> None:
    if said.paper is None:
        raise Unexpected(f"the record of v{version.number} does not tell of the letter on paper")
    told = said.paper
    notice = PaperNotice(
        told.external_id, told.step, told.at, (), told.org_number, Unreadable(told.external_id, "")
    )
    if not paper.note(notice, delivery, said.source, version.package, originals):
        save_package(version.package, originals)


def _citizen(said: Record) -> Citizen:
    """Return whose letter it is, made with what the record says of her if she is not here."""
    citizen = Citizen.objects.filter(pk=said.owner.id).first()
    if citizen is None:
        is_enterprise = said.owner.kind == RecipientKind.ORGANISATION
        citizen = Citizen(pk=said.owner.id, name=said.owner.name, is_enterprise=is_enterprise)
        citizen.set_unusable_password()
        citizen.save(force_insert=True)
        InboxState.objects.get_or_create(citizen=citizen)
        if said.owner.value:
            _name(citizen, said.owner.kind, said.owner.value)
    recipient = said.letter.recipient if said.letter else None
    if recipient and recipient.kind == RecipientKind.MAILBOX_ADDRESS:
        _name(citizen, recipient.kind, recipient.value)
    return citizen


def _name(citizen: Citizen, kind: str, value: str) -> None:
    """Let her be found by what named her; what names somebody else here stays that one's."""
    if Identifier.objects.filter(citizen=citizen, kind=kind).exists() and (
        kind != RecipientKind.MAILBOX_ADDRESS
    ):
        return
    with suppress(Taken):
        identify(citizen, kind, value)


def _quiet(owner_id: UUID, object_id: UUID) -> None:
    """Let nothing of it be news: nobody knows any more what was."""
    delivery = Delivery.objects.get(citizen_id=owner_id, id=object_id)
    letters = Letter.objects.filter(citizen_id=owner_id, id=delivery.letter_id)
    letters.update(unread=False, updated=False)


def _settle(owner_id: UUID) -> None:
    """Count an owner's letters, now that all are here."""
    if InboxState.objects.filter(citizen_id=owner_id).exists():
        counters.recount(owner_id)
