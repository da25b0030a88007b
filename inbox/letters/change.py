"""A letter that the source says something new about: metadata, new content, withdrawal.

Metadata alone never makes a letter unread, nor do the same documents under other names; what the
sender writes in its thread does. New documents under the same id are kept beside the old ones, and
the change is an event. A source that takes a letter back marks ours; it stays.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from connectors import clock
from connectors.contract import IncomingLetter, Rest, ThreadMessage
from inbox.archive.models import Blob, Package
from inbox.letters import (
    access_copies,
    cases,
    copies,
    counters,
    delivery_log,
    indexing,
    keeping,
    matching,
    proposals,
)
from inbox.letters.filing import BIN_LASTS
from inbox.letters.models import Delivery, DeliveryKey, Document, Event, Letter
from inbox.letters.receive import (
    TITLE_MAX,
    Arrival,
    action_rows,
    add_documents,
    appointment_rows,
    clean,
    content_fingerprint,
    describe,
    document_rows,
    fingerprint,
    form_rows,
    message_rows,
    payment_row,
    proof_rows,
    sender_of,
    signing_row,
    snippet,
    version_rows,
    with_new_messages,
)


def has_new_content(delivery: Delivery, incoming: IncomingLetter) -> bool:
    """Say whether the letter's documents, not just words about it, have changed."""
    if incoming.content_on_open:
        return False
    return delivery.content_fingerprint != content_fingerprint(incoming)


def change(delivery: Delivery, arrival: Arrival) -> tuple[Letter, bool] | None:
    """Bring letter and delivery up to what the source now says. Must run in a transaction.

    Returns the letter, and whether the sender has written something new in its thread; None when
    it is gone. `arrival` carries the new package version and blobs when there is new content.
    """
    said_there, at = arrival.incoming, arrival.fetched_at
    incoming = said_there
    if keeping.is_ours(delivery, incoming.opened_at):
        incoming = arrival.incoming = replace(incoming, opened_at=incoming.opened_again_at)
    letter = (
        Letter.objects.select_for_update()
        .filter(citizen_id=delivery.citizen_id, id=delivery.letter_id)
        .first()
    )
    if letter is None:
        return None  # deleted for good while the batch was on its way
    before = copy.copy(letter)
    is_news = _has_other_bytes(arrival)
    with copies.editing(letter, delivery) as said:
        events = _events(said, arrival)
        describe(said, incoming, at)
        said.opened_at = said.opened_at or incoming.opened_at
        if arrival.blobs:
            _replace_documents(said, arrival)
        if arrival.blobs or not incoming.documents:
            said.incomplete = copies.is_incomplete(said, arrival.kept())
        withdrawn_before = delivery.withdrawn_at
        delivery.withdrawn_at = said.withdrawn_at
    if delivery.withdrawn_at != withdrawn_before:
        delivery_log.note_withdrawn(delivery)
    if incoming.opened_at and before.opened_at is None:
        letter.unread = False
        delivery_log.note_opened_elsewhere(letter, incoming.opened_at)
    answers = _answers(before, letter, arrival.source)
    if answers:
        letter.unread = True
        _mark_updated(letter)
        events += answers
    if is_news:
        letter.unread = True
        _mark_updated(letter)
        events.append(_event(letter, Event.Kind.REPLACED, at, arrival.source))
    cases.assign([letter])
    letter.save()
    indexing.write([letter])
    if access_copies.parts_of(letter) != access_copies.parts_of(before):
        access_copies.want_of_bodies([(letter.citizen_id, delivery.id)])
    proposals.renew(letter)
    delivery.fingerprint = fingerprint(said_there)
    delivery.gone_at = None  # the source has it, or has it again
    delivery.content_fingerprint = content_fingerprint(incoming)
    _keep_by(delivery, arrival)
    delivery.main_digest = matching.main_digest(incoming) or delivery.main_digest
    delivery.needs_confirmation = delivery.needs_confirmation or incoming.needs_confirmation
    delivery.save()
    Event.objects.bulk_create(events)
    if letter.revealed:
        with counters.changing(letter.citizen_id) as state:
            counters.replace(state, before, letter)
    return letter, bool(answers)


def _keep_by(delivery: Delivery, arrival: Arrival) -> None:
    """Set (unsaved) when the source lets go of the letter, and when a copy is to be seen to."""
    incoming = arrival.incoming
    if incoming.expires_at or not incoming.content_on_open:
        delivery.expires_at = incoming.expires_at
    if arrival.blobs or (incoming.content_on_open and incoming.expires_at and delivery.keep_by):
        for name, value in keeping.of_arrival(arrival).items():
            setattr(delivery, name, value)


