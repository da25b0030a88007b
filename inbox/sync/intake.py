"""Taking in one batch: sort it, archive the bytes, then write everything in one transaction."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction

from connectors import clock
from connectors.contract import (
    Account,
    Batch,
    Connector,
    ConnectorError,
    Fault,
    Gone,
    Happening,
    IncomingDocument,
    IncomingLetter,
    LetterNote,
    NotGiven,
    ReceiptKind,
    Scope,
    Temporary,
    Unreadable,
)
from inbox.archive import store
from inbox.archive.deposit import package_rows
from inbox.archive.keys import NoKey
from inbox.citizens.identity import citizens_by_value
from inbox.letters import access, happened, record
from inbox.letters.change import change, has_new_content
from inbox.letters.erase import erased, note_withdrawn
from inbox.letters.models import Delivery, Letter
from inbox.letters.receive import Arrival, fingerprint, known, named, receive, refusal
from inbox.letters.record import What
from inbox.notifications.rules import queue_answer, queue_for, stop
from inbox.sync import paper, quarantine, receipts, rejections, telling, threads
from inbox.sync.lease import LeaseLost
from inbox.sync.models import Mailbox, Quarantined, Source

log = logging.getLogger("samlepost.sync")

GROUP = 100
"""So many letters are made safe on disk at one stroke."""
HISTORY_AFTER = timedelta(days=14)
"""Letters this much older than the mailbox are history: never unread, never notified."""

EXTENSIONS = {
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/html": "html",
    "application/xml": "xml",
    "application/json": "json",
    "image/png": "png",
    "image/jpeg": "jpg",
}


Refused = tuple[Unreadable, UUID | None]
"""What cannot be received, and the citizen, where she is known."""


class BadDocument(Exception):
    """A document is not what the source said it would be."""


@dataclass
class Intake:
    """What one run needs to know while it takes in batches."""

    source: Source
    connector: Connector
    account: Account | None
    mailbox: Mailbox | None
    """The citizen's mailbox; None for a shared queue, whose letters are for many."""
    still_ours: Callable[[], None]
    """Renews the lease now and then; raises LeaseLost."""
    patient: bool = True
    """False after repeated failures: a document that cannot be had is left for later."""
    owners: dict[UUID, record.Owner] = field(default_factory=dict)
    """What the records of this run say of whose letters they are."""

    def owner(self, citizen_id: UUID) -> record.Owner:
        """Return what a record says of whose letter it is (1 query for each citizen)."""
        if citizen_id not in self.owners:
            self.owners[citizen_id] = record.owner_of(citizen_id)
        return self.owners[citizen_id]


@dataclass
class Sorted:
    """A batch sorted by what is to be done with each letter."""

    new: list[Arrival] = field(default_factory=list)
    changed: list[tuple[Delivery, Arrival]] = field(default_factory=list)
    unreadable: list[Refused] = field(default_factory=list)
    withdrawn: list[tuple[UUID, str]] = field(default_factory=list)
    """Letters that are taken back, of those that she has deleted for good."""


def take_in(
    intake: Intake,
    batch: Batch,
    save_cursor: Callable[[], None],
    refused: list[Refused] | None = None,
) -> list[Letter]:
    """Archive and receive a batch; returns the new letters. Raises Temporary or LeaseLost.

    `save_cursor` runs inside the transaction that writes the letters. What cannot be received
    goes to quarantine; where it came from there, it is collected in `refused` instead.
    """
    letters = _take_in(intake, batch, save_cursor, refused)
    if batch.paper:
        # After the letters, of which they may tell. What dies in between is offered again.
        rest, aside = paper.take_in(intake.source, batch.paper)
        letters += _take_in(intake, rest, save_cursor, refused, aside)
    if batch.states and intake.mailbox:
        # Should we die in between: each round tells of the states anew.
        intake.still_ours()
        telling.follow(intake.mailbox.citizen_id, intake.source.slug, batch.states)
    return letters


def take_in_apart(intake: Intake, batch: Batch, save_cursor: Callable[[], None]) -> list[Letter]:
    """As `take_in`, for a batch that failed in a way that nobody has foreseen, time and again.

    Its letters are received one by one, and those that fail alone go to quarantine as a fault of
    ours; so do all of a citizen who has no key. Where the database itself is in trouble, or none
    of several can be received, the fault is in no letter: the error is raised.
    """
    received: list[Letter] = []
    broken: list[Unreadable] = []
    for incoming in batch.letters:
        try:
            received += take_in(intake, Batch(letters=[incoming]), intake.still_ours)
        except (ConnectorError, LeaseLost, OperationalError, InterfaceError):
            raise
        except Exception as error:
            log.exception("a letter of %s cannot be received", intake.source.slug)
            reason = f"receiving it failed ({type(error).__name__})"
            broken.append(replace(as_unreadable(incoming, reason), fault=Fault.SERVER))
            if len(broken) == len(batch.letters) > 1 and not isinstance(error, NoKey):
                raise
    rest = replace(batch, letters=(), unreadable=[*batch.unreadable, *broken])
    return received + take_in(intake, rest, save_cursor)


