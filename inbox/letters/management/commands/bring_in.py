"""Bring a copy of letters into an empty account: those too large for the page."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.core.management.base import BaseCommand, CommandError

from inbox.archive.bag.reading import BadBag, Limits
from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import bring_in
from inbox.letters.bring_in import NotEmpty

TERABYTE = 10**12
FILES_MAX = 10_000_000


class Command(BaseCommand):
    """`manage.py bring_in CITIZEN COPY.zip`: the citizen is named by her id here, a UUID."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the citizen's id and the file."""
        parser.add_argument("citizen")
        parser.add_argument("copy", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Take it in, all or nothing. Raises CommandError, which names the file that is wrong."""
        try:
            citizen = Citizen.objects.get(id=options["citizen"], is_active=True)
        except (Citizen.DoesNotExist, ValueError):
            raise CommandError("there is no such citizen") from None
        viewer = Viewer(citizen.id, SecurityLevel.HIGH)
        try:
            with options["copy"].open("rb") as file:
                limits = Limits(TERABYTE, FILES_MAX, TERABYTE)
                taken = bring_in.take_in(viewer, cast(BinaryIO, file), limits)
        except NotEmpty:
            raise CommandError(
                "the account has letters: a copy is taken into an empty one"
            ) from None
        except BadBag as error:
            raise CommandError(f"{error.code}: {error.name}") from None
        except OSError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{taken.letters} letters, {taken.proved} of them proved by the log.")
