"""She says that something is done, takes it back, or has it done, and the sources are told."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from connectors import clock
from connectors.contract import ReceiptKind
from inbox.citizens.viewer import Viewer
from inbox.letters.handle import mark_handled, readable_letter, reopen
from inbox.letters.models import Letter
from inbox.notifications.rules import stop
from inbox.sync import acts, receipts, tasks
from inbox.sync.wake import wake


def mark_done(viewer: Viewer, letter_id: UUID) -> None:
    """Note that she has done what the letter asks, or paid it; notices of it are called off.

    Raises Letter.DoesNotExist, LevelTooLow or NotOpened.
    """
    letter = readable_letter(viewer, letter_id)
    now = clock.now()
    with transaction.atomic():
        if mark_handled(letter, Letter.HandledBy.HERSELF, now, viewer.actor_id):
            stop(letter)
            receipts.owe_handled(letter, ReceiptKind.HANDLED, now)
            wake(tasks.send_receipts)


def take_back(viewer: Viewer, letter_id: UUID) -> None:
    """Undo `mark_done`. Raises the same."""
    letter = readable_letter(viewer, letter_id)
    now = clock.now()
    with transaction.atomic():
        if reopen(letter, now, viewer.actor_id):
            receipts.owe_handled(letter, ReceiptKind.REOPENED, now)
            wake(tasks.send_receipts)


def confirm(viewer: Viewer, letter_id: UUID) -> None:
    """Confirm a letter whose sender wants that (Altinn); pressed twice it is once.

    Raises the same.
    """
    letter = readable_letter(viewer, letter_id)
    now = clock.now()
    with transaction.atomic():
        if receipts.owe_confirmed(letter, now, viewer.asks_as):
            if mark_handled(letter, Letter.HandledBy.CONFIRMATION, now, viewer.actor_id):
                stop(letter)
            wake(tasks.send_receipts)


def act(viewer: Viewer, letter_id: UUID, action_id: str, agreed: str) -> bool:
    """Have an action of a letter done at its sender's; False when it is, or is being, done already.

    Raises as `acts.ask` does.
    """
    with transaction.atomic():
        asked = acts.ask(viewer, letter_id, action_id, agreed)
        if asked:
            wake(tasks.send_receipts)
    return asked
