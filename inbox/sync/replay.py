"""Replaying a quarantined letter: the kept bytes go through the very path that a new one takes."""

from __future__ import annotations

from uuid import UUID

from connectors.contract import Batch, ConnectorError, Fault
from inbox.citizens.identity import find_citizen
from inbox.sync import quarantine, rejections
from inbox.sync.intake import Intake, Refused, take_in
from inbox.sync.models import Quarantined
from inbox.sync.sources import account_of, connected


def replay(quarantined_id: UUID) -> bool:
    """Try to receive a quarantined letter; True when it is a letter now.

    Raises Quarantined.DoesNotExist. A failure leaves the item with the new reason. What waits to
    be released (`put_aside.py`) keeps its reason when it could not be tried: it goes on waiting.
    """
    item = Quarantined.objects.select_related("source").get(id=quarantined_id, resolved_at=None)
    try:
        batch = quarantine.reread(item)
        refused = [(each, item.citizen_id) for each in batch.unreadable] or _take_in(item, batch)
    except ConnectorError as error:
        if item.reason in quarantine.RELEASED:
            quarantine.note_replay(item, item.reason)
        else:
            quarantine.note_replay(item, f"could not be replayed: {error}")
            rejections.blame(item, Fault.SERVER)
        return False
    if not refused:
        quarantine.note_replay(item, "")
        return True
    unreadable, citizen_id = refused[0]
    item.citizen_id = item.citizen_id or citizen_id
    item.recipient_index = quarantine.index_of(unreadable.recipient) or item.recipient_index
    quarantine.note_replay(item, unreadable.reason)
    if unreadable.answerable:
        rejections.blame(item, unreadable.fault)
    else:
        rejections.call_off(item)
    return False


def _take_in(item: Quarantined, batch: Batch) -> list[Refused]:
    mailbox = quarantine.mailbox_of(item)
    account = account_of(mailbox.citizen_id) if mailbox else None
    refused: list[Refused] = []
    with connected(item.source, is_asked=False) as connector:
        intake = Intake(item.source, connector, account, mailbox, still_ours=lambda: None)

        def settle() -> None:
            if not refused:
                rejections.call_off(item)

        take_in(intake, batch, settle, refused)
    if not refused and item.citizen_id is None and batch.letters:
        owner = find_citizen(batch.letters[0].recipient.kind, batch.letters[0].recipient.value)
        item.citizen_id = owner.id if owner else None
    return refused
