"""Ingest through the whole path against a raw batched insert of the same rows.

The whole path is what a batch of a connector goes through: sorting, fingerprints, archive with
its fsyncs, and one transaction of letters, deliveries, documents, events, notices and counts.
"""

from __future__ import annotations

import os
from datetime import timedelta
from itertools import count

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench.rounds import interleaved, milliseconds, ratio  # noqa: E402
from connectors.contract import (  # noqa: E402
    Account,
    Batch,
    Connector,
    IncomingDocument,
    IncomingLetter,
    RawPart,
    Recipient,
    RecipientKind,
    SenderRef,
)
from inbox.citizens.models import Citizen  # noqa: E402
from inbox.letters.models import Letter, Sender  # noqa: E402
from inbox.letters.receive import receive  # noqa: E402
from inbox.sync import intake  # noqa: E402
from inbox.sync.models import Mailbox, Source  # noqa: E402

LETTERS = 500
ROUNDS = 5
DOCUMENT = b"%PDF-1.7 " + b"x" * 20_000
NUMBERS = count()


def main() -> None:
    """Print the ratios."""
    call_command("migrate", verbosity=0)
    citizen = Citizen.objects.create(name="Kari")
    source = Source.objects.create(slug="altinn", label="Altinn", connector="example")
    mailbox = Mailbox.objects.create(
        citizen=citizen, source=source, connected_at=timezone.now() - timedelta(days=400)
    )
    run = intake.Intake(source, Connector({}), Account("0" * 11), mailbox, still_ours=lambda: None)
    sender = Sender.objects.create(name="Etat", org_number="889640782")

    def whole(documents: bool) -> None:
        letters = [_incoming(next(NUMBERS), documents) for _ in range(LETTERS)]
        intake.take_in(run, Batch(letters), lambda: None)

    def rows_only() -> None:
        arrivals = [
            intake.Arrival(citizen.id, "altinn", _incoming(next(NUMBERS), False), timezone.now())
            for _ in range(LETTERS)
        ]
        with transaction.atomic():
            receive(arrivals, timezone.now())

    def raw() -> None:
        rows = [
            Letter(
                citizen=citizen,
                sender=sender,
                sender_name="Etat",
                source="altinn",
                title=f"Brev {next(NUMBERS)}",
                received_at=timezone.now(),
            )
            for _ in range(LETTERS)
        ]
        with transaction.atomic():
            Letter.objects.bulk_create(rows, ignore_conflicts=True)

    subjects = {
        "whole path with documents": lambda: whole(True),
        "rows alone (letters, deliveries, events, counts)": rows_only,
        "raw batched insert of the letter rows": raw,
    }
    times = interleaved(subjects, ROUNDS)
    yardstick = times["raw batched insert of the letter rows"]
    for name, seconds in times.items():
        each = [value / LETTERS for value in seconds]
        print(f"ingest, {name}: {milliseconds(each)} a letter, ", end="")
        print(f"at {ratio(yardstick, seconds):.2f} of the raw insert's speed")


def _incoming(number: int, documents: bool) -> IncomingLetter:
    content = DOCUMENT + str(number).encode()
    return IncomingLetter(
        external_id=str(number),
        recipient=Recipient(RecipientKind.NATIONAL_ID, "0" * 11),
        sender=SenderRef("Etat", "889640782", "source"),
        title=f"Brev {number}",
        public_title="Brev fra Etat",
        summary="Vi har behandlet søknaden din.",
        sent_at=timezone.now(),
        security_level=3,
        documents=[IncomingDocument("brev.pdf", "application/pdf", is_main=True, content=content)]
        if documents
        else [],
        raw=[RawPart("item.json", b"{}", "application/json")],
    )


if __name__ == "__main__":
    main()
