"""Made-up persons with whom an agency tries its letters, the whole way and through the real pages.

They have identity numbers that no real person can have (month + 80, as in Test-Norge), so that
the form, the list and the API reach them like anybody. Only their own agency's letters do. Who
works there may look into their inboxes, and what she opens or answers there counts as theirs.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F

from connectors import clock
from inbox.agencies.models import Agency, AgencySource, SandboxPerson
from inbox.citizens.identity import Taken, identify, is_national_id, national_id_of
from inbox.citizens.models import Citizen, Identifier, InboxState, Representation
from inbox.sync.models import Source

NAMES = ("Prøve Bjørk", "Prøve Furu", "Prøve Selje")
LOOK_LASTS = timedelta(hours=12)
"""How long she who works there looks into an inbox before she must ask again."""


def persons(agency: Agency) -> list[SandboxPerson]:
    """Return the agency's made-up persons by name, none before `make_persons`."""
    return list(agency.made_up.select_related("citizen").order_by("citizen__name"))


def make_persons(agency: Agency) -> list[SandboxPerson]:
    """Make the agency's made-up persons, those that are not there yet; returns all."""
    with transaction.atomic():
        # Of two who press at once the second waits here.
        Agency.objects.filter(id=agency.id).update(name=F("name"))
        have = {each.citizen.name for each in persons(agency)}
        for name in NAMES:
            if name not in have:
                _make(agency, name)
    return persons(agency)


def number_of(person: SandboxPerson) -> str:
    """Return a made-up person's identity number."""
    return national_id_of(person.citizen_id)


def look(agency: Agency, person_id: UUID, employee_id: UUID) -> Citizen:
    """Let an employee look into a made-up person's inbox for LOOK_LASTS, as that person.

    Raises SandboxPerson.DoesNotExist.
    """
    person = agency.made_up.select_related("citizen").get(id=person_id)
    now = clock.now()
    with transaction.atomic():
        hers = Representation.objects.filter(
            citizen=person.citizen, helper_id=employee_id, kind=Representation.Kind.MADE_UP
        )
        hers.delete()
        Representation.objects.create(
            citizen=person.citizen,
            helper_id=employee_id,
            kind=Representation.Kind.MADE_UP,
            may_answer=True,
            created_at=now,
            accepted_at=now,
            starts_at=now,
            ends_at=now + LOOK_LASTS,
        )
    return person.citizen


def made_up_of(citizen_ids: Iterable[UUID]) -> set[UUID]:
    """Return which of these citizens are made up (1 query)."""
    found = SandboxPerson.objects.filter(citizen_id__in=set(citizen_ids))
    return set(found.values_list("citizen_id", flat=True))


def made_up_for_others(source: Source, citizen_ids: Iterable[UUID]) -> set[UUID]:
    """Return which of these are made up for another agency than that of this source (1 query)."""
    own = AgencySource.objects.filter(source=source).values("agency_id")
    found = SandboxPerson.objects.filter(citizen_id__in=set(citizen_ids)).exclude(agency__in=own)
    return set(found.values_list("citizen_id", flat=True))


def _make(agency: Agency, name: str) -> None:
    citizen = Citizen(name=name)
    citizen.set_unusable_password()
    citizen.save()
    InboxState.objects.create(citizen=citizen)
    while True:
        try:
            identify(citizen, Identifier.Kind.NATIONAL_ID, _number())
        except Taken:
            continue
        break
    SandboxPerson.objects.create(agency=agency, citizen=citizen)


def _number() -> str:
    """Return a synthetic identity number by chance: day, month + 80, year, and two check digits."""
    while True:
        day, month = secrets.randbelow(28) + 1, secrets.randbelow(12) + 81
        number = f"{day:02}{month}{secrets.randbelow(10**7):07}"
        if is_national_id(number):
            return number
