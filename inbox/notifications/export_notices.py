"""Telling her that the copy of her letters is ready: an e-mail that says so and nothing else.

Who did not ask for it learns that somebody has. The row is the queue, and is handled as in
`deliver.py`: what was being handed over when its worker died is not sent again.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from inbox.letters.models import Export
from inbox.notifications.channels import PermanentFailure, TemporaryFailure, email

log = logging.getLogger("samlepost.notifications")

ATTEMPTS_MAX = 48
RETRY_AFTER = timedelta(minutes=5)
Told = Export.Told


def send_due() -> int:
    """Send the notices that wait; returns how many left."""
    now = timezone.now()
    ready = Export.objects.filter(state=Export.State.READY)
    ready.filter(told=Told.SENDING, lease_until__lt=now).update(told=Told.DONE, lease_until=None)
    due = ready.filter(_free(), told=Told.WAITING, due_at__lte=now)
    keys = list(due.order_by("due_at").values_list("citizen_id", "id"))
    return sum(_send(citizen_id, export_id) for citizen_id, export_id in keys)


def _send(citizen_id: UUID, export_id: UUID) -> bool:
    now = timezone.now()
    row = Export.objects.filter(citizen_id=citizen_id, id=export_id)
    claimed = row.filter(_free(), told=Told.WAITING).update(
        told=Told.SENDING,
        lease_until=now + timedelta(seconds=settings.SYNC_LEASE_SECONDS),
        attempts=F("attempts") + 1,
    )
    export = row.select_related("citizen").first() if claimed else None
    if export is None:
        return False
    over = {"told": Told.DONE, "lease_until": None}
    if not export.citizen.email:
        row.update(**over)
        return False
    try:
        email.send_export_ready(export.citizen)
    except TemporaryFailure as error:
        log.warning("notice of export %s: %s", export_id, error)
        given_up = export.attempts >= ATTEMPTS_MAX
        again = {"told": Told.WAITING, "due_at": now + RETRY_AFTER, "lease_until": None}
        row.update(**(over if given_up else again))
        return False
    except PermanentFailure as error:
        log.warning("notice of export %s: %s", export_id, error)
        row.update(**over)
        return False
    row.update(**over)
    return True


def _free() -> Q:
    return Q(lease_until=None) | Q(lease_until__lt=timezone.now())
