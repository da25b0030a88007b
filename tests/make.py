"""Builders of rows for tests: plain functions that leave everything consistent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.test import Client

from connectors import clock
from connectors.contract import IncomingDocument, SenderRef
from inbox.citizens.models import Citizen, Representation
from inbox.letters import counters
from inbox.letters.models import Letter
from inbox.letters.receive import receive
from inbox.sync.models import Mailbox, Source
from inbox.testing.build import log_in, make_citizen
from tests.incoming import PDF, arrival, incoming

__all__ = [
    "act_for",
    "copy_letter",
    "log_in",
    "make_citizen",
    "make_letter",
    "make_mailbox",
    "make_representation",
    "make_source",
]


def make_source(slug: str = "altinn", label: str = "Altinn", **fields: Any) -> Source:
    """A configured source; its connector is the example's."""
    fields.setdefault("connector", "example")
    source, _ = Source.objects.get_or_create(slug=slug, defaults={"label": label, **fields})
    return source


def make_mailbox(citizen: Citizen, slug: str = "altinn", **fields: Any) -> Mailbox:
    """The citizen's mailbox at a source that succeeded just now."""
    fields.setdefault("connected_at", clock.now())
    fields.setdefault("last_success_at", clock.now())
    return Mailbox.objects.create(citizen=citizen, source=make_source(slug), **fields)


def make_letter(
    citizen: Citizen,
    *,
    source: str = "altinn",
    sender: str = "NAV",
    org_number: str = "889640782",
    document: bytes | None = PDF,
    history: bool = False,
    **fields: Any,
) -> Letter:
    """A letter received as the engine would; with `document`, its bytes are in the archive.

    `fields` are those of `IncomingLetter` (title, sent_at, security_level, due_at, …).
    """
    make_source(source, source)
    fields.setdefault("sent_at", clock.now())
    fields.setdefault("external_id", uuid4().hex)
    documents = fields.pop("documents", None)
    if documents is None:
        documents = (
            [
                IncomingDocument(
                    "brev.pdf", "application/pdf", "Brev", is_main=True, content=document
                )
            ]
            if document is not None
            else []
        )
    said = incoming(sender=SenderRef(sender, org_number, "source"), documents=documents, **fields)
    now: datetime = clock.now()
    with transaction.atomic():
        (letter,) = receive([arrival(citizen.id, said, source, history=history)], now)
    return Letter.objects.get(citizen=citizen, id=letter.id)


def copy_letter(letter: Letter, count: int, **fields: Any) -> None:
    """Put so many copies straight into the table, each an hour older than the one before.

    Of what hangs on a letter they have nothing. `fields` are those of the row.
    """
    names = [each.attname for each in Letter._meta.concrete_fields if each.attname != "id"]
    values = {name: getattr(letter, name) for name in names}
    copies = [
        Letter(
            **values
            | {"title": f"Letter {number}"}
            | {"received_at": letter.received_at - timedelta(hours=number)}
            | fields
        )
        for number in range(1, count + 1)
    ]
    Letter.objects.bulk_create(copies, batch_size=500)
    counters.recount(letter.citizen_id)


def make_representation(
    principal: Citizen, helper: Citizen | None, *, accepted: bool = True, **fields: Any
) -> Representation:
    """`helper` may look at the mail of `principal`; `fields` are the model's (reach, limits, …)."""
    now = clock.now()
    return Representation.objects.create(
        citizen=principal,
        helper=helper,
        **{"created_at": now, "starts_at": now, "accepted_at": now if accepted else None} | fields,
    )


def act_for(client: Client, principal: Citizen) -> None:
    """Let a logged-in client look at the mail of `principal`, as "See the mail of" would."""
    answer = client.post("/acting/start/", {"citizen": principal.id})
    assert answer.status_code == 302, "she may not: make_representation first"
