"""Sending what webhooks are to be told: signed, tried by the published schedule, or given up.

One worker at a time is at a webhook, for a short while; the one that has waited longest comes
next, and so many workers and no more are at all of them: one that is slow or away holds up
neither the others nor anything else. One that does not answer, or says that it has too much to
do, is left alone for a while with all that waits for it; what waits uses up no attempts.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone
from standardwebhooks import Webhook as Signer

from connectors.contract import ConnectorError
from connectors.http import Http, NotInTime, retry_after
from connectors.public import NotPublic, public_addresses, public_or_loopback
from inbox.agencies.models import Webhook, WebhookMessage
from inbox.agencies.webhooks import secrets_of
from inbox.sync import lease
from inbox.sync.pauses import not_paused

SCHEDULE = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long after the one before each attempt is made: the example of Standard Webhooks 1.0.0
("Deliverability and reliability"), 75 hours and 35 minutes in all. No jitter: an endpoint gets
one message at a time, however many are due."""
LASTS = sum(SCHEDULE, timedelta(0))
OFF_AFTER = timedelta(days=5)
"""So long must every attempt have failed before a webhook is disabled; and the message that
failed last must have been tried for LASTS."""
TIMEOUT_SECONDS = 15.0
"""For a whole request; the specification says 15 to 30."""
RUN_SECONDS = 60.0
"""How long a worker goes on …"""
TURN_SECONDS = 10.0
"""… and with one webhook, when others wait."""
TURN_MESSAGES = 100
REST_SECONDS = 5.0
"""How long a webhook is left alone that did not answer; twice as long each time after that …"""
REST_SECONDS_MAX = 300.0
"""… until this: never longer than the schedule says for its message."""
OVERLOADED = (429, 502, 503, 504)
GONE = 410

NO_ANSWER = "no_answer"
NO_CONNECTION = "no_connection"
NOT_PUBLIC = "not_public"

log = logging.getLogger("samlepost.agencies.webhooks")


def send_due() -> int:
    """Send what is due, one webhook after another; returns how many attempts were made."""
    ends = time.monotonic() + RUN_SECONDS
    made = 0
    while time.monotonic() < ends:
        row, token = _take_next()
        if token is None:
            break
        try:
            made += _turn(row, token)
        except lease.LeaseLost:
            log.info("another worker has taken over a webhook")
        finally:
            lease.give_back(row, token)
    return made


def _take_next() -> tuple[QuerySet[Webhook], UUID | None]:
    """Take the webhook that has waited longest among those with something due, if there is room.

    Nobody is locked out while we count: two who begin in one moment may be one too many.
    """
    now = timezone.now()
    due = WebhookMessage.objects.filter(
        lease.free(now), webhook=OuterRef("pk"), state="waiting", due_at__lte=now
    )
    room = settings.WEBHOOKS_AT_ONCE - Webhook.objects.filter(lease_until__gte=now).count()
    found = Webhook.objects.filter(lease.free(now), not_paused(now), Exists(due), off="")
    if room > 0:
        for webhook_id in found.order_by(F("last_attempt_at").asc(nulls_first=True)).values_list(
            "id", flat=True
        )[: settings.WEBHOOKS_AT_ONCE]:
            row = Webhook.objects.filter(id=webhook_id)
            if token := lease.take_polling(row):
                return row, token
    return Webhook.objects.none(), None


def _turn(row: QuerySet[Webhook], token: UUID) -> int:
    """Send what is due to one webhook, for a while. Raises LeaseLost."""
    ends = time.monotonic() + TURN_SECONDS
    made = 0
    now = timezone.now()
    due = WebhookMessage.objects.filter(
        lease.free(now), webhook__in=row.values("id"), state="waiting", due_at__lte=now
    ).order_by("due_at")
    http: Http | None = None
    try:
        for message_id in list(due.values_list("id", flat=True)[:TURN_MESSAGES]):
            lease.keep(row, token)
            webhook = row.get()
            resting = webhook.paused_until and webhook.paused_until > timezone.now()
            if webhook.off or resting or time.monotonic() > ends:
                break
            if http is None or http.base_url != f"{webhook.url.rstrip('/')}/":
                http = _http(webhook)
            mine = WebhookMessage.objects.filter(id=message_id)
            if lease.claim_work(mine):
                made += 1
                with lease.unless_called_off(mine):
                    _attempt(http, webhook, mine)
    finally:
        if http:
            http.close()
    return made


def _http(webhook: Webhook) -> Http:
    return Http(
        webhook.url,
        timeout=TIMEOUT_SECONDS,
        seconds_max=TIMEOUT_SECONDS,
        resolve=public_or_loopback if settings.FEEDS_ON_LOOPBACK else public_addresses,
    )


def _attempt(http: Http, webhook: Webhook, row: QuerySet[WebhookMessage]) -> None:
    message = row.get()
    # A worker that was too slow for its lease must not write over the one after it.
    mine = row.filter(attempts=message.attempts, state="waiting")
    status, error, wait = None, "", None
    try:
        answer = http.answer_to(
            "POST",
            webhook.url,
            content=message.payload.encode(),
            headers=_headers(webhook, message),
        )
    except NotPublic:
        error = NOT_PUBLIC
    except NotInTime:
        error = NO_ANSWER
    except ConnectorError:
        error = NO_CONNECTION
    else:
        status, wait = answer.status_code, retry_after(answer)
    if status is not None and 200 <= status < 300:
        _got_through(webhook, mine, status)
    else:
        _failed(webhook, message, mine, status, error, wait)


def _headers(webhook: Webhook, message: WebhookMessage) -> dict[str, str]:
    """Sign the message at this moment, with each secret that holds (Standard Webhooks 1.0.0)."""
    at = datetime.now(UTC)
    signatures = [
        Signer(secret).sign(str(message.id), at, message.payload) for secret in secrets_of(webhook)
    ]
    return {
        "content-type": "application/json",
        "webhook-id": str(message.id),
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _got_through(webhook: Webhook, mine: QuerySet[WebhookMessage], status: int) -> None:
    now = timezone.now()
    mine.update(state="done", status=status, delivered_at=now, lease_until=None, last_error="")
    if webhook.failing_since or webhook.failures:
        Webhook.objects.filter(id=webhook.id).update(failing_since=None, failures=0)


def _failed(
    webhook: Webhook,
    message: WebhookMessage,
    mine: QuerySet[WebhookMessage],
    status: int | None,
    error: str,
    wait: float | None,
) -> None:
    now = timezone.now()
    asked = timedelta(seconds=wait or 0)
    changes: dict[str, object] = {"status": status, "last_error": error, "lease_until": None}
    if message.attempts < len(SCHEDULE):
        changes["due_at"] = now + max(SCHEDULE[message.attempts], asked)
    else:
        changes["state"] = "failed"
    mine.update(**changes)
    log.warning("message %s failed: %s", message.id, status or error)
    row = Webhook.objects.filter(id=webhook.id)
    row.filter(failing_since=None).update(failing_since=now)
    if status is None or status in OVERLOADED:
        rest = min(REST_SECONDS * 2 ** min(webhook.failures, 10), REST_SECONDS_MAX)
        until = now + max(timedelta(seconds=rest), asked)
        row.update(failures=min(webhook.failures + 1, 1000), paused_until=until)
    if status == GONE:
        row.filter(off="").update(off=Webhook.Off.GONE)
    elif message.queued_at <= now - LASTS:
        row.filter(off="", failing_since__lte=now - OFF_AFTER).update(off=Webhook.Off.FAILING)
