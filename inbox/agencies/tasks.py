"""Wake-ups for what agencies send and are told: one call, nothing returned."""

from __future__ import annotations

from celery import shared_task

from inbox.agencies import collect, drafts, sending, webhook_sending, webhooks


@shared_task
def send_letters() -> None:
    """Send what agencies have confirmed."""
    sending.send_due()


@shared_task
def discard_drafts() -> None:
    """Throw away what nobody has sent."""
    drafts.discard_forgotten()


@shared_task
def send_webhooks() -> None:
    """Send what is due to agencies' webhooks."""
    webhook_sending.send_due()


@shared_task
def forget_old_webhook_messages() -> None:
    """Delete old messages to webhooks."""
    webhooks.forget_old()


@shared_task
def collect_due() -> None:
    """Count what has become of letters, and tell their senders."""
    collect.collect_due()
