from __future__ import annotations

import json
import logging
from datetime import timedelta

import httpx
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import connectors.http
from connectors.http import Http
from connectors.maskinporten.simulator import issue_token
from connectors.world.model import Channel
from connectors.world.persons import PERSONS
from inbox.citizens.identity import find_citizen, identify
from inbox.citizens.models import Identifier
from inbox.sync import schedule
from inbox.sync.models import Mailbox, Source
from tests.make import make_citizen, make_mailbox, make_source

pytestmark = pytest.mark.django_db

KARI, STRANGER = PERSONS[0].national_id, PERSONS[1].national_id
LATER = timedelta(hours=1)


def event(national_id: str = KARI, **changes) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": "1",
        "type": "letter.created",
        "source": "https://example.org",
        "alternativesubject": f"/person/{national_id}",
    } | changes


def ping(body: object, source: str = "altinn"):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client(enforce_csrf_checks=True).post(
        f"/hooks/{source}/", content, content_type="application/cloudevents+json"
    )


@pytest.fixture
def mailbox() -> Mailbox:
    citizen = make_citizen()
    identify(citizen, Identifier.Kind.NATIONAL_ID, KARI)
    return make_mailbox(citizen, due_at=timezone.now() + LATER)


def is_due(row: Mailbox | Source) -> bool:
    row.refresh_from_db()
    return row.due_at is not None and row.due_at <= timezone.now()


def test_a_ping_makes_the_persons_mailbox_due(mailbox):
    assert ping(event()).status_code == 202
    assert is_due(mailbox)


def test_a_ping_to_a_shared_queue_makes_the_queue_due():
    source = make_source("dpi-digipost", shared_queue=True, due_at=timezone.now() + LATER)
    assert ping(event(), "dpi-digipost").status_code == 202
    assert is_due(source)


def test_the_answer_does_not_tell_whether_we_know_person_or_source(mailbox):
    known = ping(event())
    for unknown in (ping(event(STRANGER)), ping(event(), "no-such-source"), ping(event(""))):
        assert unknown.status_code == known.status_code
        assert unknown.content == known.content
        assert set(unknown.headers) == set(known.headers)


def test_a_ping_for_somebody_else_leaves_her_mailbox_alone(mailbox):
    ping(event(STRANGER))
    ping(event(), "minside-nav")
    assert not is_due(mailbox)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"specversion": "0.3"}',
        b"[" * 60_000,
        b'{"specversion": "1.0", "alternativesubject": "/person/\\ud800"}',
    ],
)
def test_nonsense_is_refused_and_changes_nothing(mailbox, nonsense):
    assert ping(nonsense).status_code == 400
    assert not is_due(mailbox)


def test_a_body_of_more_than_64_kib_is_refused_unread(mailbox):
    assert ping(event(padding="x" * 64 * 1024)).status_code == 413
    assert not is_due(mailbox)


def test_a_body_of_64_kib_is_read(mailbox):
    body = json.dumps(event()).encode()
    assert ping(body + b" " * (64 * 1024 - len(body))).status_code == 202
    assert is_due(mailbox)


def test_a_ping_for_what_is_due_already_changes_nothing(mailbox):
    Mailbox.objects.update(due_at=timezone.now() - LATER)
    before = Mailbox.objects.values().get()
    for _ in range(3):
        assert ping(event()).status_code == 202
    assert Mailbox.objects.values().get() == before


def test_a_storm_of_pings_fetches_a_mailbox_no_more_often_than_the_floor(mailbox, settings):
    settings.SYNC_PING_FLOOR_SECONDS = 10
    started = timezone.now()
    handed_out = 0
    for _ in range(20):  # the very same event each time: a replay
        ping(event())
        handed_out += len(list(schedule.due_mailboxes()))
    assert handed_out == 1
    mailbox.refresh_from_db()
    floor = timedelta(seconds=10)
    assert started + floor <= mailbox.due_at <= timezone.now() + floor
    Mailbox.objects.update(due_at=timezone.now(), last_attempt_at=timezone.now() - floor)
    assert len(list(schedule.due_mailboxes())) == 1, "the floor over, it has its turn"


