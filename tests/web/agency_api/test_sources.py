"""An agency's sources by the API: how they stand, and what waits to be delivered."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors.contract import RawPart, Unreadable
from inbox.agencies import quarantined
from inbox.agencies.models import Agency, AgencySource
from inbox.sync import quarantine
from inbox.sync.models import Quarantined, Source
from tests.make import make_citizen, make_mailbox, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

NATIONAL_ID = "17849200399"


@pytest.fixture(autouse=True)
def _archive(settings, tmp_path) -> None:
    settings.ARCHIVE_DIR = tmp_path / "archive"


@pytest.fixture
def navs(nav) -> Source:
    return own_source(nav, "navs")


def own_source(agency: Agency, slug: str) -> Source:
    source = make_source(slug, slug.title())
    AgencySource.objects.create(source=source, agency=agency)
    return source


def broken(source: Source, name: str = "1", reason: str = "no title") -> Quarantined:
    raw = [RawPart("item.json", uuid4().hex.encode(), "application/json")]
    kept = quarantine.keep(source, Unreadable(name, reason, raw), None)
    assert kept
    quarantine.record([kept])
    return kept.row


def test_a_source_says_what_fails_and_never_whose(ask, navs, oslo):
    own_source(oslo, "oslos")
    make_mailbox(make_citizen("Borger"), "navs", due_at=timezone.now())
    failure = {"failure": "temporary", "failure_detail": f"{NATIONAL_ID} said no"}
    make_mailbox(make_citizen("Ola"), "navs", due_at=timezone.now(), **failure)
    answer = ask("sources")
    (said,) = answer.json()["items"]
    assert (said["slug"], said["name"], said["active"]) == ("navs", "Navs", True)
    assert said["failing"] == [{"failure": "temporary", "mailboxes": 1}]
    assert said["last_success_at"] and said["paused_until"] is None
    for secret in (NATIONAL_ID, "Ola", "Borger"):
        assert secret not in answer.text


def test_what_waits_is_listed_page_by_page_at_one_cost(ask, navs):
    rows = [broken(navs, f"sak-{number}") for number in range(3)]
    first = ask("quarantine", limit=2).json()
    rest = ask("quarantine", limit=2, cursor=first["next"]).json()
    listed = [each["reference"] for each in first["items"] + rest["items"]]
    assert sorted(listed) == ["sak-0", "sak-1", "sak-2"]
    assert rest["next"] is None
    assert first["items"][0]["reason"] == "no title"
    few = cost(ask)
    for number in range(20):
        broken(navs, f"flere-{number}")
    assert cost(ask) == few <= 3
    assert len(rows) == 3


def test_no_number_of_anybodys_is_shown(ask, navs):
    broken(navs, f"brev-{NATIONAL_ID}", f"{NATIONAL_ID} is nobody")
    answer = ask("quarantine")
    assert NATIONAL_ID not in answer.text
    assert "is nobody" in answer.text


def test_it_is_tried_again_and_what_came_of_it_is_said(made, navs, monkeypatch):
    item = broken(navs)
    api = Client(headers={"Authorization": f"Bearer {made.secret}"})
    address = f"/api/agency/v1/quarantine/{item.id}/replay"
    said = api.post(address).json()
    item.refresh_from_db()
    assert said == {"delivered": False, "reason": item.reason}
    assert item.replays == 1
    monkeypatch.setattr(quarantined.replaying, "replay", lambda item_id: item_id == item.id)
    assert api.post(address).json() == {"delivered": True, "reason": ""}


def test_another_agencys_waits_unseen(ask, made, oslo, navs):
    theirs = broken(own_source(oslo, "oslos"), "deres")
    assert ask("quarantine").json()["items"] == []
    api = Client(headers={"Authorization": f"Bearer {made.secret}"})
    answer = api.post(f"/api/agency/v1/quarantine/{theirs.id}/replay")
    assert answer.status_code == 404
    theirs.refresh_from_db()
    assert theirs.replays == 0


def cost(ask) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert ask("quarantine", limit=100).status_code == 200
    return len(asked)
