"""Webhooks: an agency's own address is told what becomes of its letters.

Messages are those of the Standard Webhooks specification (version 1.0.0): what they say is fixed
as they are queued, here; `webhook_sending.py` signs and sends them.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import httpx
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from connectors import clock
from connectors.public import LOOPBACK_NAMES, is_public
from inbox.agencies import quarantined
from inbox.agencies.models import Agency, Webhook, WebhookMessage
from inbox.citizens.identity import seal, unseal
from inbox.citizens.masking import masked_reference
from inbox.letters.models import DeliveryRecord

STEPS = {
    "letter.delivered": "delivered_at",
    "letter.notified": "notified_at",
    # Only where she has agreed to the receipt.
    "letter.opened": "told_opened_at",
    "letter.replied": "replied_at",
    "letter.withdrawn": "withdrawn_at",
}
"""What is told of a letter's record, and where that says when it happened."""
QUARANTINED = "letter.quarantined"
EVENTS = (*STEPS, QUARANTINED)
"""What a webhook may be told."""
TEST = "ping"
SECRET_BYTES = 32
"""The specification asks for 24 to 64."""
SECRET_MARK = "whsec_"
PREVIOUS_MAX = 4
OVERLAP = timedelta(hours=24)
"""How long messages are signed with the secret before as well, once there is a new one."""
WEBHOOKS_MAX = 10
URL_MAX = 500
KEPT = timedelta(days=30)
"""How long messages are kept; what happened longer ago is no news."""
TROUBLE_AFTER = timedelta(hours=1)
PURPOSE = "webhook"
BATCH = 500


class Problem(StrEnum):
    """Why a webhook cannot be as the agency wants it."""

    NO_ADDRESS = "no_address"
    NOT_HTTPS = "not_https"
    NOT_PUBLIC = "not_public"
    NO_EVENTS = "no_events"
    TOO_MANY = "too_many"


class NotTaken(Exception):
    """A webhook cannot be as the agency wants it; nothing was changed."""

    def __init__(self, reason: Problem) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Made:
    """A webhook with a new secret, and the secret itself: the one time that it is shown."""

    webhook: Webhook
    secret: str


def of(agency: Agency) -> QuerySet[Webhook]:
    """Return an agency's webhooks, oldest first."""
    return Webhook.objects.filter(agency=agency).order_by("created_at", "id")


def troubled(agency: Agency) -> bool:
    """Say whether one of an agency's webhooks was switched off by us, or gets nothing through."""
    off = Q(off__in=(Webhook.Off.GONE, Webhook.Off.FAILING))
    fails = Q(off="", failing_since__lt=timezone.now() - TROUBLE_AFTER)
    return of(agency).filter(off | fails).exists()


def create(agency: Agency, url: str, events: Collection[str]) -> Made:
    """Make a webhook. Raises NotTaken."""
    url, chosen = read_address(url), _chosen(events)
    secret = _new_secret()
    with transaction.atomic():
        # Whoever else makes one for this agency waits here.
        Agency.objects.filter(id=agency.id).update(name=F("name"))
        if of(agency).count() >= WEBHOOKS_MAX:
            raise NotTaken(Problem.TOO_MANY)
        made = Webhook.objects.create(
            agency=agency,
            url=url,
            events=chosen,
            secret=seal(PURPOSE, secret),
            created_at=clock.now(),
        )
    return Made(made, secret)


def change(agency: Agency, webhook_id: UUID, url: str, events: Collection[str]) -> None:
    """Give a webhook another address or other events; what waits goes to the new address.

    Raises NotTaken and Webhook.DoesNotExist.
    """
    row = of(agency).filter(id=webhook_id)
    if not row.exists():
        raise Webhook.DoesNotExist
    row.update(url=read_address(url), events=_chosen(events))


