"""What each page asks of the database, at ten letters and at many."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inbox.sync.freshness import labels
from tests.make import copy_letter, log_in, make_citizen, make_letter, make_mailbox
from tests.pages import Answer, asking, crawl

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

FEW, MANY = 10, 300
QUERIES_MAX = 8
MORE_QUERIES: dict[str, int] = {}
"""Routes that may ask more often, and how often."""
NEVER_THE_SAME = {"outbox", "demo"}
"""Not hers: they show what all persons have."""


def test_every_page_asks_as_often_at_many_letters_as_at_ten(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    kari = make_citizen(is_staff=True)
    make_mailbox(kari)
    client = Client()
    log_in(client, kari, level=4)
    letter = make_letter(kari, title="Vedtak", body="Hei", needs_action=True)
    copy_letter(letter, FEW - 1)
    labels()
    starts = ["/", "/?q=vedtak", "/?show=unread"]
    walked = crawl(asking(client), starts, each=2)
    addresses = [each.address for each in walked if each.status == 200]
    few = {address: queries(client, address) for address in addresses}
    copy_letter(letter, MANY - FEW)
    many = {address: queries(client, address) for address in addresses}
    assert len(addresses) > 10
    assert many == few
    bounds = {each.address: MORE_QUERIES.get(each.route, QUERIES_MAX) for each in walked}
    assert {address: n for address, n in many.items() if n > bounds[address]} == {}


def queries(client: Client, address: str) -> int:
    """How many queries an answer costs."""
    with CaptureQueriesContext(connection) as asked:
        answer: Answer = asking(client)(address)
    assert answer.status == 200, address
    return len(asked)
