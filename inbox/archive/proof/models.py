"""What is in the transparency log, and what is to come into it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from inbox.citizens.owned import new_id


class LogEntry(models.Model):
    """One leaf: a version of an object that was kept, or an object whose key was destroyed.

    The row is the queue: it is written with what it speaks of, and gets its place in the log from
    the sequencer. It names no citizen. What it says stands in the log's files as well, which are
    what counts: a row that differs from them has been tampered with (`audit.py`).
    """

    class Event(models.TextChoices):
        PUT = "put"
        DESTROYED = "destroyed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    object_id = models.UUIDField()
    version = models.PositiveSmallIntegerField()
    """The object's version; 0 where the event is the whole object's."""
    event = models.CharField(max_length=16, choices=Event)
    leaf = models.TextField()
    """The entry as it stands in the log: canonical JSON, ASCII."""
    leaf_hash = models.BinaryField(max_length=32)
    """SHA-256(0x00 || leaf). The same leaf is logged once."""
    index = models.BigIntegerField(null=True, blank=True)
    """The leaf's place in the log, from 0; None until it has one."""
    at = models.DateTimeField(auto_now_add=True)
    """Real time."""

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["leaf_hash"], name="log_entry_once"),
            models.UniqueConstraint(fields=["index"], name="log_entry_place"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["object_id", "version"], name="log_entry_object"),
            models.Index(
                fields=["id"], name="log_entry_waiting", condition=models.Q(index__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.object_id} v{self.version}"
