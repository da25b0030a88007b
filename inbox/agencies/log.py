"""An agency's delivery log: which of its letters came, by which channel, and how far they are.

A row counts as the agency's only by the sender's organisation number, which its source has proved.
"""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet

from inbox.agencies.models import Agency, AgencySource
from inbox.letters.models import DeliveryRecord
from inbox.sync.models import Source


def lines(agency: Agency, source: str = "", after: str = "") -> QuerySet[DeliveryRecord]:
    """Return the log, newest first: by one source, and from after the row whose id is `after`."""
    rows = _own(agency)
    if source:
        rows = rows.filter(source=source)
    last = _named(agency, after)
    if last:
        older = Q(arrived_at__lt=last.arrived_at) | Q(id__lt=last.id)
        rows = rows.filter(older, arrived_at__lte=last.arrived_at)
    return rows.order_by("-arrived_at", "-id")


def by_reference(agency: Agency, reference: str) -> QuerySet[DeliveryRecord]:
    """Return the rows with exactly this reference of the agency's own, newest first."""
    return _own(agency).filter(external_id=reference).order_by("-arrived_at", "-id")


def line(agency: Agency, record_id: UUID) -> DeliveryRecord:
    """Return one row. Raises DeliveryRecord.DoesNotExist."""
    return _own(agency).get(id=record_id)


def channels(agency: Agency) -> list[Source]:
    """Return the sources that may bring the agency's letters: its own, and those of no agency."""
    others = AgencySource.objects.exclude(agency=agency)
    return list(Source.objects.exclude(slug__in=others.values("source")).order_by("label", "slug"))


def _own(agency: Agency) -> QuerySet[DeliveryRecord]:
    return DeliveryRecord.objects.filter(org_number=agency.org_number)


def _named(agency: Agency, wanted: str) -> DeliveryRecord | None:
    try:
        return _own(agency).filter(id=UUID(wanted)).first()
    except ValueError:
        return None
