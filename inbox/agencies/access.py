"""Who may act for which agency, and which sources are an agency's own."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from inbox.agencies import keys
from inbox.agencies.models import Agency, Employee
from inbox.citizens.models import Representation
from inbox.sync.models import Source


def agencies_of(citizen_id: UUID) -> list[Agency]:
    """Return the agencies that she may act for, by name."""
    return list(Agency.objects.filter(employees__citizen_id=citizen_id).order_by("name"))


def agency_for(citizen_id: UUID, org_number: str) -> Agency:
    """Return the agency if she may act for it. Raises Agency.DoesNotExist."""
    return Agency.objects.get(org_number=org_number, employees__citizen_id=citizen_id)


def leave(agency: Agency, citizen_id: UUID) -> list[str]:
    """Let somebody act for the agency no longer, nor look into its made-up persons' inboxes.

    Returns the working keys that she made, by their first characters: they are the agency's, but
    she has seen them.
    """
    with transaction.atomic():
        Employee.objects.filter(agency=agency, citizen_id=citizen_id).delete()
        looks = Representation.objects.filter(
            helper_id=citizen_id,
            kind=Representation.Kind.MADE_UP,
            citizen__in=agency.made_up.values("citizen_id"),
        )
        looks.delete()
    hers = keys.working(agency).filter(created_by_id=citizen_id)
    return list(hers.values_list("prefix", flat=True))


def sources_of(agency: Agency) -> QuerySet[Source]:
    """Return the sources that are the agency's own, by label."""
    own = agency.sources.values("source_id")
    return Source.objects.filter(slug__in=own).order_by("label", "slug")
