"""Agencies' sites on which she lets us tell how many new letters she has from others."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from connectors import clock
from inbox.citizens.models import PanelConsent


def agree(citizen_id: UUID, site: str) -> None:
    """She lets this site show the panel; saying so again changes nothing."""
    PanelConsent.objects.get_or_create(
        citizen_id=citizen_id, site=site, defaults={"agreed_at": clock.now()}
    )


def withdraw(citizen_id: UUID, site: str) -> bool:
    """She takes it back; False when there was nothing to take back."""
    deleted, _ = consents(citizen_id).filter(site=site).delete()
    return deleted > 0


def consents(citizen_id: UUID) -> QuerySet[PanelConsent]:
    """Return what she has agreed to."""
    return PanelConsent.objects.filter(citizen_id=citizen_id)
