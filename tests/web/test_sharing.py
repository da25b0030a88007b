"""Giving access on the page, and taking it back."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from connectors import clock
from connectors.world.model import STUDY_DATE
from connectors.world.persons import PERSONS
from inbox.citizens.identity import identify
from inbox.citizens.models import Citizen, Identifier, Representation
from inbox.web.views.acting import TRIES_MAX
from tests.make import log_in, make_citizen, make_letter, make_representation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

KARI_NUMBER, OLA_NUMBER, UNKNOWN = (person.national_id for person in PERSONS[:3])


@pytest.fixture(autouse=True)
def _archive(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"


@pytest.fixture
def kari() -> Citizen:
    kari = make_citizen("Kari Nordmann")
    identify(kari, Identifier.Kind.NATIONAL_ID, KARI_NUMBER)
    return kari


@pytest.fixture
def ola() -> Citizen:
    ola = make_citizen("Ola Hansen")
    identify(ola, Identifier.Kind.NATIONAL_ID, OLA_NUMBER)
    return ola


def screen(citizen: Citizen) -> Client:
    client = Client(headers={"accept-language": "en"})
    log_in(client, citizen, 4)
    return client


def give(client: Client, **fields: Any) -> str:
    said = {"name": "Ola", "who": "number", "national_id": OLA_NUMBER, "reach": "all"}
    return client.post("/sharing/give/", said | fields, follow=True).content.decode()


def test_she_invites_by_number_and_the_helper_says_yes(kari, ola):
    assert "Ola is invited" in give(screen(kari))
    helper = screen(ola)
    asked = helper.get("/acting/").content.decode()
    assert "Kari Nordmann asks you to see mail" in asked
    invitation = re.search(r'name="invitation" value="([^"]+)"', asked)
    assert invitation
    said = helper.post("/acting/accept/", {"invitation": invitation[1]}, follow=True)
    assert "See the mail of Kari Nordmann" in said.content.decode()
    assert "Ola Hansen" in screen(kari).get("/sharing/").content.decode()


def test_the_page_answers_the_same_for_a_number_without_an_inbox(kari, ola):
    known, unknown = give(screen(kari)), give(screen(make_citizen("B")), national_id=UNKNOWN)
    cut = [
        re.sub(
            r"[0-9a-f]{8}-[0-9a-f-]{27}|value=\"[^\"]*\"|token[^}]*",
            "",
            page[page.index("<main") :],
        )
        for page in (known, unknown)
    ]
    assert cut[0] == cut[1]


def test_she_gives_a_code_that_is_shown_once(kari, ola):
    client = screen(kari)
    said = give(client, who="code", national_id="")
    found = re.search(r"[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}", said)
    assert found
    assert found[0] not in client.get("/sharing/").content.decode()
    used = screen(ola).post("/acting/code/", {"code": found[0]}, follow=True).content.decode()
    assert "You can now see mail of Kari Nordmann" in used


def test_guessing_codes_is_stopped(kari, ola):
    client = screen(ola)
    for _ in range(TRIES_MAX):
        said = client.post("/acting/code/", {"code": "A" * 12}, follow=True).content.decode()
        assert "This code opens nothing" in said
    said = client.post("/acting/code/", {"code": "A" * 12}, follow=True).content.decode()
    assert "Too many wrong codes" in said


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"name": " "}, "Write who shall get access"),
        ({"name": "x" * 101}, "Write a shorter name"),
        ({"national_id": "123"}, "Write the person"),
        ({"national_id": KARI_NUMBER}, "This is your own number"),
        ({"reach": ""}, "Choose what the person can see"),
        ({"reach": "letter"}, "Choose what the person can see"),
        ({"reach": "senders", "senders": ["x"]}, "Choose at least one sender"),
        ({"reach": "case", "case": "x:y"}, "Choose a case"),
        ({"end": "2026-11-22"}, "The last day must not be before the first"),
        ({"start": "2026-12-02", "end": "2026-12-01"}, "The last day must not be before the first"),
        ({"start": "2026-11-22"}, "Choose today or a later day"),
        ({"end": "2126-11-22"}, "Choose a day within 5 years"),
        ({"end": "i morgen"}, "Write the day as"),
    ],
)
def test_bad_input_is_told_and_nothing_is_lost(kari, fields, complaint):
    said = give(screen(kari), **{"name": "Ola på hjørnet", "answer": "yes", **fields})
    assert complaint in said
    assert "You must correct this first" in said
    assert not Representation.objects.exists()
    kept = fields.get("name", "Ola på hjørnet").strip()
    assert f'value="{kept}"' in said
    assert re.search(r'name="answer" value="yes" checked', said)


def test_the_last_day_is_included(kari, ola):
    give(screen(kari), end="2026-11-24")
    row = Representation.objects.get()
    assert row.ends_at == STUDY_DATE.replace(day=24, hour=23)  # midnight in Oslo


def test_she_shares_the_letter_or_the_case_that_she_comes_from(kari):
    letter = make_letter(kari, title="Vedtak om bostøtte", case_reference="2026/7")
    client = screen(kari)
    shown = client.get(f"/sharing/give/?letter={letter.id}").content.decode()
    assert "Vedtak om bostøtte" in shown
    assert re.search(r'value="letter" checked', shown)
    give(client, reach="letter", letter=str(letter.id))
    give(client, reach="case", case=f"{letter.sender_id}:2026/7")
    give(client, reach="senders", senders=[str(letter.sender_id)])
    assert [row.limits for row in Representation.objects.order_by("created_at", "id")] == [
        {"letter": str(letter.id)},
        {"case": [str(letter.sender_id), "2026/7"]},
        {"senders": [str(letter.sender_id)]},
    ]


def test_anothers_letter_cannot_be_shared(kari, ola):
    others = make_letter(ola, title="Olas brev")
    client = screen(kari)
    assert "Olas brev" not in client.get(f"/sharing/give/?letter={others.id}").content.decode()
    assert "Choose what" in give(client, reach="letter", letter=str(others.id))


def test_withdrawing_ends_it_at_once(kari, ola):
    given = make_representation(kari, ola)
    helper = screen(ola)
    helper.post("/acting/start/", {"citizen": kari.id})
    assert helper.get("/").status_code == 200
    screen(kari).post(f"/sharing/{given.id}/withdraw/")
    assert helper.get("/").status_code == 302
    assert "Nobody but you" in screen(kari).get("/sharing/").content.decode()


def test_what_has_ended_is_no_longer_listed(kari, ola):
    make_representation(kari, ola, ends_at=STUDY_DATE + timedelta(days=1))
    clock.freeze(STUDY_DATE + timedelta(days=1))
    assert "Nobody but you" in screen(kari).get("/sharing/").content.decode()
    assert "Nobody has given you" in screen(ola).get("/acting/").content.decode()


def test_the_number_stands_in_no_address_and_no_log(kari, caplog):
    client = screen(kari)
    answer = client.post(
        "/sharing/give/",
        {"name": "Ola", "who": "number", "national_id": OLA_NUMBER, "reach": "all"},
    )
    assert OLA_NUMBER not in answer["Location"]
    assert OLA_NUMBER not in caplog.text
    assert OLA_NUMBER not in client.get("/sharing/").content.decode()
