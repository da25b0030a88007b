"""Citizens, letters and sessions, made as Samlepost itself makes them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.test import Client

from connectors import clock
from connectors.contract import (
    Account,
    Batch,
    Connector,
    IncomingDocument,
    IncomingLetter,
    RawPart,
    SenderRef,
)
from inbox.citizens.models import Citizen, InboxState
from inbox.letters.models import Delivery, Letter
from inbox.sync.intake import Intake, take_in
from inbox.sync.models import Mailbox, Quarantined, Source

PDF = b"%PDF-1.7 made up\n%%EOF\n"
SOURCE = "testing"
HERS = Account("the citizen's own")
"""Her account at the source; nobody's number is needed."""


def make_citizen(name: str = "Kari Nordmann", **fields: Any) -> Citizen:
    """Return a citizen with an empty inbox; `fields` are those of the model."""
    fields.setdefault("email", f"{uuid4().hex[:8]}@example.org")
    citizen = Citizen.objects.create(name=name, **fields)
    InboxState.objects.create(citizen=citizen)
    return citizen


def send(
    citizen: Citizen,
    *,
    sender: str = "NAV",
    org_number: str = "889640782",
    documents: Sequence[IncomingDocument] | None = None,
    sent_at: datetime | None = None,
    **fields: Any,
) -> Letter:
    """Let a letter arrive as from a connector: archived, indexed, announced; returns it.

    `fields` are those of `connectors.contract.IncomingLetter` (title, due_at, security_level: 3
    unless it says otherwise, …). Without `documents` it has one small PDF. Raises ValueError with
    the reason for a letter that would be set aside.
    """
    for name, value in fields.items():
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError(f"{name} has no time zone")
    source, _ = Source.objects.get_or_create(
        slug=SOURCE, defaults={"label": "Testing", "connector": "example"}
    )
    moment = sent_at or clock.now()
    mailbox, _ = Mailbox.objects.get_or_create(
        citizen=citizen, source=source, defaults={"connected_at": moment}
    )
    if documents is None:
        document = IncomingDocument("brev.pdf", "application/pdf", is_main=True, content=PDF)
        documents = [document]
    said = {"title": "Vedtak", "security_level": 3, "external_id": uuid4().hex, **fields}
    letter = IncomingLetter(
        recipient=HERS.recipient,
        sender=SenderRef(sender, org_number, "source"),
        sent_at=moment,
        documents=documents,
        raw=[RawPart("item.json", b"{}", "application/json")],
        **said,
    )
    intake = Intake(source, Connector({}), HERS, mailbox, still_ours=lambda: None)
    take_in(intake, Batch([letter]), lambda: None)
    own = {"citizen": citizen, "source": source, "external_id": letter.external_id}
    delivery = Delivery.objects.filter(**own | {"source": source.slug}).first()
    if delivery is None:
        reason = Quarantined.objects.filter(**own).values_list("reason", flat=True).last()
        raise ValueError(reason or "the letter was set aside")
    return Letter.objects.get(citizen=citizen, id=delivery.letter_id)


def log_in(client: Client, citizen: Citizen, level: int = 3) -> None:
    """Give the client a session of this level (3 or 4), as a log-in would."""
    client.force_login(citizen, backend=settings.AUTHENTICATION_BACKENDS[0])
    session = client.session
    now = time.time()
    session.update({"level": level, "started_at": now, "seen_at": now, "identified_at": now})
    session.save()
