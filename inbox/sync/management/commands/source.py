"""Add a source, or change one: an agency with a feed, an installed connector, a queue."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from connectors import clock
from connectors.contract import ConnectorError, Scope
from inbox.citizens.models import Citizen, Identifier
from inbox.letters.models import Letter
from inbox.sync.models import Mailbox, Source
from inbox.sync.sources import connected, forget_labels


class Command(BaseCommand):
    """`manage.py source KEY --connector minside --label "…" --set base_url=… --set org_number=…`.

    What is not given is as it was; Maskinporten's address, our client there and its key are those
    of the contact register, until others are set.
    """

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the key, and what is to be said of the source."""
        parser.add_argument("key", help="as in /hooks/<key>/")
        parser.add_argument("--connector", default="")
        parser.add_argument("--label", default="", help="its name for citizens")
        parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
        parser.add_argument(
            "--connect-everybody", action="store_true", help="in the demo: a mailbox for each"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Try the source, then write it down. Raises CommandError."""
        given = [each.partition("=") for each in options["set"]]
        if any(not equals for _, equals, _ in given):
            raise CommandError("--set takes NAME=VALUE")
        if options["connect_everybody"] and not settings.DEMO:
            raise CommandError("citizens connect their mailboxes themselves: that needs DEMO=1.")
        if options["key"] in (Letter.OWN, Letter.BROUGHT):
            raise CommandError(f"{options['key']} is what citizens put in themselves.")
        source = Source.objects.filter(slug=options["key"]).first() or Source(slug=options["key"])
        source.connector = options["connector"] or source.connector
        source.label = options["label"] or source.label or source.slug
        usual = {
            "maskinporten_url": settings.KRR_MASKINPORTEN_URL,
            "client_id": settings.KRR_CLIENT_ID,
            "private_key_file": settings.KRR_PRIVATE_KEY_FILE,
        }
        said = {name: value for name, _, value in given}
        source.settings = usual | {"label": source.label} | source.settings | said
        try:
            with connected(source) as connector:
                connector.check()
                source.shared_queue = connector.scope is Scope.SHARED_QUEUE
        except ConnectorError as error:
            raise CommandError(f"{source.slug} cannot be used: {error}") from error
        if source.shared_queue and source.due_at is None:
            source.due_at = timezone.now()
        source.offered = not source.shared_queue
        source.save()
        forget_labels()
        self.stdout.write(f"{source.slug} is a source.")
        if options["connect_everybody"] and not source.shared_queue:
            self.stdout.write(f"{_connect_everybody(source)} citizens have a mailbox there now.")


def _connect_everybody(source: Source) -> int:
    known = Identifier.objects.filter(kind=Identifier.Kind.NATIONAL_ID, claimed_by=None)
    citizens = Citizen.objects.filter(is_staff=False, id__in=known.values("citizen_id"))
    made = [
        Mailbox.objects.get_or_create(
            citizen=citizen,
            source=source,
            defaults={"connected_at": clock.now(), "due_at": timezone.now()},
        )
        for citizen in citizens
    ]
    return sum(is_new for _, is_new in made)
