"""From what happens to a letter to the agency's own server, through the pages and the jobs."""

from __future__ import annotations

import pytest
from django.test import Client

from config.celery import BEAT
from inbox.agencies import tasks
from inbox.letters.models import DeliveryRecord
from tests.make import log_in, make_citizen, make_letter

pytestmark = pytest.mark.django_db


def told(receiver, secret: str) -> list[tuple[str, str]]:
    """Run the jobs; return what has come, as event and reference."""
    tasks.collect_due()
    tasks.send_webhooks()
    said = [each.verified(secret) for each in receiver.taken]
    receiver.taken.clear()
    return sorted((each["type"], each["data"]["reference"]) for each in said)


def test_the_agency_is_told_of_her_opening_only_where_she_agreed(
    client: Client, made, receiver, settings, tmp_path
):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    kari = make_citizen()
    asked = make_letter(kari, external_id="asked", wants_opening_receipt=True)
    not_asked = make_letter(kari, external_id="not-asked")
    make_letter(kari, external_id="others", org_number="958935420")
    delivered = [("letter.delivered", "asked"), ("letter.delivered", "not-asked")]
    assert told(receiver, made.secret) == delivered
    log_in(client, kari, 4)
    client.get(f"/letters/{not_asked.id}/")
    client.get(f"/letters/{asked.id}/")  # it asks her first
    assert told(receiver, made.secret) == []
    client.post(f"/letters/{asked.id}/open/")
    asked.refresh_from_db()
    assert asked.opened_at
    assert told(receiver, made.secret) == [("letter.opened", "asked")]
    assert told(receiver, made.secret) == []
    row = DeliveryRecord.objects.get(external_id="asked")
    assert row.tells_opening


def test_the_jobs_are_in_the_timetable():
    names = {task for task, _seconds in BEAT.values()}
    for task in (tasks.send_webhooks, tasks.forget_old_webhook_messages, tasks.collect_due):
        assert task.name in names
