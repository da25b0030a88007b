"""Many citizens with many letters, written straight into the tables that a page reads."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils import timezone

from inbox.citizens.models import Citizen
from inbox.letters import counters
from inbox.letters.models import Delivery, Letter, Sender
from inbox.sync.models import Mailbox, Source

LETTERS_EACH = 100
CHUNK = 5_000
START = datetime(2020, 11, 23, 8, tzinfo=UTC)


def make(letters: int) -> Citizen:
    """Make so many letters, 100 a citizen; returns the first citizen, with mailboxes."""
    chance = random.Random("nation")
    senders = [
        Sender.objects.create(name=f"Etat {number}", org_number=f"{number:09}")
        for number in range(20)
    ]
    citizens = Citizen.objects.bulk_create(
        [Citizen(name=f"Innbygger {number}") for number in range(letters // LETTERS_EACH)]
    )
    chunk: list[Letter] = []
    for citizen in citizens:
        chunk += _letters(citizen, senders, chance)
        if len(chunk) >= CHUNK:
            _write(chunk)
            chunk = []
    _write(chunk)
    reader = citizens[0]
    counters.recount(reader.id)
    for slug in ("altinn", "dpi-digipost", "minside-nav", "minside-oslo"):
        source, _ = Source.objects.get_or_create(
            slug=slug, defaults={"label": slug, "connector": "example"}
        )
        Mailbox.objects.create(
            citizen=reader, source=source, connected_at=START, last_success_at=timezone.now()
        )
    return reader


def _write(letters: list[Letter]) -> None:
    with transaction.atomic():
        Letter.objects.bulk_create(letters, batch_size=500)
        Delivery.objects.bulk_create(
            [
                Delivery(
                    citizen_id=letter.citizen_id,
                    letter_id=letter.id,
                    source=letter.source,
                    external_id=str(letter.id),
                    sent_at=letter.received_at,
                    fetched_at=letter.received_at,
                )
                for letter in letters
            ],
            batch_size=500,
        )


def _letters(citizen: Citizen, senders: list[Sender], chance: random.Random) -> Iterator[Letter]:
    for number in range(LETTERS_EACH):
        sender = chance.choice(senders)
        yield Letter(
            citizen=citizen,
            sender=sender,
            sender_name=sender.name,
            source=chance.choice(["altinn", "dpi-digipost", "minside-nav"]),
            title=f"Vedtak i saken din nummer {number}",
            public_title=f"Brev fra {sender.name}",
            snippet="Vi har behandlet søknaden din. Her er svaret og hva du kan gjøre videre.",
            security_level=3,
            received_at=START + timedelta(hours=chance.randrange(6 * 365 * 24)),
            due_at=START + timedelta(days=6 * 365 + 5) if number % 25 == 0 else None,
            unread=number % 7 == 0,
            needs_action=number % 25 == 0,
            attachments=number % 3,
            language="nb",
        )
