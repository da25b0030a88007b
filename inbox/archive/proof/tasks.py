"""Wake-ups of the log's housekeeping."""

from __future__ import annotations

from celery import shared_task

from inbox.archive.proof import sequencer


@shared_task
def sequence() -> None:
    """Give leaves that wait their places in the log."""
    sequencer.sequence()
