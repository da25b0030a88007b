"""Sending what agencies have confirmed in the portal: some hundred letters a transaction.

Each letter's id is its external id, by which it arrives once however often a worker dies: what is
with its recipient already is found there, and only then is her number erased.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from connectors import clock
from connectors.contract import (
    Batch,
    IncomingDocument,
    IncomingLetter,
    Kind,
    RawPart,
    Recipient,
    RecipientKind,
    SenderRef,
)
from inbox.agencies import files
from inbox.agencies.connector import NAME
from inbox.agencies.letters import form_of
from inbox.agencies.made_up import made_up_for_others, made_up_of
from inbox.agencies.models import Agency, Dispatch, Outgoing
from inbox.archive import store
from inbox.citizens.identity import citizens_by_value, unseal
from inbox.citizens.models import Citizen
from inbox.letters import delivery_log
from inbox.letters.models import Delivery
from inbox.sync import lease
from inbox.sync.intake import Intake, take_in, take_in_apart
from inbox.sync.lease import LeaseLost
from inbox.sync.models import Mailbox, Source
from inbox.sync.sources import connected

log = logging.getLogger("samlepost.agencies.sending")

SEALED = "outgoing"
"""What recipients are sealed for (`identity.seal`)."""
BATCH = 500
BATCH_BYTES = 50 * 2**20
"""Of PDFs, held in memory at one time."""
RUN_SECONDS = 20.0
"""Then the dispatches that wait go on in turn."""
PATIENCE = 3
"""After so many failures in a row each letter is tried alone: one may hold up no other."""

State = Outgoing.State


def send_due() -> int:
    """Send what waits, the longest waiting dispatch first; returns how many letters arrived."""
    now = timezone.now()
    due = Dispatch.objects.filter(
        lease.free(now), state=Dispatch.State.WAITING, due_at__lte=now
    ).order_by("due_at")
    return sum(send(each) for each in list(due.values_list("id", flat=True)[:BATCH]))


def send(dispatch_id: UUID | str) -> int:
    """Send of one dispatch what can be sent in RUN_SECONDS; returns how many letters arrived."""
    row = Dispatch.objects.filter(id=dispatch_id)
    if not lease.claim_work(row):
        return 0
    dispatch = row.select_related("agency").get()
    try:
        return _send(dispatch, row)
    except LeaseLost:
        return 0
    except Exception as error:
        log.exception("dispatch %s: letters wait", dispatch_id)
        row.update(
            lease_until=None,
            due_at=lease.back_off(dispatch.attempts),
            last_error=type(error).__name__,
        )
        return 0


def _send(dispatch: Dispatch, row: QuerySet[Dispatch]) -> int:
    until = time.monotonic() + RUN_SECONDS
    apart, arrived = dispatch.attempts > PATIENCE, 0
    waiting = dispatch.letters.filter(state=State.WAITING).order_by("line")
    source = Source.objects.get(slug=f"{NAME}-{dispatch.agency.org_number}")

    def still_ours() -> None:
        lease_until = timezone.now() + lease.lease_time()
        if not row.filter(state=Dispatch.State.WAITING).update(lease_until=lease_until):
            raise LeaseLost

    if waiting.exists():
        with (
            connected(source, is_asked=False) as connector,
            files.opened(dispatch.agency_id, dispatch.id, zipped=not dispatch.file_name) as read,
        ):
            intake = Intake(source, connector, None, None, still_ours)
            while time.monotonic() < until:
                letters = _some(waiting, read)
                if not letters:
                    break
                arrived += _deliver(dispatch, letters, intake, apart=apart)
                # What has gone well once is no failure of the next.
                row.update(attempts=1, last_error="")
    changes: dict[str, object] = {"lease_until": None, "due_at": timezone.now(), "attempts": 0}
    if not waiting.exists():
        # The recipients have their own copies. Should we die in between, this is done once more.
        store.remove(dispatch.agency_id, dispatch.id)
        changes["state"] = Dispatch.State.DONE
    row.update(**changes)
    return arrived


def _some(
    waiting: QuerySet[Outgoing], read: Callable[[str], bytes]
) -> list[tuple[Outgoing, bytes]]:
    """Return the next letters with their PDFs, as many as memory should hold."""
    found: list[tuple[Outgoing, bytes]] = []
    size, last = 0, None
    for letter in waiting[:BATCH]:
        content = read(letter.file)
        size += 0 if content is last else len(content)
        if found and size > BATCH_BYTES:
            break
        found.append((letter, content))
        last = content
    return found


def _deliver(
    dispatch: Dispatch, letters: Sequence[tuple[Outgoing, bytes]], intake: Intake, *, apart: bool
) -> int:
    """Take letters in for those who are here, and write down what became of each."""
    recipients = {letter.id: recipient_of(letter) for letter, _ in letters}
    here = _here(recipients.values(), intake.source)
    batch = Batch(
        letters=[
            _incoming(dispatch, letter, recipients[letter.id], content)
            for letter, content in letters
            if recipients[letter.id] in here
        ]
    )
    _connect(intake.source, here.values())
    tried = made_up_of(here.values())
    made_up, real = (
        Batch(letters=[each for each in batch.letters if (here[each.recipient] in tried) is wanted])
        for wanted in (True, False)
    )
    receive = take_in_apart if apart else take_in
    receive(intake, real, intake.still_ours)
    if made_up.letters:
        with transaction.atomic():
            for new in receive(intake, made_up, intake.still_ours):
                delivery_log.leave_uncounted(new)
    arrived = dict(
        Delivery.objects.filter(
            citizen_id__in=set(here.values()),
            source=intake.source.slug,
            external_id__in=[each.external_id for each in batch.letters],
        ).values_list("external_id", "id")
    )
    now = clock.now()
    for letter, _ in letters:
        letter.delivery_id = arrived.get(str(letter.id))
        letter.settled_at, letter.recipient = now, ""
        letter.state = State.FAILED
        if recipients[letter.id] not in here:
            letter.state = State.REFUSED
        elif letter.delivery_id:
            letter.state = State.DELIVERED
    fields = ["state", "settled_at", "delivery_id", "recipient"]
    Outgoing.objects.bulk_update([letter for letter, _ in letters], fields, batch_size=100)
    return len(arrived)


def recipient_of(letter: Outgoing) -> Recipient:
    """Return whom a letter that waits is for."""
    kind, _, number = unseal(SEALED, letter.recipient).partition(":")
    return Recipient(RecipientKind(kind), number)


def _connect(source: Source, citizen_ids: Iterable[UUID]) -> None:
    """Let the agency stand among the sources of those whom it writes to, where they may leave it.

    Two queries; whoever has disconnected it is not among them.
    """
    now = clock.now()
    rows = [Mailbox(citizen_id=each, source=source, connected_at=now) for each in citizen_ids]
    Mailbox.objects.bulk_create(sorted(rows, key=lambda row: row.citizen_id), ignore_conflicts=True)
    Source.objects.filter(slug=source.slug).update(last_success_at=now)


def _here(recipients: Iterable[Recipient], source: Source) -> dict[Recipient, UUID]:
    """Return who of these gets letters from this source here, by citizen (5 queries).

    Who closes her account gets none: what came would be removed with it.
    """
    wanted = set(recipients)
    found: dict[Recipient, UUID] = {}
    for kind in (RecipientKind.NATIONAL_ID, RecipientKind.ORGANISATION):
        values = {each.value for each in wanted if each.kind is kind}
        if values:
            for value, citizen in citizens_by_value(kind, values).items():
                found[Recipient(kind, value)] = citizen.id
    disconnected = set(
        Mailbox.objects.filter(
            source=source, active=False, citizen_id__in=set(found.values())
        ).values_list("citizen_id", flat=True)
    )
    closing = set(
        Citizen.objects.filter(id__in=set(found.values()), closes_at__isnull=False).values_list(
            "id", flat=True
        )
    )
    gone = disconnected | closing | made_up_for_others(source, found.values())
    return {each: owner for each, owner in found.items() if owner not in gone}


def _incoming(
    dispatch: Dispatch, letter: Outgoing, recipient: Recipient, content: bytes
) -> IncomingLetter:
    agency, form = dispatch.agency, form_of(dispatch.form)
    assert dispatch.sent_at
    name = dispatch.file_name or letter.file.rpartition("/")[2]
    return IncomingLetter(
        external_id=str(letter.id),
        recipient=recipient,
        sender=SenderRef(agency.name, agency.org_number, NAME),
        title=letter.title,
        public_title=dispatch.public_title,
        sent_at=dispatch.sent_at,
        due_at=letter.due_at,
        security_level=dispatch.security_level,
        kind=Kind(dispatch.kind),
        case_reference=letter.case_reference,
        needs_action=dispatch.kind == Kind.TASK,
        documentary_value=dispatch.documentary_value,
        wants_opening_receipt=dispatch.wants_receipt,
        reply_forms=[form] if form else [],
        documents=[IncomingDocument(name, files.PDF, letter.title, is_main=True, content=content)],
        raw=[RawPart("letter.json", _said(dispatch, letter, agency), "application/json")],
    )


def _said(dispatch: Dispatch, letter: Outgoing, agency: Agency) -> bytes:
    """Return what the agency said of the letter, kept with it; not whom it is for."""
    said = {
        "id": str(letter.id),
        "sender": {"name": agency.name, "org_number": agency.org_number},
        "title": letter.title,
        "public_title": dispatch.public_title,
        "sent_at": dispatch.sent_at and dispatch.sent_at.isoformat(),
        "due_at": letter.due_at and letter.due_at.isoformat(),
        "security_level": dispatch.security_level,
        "kind": dispatch.kind,
        "case_reference": letter.case_reference,
        "documentary_value": dispatch.documentary_value,
        "wants_opening_receipt": dispatch.wants_receipt,
        "reply_form": dispatch.form,
    }
    return json.dumps(said, ensure_ascii=False).encode()
