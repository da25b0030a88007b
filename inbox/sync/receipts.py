"""Receipts owed to sources: rows written with what they attest, sent later, tried until done."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from connectors import clock
from connectors.contract import (
    EVIDENCE_PREFIX,
    LEVEL_SUBSTANTIAL,
    Connector,
    ConnectorError,
    Gone,
    Misconfigured,
    NotPermitted,
    OutgoingReceipt,
    RateLimited,
    ReceiptKind,
    Scope,
)
from inbox.archive import store
from inbox.archive.models import Blob
from inbox.letters import delivery_log, join, keeping
from inbox.letters.handle import reopen
from inbox.letters.models import Delivery, Event, Letter
from inbox.letters.receive import Arrival
from inbox.notifications.models import Notification
from inbox.sync import acts, lease, pauses, quarantine, schedule, sources
from inbox.sync.models import OutboundReceipt, Source
from inbox.sync.sources import account_of, connected

log = logging.getLogger("samlepost.sync.receipts")

BATCH = 200


def owe_delivered(arrivals: Iterable[Arrival], at: datetime) -> None:
    """Owe a delivery receipt for each arrival that was received. In a transaction.

    Of what went by post, the printing service tells the sender.
    """
    OutboundReceipt.objects.bulk_create(
        [
            _owed(arrival.citizen_id, arrival.delivery_id, ReceiptKind.DELIVERED, at)
            for arrival in arrivals
            if arrival.received and not arrival.incoming.on_paper_at
        ],
        ignore_conflicts=True,
    )


def owe_opened_copies(arrivals: Iterable[Arrival], at: datetime) -> None:
    """Owe the opening receipt of copies of letters whose sender is told already. In a transaction.

    She has agreed to that for the letter, which she has opened. Where she has not been asked,
    nothing is told.
    """
    for arrival in arrivals:
        if not (arrival.received and arrival.same_as and arrival.incoming.wants_opening_receipt):
            continue
        told = OutboundReceipt.objects.filter(
            citizen_id=arrival.citizen_id,
            kind=ReceiptKind.OPENED,
            delivery__letter_id=arrival.letter_id,
        )
        if told.exists():
            letter = Letter(citizen_id=arrival.citizen_id, id=arrival.letter_id)
            owe_opened(letter, at)
            delivery_log.note_opened(letter, at)


def owe_opened(letter: Letter, at: datetime) -> None:
    """Owe the opening receipts that the letter's senders asked for and she agreed to."""
    wanted = Delivery.objects.filter(
        citizen_id=letter.citizen_id, letter_id=letter.id, wants_opening_receipt=True
    )
    OutboundReceipt.objects.bulk_create(
        [_owed(letter.citizen_id, delivery.id, ReceiptKind.OPENED, at) for delivery in wanted],
        ignore_conflicts=True,
    )


def owe_read(letter: Letter, at: datetime) -> None:
    """Tell of her opening the sources whose content was kept before it. In a transaction."""
    kept = Delivery.objects.filter(
        citizen_id=letter.citizen_id, letter_id=letter.id, kept_unseen_at__isnull=False
    )
    OutboundReceipt.objects.bulk_create(
        [_owed(letter.citizen_id, delivery.id, ReceiptKind.OPENED, at) for delivery in kept],
        ignore_conflicts=True,
    )


def owe_handled(letter: Letter, kind: ReceiptKind, at: datetime) -> None:
    """Tell the sources that take it that she has done it, or takes that back. In a transaction.

    The two undo each other: of what no worker has begun with, neither is sent.
    """
    own = OutboundReceipt.objects.filter(
        citizen_id=letter.citizen_id,
        delivery__letter_id=letter.id,
        kind__in=(ReceiptKind.HANDLED, ReceiptKind.REOPENED),
    )
    unsent = own.filter(state="waiting", attempts=0)
    untold = set(unsent.values_list("delivery_id", flat=True))
    OutboundReceipt.objects.filter(
        citizen_id=letter.citizen_id, id__in=list(own.values_list("id", flat=True))
    ).exclude(state="waiting", attempts__gt=0).delete()
    OutboundReceipt.objects.bulk_create(
        [
            _owed(letter.citizen_id, delivery.id, kind, at)
            for delivery in _taking(letter, kind)
            if kind is ReceiptKind.HANDLED or delivery.id not in untold
        ],
        ignore_conflicts=True,
    )


