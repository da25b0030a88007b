"""Letters to made-up persons by the API."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from inbox.agencies import made_up, sending
from inbox.agencies.sandbox import Sample
from inbox.letters.models import Letter
from inbox.web.agency_api.sandbox import NewSample

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

ADDRESS = "/api/agency/v1/sandbox/"


@pytest.fixture(autouse=True)
def _archive(settings, tmp_path) -> None:
    settings.ARCHIVE_DIR = tmp_path / "archive"


@pytest.fixture
def api(made) -> Client:
    return Client(headers={"Authorization": f"Bearer {made.secret}"})


def post(api: Client, name: str, said: Any = None) -> Any:
    return api.post(ADDRESS + name, said, content_type="application/json")


def test_the_samples_are_those_that_there_are():
    assert NewSample.model_fields["sample"].annotation.__args__ == tuple(Sample)


def test_persons_are_made_once(api, ask):
    assert ask("sandbox/persons").json() == {"items": []}
    made = post(api, "persons").json()
    assert len(made["items"]) == len(made_up.NAMES)
    assert all(81 <= int(each["number"][2:4]) <= 92 for each in made["items"])
    assert post(api, "persons").json() == ask("sandbox/persons").json() == made


@pytest.mark.parametrize("sample", [each.value for each in Sample])
def test_a_sample_reaches_the_person(api, ask, nav, sample):
    person = made_up.make_persons(nav)[0]
    answer = post(api, "letters", {"person": str(person.id), "sample": sample, "title": "Prøve"})
    assert answer.status_code == 202
    sending.send_due()
    assert ask(f"sent/{answer.json()['id']}").json()["state"] == "delivered"
    assert Letter.objects.get(citizen=person.citizen_id).title == "Prøve"


def test_another_agencys_person_is_not_there(api, oslo):
    theirs = made_up.make_persons(oslo)[0]
    for person_id in (theirs.id, uuid4()):
        assert post(api, "letters", {"person": str(person_id)}).status_code == 404
    assert not Letter.objects.exists()


def test_a_title_that_cannot_be_sent_is_named(api, nav):
    person = made_up.make_persons(nav)[0]
    answer = post(api, "letters", {"person": str(person.id), "title": "to\nlinjer"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["in"] == "body"
