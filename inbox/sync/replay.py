"""Replaying a quarantined letter: the kept bytes go through the very path that a new one takes."""

from __future__ import annotations

from uuid import UUID

from connectors.contract import Batch, ConnectorError
from inbox.sync import quarantine
from inbox.sync.intake import Intake, take_in
from inbox.sync.models import Quarantined
from inbox.sync.sources import account_of, connected


def replay(quarantined_id: UUID) -> bool:
    """Try to receive a quarantined letter; True when it is a letter now.

    Raises Quarantined.DoesNotExist. A failure leaves the item with the new reason.
    """
    item = Quarantined.objects.select_related("source").get(id=quarantined_id, resolved_at=None)
    try:
        batch = quarantine.reread(item)
        reason = batch.unreadable[0].reason if batch.unreadable else ""
        if not reason:
            reason = _take_in(item, batch)
    except ConnectorError as error:
        reason = f"could not be replayed: {error}"
    quarantine.note_replay(item, reason)
    return not reason


def _take_in(item: Quarantined, batch: Batch) -> str:
    mailbox = quarantine.mailbox_of(item)
    account = account_of(mailbox.citizen_id) if mailbox else None
    held: list[str] = []
    with connected(item.source) as connector:
        intake = Intake(item.source, connector, account, mailbox, still_ours=lambda: None)
        take_in(intake, batch, lambda: None, refused=held)
    return held[0] if held else ""
