"""An agency that sends from the portal, and those who work there and get its letters."""

from __future__ import annotations

import pytest

from inbox.agencies.models import Agency, Employee
from inbox.citizens.identity import identify
from inbox.citizens.models import Citizen, Identifier
from tests.agencies.sending import KARI, OLA
from tests.make import make_citizen


@pytest.fixture
def agency(db, settings, tmp_path) -> Agency:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return Agency.objects.create(org_number="964338531", name="Bergen kommune")


@pytest.fixture
def employee(agency) -> Citizen:
    found = make_citizen("Aud Ansatt")
    Employee.objects.create(agency=agency, citizen=found)
    return found


@pytest.fixture
def kari(db) -> Citizen:
    return known("Kari Nordmann", KARI)


@pytest.fixture
def ola(db) -> Citizen:
    return known("Ola Nordmann", OLA)


def known(name: str, national_id: str) -> Citizen:
    citizen = make_citizen(name)
    identify(citizen, Identifier.Kind.NATIONAL_ID, national_id)
    return citizen
