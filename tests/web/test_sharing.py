"""Giving access on the page, and taking it back."""

from __future__ import annotations

import re
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.core import mail
from django.test import Client
from django.utils import timezone

from connectors import clock
from connectors.world.model import STUDY_DATE
from connectors.world.persons import PERSONS
from inbox.citizens import register, representation
from inbox.citizens.identity import identify
from inbox.citizens.models import Citizen, Identifier, Representation, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import proposals
from inbox.letters.life_events import DEATH
from inbox.notifications import invitations
from inbox.notifications.models import InvitationNotice
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
    give(client, reach="case", case=str(letter.case_id))
    give(client, reach="senders", senders=[str(letter.sender_id)])
    assert [row.limits for row in Representation.objects.order_by("created_at", "id")] == [
        {"letter": str(letter.id)},
        {"case": str(letter.case_id)},
        {"senders": [str(letter.sender_id)]},
    ]


def test_she_shares_a_life_event_that_she_has_letters_in(kari):
    client = screen(kari)
    assert "Choose a life event" not in client.get("/sharing/give/").content.decode()
    assert "Choose what" in give(client, reach="nonsense", life_event=DEATH)
    proposals.add(Viewer(kari.id, SecurityLevel.HIGH), make_letter(kari).id, DEATH)
    assert (
        f"/sharing/give/?life_event={DEATH}"
        in client.get(f"/life-events/{DEATH}/").content.decode()
    )
    shown = client.get(f"/sharing/give/?life_event={DEATH}").content.decode()
    assert re.search(r'value="life_event" checked', shown)
    assert "Choose a life event." in give(client, reach="life_event", life_event="nonsense")
    give(client, reach="life_event", life_event=DEATH)
    assert Representation.objects.get().limits == {"life_event": DEATH}
    listed = client.get("/sharing/").content.decode()
    assert "Letters put into the life event “Death and inheritance”" in listed


def test_access_to_a_case_that_was_given_by_sender_and_reference_is_kept(kari, ola):
    letter = make_letter(kari, case_reference="2026/7")
    said = {"case": [str(letter.sender_id), "2026/7"]}
    row = make_representation(kari, ola, reach="case", limits=said)
    event = make_representation(kari, ola, reach="life_event", limits={"life_event": DEATH})
    migration = import_module("inbox.letters.migrations.0017_access_by_case")
    migration.by_case(apps, None)
    row.refresh_from_db()
    assert row.limits == {"case": str(letter.case_id)}
    migration.by_reference(apps, None)
    row.refresh_from_db()
    assert row.limits == said
    assert not Representation.objects.filter(id=event.id).exists()


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


def test_who_is_asked_by_number_is_told_so_once_and_no_more(kari, ola, caplog):
    give(screen(kari))
    give(screen(kari), reach="all", answer="yes")
    assert invitations.send_due() == 1
    assert invitations.send_due() == 0
    (message,) = mail.outbox
    assert message.to == [ola.email]
    assert "Ola Hansen" in message.body
    for secret in ("Kari", "Nordmann", "http", OLA_NUMBER, KARI_NUMBER):
        assert secret not in message.subject + message.body + caplog.text
    clock.freeze(STUDY_DATE + timedelta(days=31))
    give(screen(kari))
    assert invitations.send_due() == 1


@pytest.mark.parametrize("how", ["withdrawn", "accepted", "dead", "no e-mail", "closed"])
def test_an_invitation_that_no_longer_stands_is_not_announced(kari, ola, how):
    give(screen(kari))
    row = Representation.objects.get()
    if how == "withdrawn":
        representation.withdraw(kari.id, row.id)
    elif how == "accepted":
        representation.accept(ola.id, row.id)
    elif how == "dead":
        register.death(kari)
    elif how == "no e-mail":
        Citizen.objects.filter(pk=ola.pk).update(email="")
    else:
        Citizen.objects.filter(pk=kari.pk).delete()
    assert invitations.send_due() == 0
    assert not mail.outbox
    assert not InvitationNotice.objects.exclude(state="cancelled").exists()


def test_of_a_code_and_of_a_number_without_an_inbox_nobody_is_told(kari, ola):
    give(screen(kari), who="code", national_id="")
    give(screen(kari), national_id=UNKNOWN)
    assert not InvitationNotice.objects.exists()


def test_a_mail_server_that_is_down_gets_the_invitation_later(kari, ola, monkeypatch):
    give(screen(kari))

    def refuse(*_args, **_kwargs):
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", refuse)
        assert invitations.send_due() == 0
    assert invitations.send_due() == 0  # not so soon
    InvitationNotice.objects.update(retry_at=timezone.now())
    assert invitations.send_due() == 1
    InvitationNotice.objects.update(state="sending", lease_until=timezone.now() - timedelta(1))
    assert invitations.send_due() == 0
    assert InvitationNotice.objects.get().state == "uncertain"
