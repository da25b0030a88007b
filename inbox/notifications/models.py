"""Notifications: "you have a letter", never the letter. The row is the queue."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from inbox.citizens.models import Citizen
from inbox.citizens.owned import CitizenOwned, OwnedForeignKey, new_id
from inbox.letters.models import Letter


class Notification(CitizenOwned):
    """One notice of one letter by one channel; written with the letter, rendered when sent."""

    class Kind(models.TextChoices):
        NEW = "new"
        REMINDER = "reminder"
        ANSWER = "answer"
        VANISHING = "vanishing"
        """What is not kept here soon disappears at its source."""

    class Channel(models.TextChoices):
        EMAIL = "email"
        SMS = "sms"
        """Ordered by a sender: none is sent, and the sender is told so on its day."""

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
    day = models.PositiveSmallIntegerField(default=0)
    """How many days after the first notice it is meant for; 0 for the first itself."""
    due_at = models.DateTimeField()
    """By the shared clock."""
    attempts = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    """Real time: not before this after a failed attempt."""
    lease_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=255, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    """By the shared clock: when it was given up."""
    is_told = models.BooleanField(default=False)
    """Senders who ordered it have been told that it failed (`sync.receipts`)."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["citizen", "letter_id", "kind", "channel", "day"],
                name="notification_unique",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"],
                name="notification_due",
                condition=Q(state__in=["waiting", "sending"]),
            ),
            models.Index(
                fields=["failed_at"],
                name="notification_failed",
                condition=Q(state__in=["failed", "uncertain"], is_told=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.channel} {self.letter_id}"


class InvitationNotice(CitizenOwned):
    """One notice to somebody who is asked to see another's mail: that she is, and nothing else."""

    principal = models.ForeignKey(
        Citizen, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    """Whose mail it is about."""
    invitation_id = models.UUIDField()
    """The `Representation`: it may be withdrawn, answered or gone before the notice leaves."""
    state = models.CharField(
        max_length=16, choices=Notification.State, default=Notification.State.WAITING
    )
    queued_at = models.DateTimeField()
    """By the shared clock."""
    attempts = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, blank=True)
    """Real time: not before this after a failed attempt."""
    lease_until = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=255, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["queued_at"],
                name="invitation_notice_due",
                condition=Q(state__in=["waiting", "sending"]),
            ),
            models.Index(fields=["principal"], name="invitation_notice_by"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class OutboxEmail(models.Model):
    """An e-mail as the demo's outbox shows it: what would have left by SMTP."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    citizen = models.ForeignKey(
        Citizen, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    """Whom it is for: her address may be another by now."""
    sent_at = models.DateTimeField()
    to = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    text = models.TextField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["-sent_at"], name="outbox_latest")]

    def __str__(self) -> str:
        return str(self.id)