def rotate(agency: Agency, webhook_id: UUID) -> Made:
    """Give a webhook a new secret; for OVERLAP messages are signed with those before it, too.

    Pressed twice, what the receiver knows still holds. Raises Webhook.DoesNotExist.
    """
    secret = _new_secret()
    with transaction.atomic():
        webhook = of(agency).select_for_update().get(id=webhook_id)
        previous = " ".join(secrets_of(webhook)[:PREVIOUS_MAX])
        webhook.previous_secret = seal(PURPOSE, previous)
        webhook.secret = seal(PURPOSE, secret)
        webhook.previous_until = timezone.now() + OVERLAP
        webhook.save(update_fields=["secret", "previous_secret", "previous_until"])
    return Made(webhook, secret)


def secrets_of(webhook: Webhook) -> list[str]:
    """Return what messages are signed with now, the newest first."""
    found = [unseal(PURPOSE, webhook.secret)]
    if webhook.previous_until and webhook.previous_until > timezone.now():
        found += unseal(PURPOSE, webhook.previous_secret).split(" ")
    return found


def disable(agency: Agency, webhook_id: UUID) -> None:
    """Send nothing to a webhook, and queue nothing for it. Raises Webhook.DoesNotExist."""
    row = of(agency).filter(id=webhook_id)
    if not row.filter(off="").update(off=Webhook.Off.BY_AGENCY) and not row.exists():
        raise Webhook.DoesNotExist


def enable(agency: Agency, webhook_id: UUID) -> None:
    """Go on with a webhook, and with what waited meanwhile. Raises Webhook.DoesNotExist."""
    row = of(agency).filter(id=webhook_id)
    if not row.update(off="", failing_since=None, failures=0, paused_until=None):
        raise Webhook.DoesNotExist


def remove(agency: Agency, webhook_id: UUID) -> None:
    """Remove a webhook with its messages. Raises Webhook.DoesNotExist."""
    if not of(agency).filter(id=webhook_id).delete()[0]:
        raise Webhook.DoesNotExist


def queue(records: Collection[DeliveryRecord]) -> int:
    """Queue what the senders of these records are to be told; returns how many messages are new.

    A webhook is told each step of a record once, however often the record is given. 1 query
    where no sender has a webhook that is on, else 3 at most.
    """
    numbers = {each.org_number for each in records}
    told = Webhook.objects.filter(off="", agency__org_number__in=numbers).select_related("agency")
    by_number: dict[str, list[Webhook]] = {}
    for webhook in told:
        by_number.setdefault(webhook.agency.org_number, []).append(webhook)
    rows = [
        message
        for record in records
        for webhook in by_number.get(record.org_number, ())
        for message in _news(webhook, record)
    ]
    if not rows:
        return 0
    known = WebhookMessage.objects.filter(
        webhook_id__in={row.webhook_id for row in rows},
        record_id__in={row.record_id for row in rows},
    )
    before = set(known.values_list("webhook_id", "record_id", "event"))
    new = [row for row in rows if (row.webhook_id, row.record_id, row.event) not in before]
    # Another collector may queue the same just now.
    WebhookMessage.objects.bulk_create(new, ignore_conflicts=True, batch_size=BATCH)
    return len(new)


def queue_quarantined() -> int:
    """Queue what came from agencies' own sources and could not be delivered; returns how much.

    One query, and two for each webhook that is told of that.
    """
    told = Webhook.objects.filter(off="").select_related("agency")
    return sum(_queue_quarantined(each) for each in told if QUARANTINED in each.events)


def _queue_quarantined(webhook: Webhook) -> int:
    known = webhook.messages.filter(event=QUARANTINED, record_id=OuterRef("id"))
    found = quarantined.waiting(webhook.agency).filter(arrived_at__gte=_since(webhook))
    rows = [
        _message(
            webhook,
            QUARANTINED,
            item.arrived_at,
            _data(item.id, item.external_id, item.source_id),
            item.id,
        )
        for item in found.exclude(Exists(known))[:BATCH]
    ]
    WebhookMessage.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def send_test(agency: Agency, webhook_id: UUID) -> None:
    """Queue a test message, unless one waits already. Raises Webhook.DoesNotExist.

    A webhook that is off is sent none.
    """
    webhook = of(agency).get(id=webhook_id)
    waiting = webhook.messages.filter(event=TEST, state=WebhookMessage.State.WAITING)
    if not webhook.off and not waiting.exists():
        _message(webhook, TEST, clock.now(), {"webhook": str(webhook.id)}).save()


