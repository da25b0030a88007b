from __future__ import annotations

import re
from datetime import timedelta
from io import BytesIO

import pytest
from django.test import Client
from django.urls import reverse
from pypdf import PdfReader

from connectors import clock
from inbox.agencies import collect, made_up, outgoing, sandbox, sending
from inbox.agencies.letters import Terms, Wanted
from inbox.agencies.models import Agency, Answer, Employee, Figures, Outgoing, SandboxPerson
from inbox.citizens.identity import is_national_id
from inbox.citizens.models import Citizen
from inbox.letters.models import DeliveryRecord, Letter
from inbox.sync import receipts
from inbox.sync import sending as answers
from tests.make import log_in, make_citizen

pytestmark = pytest.mark.django_db

NUMBER = "889640782"


@pytest.fixture
def nav() -> Agency:
    return Agency.objects.create(org_number=NUMBER, name="NAV")


@pytest.fixture
def berit(nav) -> Citizen:
    berit = make_citizen("Berit")
    Employee.objects.create(agency=nav, citizen=berit)
    return berit


@pytest.fixture
def portal(client: Client, berit) -> Client:
    log_in(client, berit, 4)
    client.cookies["django_language"] = "nb"
    return client


@pytest.fixture
def person(nav) -> SandboxPerson:
    return made_up.make_persons(nav)[0]


def press(client: Client, name: str, *args: object, **said: str) -> object:
    return client.post(reverse(name, args=[NUMBER, *args]), said)


def test_made_up_persons_have_numbers_that_nobody_has_and_are_made_once(nav):
    first = made_up.make_persons(nav)
    assert [each.citizen.name for each in first] == sorted(made_up.NAMES)
    for each in first:
        number = made_up.number_of(each)
        assert is_national_id(number) and 81 <= int(number[2:4]) <= 92
    assert made_up.make_persons(nav) == first


def test_a_sample_is_read_and_answered_in_the_recipients_own_pages(portal, nav, person, berit):
    press(portal, "agency_sandbox_send", person.id, sample="question")
    assert sending.send_due() == 1
    letter = Letter.objects.get()
    assert letter.citizen_id == person.citizen_id and letter.unread
    answer = press(portal, "agency_sandbox_look", person.id)
    assert answer.status_code == 302
    page = portal.get("/").content.decode()
    assert letter.title in page and "en oppdiktet person" in page
    address = reverse("letter", args=[letter.id])
    said = {"acting": str(person.citizen_id)}
    portal.post(reverse("letter_agree", args=[letter.id]), said | {"agree": "yes"})
    assert f"{address}documents/" in portal.get(address).content.decode()
    letter.refresh_from_db()
    assert letter.opened_at and not letter.unread
    replying = said | {"form": "reply", "do": "choose:1"}
    portal.post(reverse("letter_reply", args=[letter.id]), replying)
    answers.send_due()
    receipts.send_due()
    assert Answer.objects.get().choice == "Ja, takk"
    assert (
        "Ja, takk"
        in portal.get(
            reverse("agency_sent_letter", args=[NUMBER, Outgoing.objects.get().id])
        ).content.decode()
    )


def test_what_is_tried_is_in_no_figure_and_what_is_real_is(nav, person):
    sandbox.send_sample(nav, person.id, sandbox.Sample.LETTER)
    sending.send_due()
    collect.collect_due()
    assert DeliveryRecord.objects.get().delivered_at and not DeliveryRecord.objects.get().counts
    assert not Figures.objects.exists()


@pytest.mark.parametrize("sample", list(sandbox.Sample))
def test_every_sample_can_be_sent_with_no_warning(nav, person, sample):
    dispatch = sandbox.send_sample(nav, person.id, sample)
    assert sending.send_due() == 1
    assert dispatch.cautions == []
    assert Letter.objects.get().title == sandbox.TITLES[sample]


def test_the_sample_is_a_tagged_pdf():
    root = PdfReader(BytesIO(sandbox.PDF.read_bytes())).trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] and root["/Lang"]


def test_a_made_up_person_gets_letters_of_her_own_agency_alone(nav, person):
    other = Agency.objects.create(org_number="974761076", name="Skatteetaten")
    letter = Wanted(made_up.number_of(person), "Et brev")
    outgoing.submit(other, Terms(), [letter], sandbox.PDF.read_bytes())
    assert sending.send_due() == 0
    assert Outgoing.objects.get().state == "refused" and not Letter.objects.exists()


def test_another_agencys_made_up_persons_are_not_there(portal, berit):
    other = Agency.objects.create(org_number="974761076", name="Skatteetaten")
    theirs = made_up.make_persons(other)[0]
    for name in ("agency_sandbox_send", "agency_sandbox_look"):
        assert press(portal, name, theirs.id, sample="letter").status_code == 404
    page = portal.get(reverse("agency_sandbox", args=[NUMBER])).content.decode()
    assert made_up.number_of(theirs) not in page
    assert not Outgoing.objects.exists()


def test_looking_ends_by_itself(portal, person):
    press(portal, "agency_sandbox_look", person.id)
    assert "en oppdiktet person" in portal.get("/").content.decode()
    clock.freeze(clock.now() + made_up.LOOK_LASTS + timedelta(minutes=1))
    assert "en oppdiktet person" not in portal.get("/").content.decode()


def test_her_own_mail_is_not_what_she_sees_then(portal, berit, person):
    made = make_citizen("Ola")
    press(portal, "agency_sandbox_look", person.id)
    page = portal.get("/").content.decode()
    assert person.citizen.name in page
    assert not re.search("Ola", page) and made.name == "Ola"
