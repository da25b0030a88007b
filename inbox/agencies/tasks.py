"""Wake-ups of what agencies send: one call, nothing returned."""

from __future__ import annotations

from celery import shared_task

from inbox.agencies import drafts, sending


@shared_task
def send_letters() -> None:
    """Send what agencies have confirmed."""
    sending.send_due()


@shared_task
def discard_drafts() -> None:
    """Throw away what nobody has sent."""
    drafts.discard_forgotten()
