"""Wake-ups for the archive's housekeeping."""

from __future__ import annotations

from celery import shared_task

from inbox.archive import store
from inbox.archive.proof.tasks import sequence

__all__ = ["sequence", "sweep"]


@shared_task
def sweep() -> None:
    """Finish or clear away what workers that died have left half done."""
    store.sweep()
