from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from connectors.world.persons import PERSONS
from inbox.agencies.models import Agency, AgencySource, Employee
from inbox.citizens.identity import identify
from tests.make import make_citizen, make_source

pytestmark = pytest.mark.django_db

NAV, NUMBER = "889640782", PERSONS[0].national_id


def register(monkeypatch, *said: str, stdin: str = "") -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    out = io.StringIO()
    call_command("agency", *said, stdout=out)
    return out.getvalue()


def test_an_agency_is_registered_with_its_source_and_an_employee(monkeypatch):
    berit = make_citizen("Berit")
    identify(berit, "national_id", NUMBER)
    make_source("navs")
    call = [NAV, "--name", "NAV", "--source", "navs", "--add-employee"]
    for _ in range(2):
        said = register(monkeypatch, *call, stdin=f"{NUMBER[:6]} {NUMBER[6:]}\n")
    assert "1 employees" in said and NUMBER not in said
    assert Employee.objects.get().citizen == berit
    assert AgencySource.objects.get().agency.org_number == NAV
    register(monkeypatch, NAV, "--remove-employee", stdin=NUMBER)
    assert not Employee.objects.exists() and Agency.objects.get().name == "NAV"


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (["123456789", "--name", "Ingen"], "nine digits"),
        ([NAV], "--name"),
        ([NAV, "--name", "NAV", "--source", "none"], "no source"),
        ([NAV, "--name", "NAV", "--add-employee"], "log in once first"),
    ],
)
def test_what_is_wrong_registers_nothing(monkeypatch, call, why):
    with pytest.raises(CommandError, match=why):
        register(monkeypatch, *call, stdin=NUMBER)
    assert not Agency.objects.exists()


def test_a_source_has_one_agency(monkeypatch):
    make_source("navs")
    register(monkeypatch, NAV, "--name", "NAV", "--source", "navs")
    with pytest.raises(CommandError, match="another agency"):
        register(monkeypatch, "974761076", "--name", "Skatteetaten", "--source", "navs")
    assert AgencySource.objects.get().agency.org_number == NAV
