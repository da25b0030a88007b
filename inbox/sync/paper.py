"""Taking in word of letters on paper: kept with the letter that it tells of, as signed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from connectors.contract import Batch, IncomingLetter, PaperNotice, Unreadable
from inbox.archive import store
from inbox.archive.deposit import package_rows
from inbox.letters import join, paper, record
from inbox.letters.models import Delivery
from inbox.sync import quarantine
from inbox.sync.models import Mailbox, Source


def take_in(
    source: Source, notices: Sequence[PaperNotice]
) -> tuple[Batch, list[tuple[Unreadable, UUID | None]]]:
    """Mark the letters that the notices tell of; returns what came of those that tell of none.

    Beside that it returns what is to be put aside, as a letter would be: it tells of a letter of
    somebody who has disconnected the source.
    """
    letters: list[IncomingLetter] = []
    unreadable: list[Unreadable] = []
    aside: list[tuple[Unreadable, UUID | None]] = []
    for notice in notices:
        delivery = paper.find(notice)
        if delivery and _is_disconnected(source, delivery):
            raw = notice.otherwise.raw
            put = Unreadable(notice.external_id, quarantine.DISCONNECTED, raw, answerable=False)
            aside.append((put, delivery.citizen_id))
        elif delivery is None or not _keep(source, notice, delivery):
            if isinstance(notice.otherwise, IncomingLetter):
                letters.append(notice.otherwise)
            else:
                unreadable.append(notice.otherwise)
    return Batch(letters, unreadable), aside


def _is_disconnected(source: Source, delivery: Delivery) -> bool:
    hers = Mailbox.objects.filter(citizen_id=delivery.citizen_id, source=source)
    return hers.filter(active=False).exists()


def _keep(source: Source, notice: PaperNotice, delivery: Delivery) -> bool:
    """Archive what was signed beside the letter, then mark it; False where the letter is gone."""
    files = {f"original/{part.name}": part.content for part in notice.raw}
    types = {f"original/{part.name}": part.media_type for part in notice.raw}
    try:
        stored = record.keep(
            record.of_paper(notice, source.slug, record.owner_of(delivery.citizen_id)),
            delivery.id,
            files,
            write=store.add_version,
            note=f"{source.slug} paper",
            media_types=types,
            source=delivery.source,
        )
    except store.Missing:
        return False
    package, blobs = package_rows(delivery.citizen_id, stored, types)
    with transaction.atomic():
        join.lock([delivery.citizen_id])
        paper.note(
            notice, delivery, source.slug, package, [each for each in blobs if each.path in files]
        )
    return True
