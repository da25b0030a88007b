"""The page that tells her how she is reached: what the register says, what it means, what fails."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from connectors import clock
from inbox.citizens.models import Citizen, ContactDetails
from inbox.sync.contacts import NAME
from inbox.sync.models import Register
from tests.make import act_for, log_in, make_citizen, make_letter, make_mailbox, make_representation
from tests.take_out import take_out

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

PAGE = "/account/contact/"


@pytest.fixture
def kari(client: Client) -> Citizen:
    citizen = make_citizen(email="kari@example.no")
    make_mailbox(citizen)
    log_in(client, citizen, level=4)
    client.cookies["django_language"] = "en"
    return citizen


def said(kari: Citizen, **changes: Any) -> ContactDetails:
    now = clock.now()
    usual = {
        "status": "active",
        "may_be_notified": True,
        "email": "kari@example.no",
        "email_confirmed_at": now - timedelta(days=30),
        "email_fresh_until": now + timedelta(days=500),
        "asked_at": now,
        "answered_at": now,
    }
    return ContactDetails.objects.create(citizen=kari, **usual | changes)


def shown(client: Client, path: str = PAGE) -> str:
    text = re.sub(r"<[^>]+>", " ", client.get(path).content.decode().partition("<main")[2])
    return " ".join(html.unescape(text).split())


def test_it_shows_what_is_used_when_it_was_confirmed_and_when_we_asked(client, kari):
    said(kari, mobile="+4790000000", mobile_fresh_until=clock.now())
    page = shown(client)
    assert "E-mail kari@example.no You confirmed it on 24 October 2026." in page
    assert "Mobile phone +4790000000 You have not confirmed it." in page
    assert "You have not confirmed the mobile number for 18 months." in page
    assert "We last asked the register on 23 November 2026" in page
    assert "You have not reserved yourself." in page
    assert 'href="/account/contact/"' in client.get("/account/").content.decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"email_fresh_until": "past"}, "We still use it, but public bodies may no longer"),
        ({"email_confirmed_at": "future"}, "You have not confirmed it."),
        ({"email": ""}, "You have no e-mail address in the register."),
        ({"reserved": True}, "we do not notify you of decisions"),
        ({"reserved": True}, "What has come here all the same, you can read here as before."),
        ({"status": "deleted"}, "your entry is deleted"),
        ({"status": "unknown", "email": ""}, "You are not in the register."),
        ({"failure": "unreadable"}, "We could not read what the contact and reservation register"),
        ({"failure": "untrustworthy"}, "did not answer for you last time"),
        ({"status": "", "email": ""}, "We have not asked the contact and reservation register"),
    ],
)
def test_what_she_should_know_is_told(client, kari, changes, words):
    moments = {"past": clock.now(), "future": clock.now() + timedelta(days=1)}
    said(kari, **{name: moments.get(value, value) for name, value in changes.items()})
    assert words in shown(client)


def test_before_she_has_come_up_it_says_so_and_shows_the_address_in_use(client, kari):
    page = shown(client)
    assert "We have not asked the contact and reservation register about you yet." in page
    assert "kari@example.no" in page


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ("temporary", "does not answer right now. We try again by ourselves."),
        ("misconfigured", "The fault is ours"),
    ],
)
def test_a_failure_of_the_register_is_told_beside_what_it_said_last(client, kari, failure, words):
    said(kari)
    Register.objects.create(name=NAME, failure=failure)
    page = shown(client)
    assert words in page
    assert "What stands below is what it said on 23 November 2026 at 09:00." in page
    assert "kari@example.no" in page


def test_without_a_register_the_page_says_so(client, kari, settings):
    settings.KRR_URL = ""
    page = shown(client)
    assert "not connected to the contact and reservation register" in page
    assert "kari@example.no" in page
    assert "Ask the register now" not in page


def test_the_way_to_her_entry_names_the_host_first(client, kari, settings):
    settings.KRR_CHANGE_URL = "https://www.norge.no/nb/digital-borger/oppdater-kontaktinformasjon"
    assert "Change it at norge.no" in shown(client)
    assert settings.KRR_CHANGE_URL not in client.get(PAGE).content.decode()
    leaving = client.get(f"{PAGE}change/").content.decode()
    assert "You are leaving Samlepost: norge.no" in leaving
    assert f'href="{settings.KRR_CHANGE_URL}"' in leaving
    assert f'href="{PAGE}"' in leaving
    settings.KRR_CHANGE_URL = "javascript:alert(1)"
    assert client.get(f"{PAGE}change/")["Location"] == PAGE


def test_she_can_have_the_register_asked_at_once_unless_she_is_leaving(client, kari):
    details = said(kari, due_at=None)
    assert client.post(f"{PAGE}ask/")["Location"] == PAGE
    details.refresh_from_db()
    assert details.due_at <= timezone.now()
    ContactDetails.objects.update(due_at=None)
    Citizen.objects.update(closes_at=clock.now())
    client.post(f"{PAGE}ask/")
    details.refresh_from_db()
    assert details.due_at is None


def test_nobody_but_herself_sees_it(client, kari):
    said(kari)
    make_letter(kari)
    helper = make_citizen("Ola")
    make_representation(kari, helper, may_answer=True)
    log_in(client, helper, level=4)
    act_for(client, kari)
    assert client.get(PAGE).status_code == 404
    assert client.get(f"{PAGE}change/").status_code == 404
    assert client.post(f"{PAGE}ask/", {"acting": str(kari.id)}).status_code == 404


def test_the_page_costs_the_same_few_queries(client, kari, django_assert_num_queries):
    said(kari)
    client.get(PAGE)
    with django_assert_num_queries(5):  # her, her sources, her address, the register's word, it
        client.get(PAGE)


def test_it_is_in_the_export(client, kari):
    def contact() -> Any:
        return json.loads(take_out(client)["data/contact.json"])["contact"]

    assert contact() is None
    said(kari, mailbox_supplier="984661185")
    found = contact()
    assert (found["email"], found["mailbox_supplier"]) == ("kari@example.no", "984661185")
    assert "due_at" not in found


def test_operators_see_what_fails_and_not_whose(client, kari):
    log_in(client, make_citizen("Odd Operatør", is_staff=True))
    said(kari, failure="unreadable", failure_detail="status is missing")
    Register.objects.create(name=NAME, failure="temporary", failures=4, failure_detail="503")
    page = shown(client, "/operator/quarantine/")
    assert "Does not answer as it should all 4 never 503" in page
    assert "What it says cannot be read 1 0" in page
    assert "kari@example.no" not in page