def resend(agency: Agency, message_id: UUID) -> UUID:
    """Begin anew with a message that was given up; returns the id of its webhook.

    It is the same message: a receiver that has had it sees that by its id. Raises
    WebhookMessage.DoesNotExist; one that was not given up is left as it is.
    """
    message = WebhookMessage.objects.get(webhook__agency=agency, id=message_id)
    row = WebhookMessage.objects.filter(id=message.id, state=WebhookMessage.State.FAILED)
    row.update(state=WebhookMessage.State.WAITING, attempts=0, due_at=timezone.now())
    return message.webhook_id


def resend_failed(agency: Agency, webhook_id: UUID) -> int:
    """Begin anew with all messages of a webhook that were given up; returns how many.

    Raises Webhook.DoesNotExist.
    """
    failed = of(agency).get(id=webhook_id).messages.filter(state=WebhookMessage.State.FAILED)
    changes = {"state": WebhookMessage.State.WAITING, "attempts": 0, "due_at": timezone.now()}
    return failed.update(**changes)


def forget_old() -> int:
    """Delete messages that are older than KEPT; returns how many."""
    old = WebhookMessage.objects.filter(queued_at__lt=timezone.now() - KEPT)
    found = list(old.order_by("queued_at").values_list("id", flat=True)[: 10 * BATCH])
    return WebhookMessage.objects.filter(id__in=found).delete()[0]


def read_address(text: str) -> str:
    """Return the address to which messages are to go. Raises NotTaken.

    Its host is looked up and judged anew for each connection; here only what can be seen without.
    """
    text = text.strip()
    try:
        url = httpx.URL(text)
        host = url.host
    except (httpx.InvalidURL, UnicodeError):
        raise NotTaken(Problem.NO_ADDRESS) from None
    shown = text.isprintable() and " " not in text and len(str(url)) <= URL_MAX
    if not (host and shown) or url.userinfo or url.fragment:
        raise NotTaken(Problem.NO_ADDRESS)
    if settings.FEEDS_ON_LOOPBACK and host in LOOPBACK_NAMES and url.scheme in ("http", "https"):
        return str(url)
    if url.scheme != "https":
        raise NotTaken(Problem.NOT_HTTPS)
    if not _may_be_public(host):
        raise NotTaken(Problem.NOT_PUBLIC)
    return str(url)


def _may_be_public(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return "." in host.rstrip(".") and not host.rstrip(".").endswith(".localhost")
    return is_public(host)


def _chosen(events: Collection[str]) -> list[str]:
    chosen = [each for each in EVENTS if each in events]
    if not chosen:
        raise NotTaken(Problem.NO_EVENTS)
    return chosen


def _new_secret() -> str:
    return SECRET_MARK + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _news(webhook: Webhook, record: DeliveryRecord) -> Iterator[WebhookMessage]:
    since = _since(webhook)
    data = _data(record.id, record.external_id, record.source)
    for event, field in STEPS.items():
        at = getattr(record, field)
        if event in webhook.events and at is not None and at >= since:
            yield _message(webhook, event, at, data, record.id)


def _data(letter: UUID, reference: str, source: str) -> dict[str, Any]:
    """Return which letter a message is about. An identity number is no reference."""
    return {"letter": str(letter), "reference": masked_reference(reference), "source": source}


def _since(webhook: Webhook) -> datetime:
    """Return from when on what happens is news to a webhook."""
    return max(webhook.created_at, clock.now() - KEPT)


def _message(
    webhook: Webhook, event: str, at: datetime, data: dict[str, Any], record_id: UUID | None = None
) -> WebhookMessage:
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"type": event, "timestamp": moment, "data": data}
    now = timezone.now()
    return WebhookMessage(
        webhook=webhook,
        record_id=record_id,
        event=event,
        payload=json.dumps(said, ensure_ascii=False, separators=(",", ":")),
        queued_at=now,
        due_at=now,
    )
