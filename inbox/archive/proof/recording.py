"""The one call site: what happened is written beside what it happened to; and asked for again."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from kombu.exceptions import OperationalError

from inbox.archive.proof import tasks
from inbox.archive.proof.leaves import Entry, row_of
from inbox.archive.proof.models import LogEntry

log = logging.getLogger("samlepost.archive.proof")


def record(entries: Iterable[Entry]) -> None:
    """Write what happened, in the caller's transaction; it comes into the log after the commit.

    An entry that has been recorded before is not written again. Does nothing with
    ARCHIVE_PROOF=off. Raises what the database raises.
    """
    if settings.ARCHIVE_PROOF == "off":
        return
    rows = [row_of(entry) for entry in entries]
    if not rows:
        return
    LogEntry.objects.bulk_create(rows, ignore_conflicts=True)
    # One wake-up a transaction, however often it records.
    if not any(function is _wake for _, function, *_ in connection.run_on_commit):
        transaction.on_commit(_wake)


def destroyed(object_ids: Iterable[UUID]) -> set[UUID]:
    """Return the objects of which the last that was recorded is that their key was destroyed."""
    rows = LogEntry.objects.filter(object_id__in=list(object_ids)).order_by("id")
    found = list(rows.values_list("index", "object_id", "event"))
    # What has no place yet came last.
    found.sort(key=lambda row: (row[0] is None, row[0] or 0))
    latest = {object_id: event for _, object_id, event in found}
    return {each for each, event in latest.items() if event == LogEntry.Event.DESTROYED}


def _wake() -> None:
    try:
        tasks.sequence.apply_async(ignore_result=True)
    except (OperationalError, OSError) as error:
        log.warning("no broker to wake the sequencer: %s", type(error).__name__)
