"""Wake-ups for the work on letters."""

from __future__ import annotations

from celery import shared_task

from inbox.letters import reveal


@shared_task
def reveal_due() -> None:
    """Count letters whose day has come."""
    reveal.reveal_due()
