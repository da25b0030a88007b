"""Sending what is due: claim, look again whether it is still news, render, hand over, record.

A row is marked as being sent just before it is handed over. If the worker dies right there,
nobody knows whether the message left: the row becomes uncertain and is not sent again, and whoever
ordered it is told as of one that failed.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from connectors import clock
from inbox.letters import delivery_log
from inbox.letters.models import Delivery, Event, Letter
from inbox.notifications.channels import PermanentFailure, TemporaryFailure, email
from inbox.notifications.models import Notification

log = logging.getLogger("samlepost.notifications")

BATCH = 200
ATTEMPTS_MAX = 48
RETRY_AFTER = timedelta(minutes=5)
UNKNOWN = "it is not known whether it was sent"
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
    notification = row.select_related("letter", "citizen__contact_details").get()
    if notification.citizen.deceased_at or not _is_news(notification):
        row.update(state=State.CANCELLED, lease_until=None)
        return False
    if reason := _hindrance(notification):
        _give_up(notification, reason)
        return False
    if not row.filter(state=State.WAITING).update(state=State.SENDING):
        return False  # called off in this very moment
    others = _told_with(notification)
    try:
        email.send(notification, 1 + len(others))
    except TemporaryFailure as error:
        for each in (notification, *others):
            _later(each, str(error))
        return False
    except PermanentFailure as error:
        for each in (notification, *others):
            _give_up(each, str(error))
        return False
    for each in (notification, *others):
        Notification.objects.filter(citizen_id=citizen_id, id=each.id).update(
            state=State.SENT, sent_at=clock.now(), lease_until=None, last_error=""
        )
        _record(each)
    return True


def _is_news(notification: Notification) -> bool:
    """Say whether she is still to be told."""
    letter = notification.letter
    if letter.place == Letter.Place.BIN:
        return False
    if notification.kind != Notification.Kind.VANISHING:
        return bool(letter.unread)
    not_kept = Delivery.objects.filter(
        citizen_id=letter.citizen_id, letter_id=letter.id, keep_by__isnull=False
    )
    return not_kept.exists() and bool(letter.content != Letter.Content.REQUESTED)


def _told_with(notification: Notification) -> list[Notification]:
    """Take what the same e-mail tells of: whatever else of hers disappears and is due."""
    if notification.kind != Notification.Kind.VANISHING:
        return []
    now, taken = timezone.now(), []
    due = Notification.objects.select_related("letter").filter(
        Q(lease_until=None) | Q(lease_until__lt=now),
        citizen_id=notification.citizen_id,
        kind=notification.kind,
        channel=notification.channel,
        state=State.WAITING,
        due_at__lte=clock.now(),
    )
    for each in due:
        row = Notification.objects.filter(citizen_id=each.citizen_id, id=each.id)
        state = State.SENDING if _is_news(each) else State.CANCELLED
        lease_until = now + timedelta(seconds=settings.SYNC_LEASE_SECONDS)
        if row.filter(state=State.WAITING).update(state=state, lease_until=lease_until):
            taken += [each] if state == State.SENDING else []
    return taken


def _hindrance(notification: Notification) -> str:
    """Say why it can never be sent; empty when it can."""
    if notification.channel == Notification.Channel.SMS:
        return "no SMS is sent from here"
    if not email.readers(notification.citizen):
        return "no address"
    if _is_forbidden(notification):
        return "the contact register permits no digital notice of a decision"
    if notification.attempts > ATTEMPTS_MAX:
        return notification.last_error or "every attempt at it broke off"
    return ""


def _is_forbidden(notification: Notification) -> bool:
    """Say whether it tells of a decision to one whom the contact register keeps that from.

    An address that she has not confirmed for 18 months is used all the same: the duty to announce
    a decision, for which it will not do (eForvaltningsforskriften §§ 8 and 32), is the sender's.
    Ours is a word of service, and her page warns her.
    """
    if notification.kind in (Notification.Kind.ANSWER, Notification.Kind.VANISHING):
        return False
    details = getattr(notification.citizen, "contact_details", None)
    is_decision = notification.letter.kind == Letter.Kind.DECISION
    return is_decision and details is not None and details.forbids_decisions


def _record(notification: Notification) -> None:
    new = notification.kind != Notification.Kind.REMINDER
    vanishing = notification.kind == Notification.Kind.VANISHING
    now = clock.now()
    with transaction.atomic():
        Event.objects.create(
            citizen_id=notification.citizen_id,
            letter_id=notification.letter_id,
            kind=Event.Kind.NOTIFIED if new else Event.Kind.REMINDED,
            at=now,
            detail={"channel": notification.channel, **({"vanishing": True} if vanishing else {})},
        )
        if notification.kind in (Notification.Kind.NEW, Notification.Kind.REMINDER):
            delivery_log.note_notified(notification.letter, now)


def _later(notification: Notification, error: str) -> None:
    log.warning("notification %s: %s", notification.id, error)
    if notification.attempts >= ATTEMPTS_MAX:
        _give_up(notification, error)
        return
    Notification.objects.filter(citizen_id=notification.citizen_id, id=notification.id).update(
        state=State.WAITING,
        retry_at=timezone.now() + RETRY_AFTER,
        lease_until=None,
        last_error=error[:255],
    )


def _give_up(notification: Notification, error: str) -> None:
    """It will never leave: whoever ordered it is told (`sync.receipts`)."""
    Notification.objects.filter(citizen_id=notification.citizen_id, id=notification.id).update(
        state=State.FAILED, failed_at=clock.now(), lease_until=None, last_error=error[:255]
    )


def _give_up_on_the_uncertain() -> None:
    Notification.objects.filter(state=State.SENDING, lease_until__lt=timezone.now()).update(
        state=State.UNCERTAIN, failed_at=clock.now(), lease_until=None, last_error=UNKNOWN
    )
