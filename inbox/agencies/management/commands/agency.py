"""Register an agency for the portal: its employees and its sources."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from inbox.agencies.access import leave
from inbox.agencies.models import Agency, AgencySource, Employee
from inbox.citizens.identity import find_citizen, is_organisation_number
from inbox.citizens.models import Citizen, Identifier
from inbox.sync.models import Source


class Command(BaseCommand):
    """`manage.py agency 889640782 --name NAV --source minside-nav --add-employee < number`.

    An employee's identity number is read from standard input: a command line is seen by everybody
    on the machine. She must have logged in to Samlepost before.
    """

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the organisation number, and what is to be said of the agency."""
        parser.add_argument("org_number")
        parser.add_argument("--name", default="")
        parser.add_argument("--source", action="append", default=[], help="a source of its own")
        who = parser.add_mutually_exclusive_group()
        who.add_argument("--add-employee", action="store_true")
        who.add_argument("--remove-employee", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it down. Raises CommandError, and then nothing has been written."""
        number = options["org_number"]
        if not is_organisation_number(number):
            raise CommandError("an organisation number has nine digits, the last one a check")
        seen: list[str] = []
        with transaction.atomic():
            agency = Agency.objects.filter(org_number=number).first()
            if agency is None and not options["name"]:
                raise CommandError("a new agency needs --name")
            agency = agency or Agency(org_number=number)
            agency.name = options["name"] or agency.name
            agency.save()
            for slug in options["source"]:
                self._own(agency, slug)
            if options["add_employee"]:
                Employee.objects.get_or_create(agency=agency, citizen=self._person())
            elif options["remove_employee"]:
                seen = leave(agency, self._person().id)
        employees = agency.employees.count()
        self.stdout.write(f"{agency.name} uses the portal, with {employees} employees.")
        if seen:
            self.stdout.write(f"She has made keys that still work: {', '.join(seen)}.")

    def _own(self, agency: Agency, slug: str) -> None:
        source = Source.objects.filter(slug=slug).first()
        if source is None:
            raise CommandError(f"there is no source {slug!r}")
        own, _ = AgencySource.objects.get_or_create(source=source, defaults={"agency": agency})
        if own.agency_id != agency.id:
            raise CommandError(f"{slug!r} is another agency's")

    def _person(self) -> Citizen:
        number = "".join(sys.stdin.readline().split())
        citizen = find_citizen(Identifier.Kind.NATIONAL_ID, number)
        if citizen is None:
            raise CommandError("nobody here has that identity number: she must log in once first")
        return citizen