def _take_in(
    intake: Intake,
    batch: Batch,
    save_cursor: Callable[[], None],
    refused: list[Refused] | None,
    aside: Sequence[Refused] = (),
) -> list[Letter]:
    sorted_batch = _sort(intake, batch)
    sorted_batch.unreadable += aside
    _archive(intake, sorted_batch)
    notes = _tellable(intake, batch.notes, sorted_batch)
    held: list[quarantine.Kept] = []
    if refused is None:
        kept = (quarantine.keep(intake.source, *each) for each in sorted_batch.unreadable)
        held = [each for each in kept if each]
    else:
        refused.extend(sorted_batch.unreadable)
    now = clock.now()
    with transaction.atomic():
        save_cursor()
        quarantine.record(held)
        if ReceiptKind.REJECTED in intake.connector.receipts:
            rejections.owe(held)
        letters = receive(sorted_batch.new, now)
        if ReceiptKind.REJECTED in intake.connector.receipts:
            rejections.call_off_received(intake.source, sorted_batch.new)
        for delivery, arrival in sorted_batch.changed:
            changed = change(delivery, arrival)
            _follow(changed, now)
            if changed:
                threads.follow(changed[0], delivery, arrival.incoming, now)
        for owner_id, note in notes:
            letter = happened.take_note(owner_id, intake.source.slug, note, now)
            if letter and (letter.handled_at or letter.withdrawn_at):
                stop(letter)
        note_withdrawn(intake.source.slug, sorted_batch.withdrawn, now)
        access.note_fetched(letters, now)
        queue_for(letters, now, _orders(sorted_batch))
        if ReceiptKind.DELIVERED in intake.connector.receipts:
            receipts.owe_delivered(sorted_batch.new, now)
        receipts.owe_opened_copies(sorted_batch.new, now)
    return letters


def _tellable(
    intake: Intake, notes: Sequence[LetterNote], batch: Sorted
) -> list[tuple[UUID, LetterNote]]:
    """Return the notes about letters that are here or come with this batch, with their owner.

    The others are put aside with what is unreadable, but for those of letters that she has
    deleted for good.
    """
    owner = _owner(intake)
    if owner is None or not notes:
        return []
    keys = {(owner, note.external_id) for note in notes}
    here = {external_id for _, external_id in known(intake.source.slug, keys)}
    here |= {arrival.incoming.external_id for arrival in batch.new}
    deleted = {external_id for _, external_id in erased(intake.source.slug, keys)}
    unplaced = [note for note in notes if note.external_id not in here | deleted]
    batch.unreadable += [(note.otherwise, owner) for note in unplaced]
    batch.withdrawn += [
        (owner, note.external_id)
        for note in notes
        if note.what is Happening.WITHDRAWN and note.external_id in deleted
    ]
    return [(owner, note) for note in notes if note.external_id in here]


def _follow(changed: tuple[Letter, bool] | None, now: datetime) -> None:
    """Call off notices of what is done, taken back or read; announce what the sender writes."""
    if changed is None:
        return
    letter, answered = changed
    read_elsewhere = letter.opened_at is not None and not letter.unread
    if letter.handled_at or letter.withdrawn_at or read_elsewhere:
        stop(letter)
    if answered:
        queue_answer(letter, now)


