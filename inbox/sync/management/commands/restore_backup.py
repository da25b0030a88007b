"""`manage.py restore_backup FOLDER`: the archive and the database from a backup."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from inbox.archive import backup, key_backup
from inbox.archive.models import OwnerKey
from inbox.archive.proof import LogBroken, restoring
from inbox.sync import state


class Command(BaseCommand):
    """Prints what is damaged or missing; exit code 1 when there is any."""

    help = "Restore archive, letters and rows from FOLDER, into an empty database with its keys."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the folder."""
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore, step by step; what one step cannot read leaves the others as they are."""
        folder: Path = options["folder"]
        problems = 0

        def tell(object_id: UUID, problem: str) -> None:
            nonlocal problems
            problems += 1
            self.stdout.write(f"{object_id}: {problem}")

        if not OwnerKey.objects.exists():
            raise CommandError("There are no keys: restore them first (archive_keys restore).")
        try:
            backup.check(folder)
            # The log first: it knows which keys were destroyed since these were backed up.
            backup.restore_log(folder)
            if settings.ARCHIVE_PROOF != "off":
                restoring.rebuild()
            dropped = key_backup.drop_destroyed()
            copied = backup.restore_objects(folder, tell)
        except (backup.NoBackup, LogBroken, OSError) as error:
            raise CommandError(str(error)) from error
        problems += copied.problems
        self.stdout.write(
            f"{copied.new} objects restored, {copied.same} were there; "
            f"{copied.keyless} have no key."
        )
        if dropped:
            self.stdout.write(f"{dropped} keys that the log says are destroyed were here: they go.")
        people = state.restore_people(folder, tell)
        try:
            call_command("rebuild_index", stdout=self.stdout)
        except CommandError as error:
            problems += 1
            self.stdout.write(str(error))
        laid = state.restore_state(folder, tell)
        self.stdout.write(f"Rows of {laid} of {people} citizens restored.")
        if gone := state.destroyed(folder):
            self.stdout.write(f"Those of {gone} are left out: their keys are destroyed.")
        if problems:
            raise CommandError("Not everything could be restored: see above.", returncode=1)
