"""What becomes of her answers with their letters: joined, split, deleted. None goes astray.

Everything here must run in a transaction that holds the letters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import Q, QuerySet

from inbox.archive import store
from inbox.archive.models import Blob, Package
from inbox.letters.models import Delivery, Event, Letter, Reply

UNSENT = ~(Q(text="") & Q(attachments=[])) & Q(state=Reply.State.DRAFT)
"""A draft in which she has written something, or put a file."""


def new_reply_id(letter: Letter, form: str) -> UUID:
    """Return the id of the next answer to the letter by that form, the letter being locked.

    Answers come and go with copies that are joined and split, so an id may be taken already.
    """
    own = Reply.objects.filter(citizen_id=letter.citizen_id)
    number = own.filter(letter_id=letter.id, form=form).count()
    while own.filter(id=uuid5(letter.id, f"{form}:{number}")).exists():
        number += 1
    return uuid5(letter.id, f"{form}:{number}")


def carrier(deliveries: Iterable[Delivery], form: str) -> Delivery | None:
    """Return the delivery that carries the form: a letter may have come by several channels."""
    for delivery in sorted(deliveries, key=lambda each: (each.fetched_at, each.id), reverse=True):
        if delivery.said is None:
            return delivery
        if any(each["code"] == form for each in delivery.said.get("reply_forms", [])):
            return delivery
    return None


def merge(other: Letter, keep: Letter) -> None:
    """Make one draft of two that answer by the same form: both texts, and the files of both.

    The older text comes first. What is too much for the form is refused on sending, not cut.
    """
    theirs = {each.form: each for each in _of(other).filter(state=Reply.State.DRAFT)}
    for mine in _of(keep).filter(state=Reply.State.DRAFT, form__in=list(theirs)):
        twin = theirs[mine.form]
        first, last = sorted((mine, twin), key=lambda each: (each.updated_at, each.id))
        if first.text.strip() != last.text.strip():
            mine.text = "\n\n".join(each.text for each in (first, last) if each.text.strip())
        mine.attachments = [*first.attachments, *last.attachments]
        mine.security_level = max(first.security_level, last.security_level)
        mine.updated_at, mine.writer_id = last.updated_at, last.writer_id
        # No page that is open knows this text: what is saved there next is compared with it.
        mine.version, mine.tab = max(first.version, last.version) + 1, "joined"
        mine.save()
        Reply.objects.filter(citizen_id=twin.citizen_id, id=twin.id).delete()


def split(letter: Letter, alone: Letter, deliveries: Sequence[Delivery], chosen: Delivery) -> None:
    """Let the answers to the copy `chosen` go with it to `alone`, the letter that it becomes.

    Those are what its source has taken, and what is to be sent by a form that it carries.
    """
    sent = Event.objects.filter(
        citizen_id=letter.citizen_id, letter_id=letter.id, kind=Event.Kind.REPLIED
    )
    taken_by = {
        each.detail.get("reference"): each.detail.get("source")
        for each in sent
        if each.detail.get("reference")
    }
    moved = []
    for reply in _of(letter):
        source = taken_by.get(reply.reference)
        if source is None:
            found = carrier(deliveries, reply.form)
            source = found.source if found else ""
        if source == chosen.source:
            moved.append(reply.id)
    _of(letter).filter(id__in=moved).update(letter_id=alone.id)


def discard_drafts(citizen_id: UUID, letter_ids: Iterable[UUID]) -> None:
    """Throw away what she has written to these letters and not sent, with its files."""
    drafts = Reply.objects.filter(
        citizen_id=citizen_id, letter_id__in=list(letter_ids), state=Reply.State.DRAFT
    )
    files = [each for attachments in drafts.values_list("attachments") for each in attachments[0]]
    drafts.delete()
    forget_files(citizen_id, files)


def forget_files(citizen_id: UUID, attachments: Sequence[dict[str, Any]]) -> None:
    """Take files' rows away now and their bytes once that is certain."""
    ids = [UUID(each["id"]) for each in attachments]
    Blob.objects.filter(citizen_id=citizen_id, package_id__in=ids).delete()
    Package.objects.filter(citizen_id=citizen_id, id__in=ids).delete()

    def remove() -> None:
        for each in ids:
            store.remove(citizen_id, each)

    transaction.on_commit(remove)


def _of(letter: Letter) -> QuerySet[Reply]:
    return Reply.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id)
