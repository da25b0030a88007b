"""Sending what is due: claim, look again whether it is still news, render, hand over, record.

A row is marked as being sent just before it is handed over. If the worker dies right there,
nobody knows whether the message left: the row becomes uncertain and is not sent again.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from connectors import clock
from inbox.letters.models import Event, Letter
from inbox.notifications.channels import PermanentFailure, TemporaryFailure, email
from inbox.notifications.models import Notification

log = logging.getLogger("samlepost.notifications")

BATCH = 200
ATTEMPTS_MAX = 48
RETRY_AFTER = timedelta(minutes=5)
State = Notification.State


def send_due() -> int:
    """Send the notices that are due by the shared clock; returns how many left."""
    now = timezone.now()
    _give_up_on_the_uncertain()
    due = Notification.objects.filter(
        Q(retry_at=None) | Q(retry_at__lte=now),
        Q(lease_until=None) | Q(lease_until__lt=now),
        state=State.WAITING,
        due_at__lte=clock.now(),
    ).order_by("due_at")
    keys = list(due.values_list("citizen_id", "id")[:BATCH])
    return sum(send(citizen_id, notification_id) for citizen_id, notification_id in keys)


def send(citizen_id: UUID, notification_id: UUID) -> bool:
    """Send one notice; False when it was not due, not wanted any more, or failed."""
    row = Notification.objects.filter(citizen_id=citizen_id, id=notification_id)
    now = timezone.now()
    claimed = row.filter(Q(lease_until=None) | Q(lease_until__lt=now), state=State.WAITING).update(
        lease_until=now + timedelta(seconds=settings.SYNC_LEASE_SECONDS),
        attempts=F("attempts") + 1,
    )
    if not claimed:
        return False
    notification = row.select_related("letter", "citizen").get()
    letter = notification.letter
    citizen = notification.citizen
    if (
        not letter.unread
        or letter.place == Letter.Place.BIN
        or not citizen.email
        or citizen.deceased_at
    ):
        row.update(state=State.CANCELLED, lease_until=None)
        return False
    if not row.filter(state=State.WAITING).update(state=State.SENDING):
        return False  # called off in this very moment
    try:
        email.send(notification)
    except TemporaryFailure as error:
        _later(notification, str(error))
        return False
    except PermanentFailure as error:
        row.update(state=State.FAILED, lease_until=None, last_error=str(error)[:255])
        return False
    row.update(state=State.SENT, sent_at=clock.now(), lease_until=None, last_error="")
    _record(notification)
    return True


def _record(notification: Notification) -> None:
    new = notification.kind != Notification.Kind.REMINDER
    Event.objects.create(
        citizen_id=notification.citizen_id,
        letter_id=notification.letter_id,
        kind=Event.Kind.NOTIFIED if new else Event.Kind.REMINDED,
        at=clock.now(),
        detail={"channel": notification.channel},
    )


def _later(notification: Notification, error: str) -> None:
    log.warning("notification %s: %s", notification.id, error)
    given_up = notification.attempts >= ATTEMPTS_MAX
    Notification.objects.filter(citizen_id=notification.citizen_id, id=notification.id).update(
        state=State.FAILED if given_up else State.WAITING,
        retry_at=timezone.now() + RETRY_AFTER,
        lease_until=None,
        last_error=error[:255],
    )


def _give_up_on_the_uncertain() -> None:
    Notification.objects.filter(state=State.SENDING, lease_until__lt=timezone.now()).update(
        state=State.UNCERTAIN, lease_until=None
    )