def test_a_ping_takes_four_queries_of_which_none_is_for_another_mailbox(mailbox):
    for _ in range(5):
        make_mailbox(make_citizen(), due_at=timezone.now() + LATER)
    with CaptureQueriesContext(connection) as made:
        ping(event())
    assert len(made) == 4  # the source, the person, and the two updates
    assert Mailbox.objects.filter(due_at__lte=timezone.now()).count() == 1


@pytest.mark.parametrize("subject", [[KARI], {"person": KARI}, 17, None, f"/person/{KARI}/", "\0"])
def test_a_person_in_a_wrong_shape_is_passed_over(mailbox, subject):
    before = Mailbox.objects.values().get()
    assert ping(event(alternativesubject=subject)).status_code == 202
    assert Mailbox.objects.values().get() == before


def test_no_ping_leaves_an_identity_number_in_the_log(mailbox, caplog):
    caplog.set_level(logging.DEBUG)
    ping(event())
    ping(event(STRANGER))
    ping(event(specversion="0.3"))
    ping(event(STRANGER, padding="x" * 64 * 1024))
    ping(json.dumps(event()).encode()[:-1])
    said = "".join(
        record.getMessage() for record in caplog.records if record.name != "django.db.backends"
    )
    assert KARI not in said and STRANGER not in said


def test_there_is_nothing_to_read_here(client):
    answer = client.get("/hooks/altinn/")
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"


@pytest.fixture
def agency_mailbox(demo_citizens) -> Mailbox:
    """Kari's mailbox at NAV, whose pings prove that they are NAV's; it is not due."""
    mailbox = Mailbox.objects.get(
        citizen=find_citizen("national_id", KARI), source_id="minside-nav"
    )
    Mailbox.objects.update(due_at=timezone.now() + LATER, last_attempt_at=None)
    return mailbox


def token(keys, **changes) -> str:
    said = {
        "client_id": "nav",
        "consumer_org": "0192:889640782",
        "scope": "samlepost:feed.ping",
        "audience": f"{settings.WEB_PUBLIC_URL}/hooks/minside-nav/",
    }
    return issue_token(keys, **said | changes)


def prove(proof: str) -> int:
    answer = Client(enforce_csrf_checks=True).post(
        "/hooks/minside-nav/",
        json.dumps(event()).encode(),
        content_type="application/cloudevents+json",
        headers={"Authorization": proof} if proof else {},
    )
    return answer.status_code


def test_an_agencys_ping_with_its_own_token_makes_the_mailbox_due(agency_mailbox, world):
    nav = world.control.by_channel[Channel.NAV]
    assert prove(f"Bearer {nav.ping_proof(Channel.NAV)}") == 202
    assert is_due(agency_mailbox)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"consumer_org": "0192:958935420"}, 403),
        ({"scope": "samlepost:feed.read"}, 401),
        ({"audience": "https://another.example/hooks/minside-nav/"}, 401),
        ({"audience": None}, 401),
        ({"lifetime": -60}, 401),
    ],
)
def test_another_token_makes_nothing_due(agency_mailbox, _keys, changes, status):
    assert prove(f"Bearer {token(_keys, **changes)}") == status
    assert not is_due(agency_mailbox)


def test_a_token_that_maskinporten_did_not_sign_is_none(agency_mailbox, tmp_path):
    forged = token(tmp_path)
    for proof in ("", "Bearer", "Bearer x.y.z", f"Bearer {forged}", f"Basic {forged}", "x" * 9000):
        assert prove(proof) == 401
    assert not is_due(agency_mailbox)


def test_bad_tokens_do_not_make_us_ask_maskinporten_again_and_again(
    agency_mailbox, tmp_path, monkeypatch
):
    asked = []
    real = Http.get_json
    monkeypatch.setattr(Http, "get_json", lambda *a, **k: asked.append(a) or real(*a, **k))
    for _ in range(5):
        assert prove(f"Bearer {token(tmp_path)}") == 401
    assert len(asked) == 2  # its metadata and its keys, once


def test_while_maskinporten_does_not_answer_a_ping_is_to_come_again(
    agency_mailbox, _keys, monkeypatch
):
    def away(base_url: str) -> httpx.BaseTransport:
        return httpx.MockTransport(lambda request: httpx.Response(503))

    monkeypatch.setattr(connectors.http, "transport_for", away)
    assert prove(f"Bearer {token(_keys)}") == 503
    assert not is_due(agency_mailbox)
