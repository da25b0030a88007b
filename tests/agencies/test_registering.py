from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from connectors.world.persons import PERSONS
from inbox.agencies import keys, made_up
from inbox.agencies.models import Agency, AgencySource, Employee
from inbox.citizens import representation
from inbox.citizens.identity import identify
from inbox.web import acting
from tests.make import log_in, make_citizen, make_source

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


def test_who_leaves_looks_into_no_made_up_inbox_and_her_keys_are_named(monkeypatch, client):
    berit = make_citizen("Berit")
    identify(berit, "national_id", NUMBER)
    register(monkeypatch, NAV, "--name", "NAV", "--add-employee", stdin=NUMBER)
    agency = Agency.objects.get()
    log_in(client, berit, 4)
    person = made_up.make_persons(agency)[0]
    client.post(reverse("agency_sandbox_look", args=[NAV, person.id]))
    assert person.citizen.name in client.get("/").content.decode()
    key = keys.create(agency, "archive", berit.id).key
    said = register(monkeypatch, NAV, "--remove-employee", stdin=NUMBER)
    assert not representation.held(berit.id).exists()
    client.get("/")
    assert acting.SESSION_NAME not in client.session
    assert client.get(reverse("agency_home", args=[NAV])).status_code == 404
    assert key.prefix in said


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
