"""Telling somebody that she is asked to see another's mail: an e-mail with no name in it but hers.

The row is the queue, and is handled as in `deliver.py`: what was being handed over when its worker
died is not sent again.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from connectors import clock
from inbox.citizens import representation
from inbox.citizens.models import Identifier, Representation
from inbox.notifications.channels import PermanentFailure, TemporaryFailure, email
from inbox.notifications.models import InvitationNotice, Notification

log = logging.getLogger("samlepost.notifications")

BATCH = 200
ATTEMPTS_MAX = 48
RETRY_AFTER = timedelta(minutes=5)
State = Notification.State


def queue(invitation: Representation) -> None:
    """Queue a notice to whom the invitation names, if she has an inbox here. In a transaction.

    At most one from the same person as long as an invitation lasts: nobody is to be pestered.
    """
    if invitation.invited is None:
        return
    named = Identifier.objects.filter(
        kind=Identifier.Kind.NATIONAL_ID, blind_index=invitation.invited
    ).first()
    if named is None or named.citizen_id == invitation.citizen_id:
        return
    now = clock.now()
    pair = {"citizen_id": named.citizen_id, "principal_id": invitation.citizen_id}
    lately = InvitationNotice.objects.filter(
        **pair, queued_at__gt=now - representation.INVITATION_LASTS
    )
    if not lately.exists():
        InvitationNotice.objects.create(**pair, invitation_id=invitation.id, queued_at=now)


def send_due() -> int:
    """Send the notices that wait; returns how many left."""
    now = timezone.now()
    InvitationNotice.objects.filter(state=State.SENDING, lease_until__lt=now).update(
        state=State.UNCERTAIN, lease_until=None
    )
    due = InvitationNotice.objects.filter(
        Q(retry_at=None) | Q(retry_at__lte=now),
        Q(lease_until=None) | Q(lease_until__lt=now),
        state=State.WAITING,
    )
    keys = list(due.order_by("queued_at").values_list("citizen_id", "id")[:BATCH])
    return sum(_send(citizen_id, notice_id) for citizen_id, notice_id in keys)


def _send(citizen_id: UUID, notice_id: UUID) -> bool:
    row = InvitationNotice.objects.filter(citizen_id=citizen_id, id=notice_id)
    now = timezone.now()
    claimed = row.filter(Q(lease_until=None) | Q(lease_until__lt=now), state=State.WAITING).update(
        state=State.SENDING,
        lease_until=now + timedelta(seconds=settings.SYNC_LEASE_SECONDS),
        attempts=F("attempts") + 1,
    )
    if not claimed:
        return False
    notice = row.select_related("citizen").get()
    helper = notice.citizen
    stands = representation.invitations(helper.id).filter(
        citizen_id=notice.principal_id, id=notice.invitation_id
    )
    if not helper.email or not helper.is_active or helper.deceased_at or not stands.exists():
        row.update(state=State.CANCELLED, lease_until=None)
        return False
    try:
        email.send_invitation(notice)
    except TemporaryFailure as error:
        log.warning("notice of an invitation %s: %s", notice.id, error)
        given_up = notice.attempts >= ATTEMPTS_MAX
        row.update(
            state=State.FAILED if given_up else State.WAITING,
            retry_at=now + RETRY_AFTER,
            lease_until=None,
            last_error=str(error)[:255],
        )
        return False
    except PermanentFailure as error:
        row.update(state=State.FAILED, lease_until=None, last_error=str(error)[:255])
        return False
    row.update(state=State.SENT, lease_until=None, last_error="")
    return True
