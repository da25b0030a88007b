"""Set up the demo: citizens, sources, mailboxes and agencies for what the simulators hold."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inbox.agencies import demo as agencies
from inbox.archive.models import OwnerKey, Package
from inbox.sync import demo


class Command(BaseCommand):
    """`manage.py seed_demo`: run it as often as you like."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the simulators' address, by default SIMULATORS_URL."""
        parser.add_argument("--simulators", default=settings.SIMULATORS_URL)

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask the control API and make what is missing. Raises CommandError."""
        if not settings.DEMO:
            raise CommandError("seed_demo makes made-up citizens: it needs DEMO=1.")
        if Package.objects.exists() and not OwnerKey.objects.exists():
            raise CommandError(
                "This demo was made before the archive was encrypted, and its documents cannot be "
                "read any more. Throw it away: make reset-demo"
            )
        control_url = f"{options['simulators']}/control/api/"
        try:
            citizens, sources = demo.configure(control_url)
            new = agencies.configure(control_url)
        except httpx.HTTPError as error:
            raise CommandError(f"The simulators cannot be asked: {error}") from error
        self.stdout.write(f"Made {citizens} citizens, {sources} sources and {new} agencies.")
