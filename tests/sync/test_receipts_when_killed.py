"""A worker that is killed between any two steps of a DPI message's life, over real HTTP."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from django.db import connection
from django.utils import timezone
from werkzeug.serving import make_server

from connectors import http
from connectors.dpi.connector import Connector
from connectors.dpi.envelope import peek
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen, identify
from inbox.citizens.models import Identifier, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Delivery, Letter
from inbox.notifications import deliver
from inbox.notifications.channels import email
from inbox.notifications.models import Notification
from inbox.sync import (
    engine,
    intake,
    lease,
    opening,
    put_aside,
    quarantine,
    receipts,
    rejections,
    replay,
)
from inbox.sync.models import OutboundReceipt, Quarantined, Rejection, Source

pytestmark = pytest.mark.django_db(transaction=True)

DIED = 9
NOT_NOTIFIED = "varslingfeiletkvittering"
KARI = by_slug("kari")
SLUG = Channel.DIGIPOST.value
LIFE = ["leveringskvittering", "aapningskvittering"]

STEPS: list[tuple[object, str, str, int]] = [
    # (where, which function, before or after its call number)
    (intake, "_archive", "before", 1),
    (intake, "_archive", "after", 1),
    (quarantine, "keep", "after", 1),
    (quarantine, "record", "after", 1),
    (rejections, "owe", "after", 1),
    (receipts, "owe_delivered", "after", 1),
    (receipts, "owe_opened_copies", "after", 1),
    (Connector, "settle", "before", 1),
    (Connector, "settle", "after", 1),
    (receipts, "owe_opened", "after", 1),
    (opening, "_open", "after", 1),
    *[(lease, "claim_work", "after", number) for number in (1, 2, 3)],
    *[(Connector, "sign_receipt", "after", number) for number in (1, 2, 3)],
    *[(Connector, "send_receipt", "before", number) for number in (1, 2, 3)],
    *[(Connector, "send_receipt", "after", number) for number in (1, 2, 3)],
]
"""Every boundary between archive, database and network; receipts leave in the order of LIFE, the
error receipt last."""

RELEASE: list[tuple[object, str, str, int]] = [
    (put_aside, "replay", "before", 1),
    (quarantine, "reread", "after", 1),
    (replay, "take_in", "before", 1),
    (intake, "_archive", "after", 1),
    (rejections, "call_off_received", "before", 1),
    (rejections, "call_off_received", "after", 1),
    (receipts, "owe_delivered", "after", 1),
    (replay, "take_in", "after", 1),
    (quarantine, "note_replay", "before", 1),
    (quarantine, "note_replay", "after", 1),
    (Connector, "send_receipt", "before", 1),
    (Connector, "send_receipt", "after", 1),
]
"""Every boundary of a release from quarantine."""

NOTICE: list[tuple[object, str, str, int]] = [
    (receipts, "owe_failed_notices", "before", 1),
    (receipts, "_owe_failed", "before", 1),
    (receipts, "_taking", "after", 1),
    (receipts, "_owe_failed", "after", 1),
    (Connector, "sign_receipt", "after", 1),
    (Connector, "send_receipt", "before", 1),
    (Connector, "send_receipt", "after", 1),
]
"""Every boundary after a worker has died while it handed a notice over."""


class Redirected(httpx.HTTPTransport):
    """Real HTTP to the port that the operating system gave us, under the demo's own address."""

    def __init__(self, port: int) -> None:
        super().__init__(verify=False)  # nothing here is encrypted: no authorities to load
        self.port = port

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(port=self.port)
        return super().handle_request(request)