def owe_confirmed(letter: Letter, at: datetime, asked_by: UUID | None = None) -> bool:
    """Owe the confirmations that the letter's senders want; False when none does.

    `asked_by` is who confirms for an enterprise.
    """
    wanted = [each for each in _taking(letter, ReceiptKind.CONFIRMED) if each.needs_confirmation]
    # What was given up is tried anew.
    OutboundReceipt.objects.filter(
        citizen_id=letter.citizen_id,
        delivery_id__in=[each.id for each in wanted],
        kind=ReceiptKind.CONFIRMED,
        state="failed",
    ).update(
        state="waiting",
        attempts=0,
        last_error="",
        at=at,
        due_at=timezone.now(),
        asked_by=asked_by,
    )
    owed = [_owed(letter.citizen_id, each.id, ReceiptKind.CONFIRMED, at) for each in wanted]
    for each in owed:
        each.asked_by = asked_by
    OutboundReceipt.objects.bulk_create(owed, ignore_conflicts=True)
    return bool(wanted)


def owe_failed_notices() -> int:
    """Owe a receipt for each notice that failed and that a sender had ordered; returns how many.

    One of which nobody knows whether it left has failed, too: its sender relies on it.

    DPI wants one for each failed occurrence and channel (formats: `varslingfeiletkvittering`).
    An occurrence is the day in the order that the notice stands for.
    """
    failed = (Notification.State.FAILED, Notification.State.UNCERTAIN)
    found = Notification.objects.filter(state__in=failed, is_told=False)
    return sum(_owe_failed(row) for row in found.order_by("failed_at")[:BATCH])


def _owe_failed(notice: Notification) -> int:
    letter = Letter(citizen_id=notice.citizen_id, id=notice.letter_id)
    owed = [
        OutboundReceipt(
            citizen_id=notice.citizen_id,
            delivery_id=delivery.id,
            kind=ReceiptKind.NOTIFICATION_FAILED,
            occurrence=f"{notice.channel} {notice.day}",
            detail=f"{notice.channel}: {notice.last_error}"[:255],
            at=notice.failed_at or clock.now(),
            due_at=timezone.now(),
        )
        for delivery in _taking(letter, ReceiptKind.NOTIFICATION_FAILED)
        if notice.kind != Notification.Kind.ANSWER
        and notice.day in (delivery.notification_order or {}).get(notice.channel, ())
    ]
    with transaction.atomic():
        OutboundReceipt.objects.bulk_create(owed, ignore_conflicts=True)
        Notification.objects.filter(citizen_id=notice.citizen_id, id=notice.id).update(is_told=True)
    return len(owed)


def _taking(letter: Letter, kind: ReceiptKind) -> list[Delivery]:
    """Return the letter's deliveries whose source takes receipts of this kind."""
    deliveries = list(Delivery.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id))
    slugs = {delivery.source for delivery in deliveries}
    connector_of = dict(Source.objects.filter(slug__in=slugs).values_list("slug", "connector"))
    class_of = {name: sources.class_of(name) for name in set(connector_of.values())}
    taking = set()
    for slug, name in connector_of.items():
        known = class_of[name]
        if known and kind in known.receipts:
            taking.add(slug)
    return [delivery for delivery in deliveries if delivery.source in taking]


def send_due() -> int:
    """Send what is due, source by source; returns how many were accepted."""
    due = OutboundReceipt.objects.filter(
        lease.free(timezone.now()), state="waiting", due_at__lte=timezone.now()
    ).exclude(delivery__source__in=pauses.paused())
    due = due.order_by("due_at")
    by_source: dict[str, list[tuple[UUID, UUID]]] = {}
    for slug, *key in due.values_list("delivery__source", "citizen_id", "id")[:BATCH]:
        by_source.setdefault(slug, []).append((key[0], key[1]))
    return sum(_send_to(slug, keys) for slug, keys in by_source.items())


def _send_to(slug: str, keys: list[tuple[UUID, UUID]]) -> int:
    """Send receipts to one source over one connection, unless enough workers are at that."""
    source = Source.objects.get(slug=slug)
    accepted = 0
    if not schedule.has_room(slug, OutboundReceipt.objects.filter(delivery__source=slug)):
        return 0
    try:
        with connected(source) as connector:
            for citizen_id, receipt_id in keys:
                if _send(connector, citizen_id, receipt_id):
                    accepted += 1
                else:
                    pauses.respect(source)
    except (Misconfigured, RateLimited) as error:
        log.warning("%s: receipts wait: %s", slug, error)
    return accepted


def _owed(citizen_id: UUID, delivery_id: UUID, kind: str, at: datetime) -> OutboundReceipt:
    return OutboundReceipt(
        citizen_id=citizen_id, delivery_id=delivery_id, kind=kind, at=at, due_at=timezone.now()
    )