def _sort(intake: Intake, batch: Batch) -> Sorted:
    result = Sorted(unreadable=[(item, _owner(intake)) for item in batch.unreadable])
    owners = _owners(intake, batch)
    readable = []
    for incoming in named(batch.letters):
        citizen_id = owners.get(incoming.recipient.value)
        reason = refusal(incoming)
        if reason:
            result.unreadable.append((as_unreadable(incoming, reason), citizen_id))
        elif citizen_id is None:
            nobodys = as_unreadable(incoming, quarantine.UNKNOWN_RECIPIENT)
            result.unreadable.append((nobodys, None))
        else:
            readable.append((citizen_id, incoming))
    keys = [(owner, item.external_id) for owner, item in readable]
    have, deleted = known(intake.source.slug, keys), erased(intake.source.slug, keys)
    connected, disconnected = _mailboxes(intake, {owner for owner, _ in readable})
    of_others = _of_others(intake, keys)
    seen = set(deleted)
    for citizen_id, incoming in readable:
        key = (citizen_id, incoming.external_id)
        if key in deleted and incoming.withdrawn:
            result.withdrawn.append(key)
        if key in seen:
            continue
        seen.add(key)
        if key in of_others:
            # Its address has moved since it came first. Its sender is answered for that one.
            aside = replace(as_unreadable(incoming, quarantine.ANOTHERS), answerable=False)
            result.unreadable.append((aside, None))
            continue
        arrival = Arrival(citizen_id, intake.source.slug, incoming, clock.now())
        delivery = have.get(key)
        is_news = delivery is None or delivery.fingerprint != fingerprint(incoming)
        if is_news and citizen_id in disconnected:
            # No fault of anybody's: the sender is told nothing, and prints the letter in time.
            aside = replace(as_unreadable(incoming, quarantine.DISCONNECTED), answerable=False)
            result.unreadable.append((aside, citizen_id))
        elif delivery is None:
            since = connected.get(citizen_id)
            arrival.history = since is not None and incoming.sent_at < since - HISTORY_AFTER
            result.new.append(arrival)
        elif is_news:
            arrival.delivery_id, arrival.letter_id = delivery.id, delivery.letter_id
            result.changed.append((delivery, arrival))
    return result


def _orders(batch: Sorted) -> dict[UUID, Mapping[str, Sequence[int]]]:
    """The notices that the senders have ordered, by letter."""
    return {
        arrival.letter_id: arrival.incoming.notification_order
        for arrival in batch.new
        if arrival.incoming.notification_order
    }


def _owner(intake: Intake) -> UUID | None:
    return intake.mailbox.citizen_id if intake.mailbox else None


def _owners(intake: Intake, batch: Batch) -> Mapping[str, UUID]:
    """Map each recipient as the source names her to the citizen; strangers are absent."""
    if intake.connector.scope is Scope.PER_CITIZEN and intake.mailbox and intake.account:
        return {intake.account.recipient.value: intake.mailbox.citizen_id}
    by_kind: dict[str, set[str]] = {}
    for incoming in batch.letters:
        by_kind.setdefault(incoming.recipient.kind, set()).add(incoming.recipient.value)
    owners = {}
    for kind, values in by_kind.items():
        for value, citizen in citizens_by_value(kind, values).items():
            owners[value] = citizen.id
    return owners


def _mailboxes(
    intake: Intake, citizen_ids: set[UUID]
) -> tuple[dict[UUID, datetime], frozenset[UUID]]:
    """Return since when each citizen is connected, and who of them has disconnected."""
    if intake.mailbox:
        return {intake.mailbox.citizen_id: intake.mailbox.connected_at}, frozenset()
    mailboxes = Mailbox.objects.filter(source=intake.source, citizen_id__in=citizen_ids)
    found = list(mailboxes.values_list("citizen_id", "connected_at", "active"))
    since = {citizen_id: connected_at for citizen_id, connected_at, _ in found}
    return since, frozenset(citizen_id for citizen_id, _, active in found if not active)


