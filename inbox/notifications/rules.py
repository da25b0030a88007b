"""Which letters are announced, and when: rows written with the letters, in their transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Max

from inbox.letters.models import Letter
from inbox.notifications.models import Notification

REMINDED_ON = 7
"""Days: a letter not opened in a week is announced once more (eForvaltningsforskriften § 8)."""
TOLD_TOGETHER = timedelta(minutes=10)
"""A notice of what disappears waits so long for others like it."""
ONE_A_DAY = timedelta(days=1)
Orders = Mapping[UUID, Mapping[str, Sequence[int]]]
"""What senders have ordered, by the letter's id: the days on which each channel is to be used."""


def queue_for(letters: Iterable[Letter], now: datetime, orders: Orders | None = None) -> None:
    """Queue a notice and reminders for every letter that is news. Must run in a transaction.

    Ours are an e-mail at once and one after a week. A sender may order more of them (DPI:
    `repetisjoner`, days after the letter's day).
    """
    rows = []
    for letter in letters:
        if not letter.unread:
            continue
        told_at = max(now, letter.visible_from or now)
        ordered = (orders or {}).get(letter.id, {})
        rows += [
            Notification(
                citizen_id=letter.citizen_id,
                letter_id=letter.id,
                kind=Notification.Kind.REMINDER if day else Notification.Kind.NEW,
                channel=channel,
                day=day,
                due_at=told_at + timedelta(days=day),
            )
            for channel, days in (
                (Notification.Channel.EMAIL, {0, REMINDED_ON, *ordered.get("email", ())}),
                (Notification.Channel.SMS, {*ordered.get("sms", ())}),
            )
            for day in sorted(days)
        ]
    Notification.objects.bulk_create(rows, ignore_conflicts=True)


def queue_answer(letter: Letter, now: datetime) -> None:
    """Queue a notice that the sender has answered her; the latest one counts. In a transaction."""
    Notification.objects.update_or_create(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        kind=Notification.Kind.ANSWER,
        channel=Notification.Channel.EMAIL,
        defaults={"state": Notification.State.WAITING, "due_at": now, "attempts": 0},
    )


def queue_vanishing(letter: Letter, now: datetime) -> None:
    """Queue a notice that a letter soon disappears at its source, once. In a transaction.

    All that are due on one day leave as one e-mail (`deliver.py`), at most one a day.
    """
    own = Notification.objects.filter(
        citizen_id=letter.citizen_id, kind=Notification.Kind.VANISHING
    ).exclude(state=Notification.State.CANCELLED)
    due_at = now + TOLD_TOGETHER
    latest = own.aggregate(latest=Max("due_at"))["latest"]
    if latest and latest + ONE_A_DAY > due_at:
        waiting = own.filter(due_at=latest, state=Notification.State.WAITING).exists()
        due_at = latest if waiting else latest + ONE_A_DAY
    Notification.objects.bulk_create(
        [
            Notification(
                citizen_id=letter.citizen_id,
                letter_id=letter.id,
                kind=Notification.Kind.VANISHING,
                due_at=due_at,
            )
        ],
        ignore_conflicts=True,
    )


def stop(letter: Letter) -> None:
    """Call off whatever has not been sent about a letter: she has opened it."""
    Notification.objects.filter(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        state=Notification.State.WAITING,
    ).update(state=Notification.State.CANCELLED)
