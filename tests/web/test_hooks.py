from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from connectors.world.persons import PERSONS
from inbox.citizens.identity import identify
from inbox.citizens.models import Identifier
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


def test_there_is_nothing_to_read_here(client):
    answer = client.get("/hooks/altinn/")
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"
