"""`manage.py verify_archive [--all | --sample N]`: reads the archive again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inbox.archive.verify import damage, packages


class Command(BaseCommand):
    """Prints each problem; exit code 1 when there is any."""

    help = "Read packages from the archive and compare every byte with what was deposited."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take all packages unless a sample is asked for."""
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--all", action="store_true", help="every package (the default)")
        which.add_argument("--sample", type=int, metavar="N", help="N packages at random")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify and report."""
        read = bad = 0
        for package, found in damage(packages(options["sample"])):
            read += 1
            bad += bool(found)
            for problem in found:
                self.stdout.write(f"{package.id}: {problem}")
        if bad:
            raise CommandError(f"{bad} of {read} packages are damaged.", returncode=1)
        self.stdout.write(f"{read} packages are whole.")