@pytest.fixture
def served(demo_citizens, monkeypatch) -> Iterator[Any]:
    server = make_server("127.0.0.1", 0, demo_citizens.wsgi, threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(http, "transport_for", lambda _: Redirected(server.server_port))
    yield demo_citizens.control.by_channel[Channel.DIGIPOST]
    server.shutdown()
    thread.join()


@pytest.fixture
def on_disk(served, tmp_path: Path) -> Iterator[None]:
    """Move a test database in memory to a file: a child's copy of memory would die with it."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()
    memory, name = connection.connection, connection.settings_dict["NAME"]
    file = tmp_path / "killed.sqlite3"
    with sqlite3.connect(file) as copy:
        memory.backup(copy)
    copy.close()
    connection.connection, connection.settings_dict["NAME"] = None, str(file)
    yield
    connection.close()
    connection.connection, connection.settings_dict["NAME"] = memory, name


def dies(where: Any, name: str, when: str, number: int) -> None:
    """Make this process exit hard before or after a call of a function."""
    real: Callable[..., Any] = getattr(where, name)
    calls = 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if when == "before" and calls == number:
            os._exit(DIED)
        result = real(*args, **kwargs)
        if calls == number:
            os._exit(DIED)
        return result

    setattr(where, name, call)


def send_owed() -> None:
    receipts.send_due()
    rejections.send_due()


def live() -> None:
    """Fetch, open with her consent, send every receipt that is owed."""
    engine.sync_source(SLUG)
    kari = find_citizen("national_id", KARI.national_id)
    for letter in Letter.objects.filter(citizen=kari, opened_at=None):
        opening.open_letter(Viewer(kari.id, SecurityLevel.HIGH), letter.id, agreed=True)
    send_owed()


def find_owner() -> None:
    """Fetch, release what lies in quarantine for its owner, send every receipt that is owed."""
    engine.sync_source(SLUG)
    put_aside.release_due()
    send_owed()


def notify() -> None:
    """Fetch, send the notices that are due, and every receipt that is owed."""
    engine.sync_source(SLUG)
    deliver.send_due()
    receipts.owe_failed_notices()
    send_owed()


def killed_at(step: tuple[object, str, str, int], live: Callable[[], None] = live) -> bool:
    """Live in a child that is killed at `step`; say whether it came so far."""
    connection.close()  # the child must not share it
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, DIED), code
        return code == DIED
    try:
        dies(*step)
        live()
        os._exit(0)
    except BaseException:
        os._exit(1)


def leases_run_out() -> None:
    Source.objects.update(lease_until=None, lease_token=None, due_at=timezone.now())
    for work in (OutboundReceipt, Rejection):
        work.objects.filter(state="waiting").update(lease_until=None, due_at=timezone.now())
    long_ago = timezone.now() - timedelta(days=1)
    Notification.objects.exclude(lease_until=None).update(lease_until=long_ago)


def test_each_receipt_leaves_exactly_once_wherever_the_worker_is_killed(served, on_disk):
    expected: Counter[tuple[str, str]] = Counter()
    for index, step in enumerate(STEPS):
        letter = new_letter(KARI, Channel.DIGIPOST, title=f"Vedtak {index}", at=STUDY_DATE)
        letter = replace(letter, wants_opening_receipt=True)
        identifier, broken = served.send(letter), served.send_garbage(KARI, Channel.DIGIPOST)
        assert killed_at(step), step
        leases_run_out()
        live()
        expected.update([(identifier, kind) for kind in LIFE] + [(broken, "feil")])
        found = Counter((each.message_id, each.type) for each in served.receipts(KARI))
        assert found == expected, step
    live()
    assert sum(expected.values()) == len(served.receipts(KARI)), "nothing is left to be sent"
    sent = {each.envelope for each in served.receipts(KARI)}
    rows = [*OutboundReceipt.objects.all(), *Rejection.objects.all()]
    assert {row.state for row in rows} == {"done"}
    assert {row.signed for row in rows} == sent, "what is kept is what the sender got"
    assert Delivery.objects.count() == Quarantined.objects.count() == len(STEPS)


def test_a_letter_finds_its_owner_once_wherever_the_worker_is_killed(served, on_disk):
    kari = find_citizen("national_id", KARI.national_id)
    expected: Counter[tuple[str, str]] = Counter()
    for index, step in enumerate(RELEASE):
        Identifier.objects.filter(kind="mailbox_address", citizen=kari).delete()
        identifier = served.send(
            new_letter(KARI, Channel.DIGIPOST, title=f"V{index}", at=STUDY_DATE)
        )
        engine.sync_source(SLUG)
        assert Quarantined.objects.filter(resolved_at=None).count() == 1
        identify(kari, "mailbox_address", KARI.mailbox_address)
        assert killed_at(step, find_owner), step
        leases_run_out()
        find_owner()
        expected[identifier, "leveringskvittering"] = 1
        found = Counter((each.message_id, each.type) for each in served.receipts(KARI))
        assert found == expected, step
        assert not Quarantined.objects.filter(resolved_at=None).exists(), step
        assert not Rejection.objects.exists(), step
        Source.objects.update(due_at=timezone.now())
    assert put_aside.release_due() == 0
    assert Letter.objects.filter(citizen=kari).count() == len(RELEASE)
    assert set(Quarantined.objects.values_list("citizen", flat=True)) == {kari.id}


def test_a_notice_is_told_once_when_its_worker_dies_while_handing_it_over(served, on_disk):
    expected: Counter[tuple[str, str]] = Counter()
    for index, step in enumerate(NOTICE):
        letter = new_letter(KARI, Channel.DIGIPOST, title=f"Varsel {index}", at=STUDY_DATE)
        identifier = served.send(replace(letter, due_at=STUDY_DATE + timedelta(days=30)))
        engine.sync_source(SLUG)
        receipts.send_due()
        assert killed_at((email, "send", ("before", "after")[index % 2], 1), notify)
        leases_run_out()
        assert killed_at(step, notify), step
        leases_run_out()
        notify()
        expected.update([(identifier, "leveringskvittering"), (identifier, NOT_NOTIFIED)])
        assert Counter((each.message_id, each.type) for each in served.receipts(KARI)) == expected
    notify()
    assert sum(expected.values()) == len(served.receipts(KARI))
    said = [
        peek(each.envelope)["standardBusinessDocument"][each.type]
        for each in served.receipts(KARI)
        if each.type == NOT_NOTIFIED
    ]
    assert {(each["varslingskanal"], each["beskrivelse"]) for each in said} == {
        ("epost", "it is not known whether it was sent")
    }
