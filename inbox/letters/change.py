"""A letter that the source says something new about: metadata, new content, withdrawal.

Metadata alone never makes a letter unread, nor do the same documents under other names. New
documents under the same id are kept beside the old ones, and the change is an event. A source
that takes a letter back marks ours; it stays.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import datetime

from connectors import clock
from connectors.contract import IncomingLetter
from inbox.archive.models import Blob, Package
from inbox.letters import counters
from inbox.letters.filing import BIN_LASTS
from inbox.letters.models import Delivery, Document, Event, Letter
from inbox.letters.receive import (
    TITLE_MAX,
    Arrival,
    action_rows,
    add_documents,
    clean,
    content_fingerprint,
    describe,
    document_rows,
    fingerprint,
    snippet,
)


def has_new_content(delivery: Delivery, incoming: IncomingLetter) -> bool:
    """Say whether the letter's documents, not just words about it, have changed."""
    if incoming.content_on_open:
        return False
    return delivery.content_fingerprint != content_fingerprint(incoming)


def change(delivery: Delivery, arrival: Arrival) -> None:
    """Bring letter and delivery up to what the source now says. Must run in a transaction.

    `arrival` carries the new package version and blobs when there is new content.
    """
    incoming, at = arrival.incoming, arrival.fetched_at
    letter = (
        Letter.objects.select_for_update()
        .filter(citizen_id=delivery.citizen_id, id=delivery.letter_id)
        .first()
    )
    if letter is None:
        return  # deleted for good while the batch was on its way
    before = copy.copy(letter)
    events = _events(letter, arrival)
    describe(letter, incoming, at)
    if incoming.opened_at and letter.opened_at is None:
        letter.opened_at, letter.unread = incoming.opened_at, False
    if arrival.blobs:
        is_news = _has_other_bytes(arrival)
        _replace_documents(letter, arrival)
        if is_news:
            letter.unread = True
            _mark_updated(letter)
            events.append(_event(letter, Event.Kind.REPLACED, at, arrival.source))
    letter.save()
    delivery.fingerprint = fingerprint(incoming)
    delivery.content_fingerprint = content_fingerprint(incoming)
    delivery.expires_at = incoming.expires_at
    delivery.withdrawn_at = letter.withdrawn_at
    delivery.save()
    Event.objects.bulk_create(events)
    if letter.revealed:
        with counters.changing(letter.citizen_id) as state:
            counters.replace(state, before, letter)


def add_content(letter: Letter, delivery: Delivery, arrival: Arrival) -> None:
    """Add the body and documents that the source gave only on opening. In a transaction.

    Its dates stay, its level may be raised, never lowered. Title and summary become what the
    source says now that it has vouched for her level: the list may have held the public ones.
    """
    incoming = arrival.incoming
    _replace_documents(letter, arrival)
    letter.title = clean(incoming.title, TITLE_MAX) or letter.title
    letter.snippet = snippet(incoming.summary) or letter.snippet
    letter.case_reference = clean(incoming.case_reference, TITLE_MAX) or letter.case_reference
    letter.search_full = f"{letter.search_open} {letter.title}".casefold()
    letter.body = clean(incoming.body)
    letter.body_media_type = incoming.body_media_type
    letter.actions = action_rows(incoming) or letter.actions
    letter.security_level = max(letter.security_level, incoming.security_level)
    letter.content = Letter.Content.KEPT
    letter.save()
    delivery.save()
    Event.objects.bulk_create(
        [_event(letter, Event.Kind.CONTENT_KEPT, arrival.fetched_at, arrival.source)]
    )
    with counters.changing(letter.citizen_id):
        pass  # nothing to count, but her list has changed: a new version


def _mark_updated(letter: Letter) -> None:
    """New content stays where she put the letter, marked; in the bin its days begin anew."""
    letter.updated = letter.place != Letter.Place.INBOX
    if letter.place == Letter.Place.BIN:
        letter.delete_at = clock.now() + BIN_LASTS


def _has_other_bytes(arrival: Arrival) -> bool:
    """Say whether a document says something that none of it said before: a new name is no news."""
    own = {"citizen_id": arrival.citizen_id, "delivery_id": arrival.delivery_id}
    shown = Document.objects.filter(**own, replaced_at=None)
    before = set(shown.values_list("blob__sha256", flat=True))
    return any(blob is not None and blob.sha256 not in before for blob in arrival.blobs)


def _replace_documents(letter: Letter, arrival: Arrival) -> None:
    own = {"citizen_id": letter.citizen_id, "letter_id": letter.id}
    Document.objects.filter(**own, delivery_id=arrival.delivery_id, replaced_at=None).update(
        replaced_at=arrival.fetched_at
    )
    save_package(arrival.package, arrival.kept_blobs())
    add_documents(document_rows(arrival))
    letter.attachments = sum(not document.is_main for document in arrival.incoming.documents)


def save_package(package: Package | None, blobs: Sequence[Blob]) -> None:
    """Write the rows of a new version of an archived package."""
    if package is None:
        return
    Package.objects.update_or_create(
        citizen_id=package.citizen_id,
        id=package.id,
        defaults={
            "version": package.version,
            "inventory_sha512": package.inventory_sha512,
            "deposited_at": package.deposited_at,
        },
    )
    Blob.objects.bulk_create(blobs, ignore_conflicts=True)


def _events(letter: Letter, arrival: Arrival) -> list[Event]:
    incoming, at = arrival.incoming, arrival.fetched_at
    events = []
    if incoming.withdrawn and letter.withdrawn_at is None:
        events.append(_event(letter, Event.Kind.WITHDRAWN, at, arrival.source))
    if incoming.handled_at and letter.handled_at is None:
        events.append(_event(letter, Event.Kind.HANDLED, incoming.handled_at, arrival.source))
    if incoming.opened_at and letter.opened_at is None:
        events.append(
            _event(letter, Event.Kind.OPENED_ELSEWHERE, incoming.opened_at, arrival.source)
        )
    return events


def _event(letter: Letter, kind: str, at: datetime, source: str) -> Event:
    return Event(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        kind=kind,
        at=at,
        detail={"source": source},
    )
