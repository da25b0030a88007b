"""Wake-ups for what becomes of access to a citizen's mail."""

from __future__ import annotations

from celery import shared_task

from inbox.citizens import representation


@shared_task
def erase_representations() -> None:
    """Delete the rows of which nothing may remain."""
    representation.erase_due()
