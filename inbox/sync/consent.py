"""A citizen disconnects a source, and connects it again: her consent to our fetching from it.

Disconnected, nothing more is fetched for her: not on schedule, not on the source's ping, and no
content that it withholds; what she had agreed to be kept by itself there (`keeping.py`) ends, and
connecting again does not bring it back; nor does she act for an enterprise by its word. Letters
that she has got stay, and receipts already owed are sent, as they attest what has happened. A
shared queue goes on being read for the others on it; a letter to her is put aside unread in
quarantine, where she, operators and notices do not see it: left on the queue it would be lost when
its package expires. Connecting again makes letters of what lies there.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from connectors import clock
from inbox.letters.models import Letter
from inbox.sync import parties, tasks
from inbox.sync.models import Handover, Mailbox, Retrieval, Source
from inbox.sync.quarantine import DISCONNECTED
from inbox.sync.retrieve import note
from inbox.sync.wake import wake


def disconnect(citizen_id: UUID, slug: str) -> Mailbox | None:
    """Stop fetching from the source `slug` for her; None when she has no mailbox there.

    A fetch under way loses its lease and writes nothing more.
    """
    with transaction.atomic():
        mailbox = _mailbox(citizen_id, slug)
        if mailbox is None or not mailbox.active:
            return mailbox
        mailbox.active = False
        mailbox.lease_token = mailbox.lease_until = mailbox.keeps_since = None
        mailbox.save(update_fields=["active", "lease_token", "lease_until", "keeps_since"])
        asked_for = Retrieval.objects.select_related("delivery").filter(
            citizen_id=citizen_id, state="waiting", delivery__source=slug
        )
        for retrieval in asked_for:
            if retrieval.part == Retrieval.Part.CONTENT:
                note(retrieval.delivery, Letter.Content.ON_OPEN)
            Retrieval.objects.filter(citizen_id=citizen_id, id=retrieval.id).update(
                state="failed", lease_until=None, last_error=DISCONNECTED
            )
        on_its_way = Handover.objects.filter(citizen_id=citizen_id, source_id=slug, state="waiting")
        on_its_way.update(state="failed", lease_until=None, last_error=DISCONNECTED)
        parties.end(citizen_id, slug)
    return mailbox


def offered(citizen_id: UUID) -> list[Source]:
    """Return the sources that she may connect and has not, by label (1 query)."""
    hers = Mailbox.objects.filter(citizen_id=citizen_id).values("source_id")
    found = Source.objects.filter(active=True, offered=True, shared_queue=False)
    return list(found.exclude(slug__in=hers).order_by("label", "slug"))


def connect(citizen_id: UUID, slug: str) -> Mailbox | None:
    """Fetch from the source `slug` for her, or again, at once.

    None when she has no mailbox there and it is not offered to her.
    """
    with transaction.atomic():
        mailbox = _mailbox(citizen_id, slug) or _new_mailbox(citizen_id, slug)
        if mailbox is None or mailbox.active:
            return mailbox
        mailbox.active = True
        mailbox.failures, mailbox.failure, mailbox.failure_detail = 0, "", ""
        mailbox.due_at = None if mailbox.source.shared_queue else timezone.now()
        mailbox.save(update_fields=["active", "failures", "failure", "failure_detail", "due_at"])
        parties.ask(citizen_id)
        wake(tasks.release_put_aside)
        wake(tasks.sync_due)
    return mailbox


def _new_mailbox(citizen_id: UUID, slug: str) -> Mailbox | None:
    source = next((each for each in offered(citizen_id) if each.slug == slug), None)
    if source is None:
        return None
    # Not active yet: `connect` makes it so.
    made, _ = Mailbox.objects.get_or_create(
        citizen_id=citizen_id,
        source=source,
        defaults={"connected_at": clock.now(), "active": False},
    )
    return made


def _mailbox(citizen_id: UUID, slug: str) -> Mailbox | None:
    found = Mailbox.objects.select_for_update(of=("self",)).select_related("source")
    return found.filter(citizen_id=citizen_id, source_id=slug).first()
