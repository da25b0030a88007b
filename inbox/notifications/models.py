"""Notifications: "you have a letter", never the letter. The row is the queue."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from inbox.citizens.owned import CitizenOwned, OwnedForeignKey, new_id
from inbox.letters.models import Letter


class Notification(CitizenOwned):
    """One notice of one letter by one channel; written with the letter, rendered when sent."""

    class Kind(models.TextChoices):
        NEW = "new"
        REMINDER = "reminder"
        ANSWER = "answer"

    class Channel(models.TextChoices):
        EMAIL = "email"

    class State(models.TextChoices):
        WAITING = "waiting"
        SENDING = "sending"
        SENT = "sent"
        CANCELLED = "cancelled"
        FAILED = "failed"
        UNCERTAIN = "uncertain"
        """Handed over, but the worker died before it heard the answer: never sent blindly again."""

    letter_id = models.UUIDField()
    letter = OwnedForeignKey(Letter, "letter_id", related_name="notifications")
    kind = models.CharField(max_length=16, choices=Kind)
    channel = models.CharField(max_length=16, choices=Channel, default=Channel.EMAIL)
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    due_at = models.DateTimeField()
    """By the shared clock."""
    attempts = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    """Real time: not before this after a failed attempt."""
    lease_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=255, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["citizen", "letter_id", "kind", "channel"], name="notification_unique"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"],
                name="notification_due",
                condition=Q(state__in=["waiting", "sending"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.channel} {self.letter_id}"


class OutboxEmail(models.Model):
    """An e-mail as the demo's outbox shows it: what would have left by SMTP."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    sent_at = models.DateTimeField()
    to = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    text = models.TextField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["-sent_at"], name="outbox_latest")]

    def __str__(self) -> str:
        return str(self.id)