def _send(connector: Connector, citizen_id: UUID, receipt_id: UUID) -> bool:
    row = OutboundReceipt.objects.filter(citizen_id=citizen_id, id=receipt_id)
    if not lease.claim_work(row):
        return False
    with lease.unless_called_off(row):
        return _carry_out(connector, row)
    return False


def _carry_out(connector: Connector, row: QuerySet[OutboundReceipt]) -> bool:
    receipt = row.select_related("delivery__letter").get()
    delivery = receipt.delivery
    if receipt.kind == ReceiptKind.ACTED:
        return acts.carry_out(connector, receipt)
    if receipt.kind not in connector.receipts:
        row.update(state="done", lease_until=None)
        return False
    account = None
    # She could open or confirm it only in a session of the letter's own level.
    hers = receipt.kind in (ReceiptKind.CONFIRMED, ReceiptKind.OPENED)
    level = delivery.letter.security_level if hers else LEVEL_SUBSTANTIAL
    outgoing = _outgoing(receipt, delivery)
    try:
        if connector.scope is Scope.PER_CITIZEN:
            account = account_of(receipt.citizen_id, level, receipt.asked_by)
        signed = receipt.signed.encode() or connector.sign_receipt(outgoing)
        if signed:
            # Kept before it leaves: every attempt sends these very bytes.
            row.update(signed=signed.decode())
        connector.send_receipt(account, replace(outgoing, signed=signed))
    except ConnectorError as error:
        _later(receipt, error)
        return False
    with transaction.atomic():
        # Meanwhile she may have split the letter, or it has become one with another.
        join.lock([receipt.citizen_id])
        if not row.update(state="done", sent_at=timezone.now(), lease_until=None, last_error=""):
            return False  # called off together with its letter
        Event.objects.create(
            citizen_id=receipt.citizen_id,
            letter_id=Delivery.objects.get(
                citizen_id=receipt.citizen_id, id=receipt.delivery_id
            ).letter_id,
            kind=Event.Kind.RECEIPT_SENT,
            at=receipt.at,
            detail={"source": delivery.source, "receipt": receipt.kind},
        )
    return True


def _outgoing(receipt: OutboundReceipt, delivery: Delivery) -> OutgoingReceipt:
    return OutgoingReceipt(
        kind=ReceiptKind(receipt.kind),
        reference=delivery.external_id,
        at=receipt.at,
        idempotency_key=str(receipt.id),
        detail=receipt.detail,
        raw=_quotable(delivery),
    )


def _quotable(delivery: Delivery) -> dict[str, bytes]:
    """Return the small parts of what arrived, which a receipt may have to quote."""
    parts = Blob.objects.filter(
        citizen_id=delivery.citizen_id,
        package_id=delivery.id,
        path__startswith="original/",
        size__lte=quarantine.QUOTED_PART_MAX_BYTES,
    ).exclude(path__startswith=f"original/{EVIDENCE_PREFIX}")
    return {
        blob.path.removeprefix("original/"): store.read_bytes(
            delivery.citizen_id, delivery.id, blob.path
        )
        for blob in parts
    }


def _later(receipt: OutboundReceipt, error: ConnectorError) -> None:
    log.warning("receipt %s: %s: %s", receipt.id, type(error).__name__, error)
    changes = lease.after_failure(receipt.delivery.source, receipt.attempts, error)
    of_hers = receipt.kind in (ReceiptKind.CONFIRMED, ReceiptKind.OPENED)
    if of_hers and isinstance(error, (Gone, NotPermitted)):
        changes["state"] = "failed"
    row = OutboundReceipt.objects.filter(citizen_id=receipt.citizen_id, id=receipt.id)
    with transaction.atomic():
        join.lock([receipt.citizen_id])
        if isinstance(error, Gone):
            _mark_gone(receipt)
        if row.update(**changes) and changes["state"] == "failed":
            _tell_unconfirmed(receipt)


def _mark_gone(receipt: OutboundReceipt) -> None:
    delivery = Delivery.objects.select_related("letter").get(
        citizen_id=receipt.citizen_id, id=receipt.delivery_id
    )
    keeping.mark_gone(delivery.letter, delivery, clock.now())


def _tell_unconfirmed(receipt: OutboundReceipt) -> None:
    """Let a letter wait for her again whose source did not take her confirmation."""
    if receipt.kind != ReceiptKind.CONFIRMED:
        return
    delivery = Delivery.objects.select_related("letter").get(
        citizen_id=receipt.citizen_id, id=receipt.delivery_id
    )
    how = Letter.HandledBy.CONFIRMATION
    reopen(delivery.letter, clock.now(), how=how, refused_by=delivery.source)
