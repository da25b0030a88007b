"""Wake-ups for notifications."""

from __future__ import annotations

from celery import shared_task

from inbox.notifications import deliver, export_notices, invitations


@shared_task
def send_due() -> None:
    """Send the notices that are due."""
    deliver.send_due()
    invitations.send_due()
    export_notices.send_due()
