"""Closing an account: fetching stops at once, everything is removed after a time of regret.

The row is `Citizen.closes_at`; `removal.py` carries it out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from connectors import clock
from inbox.citizens.models import Citizen
from inbox.notifications.models import Notification
from inbox.sync import contacts
from inbox.sync.consent import connect, disconnect
from inbox.sync.models import Mailbox

REGRET = timedelta(days=30)
"""For so long she can take it back."""


def ask(citizen_id: UUID) -> datetime:
    """Close her account: end her sessions and all fetching; returns when everything is removed."""
    with transaction.atomic():
        # First, as who writes what the register says locks in this order, too.
        contacts.stop(citizen_id)
        citizen = Citizen.objects.select_for_update().get(pk=citizen_id)
        if citizen.closes_at is None:
            citizen.closes_at = clock.now() + REGRET
            citizen.save(update_fields=["closes_at"])
        connected = Mailbox.objects.filter(citizen=citizen, active=True)
        for slug in list(connected.values_list("source_id", flat=True)):
            disconnect(citizen_id, slug)
            Mailbox.objects.filter(citizen=citizen, source_id=slug).update(resumes=True)
        Notification.objects.filter(citizen=citizen, state=Notification.State.WAITING).update(
            state=Notification.State.CANCELLED
        )
        citizen.end_sessions()
    return citizen.closes_at


def take_back(citizen_id: UUID) -> bool:
    """Keep her account after all; False when it is too late, or was not being closed."""
    with transaction.atomic():
        waiting = Q(pk=citizen_id, is_active=True, closes_at__gt=clock.now())
        if not Citizen.objects.filter(waiting).update(closes_at=None):
            return False
        stopped = Mailbox.objects.filter(citizen_id=citizen_id, resumes=True)
        for slug in list(stopped.values_list("source_id", flat=True)):
            connect(citizen_id, slug)
        stopped.update(resumes=False)
        contacts.ask(citizen_id)
    return True