def _of_others(intake: Intake, keys: Sequence[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Return which of these (owner, message) have come before, as another citizen's (2 queries).

    A mailbox address may move between citizens. A message that a shared queue offers again, or
    that is replayed, is no less the one's whose it was.
    """
    if intake.mailbox or not keys:
        return set()
    same = {"source": intake.source.slug, "external_id__in": [message for _, message in keys]}
    whose: dict[str, set[UUID]] = {}
    for rows in (Delivery.objects, Quarantined.objects.filter(citizen__isnull=False)):
        for message, citizen_id in rows.filter(**same).values_list("external_id", "citizen_id"):
            whose.setdefault(message, set()).add(citizen_id)
    return {(owner, message) for owner, message in keys if whose.get(message, {owner}) != {owner}}


def _archive(intake: Intake, batch: Sorted) -> None:
    """Put the bytes of every letter in the archive; what is wrong goes to quarantine instead."""
    good: list[Arrival] = []
    for start in range(0, len(batch.new), GROUP):
        some = batch.new[start : start + GROUP]
        with store.group((each.citizen_id, each.delivery_id) for each in some) as group:
            for arrival in some:
                intake.still_ours()
                try:
                    deposit(intake, arrival, What.RECEIVED, write=group.put)
                    good.append(arrival)
                except BadDocument as error:
                    item = as_unreadable(arrival.incoming, str(error))
                    batch.unreadable.append((item, arrival.citizen_id))
    batch.new = good
    changed = []
    for delivery, arrival in batch.changed:
        intake.still_ours()
        try:
            if has_new_content(delivery, arrival.incoming):
                deposit(intake, arrival, What.CHANGED, write=store.add_version)
            changed.append((delivery, arrival))
        except BadDocument as error:
            item = as_unreadable(arrival.incoming, str(error))
            batch.unreadable.append((item, arrival.citizen_id))
    batch.changed = changed


def deposit(intake: Intake, arrival: Arrival, what: What, *, write: store.Writer) -> None:
    """Archive what arrived and its documents as one object, or as a new version of it.

    `write` is `put` of the store or of a group there, or `add_version`. Sets `package`, `blobs`
    and `raw_blobs` of the arrival; what `blobs` has of documents that do not come this time, stays.
    Where documents alone are wanted and none comes, nothing is written. Raises BadDocument or
    Temporary.
    """
    incoming = arrival.incoming
    files: dict[str, bytes | Iterable[bytes]] = {}
    media_types: dict[str, str] = {}
    for part in incoming.raw:
        files[f"original/{part.name}"] = part.content
        media_types[f"original/{part.name}"] = part.media_type
    paths: list[str | None] = []
    for position, document in enumerate(incoming.documents):
        try:
            content = _content(intake, document)
        except Gone:
            content = None
            arrival.gone.add(position)
        except NotGiven as reason:
            content = None
            arrival.not_given[position] = str(reason)
        path = None
        if content is not None:
            extension = EXTENSIONS.get(document.media_type, "bin")
            path = f"files/{position + 1:04d}.{extension}"
            files[path] = content
            media_types[path] = document.media_type
            arrival.gone.discard(position)
            arrival.not_given.pop(position, None)
        paths.append(path)
    if what is What.DOCUMENTS and not any(paths):
        return
    try:
        stored = record.keep(
            record.of_arrival(arrival, what, intake.owner(arrival.citizen_id), paths),
            arrival.delivery_id,
            files,
            write=write,
            note=f"{arrival.source} delivery",
            media_types=media_types,
            events=_events(incoming),
        )
    except store.BadPath as error:
        raise BadDocument("a part of it has a name that cannot be kept") from error
    package, blobs = package_rows(arrival.citizen_id, stored, media_types)
    by_path = {blob.path: blob for blob in blobs}
    arrival.package = package
    arrival.blobs = [
        by_path.get(path) if path else arrival.blob_of(position)
        for position, path in enumerate(paths)
    ]
    arrival.raw_blobs = [blob for path, blob in by_path.items() if path.startswith("original/")]


def _events(incoming: IncomingLetter) -> list[store.Happened]:
    """Return what was done with a letter before it is archived, for its seal."""
    how = incoming.sender.verified
    if not how:
        return []
    at = store.moment()
    return [store.Happened("digital signature validation", at, detail=f"sender: {how}")]


def _content(intake: Intake, document: IncomingDocument) -> bytes | Iterator[bytes] | None:
    """Return the document's bytes, checked as they pass; None where they are not to be had now.

    Raises Gone, NotGiven, or Temporary when the run is patient.
    """
    if document.content is not None:
        digest = hashlib.sha256(document.content).hexdigest()
        check(document, len(document.content), digest, intake.connector)
        return document.content
    if document.on_open or not document.ref:
        return None
    chunks = _checked(document, intake.connector, intake.account)
    try:
        if not intake.patient:
            return b"".join(chunks)
        # The first chunk is asked for here, so that what is gone is known before writing.
        return chain([next(chunks, b"")], chunks)
    except Temporary:
        if intake.patient:
            raise
        return None


def _checked(
    document: IncomingDocument, connector: Connector, account: Account | None
) -> Iterator[bytes]:
    size, digest = 0, hashlib.sha256()
    for chunk in connector.download(account, document.ref):
        size += len(chunk)
        if document.size is not None and size > document.size:
            break  # what comes after it may be without end
        digest.update(chunk)
        yield chunk
    check(document, size, digest.hexdigest(), connector)


def check(document: IncomingDocument, size: int, sha256: str, connector: Connector) -> None:
    """Compare with what the source declared. Raises BadDocument, which names the source's rule."""
    if document.size is not None and document.size != size:
        found = "more" if size > document.size else size
        raise BadDocument(
            f"{_named(connector.size_rule)}a document has {found} bytes where {document.size}"
            " were declared"
        )
    if document.sha256 and document.sha256.lower() != sha256:
        rule = _named(connector.digest_rule)
        raise BadDocument(f"{rule}a document's digest is not the one that was declared")


def _named(rule: str) -> str:
    return f"{rule}: " if rule else ""


def as_unreadable(incoming: IncomingLetter, reason: str) -> Unreadable:
    """Turn a letter that may not be received into one for quarantine."""
    return Unreadable(
        external_id=incoming.external_id,
        reason=reason,
        raw=incoming.raw,
        recipient=incoming.recipient,
        # Of a letter that went by post the printing service tells the sender.
        answerable=incoming.on_paper_at is None,
    )
