"""`manage.py verify_archive [--all | --sample N]`: reads the archive again."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from inbox.archive import lost_keys
from inbox.archive.proof import audit, objects
from inbox.archive.verify import damage, packages


class Command(BaseCommand):
    """Prints each problem; exit code 1 when there is any."""

    help = (
        "Read packages from the archive and compare every byte with what was deposited and logged."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take all packages unless a sample is asked for."""
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--all", action="store_true", help="every package (the default)")
        which.add_argument("--sample", type=int, metavar="N", help="N packages at random")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify and report."""
        read = bad = 0
        sample: list[UUID] | None = None if options["sample"] is None else []
        for package, found in damage(packages(options["sample"])):
            read += 1
            bad += bool(found)
            if sample is not None:
                sample.append(package.id)
            for problem in found:
                self.stdout.write(f"{package.id}: {problem}")
        lost = lost_keys.lost(sample)
        for owner_id, count in lost.items():
            self.stdout.write(f"owner {owner_id}: {lost_keys.problem(count)}: {lost_keys.REMEDY}")
        contradicted = 0
        for finding in self._by_the_log(sample):
            contradicted += 1
            self.stdout.write(str(finding))
        if bad or lost or contradicted:
            raise CommandError(
                f"{bad} of {read} packages are damaged; the keys of {len(lost)} owners are gone; "
                f"the log tells of {contradicted} problems.",
                returncode=1,
            )
        self.stdout.write(f"{read} packages are whole.")

    def _by_the_log(self, sample: list[UUID] | None) -> Iterator[audit.Finding]:
        """Hold a sample against the log, or everything; then the log against the outside, too."""
        if sample is None:
            yield from audit.findings()
        yield from objects.findings(sample)
