"""Wake-ups for the archive's housekeeping."""

from __future__ import annotations

from celery import shared_task

from inbox.archive import copying, scan, store
from inbox.archive.proof.tasks import sequence, stamp

__all__ = ["copy", "scan_some", "sequence", "stamp", "sweep"]


@shared_task
def sweep() -> None:
    """Finish or clear away what workers that died have left half done."""
    store.sweep()
    copying.sweep(store.STALE_SECONDS)


@shared_task
def copy() -> None:
    """Bring the second copy up to date."""
    copying.run()


@shared_task
def scan_some() -> None:
    """Read some of what is kept again."""
    scan.run()
