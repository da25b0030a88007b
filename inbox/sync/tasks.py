"""Wake-ups between us and the sources: ids in, one call, nothing returned."""

from __future__ import annotations

from celery import shared_task

from inbox.sync import (
    contacts,
    emptying,
    engine,
    handing_over,
    keeping,
    parties,
    put_aside,
    receipts,
    rejections,
    removal,
    schedule,
    sending,
    telling,
)
from inbox.sync import retrieve as retrieval


@shared_task
def sync_due() -> None:
    """Hand every mailbox and shared queue that is due to a worker."""
    for slug in schedule.due_sources():
        sync_source.delay(slug)
    for citizen_id, mailbox_id in schedule.due_mailboxes():
        sync_mailbox.delay(citizen_id, mailbox_id)


@shared_task
def sync_mailbox(citizen_id: str, mailbox_id: str) -> None:
    """Fetch one citizen's letters from one source, and wake a worker for the next one there."""
    engine.sync_mailbox(citizen_id, mailbox_id)
    for waiting in schedule.go_on(citizen_id, mailbox_id):
        sync_mailbox.delay(*waiting)


@shared_task
def sync_source(slug: str) -> None:
    """Fetch a shared queue."""
    engine.sync_source(slug)


@shared_task
def retrieve_due() -> None:
    """Carry out retrievals whose wake-up was lost, or that are to be tried again."""
    retrieval.run_due()


@shared_task
def retrieve(citizen_id: str, retrieval_id: str) -> None:
    """Carry out one retrieval, and wake a worker for others that had to wait for it."""
    if retrieval.retrieve(citizen_id, retrieval_id):
        retrieve_due.delay()


@shared_task
def keep_due() -> None:
    """See to letters that soon disappear at their source: a copy, or a warning."""
    keeping.run_due()


@shared_task
def send_receipts() -> None:
    """Send the receipts that are owed."""
    receipts.owe_failed_notices()
    receipts.send_due()
    rejections.send_due()


@shared_task
def tell_sources() -> None:
    """Tell sources' own inboxes where she has put letters."""
    telling.send_due()


@shared_task
def ask_contact_register() -> None:
    """Ask how those who are due may be reached."""
    contacts.run_due()


@shared_task
def ask_for_parties() -> None:
    """Ask for whom those who are due may act."""
    parties.run_due()


@shared_task
def release_put_aside() -> None:
    """Make letters of what was put aside for those who have connected a source again."""
    put_aside.release_due()


@shared_task
def empty_bins() -> None:
    """Delete for good what has lain in a bin long enough."""
    emptying.empty_due()


@shared_task
def close_accounts() -> None:
    """Remove the accounts whose time of regret is over."""
    removal.close_due()


@shared_task
def send_replies() -> None:
    """Send answers whose wake-up was lost, or that are to be tried again."""
    sending.send_due()


@shared_task
def send_reply(citizen_id: str, reply_id: str) -> None:
    """Send one answer."""
    sending.send(citizen_id, reply_id)


@shared_task
def hand_over_due() -> None:
    """Send to mailboxes what lost its wake-up, or is to be tried again."""
    handing_over.send_due()


@shared_task
def hand_over(citizen_id: str, handover_id: str) -> None:
    """Send one letter to its citizen's own mailbox."""
    handing_over.send(citizen_id, handover_id)
