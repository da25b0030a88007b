"""What is written under a letter after she has opened it, at a source that lists no more of it.

The list says how many messages there are. Of a letter that she has opened the new ones are listed
in the background, which no source counts as reading; what comes with them and takes an opening
(files, embedded texts) is fetched when she opens the letter next. Of a letter that she has never
opened nothing more is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from connectors import clock
from connectors.contract import LEVEL_SUBSTANTIAL, IncomingDocument, IncomingLetter
from inbox.archive import store
from inbox.archive.deposit import package_rows
from inbox.letters import copies, join, record
from inbox.letters.change import add_messages, mark_more, save_package
from inbox.letters.models import Delivery, Document, Letter
from inbox.letters.receive import TITLE_MAX, clean
from inbox.notifications.rules import queue_answer
from inbox.sync.models import Retrieval, Source
from inbox.sync.sources import account_of, connected


def follow(letter: Letter, delivery: Delivery, incoming: IncomingLetter, at: datetime) -> bool:
    """Ask for the messages that `incoming` tells of and we lack, in the transaction of its intake.

    Returns whether a retrieval waits. Above the level of background work it waits for her.
    """
    said = copies.read(delivery) if delivery.said else letter
    held = sum(not message.get("from_her") for message in said.messages)
    if said.content != Letter.Content.KEPT or incoming.messages_count <= held:
        return False
    if said.security_level > LEVEL_SUBSTANTIAL:
        mark_more(letter, delivery)
        return False
    wanted = Retrieval(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        delivery_id=delivery.id,
        part=Retrieval.Part.THREAD,
        security_level=LEVEL_SUBSTANTIAL,
        requested_at=at,
        due_at=timezone.now(),
    )
    Retrieval.objects.bulk_create([wanted], ignore_conflicts=True)
    return True


def read(retrieval: Retrieval) -> None:
    """List a letter's thread at its source and add what is new. Raises ConnectorError."""
    letter, delivery = retrieval.letter, retrieval.delivery
    source = Source.objects.get(slug=delivery.source)
    account = account_of(letter.citizen_id, retrieval.security_level)
    with connected(source) as connector:
        thread = connector.thread(account, delivery.external_id)
    files: dict[str, bytes] = {f"original/{part.name}": part.content for part in thread.raw}
    types = {f"original/{part.name}": part.media_type for part in thread.raw}
    stored = record.keep(
        record.of_thread(thread, source.slug, record.owner_of(letter.citizen_id)),
        delivery.id,
        files,
        write=store.add_version,
        note=f"{source.slug} thread",
        media_types=types,
    )
    package, blobs = package_rows(letter.citizen_id, stored, types)
    now = clock.now()
    with transaction.atomic():
        join.lock([letter.citizen_id])
        # Meanwhile she may have split the letter, or it has become one with another.
        delivery = Delivery.objects.get(citizen_id=letter.citizen_id, id=delivery.id)
        letter = Letter.objects.select_for_update().get(
            citizen_id=letter.citizen_id, id=delivery.letter_id
        )
        save_package(package, [each for each in blobs if each.path in files])
        if add_messages(letter, delivery, thread.messages, now):
            queue_answer(letter, now)
        Retrieval.objects.filter(citizen_id=retrieval.citizen_id, id=retrieval.id).update(
            state="done", lease_until=None, last_error=""
        )


def beside(opened: IncomingLetter, known: Sequence[Document]) -> IncomingLetter:
    """Return a letter opened once more: the documents that are `known`, in order, then new ones.

    They are the same by name. What is here is not fetched again, whatever has become of it there.
    """
    offered = {clean(document.name, TITLE_MAX): document for document in opened.documents}
    kept = [
        IncomingDocument(
            name=document.name,
            title=document.title,
            media_type=document.media_type,
            is_main=document.is_main,
            ref="" if document.blob_id else _ref(document, offered.get(document.name)),
            size=document.size,
        )
        for document in known
    ]
    names = {document.name for document in known}
    new = [
        replace(document, is_main=document.is_main and not known)
        for document in opened.documents
        if clean(document.name, TITLE_MAX) not in names
    ]
    return replace(opened, documents=[*kept, *new])


def _ref(document: Document, offered: IncomingDocument | None) -> str:
    return (offered.ref if offered else "") or document.ref
