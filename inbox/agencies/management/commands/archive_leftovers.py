"""`manage.py archive_leftovers [--days N] [--remove]`: what the archive holds for no letter."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inbox.agencies.leftovers import leftovers, remove

DAYS_MIN = 1


class Command(BaseCommand):
    """Prints the id of each such object; with --remove they go, for good."""

    help = "List what lies in the archive and nothing refers to, or remove it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take a span of days, by default a month."""
        parser.add_argument("--days", type=int, default=30, help="how long it has lain there")
        parser.add_argument("--remove", action="store_true", help="destroy keys and bytes")

    def handle(self, *args: Any, **options: Any) -> None:
        """List them, and remove them where that is asked for."""
        if options["days"] < DAYS_MIN:
            raise CommandError(f"--days must be at least {DAYS_MIN}.")
        found = list(leftovers(timedelta(days=options["days"])))
        for _, object_id in found:
            self.stdout.write(str(object_id))
        if options["remove"]:
            remove(found)
        done = "removed" if options["remove"] else "left as they are"
        self.stdout.write(f"{len(found)} objects to which nothing refers, {done}.")
