"""What arrived from an agency's own sources and could not be delivered."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from inbox.agencies.access import sources_of
from inbox.agencies.models import Agency
from inbox.sync import quarantine
from inbox.sync import replay as replaying
from inbox.sync.models import Quarantined


def waiting(agency: Agency) -> QuerySet[Quarantined]:
    """Return what waits, newest first. Whose it may be stands in none of the fields to show."""
    return quarantine.waiting().filter(source__in=sources_of(agency))


def replay(agency: Agency, item_id: UUID) -> bool:
    """Try once more to make a letter of it; True when it is one. Raises Quarantined.DoesNotExist.

    The kept bytes are read anew: a fault of the agency's own is mended by sending the letter
    again, one of ours by this.
    """
    return replaying.replay(waiting(agency).get(id=item_id).id)
