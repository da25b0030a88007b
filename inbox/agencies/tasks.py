"""Wake-ups of the agency portal: ids in, one call, nothing returned."""

from __future__ import annotations

from celery import shared_task

from inbox.agencies import collect, conformance, drafts, sending, webhook_sending, webhooks


@shared_task
def send_letters() -> None:
    """Send what agencies have confirmed."""
    sending.send_due()


@shared_task
def discard_drafts() -> None:
    """Throw away what nobody has sent."""
    drafts.discard_forgotten()


@shared_task
def forget_submissions() -> None:
    """Forget old Idempotency-Keys."""
    drafts.forget_submissions()


@shared_task
def send_webhooks() -> None:
    """Send what is due to agencies' webhooks."""
    webhook_sending.send_due()


@shared_task
def tell_of_quarantine() -> None:
    """Queue what webhooks are told of letters that could not be delivered."""
    webhooks.queue_quarantined()


@shared_task
def forget_old_webhook_messages() -> None:
    """Delete old messages to webhooks."""
    webhooks.forget_old()


@shared_task
def collect_due() -> None:
    """Count what has become of letters, and tell their senders."""
    collect.collect_due()


@shared_task
def conformance_due() -> None:
    """Hand every run of the conformance kit that waits to a worker."""
    for run_id in conformance.due():
        run_conformance.delay(str(run_id))


@shared_task
def run_conformance(run_id: str) -> None:
    """Try the rules that an agency has asked to be tried."""
    conformance.run(run_id)
