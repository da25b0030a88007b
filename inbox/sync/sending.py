"""Sending her answers: claimed, sent to the letter's source, tried until it has taken them."""

from __future__ import annotations

import logging
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from connectors import clock
from connectors.contract import (
    ConnectorError,
    Gone,
    NotPermitted,
    OutgoingAttachment,
    OutgoingReply,
    ReplyRefused,
)
from inbox.archive import store
from inbox.letters import answers, counters, delivery_log, join
from inbox.letters.handle import mark_handled
from inbox.letters.models import Delivery, Event, Letter, Reply
from inbox.letters.receive import clean
from inbox.notifications.rules import stop
from inbox.sync import lease, schedule
from inbox.sync.models import Source
from inbox.sync.sources import account_of, connected

log = logging.getLogger("samlepost.sync.sending")

ATTEMPTS_MAX = 200
BATCH = 100


def send_due() -> int:
    """Send the answers that are due; returns how many were taken."""
    due = Reply.objects.filter(
        lease.free(timezone.now()), state="waiting", due_at__lte=timezone.now()
    ).order_by("due_at")
    keys = list(due.values_list("citizen_id", "id")[:BATCH])
    return sum(send(citizen_id, reply_id) for citizen_id, reply_id in keys)


def send(citizen_id: UUID | str, reply_id: UUID | str) -> bool:
    """Send one answer; False when it failed or must wait, or somebody has it in hand."""
    row = Reply.objects.filter(citizen_id=citizen_id, id=reply_id)
    source = row.values_list("letter__source", flat=True).first() or ""
    there = Reply.objects.filter(letter__source=source)
    if not schedule.has_room(source, there) or not lease.claim_work(row):
        return False
    with lease.unless_called_off(row):
        return _carry_out(row)
    return False


def _carry_out(row: QuerySet[Reply]) -> bool:
    reply = row.get()
    delivery = _delivery_of(reply)
    if delivery is None or delivery.gone_at:
        _refused(row, reply, Gone("there is no letter to answer, here or at its source"))
        return False
    try:
        source = Source.objects.get(slug=delivery.source)
        with connected(source) as connector:
            # For an enterprise it is she who wrote it that answers.
            account = account_of(reply.citizen_id, reply.security_level, reply.writer_id)
            reference = connector.reply(account, _outgoing(reply, delivery.external_id))
    except (ReplyRefused, Gone, NotPermitted) as error:
        _refused(row, reply, error)
        return False
    except ConnectorError as error:
        _later(row, reply, delivery.source, error)
        return False
    now = clock.now()
    with transaction.atomic():
        # The letter may have become part of another while its source took the answer.
        join.lock([reply.citizen_id])
        done = row.update(
            state="done",
            sent_at=now,
            reference=clean(reference, 255),
            lease_until=None,
            last_error="",
        )
        if not done:
            return False  # called off together with its letter
        letter = row.select_related("letter").get().letter
        Event.objects.create(
            citizen_id=reply.citizen_id,
            letter_id=letter.id,
            kind=Event.Kind.REPLIED,
            at=now,
            actor_id=reply.writer_id,
            detail={"source": delivery.source, "reference": clean(reference, 255)},
        )
        delivery_log.note_replied(delivery, now)
        if reply.settles and mark_handled(letter, Letter.HandledBy.REPLY, now, reply.writer_id):
            stop(letter)
        counters.answered(letter.citizen_id, letter.id)
    return True


def _delivery_of(reply: Reply) -> Delivery | None:
    """Return the delivery that carried the form: a letter may have come by several channels."""
    own = {"citizen_id": reply.citizen_id, "letter_id": reply.letter_id}
    return answers.carrier(Delivery.objects.filter(**own), reply.form)


def _outgoing(reply: Reply, external_id: str) -> OutgoingReply:
    return OutgoingReply(
        reference=external_id,
        form=reply.form,
        # What was changed after a refusal is another answer.
        idempotency_key=str(uuid5(reply.id, str(reply.version))),
        at=reply.updated_at,
        choice=reply.choice,
        text=reply.text,
        attachments=[
            OutgoingAttachment(
                each["name"],
                each["media_type"],
                store.read_bytes(reply.citizen_id, UUID(each["id"]), each["path"]),
            )
            for each in reply.attachments
        ],
    )


def _refused(row: QuerySet[Reply], reply: Reply, error: ConnectorError) -> None:
    log.warning("reply %s refused: %s", reply.id, type(error).__name__)
    words = str(error) if isinstance(error, ReplyRefused) else ""
    with transaction.atomic():
        row.update(
            state="failed",
            lease_until=None,
            refusal=clean(words, 255),
            last_error=type(error).__name__,
        )
        counters.answered(reply.citizen_id, reply.letter_id)


def _later(row: QuerySet[Reply], reply: Reply, source: str, error: ConnectorError) -> None:
    log.warning("reply %s: %s: %s", reply.id, type(error).__name__, error)
    changes = lease.after_failure(source, reply.attempts, error, ATTEMPTS_MAX)
    with transaction.atomic():
        row.update(**changes)
        if changes["state"] == "failed":
            counters.answered(reply.citizen_id, reply.letter_id)