def add_content(
    letter: Letter, delivery: Delivery, arrival: Arrival, *, automatic: bool = False
) -> None:
    """Add the body and documents that the source gave only on opening. In a transaction.

    `automatic`: it was fetched as she had agreed once, before it could disappear.

    Its dates stay, its level may be raised, never lowered. Title and summary become what the
    source says now that it has vouched for her level: the list may have held the public ones.
    """
    incoming = arrival.incoming
    before = copy.copy(letter)
    with copies.editing(letter, delivery) as said:
        _replace_documents(said, arrival)
        said.title = clean(incoming.title, TITLE_MAX) or said.title
        said.snippet = snippet(incoming.summary) or said.snippet
        said.case_reference = clean(incoming.case_reference, TITLE_MAX) or said.case_reference
        said.language = incoming.language[:8] or said.language
        said.body = clean(incoming.body)
        said.body_media_type = incoming.body_media_type
        said.actions = action_rows(incoming.actions) or said.actions
        said.reply_forms = form_rows(incoming) or said.reply_forms
        said.messages = with_new_messages(said.messages, message_rows(incoming.messages))
        said.versions = version_rows(incoming.versions) or said.versions
        if incoming.raw:  # else documents alone were fetched
            lacks_text = incoming.provenance.get("text") == Rest.ON_OPEN
            delivery.has_more = lacks_text or has_rest(said)
        said.payment = payment_row(incoming) or said.payment
        said.signing = signing_row(incoming) or said.signing
        said.appointments = appointment_rows(incoming) or said.appointments
        said.proofs = proof_rows(incoming) or said.proofs
        said.security_level = max(said.security_level, incoming.security_level)
        said.content = Letter.Content.KEPT
        said.expires_at = incoming.expires_at or said.expires_at
        said.incomplete = copies.is_incomplete(said, arrival.kept())
        if incoming.sender.org_number and not letter.sender.org_number:
            said.sender = sender_of(incoming)
    if incoming.provenance:
        delivery.provenance = dict(incoming.provenance)
    delivery.needs_confirmation = delivery.needs_confirmation or incoming.needs_confirmation
    cases.assign([letter])
    letter.save()
    letter.refresh_from_db(fields=["sender"])
    delivery_log.note_sender(delivery, letter, incoming.sender)
    indexing.write([letter])
    if access_copies.parts_of(letter):
        access_copies.want_of_bodies([(letter.citizen_id, delivery.id)])
    proposals.renew(letter)
    delivery.main_digest = _digest_of_main(delivery) or delivery.main_digest
    delivery.same_as = sorted({*delivery.same_as, *incoming.same_as})
    delivery.expires_at = incoming.expires_at or delivery.expires_at
    for name, value in keeping.of_arrival(arrival).items():
        setattr(delivery, name, value)
    delivery.save()
    kept = _event(letter, Event.Kind.CONTENT_KEPT, arrival.fetched_at, arrival.source)
    kept.detail |= {"automatic": True} if automatic else {}
    kept.save(force_insert=True)
    with counters.changing(letter.citizen_id) as state:
        counters.replace(state, before, letter)
    _find_again(letter, delivery)


def add_messages(
    letter: Letter, delivery: Delivery, messages: Sequence[ThreadMessage], at: datetime
) -> bool:
    """Let the thread of a letter grow; returns whether the sender has written something new.

    Must run in a transaction. Of what is withheld until she opens the letter `has_more` is told.
    """
    before = copy.copy(letter)
    with copies.editing(letter, delivery) as said:
        said.messages = with_new_messages(said.messages, message_rows(messages))
        delivery.has_more = has_rest(said)
    answers = _answers(before, letter, delivery.source)
    if answers:
        letter.unread = True
        _mark_updated(letter)
    cases.assign([letter])
    letter.save()
    indexing.write([letter])
    if letter.messages != before.messages:
        access_copies.want_of_bodies([(letter.citizen_id, delivery.id)])
    delivery.save(update_fields=["has_more"])
    Event.objects.bulk_create(answers)
    if letter.revealed:
        with counters.changing(letter.citizen_id) as state:
            counters.replace(state, before, letter)
    return bool(answers)


