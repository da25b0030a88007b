"""The demo's agencies: who works there, and which of the demo's sources are theirs."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import httpx
from django.db import transaction

from connectors import clock
from inbox.agencies import figures
from inbox.agencies.access import sources_of
from inbox.agencies.models import Agency, AgencySource, Employee, Figures
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Identifier
from inbox.sync.demo import TIMEOUT_SECONDS
from inbox.sync.models import Source


def configure(control_url: str, transport: httpx.BaseTransport | None = None) -> int:
    """Make the agencies that the control API names; returns how many are new.

    Runs after `sync.demo.configure`, which makes persons and sources. Raises httpx.HTTPError.
    """
    with httpx.Client(
        base_url=control_url, transport=transport, timeout=TIMEOUT_SECONDS, trust_env=False
    ) as client:
        said = client.get("agencies").raise_for_status().json()
    with transaction.atomic():
        return sum(_agency(each) for each in said)


def _agency(said: dict[str, Any]) -> bool:
    agency, new = Agency.objects.get_or_create(
        org_number=said["org_number"], defaults={"name": said["name"]}
    )
    for national_id in said["employees"]:
        citizen = find_citizen(Identifier.Kind.NATIONAL_ID, national_id)
        if citizen:
            Employee.objects.get_or_create(agency=agency, citizen=citizen)
    for source in Source.objects.filter(slug__in=said["sources"]):
        AgencySource.objects.get_or_create(source=source, defaults={"agency": agency})
    if new:
        _figures(agency)
    return new


def _figures(agency: Agency) -> None:
    """Make up a year's figures: the letters of a few persons alone would all be hidden."""
    chance = Random(agency.org_number)
    month = figures.last_month(clock.now())
    rows = []
    for _ in range(figures.MONTHS):
        for place, source in enumerate(sources_of(agency)):
            letters = chance.randrange(300, 900) if place == 0 else chance.randrange(4, 60)
            openings = range(round(letters * chance.uniform(0.55, 0.8)))
            waited = [timedelta(hours=chance.lognormvariate(2, 1.5)) for _ in openings]
            times = figures.counted(waited)
            rows.append(
                Figures(
                    org_number=agency.org_number,
                    source=source.slug,
                    month=month,
                    letters=letters,
                    opened=sum(times.values()),
                    times=times,
                )
            )
        month = figures.month_before(month)
    Figures.objects.bulk_create(rows, ignore_conflicts=True)
