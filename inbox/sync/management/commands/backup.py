"""`manage.py backup FOLDER`: everything but the keys, encrypted under them."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from inbox.archive import backup
from inbox.sync import state


class Command(BaseCommand):
    """Prints what cannot be copied; exit code 1 when there is any."""

    help = "Copy rows, objects and log of the archive to FOLDER; back the keys up after it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the folder."""
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Copy, and say how much it was."""
        folder: Path = options["folder"]

        problems = 0

        def tell(object_id: UUID, problem: str) -> None:
            nonlocal problems
            problems += 1
            self.stdout.write(f"{object_id}: {problem}")

        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Rows first: whatever letter they speak of has its bytes in what is copied then.
            files = state.write_all(folder, tell)
            copied = backup.write_objects(folder, tell)
            backup.write_log(folder)
        except OSError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{copied.new} objects copied, {copied.same} were there, {copied.removed} removed; "
            f"rows of {files} owners. Now back up the keys: manage.py archive_keys backup."
        )
        if problems:
            raise CommandError(f"{problems} owners or objects could not be copied.", returncode=1)
