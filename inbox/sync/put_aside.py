"""Letters that wait in quarantine for something that passes, and are released when it has.

Those put aside while their recipient had disconnected the source (`consent.py`) wait for her to
connect it again; those for a recipient whom nobody here was known by wait, for a month, until
somebody is (`addresses.py`). Nothing else leaves the quarantine by itself. The rows are the work:
a release that is killed anywhere is made again, and what has become a letter does not become one
twice.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from itertools import chain
from uuid import UUID

from django.db.models import Exists, F, OuterRef, QuerySet

from connectors import clock
from inbox.citizens.identity import naming
from inbox.sync.models import Mailbox, Quarantined
from inbox.sync.quarantine import DISCONNECTED, REPLAYS_MAX, UNKNOWN_RECIPIENT
from inbox.sync.replay import replay

log = logging.getLogger("samlepost.sync.put_aside")

BATCH = 200
FOUND_WITHIN = timedelta(days=30)
"""So long a letter waits for whoever has its address. Its sender has long been told by then, and a
supplier may give an address to another in time: later an operator decides."""


def release_due() -> int:
    """Make letters of what need not wait any longer; returns how many.

    What cannot be read after all is then an operator's to look at.
    """
    connected = Mailbox.objects.filter(
        citizen_id=OuterRef("citizen_id"), source_id=OuterRef("source_id"), active=True
    )
    named = naming().filter(blind_index=OuterRef("recipient_index"))
    due = chain(
        _waiting(DISCONNECTED).filter(Exists(connected)).values_list("id", flat=True)[:BATCH],
        _waiting(UNKNOWN_RECIPIENT)
        .filter(Exists(named), arrived_at__gt=clock.now() - FOUND_WITHIN)
        .values_list("id", flat=True)[:BATCH],
    )
    return sum(_release(item_id) for item_id in list(due))


def _waiting(reason: str) -> QuerySet[Quarantined]:
    # What was tried in vain comes behind the others, and cannot hold them up.
    found = Quarantined.objects.filter(reason=reason, resolved_at=None)
    return found.order_by("replays", "arrived_at")


def _release(item_id: UUID) -> bool:
    try:
        return replay(item_id)
    except Quarantined.DoesNotExist:
        return False  # another worker was faster
    except Exception:
        log.exception("%s could not be released", item_id)
        tried = Quarantined.objects.filter(id=item_id, replays__lt=REPLAYS_MAX)
        tried.update(replays=F("replays") + 1)
        return False
