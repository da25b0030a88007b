"""Which letters are announced, and when: rows written with the letters, in their transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from inbox.letters.models import Letter
from inbox.notifications.models import Notification

REMIND_AFTER = timedelta(days=7)
"""A letter not opened within a week is announced once more (eForvaltningsforskriften § 8)."""


def queue_for(letters: Iterable[Letter], now: datetime) -> None:
    """Queue a notice and a reminder for every letter that is news. Must run in a transaction."""
    rows = []
    for letter in letters:
        if not letter.unread:
            continue
        told_at = max(now, letter.visible_from or now)
        for kind, due_at in (
            (Notification.Kind.NEW, told_at),
            (Notification.Kind.REMINDER, told_at + REMIND_AFTER),
        ):
            rows.append(
                Notification(
                    citizen_id=letter.citizen_id, letter_id=letter.id, kind=kind, due_at=due_at
                )
            )
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


def stop(letter: Letter) -> None:
    """Call off whatever has not been sent about a letter: she has opened it."""
    Notification.objects.filter(
        citizen_id=letter.citizen_id,
        letter_id=letter.id,
        state=Notification.State.WAITING,
    ).update(state=Notification.State.CANCELLED)
