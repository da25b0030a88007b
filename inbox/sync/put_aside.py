"""Letters put aside while their recipient had disconnected the source (`consent.py`)."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Exists, OuterRef

from inbox.sync.models import Mailbox, Quarantined
from inbox.sync.quarantine import DISCONNECTED
from inbox.sync.replay import replay

BATCH = 200


def release_due() -> int:
    """Make letters of what was put aside for those who have connected again; returns how many.

    What cannot be read after all is then an operator's to look at.
    """
    connected = Mailbox.objects.filter(
        citizen_id=OuterRef("citizen_id"), source_id=OuterRef("source_id"), active=True
    )
    due = Quarantined.objects.filter(
        Exists(connected), reason=DISCONNECTED, resolved_at=None
    ).order_by("arrived_at")
    return sum(_release(item_id) for item_id in due.values_list("id", flat=True)[:BATCH])


def _release(item_id: UUID) -> bool:
    try:
        return replay(item_id)
    except Quarantined.DoesNotExist:
        return False  # another worker was faster
