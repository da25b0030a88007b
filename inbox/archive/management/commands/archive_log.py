"""`manage.py archive_log [--key | --rebuild]`: how the archive's log stands."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from connectors.tlog.encoding import to_base64
from inbox.archive.proof import LogBroken, public_keys
from inbox.archive.proof.failures import Untrusted, failures
from inbox.archive.proof.log import signed_head
from inbox.archive.proof.restoring import rebuild
from inbox.archive.proof.timestamps import newest


class Command(BaseCommand):
    """Prints the log's head and what fails at present; exit code 1 when something does."""

    help = "Show how the archive's log stands, its public key, or write its rows anew."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take one of the two, or neither."""
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--key", action="store_true", help="print the log's verifier key")
        which.add_argument(
            "--rebuild",
            action="store_true",
            help="write the rows that the database lacks, after it was restored from before",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked."""
        try:
            if options["key"]:
                self.stdout.write(public_keys().log)
            elif options["rebuild"]:
                self.stdout.write(f"{rebuild()} rows were written.")
            else:
                self._show()
        except (LogBroken, Untrusted) as error:
            raise CommandError(str(error), returncode=1) from error

    def _show(self) -> None:
        head, keys, stamped = signed_head(), public_keys(), newest()
        self.stdout.write(f"log: {keys.log}")
        for witness in keys.witnesses:
            self.stdout.write(f"witness: {witness}")
        self.stdout.write(f"leaves: {head.size}, root: {to_base64(head.root)}")
        if stamped:
            self.stdout.write(f"newest time stamp: of {stamped[0]} leaves, {stamped[1]:%F %T} UTC")
        found = failures()
        for failure in found:
            self.stdout.write(f"{failure.what}: since {failure.since:%F %T} UTC: {failure.reason}")
        if found:
            raise CommandError(f"{len(found)} things fail.", returncode=1)
