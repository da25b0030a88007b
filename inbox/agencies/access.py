"""Who may act for which agency, and which sources are an agency's own."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from inbox.agencies.models import Agency
from inbox.sync.models import Source


def agencies_of(citizen_id: UUID) -> list[Agency]:
    """Return the agencies that she may act for, by name."""
    return list(Agency.objects.filter(employees__citizen_id=citizen_id).order_by("name"))


def agency_for(citizen_id: UUID, org_number: str) -> Agency:
    """Return the agency if she may act for it. Raises Agency.DoesNotExist."""
    return Agency.objects.get(org_number=org_number, employees__citizen_id=citizen_id)


def sources_of(agency: Agency) -> QuerySet[Source]:
    """Return the sources that are the agency's own, by label."""
    own = agency.sources.values("source_id")
    return Source.objects.filter(slug__in=own).order_by("label", "slug")
