"""Wake-ups for the archive's housekeeping."""

from __future__ import annotations

from celery import shared_task

from inbox.archive import store


@shared_task
def sweep() -> None:
    """Finish or clear away what workers that died have left half done."""
    store.sweep()
