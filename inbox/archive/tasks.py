"""Wake-ups for the archive's housekeeping."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from celery import shared_task

from inbox.archive import copying, scan, store
from inbox.archive.proof import LogBroken
from inbox.archive.proof import copying as log_copying
from inbox.archive.proof.tasks import sequence, stamp

__all__ = ["copy", "scan_some", "sequence", "stamp", "sweep"]

log = logging.getLogger("samlepost.archive")


@shared_task
def sweep() -> None:
    """Finish or clear away what workers that died have left half done."""
    store.sweep()
    copying.sweep(store.STALE_SECONDS)


@shared_task
def copy() -> None:
    """Bring the second copy up to date, the log's too."""
    copying.run()
    with _told("the second copy of the log is behind"):
        log_copying.run()


@shared_task
def scan_some() -> None:
    """Read some of what is kept again, and of the log."""
    scan.run()
    with _told("the log and its second copy are not compared"):
        log_copying.compare()


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Log what fails: what must be known of it is noted for operators."""
    try:
        yield
    except (LogBroken, OSError) as error:
        log.warning("%s: %s", what, error)
