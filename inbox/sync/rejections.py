"""Error receipts for what went to quarantine: owed with its row, held back where it may be mended.

The sender of a message that it got wrong is told at once, so that it can print the letter or send
it anew. Where the fault is ours, or the address nobody's here as far as we have heard, there is a
while to mend it first (`REJECTION_HOLD_SECONDS`, in real time): for an operator, and for the
contact register to tell us whose the address is. What
becomes a letter in that time is answered by a delivery receipt alone. A message that becomes a
letter after its error receipt has left is answered by both, in the order in which it happened. A
message that was delivered and comes again unreadable has had its answer.

The answer goes to the sender that the message's header names, also where its signature does not
hold: the access point that gave it to us carries the receipt back, and a sender who is told
nothing would wait until its deadline. Only the signer of a message whose signature holds learns
what we found inside it, and so whether an address is somebody's here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from connectors import clock
from connectors.contract import Connector, ConnectorError, Fault, OutgoingReceipt, ReceiptKind
from inbox.letters.erase import erased_by_anybody
from inbox.letters.models import Delivery
from inbox.letters.receive import Arrival
from inbox.sync import lease, pauses, quarantine, schedule
from inbox.sync.models import Quarantined, Rejection, Source
from inbox.sync.sources import connected

log = logging.getLogger("samlepost.sync.rejections")

BATCH = 200


def owe(kept: Sequence[quarantine.Kept]) -> None:
    """Owe an error receipt for each that can be answered, once a message. In a transaction.

    Call it after the rows are written: a row that another worker was faster with has none.
    """
    now = timezone.now()
    for each in kept:
        item = each.row
        if not each.unreadable.answerable or not Quarantined.objects.filter(id=item.id).exists():
            continue
        names = [item.external_id, each.unreadable.message_id or item.external_id]
        same = Rejection.objects.filter(
            quarantined__source_id=item.source_id, quarantined__external_id__in=names
        )
        if same.exists() or any(_was_received(item.source_id, name) for name in set(names)):
            continue  # it was answered when it came first, whatever we find wrong with it now
        fault = each.unreadable.fault
        may_be_mended = fault is Fault.SERVER or item.reason == quarantine.UNKNOWN_RECIPIENT
        held = settings.REJECTION_HOLD_SECONDS if may_be_mended else 0
        Rejection.objects.create(
            quarantined_id=item.id,
            fault=fault.value,
            at=item.arrived_at,
            due_at=now + timedelta(seconds=held),
        )


def _was_received(slug: str, external_id: str) -> bool:
    """Say whether the message has become a letter of anybody's, though she may have deleted it."""
    delivered = Delivery.objects.filter(source=slug, external_id=external_id)
    return delivered.exists() or erased_by_anybody(slug, external_id)


def call_off_received(source: Source, arrivals: Sequence[Arrival]) -> None:
    """Call off what is owed for earlier, unreadable forms of messages that are letters now.

    In the transaction that writes the letters.
    """
    received = [arrival.incoming.external_id for arrival in arrivals if arrival.received]
    if received:
        earlier = Quarantined.objects.filter(source=source, external_id__in=received)
        _unbegun().filter(quarantined__in=earlier).delete()


def call_off(item: Quarantined) -> None:
    """The item becomes a letter: its sender is told nothing else, unless that has begun.

    In the transaction that writes the letter.
    """
    _unbegun().filter(quarantined=item).delete()


def _unbegun() -> QuerySet[Rejection]:
    return Rejection.objects.filter(state="waiting", attempts=0)


def blame(item: Quarantined, fault: Fault) -> None:
    """A replay has found whose fault it is, perhaps another's than we thought: say so."""
    unsent = Rejection.objects.filter(quarantined=item, state="waiting", signed="")
    unsent.update(fault=fault.value)


def send_due() -> int:
    """Send what is due; returns how many were accepted."""
    now = timezone.now()
    due = Rejection.objects.filter(lease.free(now), state="waiting", due_at__lte=now).exclude(
        quarantined__source__in=pauses.paused()
    )
    keys: dict[str, list[UUID]] = {}
    rows = due.order_by("due_at").values_list("quarantined__source_id", "id")
    for slug, rejection_id in rows[:BATCH]:
        keys.setdefault(slug, []).append(rejection_id)
    accepted = 0
    for slug, ids in keys.items():
        if not schedule.has_room(slug, Rejection.objects.filter(quarantined__source=slug)):
            continue
        try:
            source = Source.objects.get(slug=slug)
            with connected(source) as connector:
                for rejection_id in ids:
                    if _send(connector, rejection_id):
                        accepted += 1
                    else:
                        pauses.respect(source)
        except ConnectorError as error:
            log.warning("%s: error receipts wait: %s", slug, error)
    return accepted


def _send(connector: Connector, rejection_id: UUID) -> bool:
    row = Rejection.objects.filter(id=rejection_id)
    if not lease.claim_work(row):
        return False
    with lease.unless_called_off(row):
        return _carry_out(connector, row)
    return False


def _carry_out(connector: Connector, row: QuerySet[Rejection]) -> bool:
    rejection = row.select_related("quarantined").get()
    outgoing = _outgoing(rejection)
    try:
        signed = rejection.signed.encode() or connector.sign_receipt(outgoing)
        # Kept before it leaves: every attempt sends these very bytes.
        row.update(signed=signed.decode())
        connector.send_receipt(None, _outgoing(rejection, signed))
    except ConnectorError as error:
        log.warning("error receipt %s: %s: %s", rejection.id, type(error).__name__, error)
        source = rejection.quarantined.source_id
        row.update(**lease.after_failure(source, rejection.attempts, error))
        return False
    row.update(state="done", sent_at=clock.now(), lease_until=None, last_error="")
    return True


def _outgoing(rejection: Rejection, signed: bytes = b"") -> OutgoingReceipt:
    item = rejection.quarantined
    return OutgoingReceipt(
        kind=ReceiptKind.REJECTED,
        reference=item.external_id,
        at=rejection.at,
        idempotency_key=str(rejection.id),
        detail=item.reason,
        fault=Fault(rejection.fault),
        raw=quarantine.quotable(item),
        signed=signed,
    )