def mark_more(letter: Letter, delivery: Delivery) -> None:
    """Note that the source has more of the letter, which only its opening can tell.

    Must run in a transaction.
    """
    before = copy.copy(letter)
    letter.unread = True
    _mark_updated(letter)
    letter.save(update_fields=["unread", "updated", "delete_at"])
    delivery.has_more = True
    delivery.save(update_fields=["has_more"])
    if letter.revealed:
        with counters.changing(letter.citizen_id) as state:
            counters.replace(state, before, letter)


def has_rest(letter: Letter) -> bool:
    """Say whether a message of the thread has more that comes when she opens the letter."""
    return any(message.get("rest") == Rest.ON_OPEN for message in letter.messages)


def _digest_of_main(delivery: Delivery) -> str:
    kept = Document.objects.filter(
        citizen_id=delivery.citizen_id,
        delivery_id=delivery.id,
        replaced_at=None,
        blob_id__isnull=False,
    )
    main = kept.order_by("-is_main", "position").values_list("blob__sha256", flat=True).first()
    return main or ""


def _find_again(letter: Letter, delivery: Delivery) -> None:
    """Note by what the delivery is recognised, now that its source has told more of it."""
    keys = matching.keys_of(matching.copy_of(delivery, letter), delivery.same_as)
    own = {"citizen_id": letter.citizen_id, "delivery_id": delivery.id}
    DeliveryKey.objects.bulk_create(
        [DeliveryKey(**own, key=key) for key in keys], ignore_conflicts=True
    )


def _mark_updated(letter: Letter) -> None:
    """New content stays where she put the letter, marked; in the bin its days begin anew.

    One that she put into the bin at its source has no such days.
    """
    letter.updated = letter.place != Letter.Place.INBOX
    if letter.place == Letter.Place.BIN and letter.delete_at:
        letter.delete_at = clock.now() + BIN_LASTS


def _has_other_bytes(arrival: Arrival) -> bool:
    """Say whether a document says something that none of the letter said before, by any channel.

    A new name is no news.
    """
    own = {"citizen_id": arrival.citizen_id, "letter_id": arrival.letter_id}
    shown = Document.objects.filter(**own, replaced_at=None)
    before = set(shown.values_list("blob__sha256", flat=True))
    return any(blob is not None and blob.sha256 not in before for blob in arrival.blobs)


def _replace_documents(letter: Letter, arrival: Arrival) -> None:
    own = {"citizen_id": letter.citizen_id, "letter_id": letter.id}
    _let_known_bytes_stay(arrival)
    Document.objects.filter(**own, delivery_id=arrival.delivery_id, replaced_at=None).update(
        replaced_at=arrival.fetched_at
    )
    save_package(arrival.package, arrival.kept_blobs())
    add_documents(document_rows(arrival))
    letter.attachments = sum(not document.is_main for document in arrival.incoming.documents)


def _let_known_bytes_stay(arrival: Arrival) -> None:
    """Give documents that could not be had this time the bytes that we have of them, by digest.

    A source that has deleted them, and writes the letter once more, takes nothing from her.
    """
    missing = {
        document.sha256.lower(): position
        for position, document in enumerate(arrival.incoming.documents)
        if document.sha256 and arrival.blob_of(position) is None
    }
    known = Blob.objects.filter(
        citizen_id=arrival.citizen_id, package_id=arrival.delivery_id, sha256__in=list(missing)
    )
    for blob in known if missing else ():
        position = missing[blob.sha256]
        arrival.blobs[position] = blob
        arrival.gone.discard(position)
        arrival.not_given.pop(position, None)


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
        handled = _event(letter, Event.Kind.HANDLED, incoming.handled_at, arrival.source)
        handled.detail["by"] = clean(incoming.handled_by, TITLE_MAX)
        events.append(handled)
    if incoming.opened_at and letter.opened_at is None:
        events.append(
            _event(letter, Event.Kind.OPENED_ELSEWHERE, incoming.opened_at, arrival.source)
        )
    return events


def _answers(before: Letter, letter: Letter, source: str) -> list[Event]:
    known = {message["id"] for message in before.messages}
    return [
        _event(letter, Event.Kind.ANSWERED, datetime.fromisoformat(message["at"]), source)
        for message in letter.messages
        if message["id"] not in known and not message.get("from_her")
    ]


def _event(letter: Letter, kind: str, at: datetime, source: str) -> Event:
    return Event(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        kind=kind,
        at=at,
        detail={"source": source},
    )
