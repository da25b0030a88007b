"""`manage.py rebuild_index`: makes the letters of the database anew from the archive."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from inbox.letters.rebuild import rebuild


class Command(BaseCommand):
    """Prints each object that cannot be read; exit code 1 when there is any."""

    help = "Make the letters that the archive has and the database has not, from the archive alone."

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild and report."""

        def tell(object_id: UUID, problem: str) -> None:
            self.stdout.write(f"{object_id}: {problem}")

        counts = rebuild(tell)
        self.stdout.write(
            f"{counts.made} letters made, {counts.known} were there; "
            f"{counts.others} objects are no letters, {counts.keyless} have no key."
        )
        if counts.problems:
            raise CommandError(f"{counts.problems} objects cannot be read.", returncode=1)
