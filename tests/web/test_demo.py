from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.test import Client

from connectors import clock
from connectors.world.letters import new_letter
from connectors.world.model import Channel
from connectors.world.persons import PERSONS, by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import InboxState
from inbox.letters.models import Letter
from inbox.notifications.models import OutboxEmail
from tests.make import log_in, make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

DEMO_PAGES = ["/demo/", "/demo/outbox/"]


@pytest.fixture(autouse=True)
def english(client):
    client.cookies["django_language"] = "en"


def email(number: int = 1, **fields) -> OutboxEmail:
    fields.setdefault("sent_at", clock.now() + timedelta(minutes=number))
    fields.setdefault("text", f"Text number {number}.")
    fields.setdefault("subject", f"Subject {number:03d}")
    return OutboxEmail.objects.create(to="kari@example.org", **fields)


def test_the_made_up_persons_and_how_many_letters_they_have_are_named(client):
    kari = make_citizen("Kari Oppdiktet")
    make_citizen("Odd Operatør", is_staff=True)
    make_letter(kari)
    shown = client.get("/demo/").content.decode()
    assert "Kari Oppdiktet" in shown
    assert "1 letter<" in shown
    assert "runs Samlepost" in shown


def test_the_persons_are_read_in_one_query(client, django_assert_num_queries):
    for number in range(5):
        make_citizen(f"Person {number}")
    with django_assert_num_queries(1):
        client.get("/demo/")


def test_the_page_leads_to_everything_that_can_be_tried(client, settings):
    shown = client.get("/demo/").content.decode()
    for address in ("/login/", "/demo/outbox/", "/?view=separate"):
        assert f'href="{address}"' in shown
    assert f'href="{settings.SIMULATORS_PUBLIC_URL}/"' in shown


def test_no_identity_number_stands_on_the_demos_pages(client, demo_citizens):
    assert InboxState.objects.count() >= 8
    shown = client.get("/demo/").content.decode()
    assert PERSONS[0].name in shown
    assert not [person for person in PERSONS if person.national_id in shown]


@pytest.mark.parametrize("address", DEMO_PAGES)
def test_outside_the_demo_there_is_no_such_page(client, settings, address):
    assert client.get(address).status_code == 200
    settings.DEMO = False
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("address", DEMO_PAGES)
def test_a_logged_in_citizen_sees_the_demos_pages_too(client, address):
    log_in(client, make_citizen())
    assert client.get(address).status_code == 200


def test_an_empty_outbox_says_so(client):
    shown = client.get("/demo/outbox/").content.decode()
    assert "No notification has been sent yet." in shown


def test_what_was_sent_is_shown_as_it_reads(client):
    email(text="Hello\n\n<b>NAV</b> & co")
    shown = client.get("/demo/outbox/").content.decode()
    assert "Subject 001" in shown
    assert "kari@example.org" in shown
    assert "<p>Hello</p>" in shown
    assert "&lt;b&gt;NAV&lt;/b&gt; &amp; co" in shown


def test_page_after_page_shows_every_email_once_newest_first(client):
    for number in range(120):
        email(number // 3 * 3, subject=f"Brev {number}")  # three share each moment
    seen: list[str] = []
    address = "/demo/outbox/"
    for _ in range(3):
        answer = client.get(address)
        shown = answer.content.decode()
        seen += re.findall(r"<article.*?<h2>(.+?)</h2>", shown, re.DOTALL)
        older = re.search(r'href="(\?after=[^"]+)"', shown)
        address = f"/demo/outbox/{older[1]}" if older else ""
    assert address == ""
    assert len(seen) == len(set(seen)) == 120
    moments = [OutboxEmail.objects.get(subject=one).sent_at for one in seen]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize("after", ["x", "0", "../..", "00000000-0000-0000-0000-000000000000"])
def test_a_place_in_the_outbox_that_there_is_not_shows_its_beginning(client, after):
    email()
    assert "Subject 001" in client.get("/demo/outbox/", {"after": after}).content.decode()


STEPS = pytest.mark.parametrize("step", ["forget", "fetch"])


def reset(step: str, body: object, token: str | None = "samlepost-demo", method: str = "post"):
    """Take a step of a reset, as the control page does."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {} if token is None else {"X-Demo-Token": token}
    browser = Client(enforce_csrf_checks=True)
    send = getattr(browser, method)
    return send(f"/demo/{step}/", content, content_type="application/json", headers=headers)


def test_a_reset_gives_back_the_letters_that_the_sources_have(demo_citizens):
    kari = by_slug("kari")
    citizen = find_citizen("national_id", kari.national_id)
    own = make_letter(citizen, source=Channel.NAV.value)
    sent = new_letter(kari, Channel.NAV, title="Fra start", at=clock.now())
    demo_citizens.control.by_channel[Channel.NAV].send(sent)
    for step, expected in (
        ("forget", {"letters": 1}),
        ("fetch", {"letters": 1, "not_fetched": []}),
    ):
        answer = reset(step, {"national_id": kari.national_id})
        assert answer.status_code == 200
        assert answer.json() == expected
    assert Letter.objects.get(citizen=citizen).title == "Fra start"
    assert not Letter.objects.filter(citizen=citizen, id=own.id).exists()


@STEPS
@pytest.mark.parametrize("token", [None, "", "wrong", "samlepost-demo ", "æøå"])
def test_without_the_token_there_is_nothing_to_reset(demo_citizens, token, step):
    kari = by_slug("kari")
    make_letter(find_citizen("national_id", kari.national_id))
    answer = reset(step, {"national_id": kari.national_id}, token)
    assert answer.status_code == 404
    assert Letter.objects.count() == 1


@STEPS
def test_outside_the_demo_nothing_can_be_reset(demo_citizens, settings, step):
    settings.DEMO = False
    assert reset(step, {"national_id": by_slug("kari").national_id}).status_code == 404
    settings.DEMO, settings.DEMO_TOKEN = True, ""
    assert reset(step, {"national_id": by_slug("kari").national_id}, "").status_code == 404


@STEPS
@pytest.mark.parametrize(
    "body", [b"", b"x", b"\xff", b"[]", b"1", b"{}", b'{"national_id": 1}', b"[" * 100_000]
)
def test_a_body_that_names_nobody_is_refused(body, step):
    assert reset(step, body).status_code == 400


@STEPS
def test_a_person_that_we_do_not_know_cannot_be_reset(step):
    answer = reset(step, {"national_id": PERSONS[0].national_id})
    assert answer.status_code == 404
    assert PERSONS[0].national_id not in answer.content.decode()


@STEPS
def test_only_a_post_resets(step):
    assert reset(step, b"", method="put").status_code == 405
