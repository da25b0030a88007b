"""The receivers of docs/agency-webhooks.md, in Python and in Node, against real messages."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.utils import timezone
from standardwebhooks import Webhook as Signer

from inbox.agencies import webhooks
from inbox.agencies.models import WebhookMessage
from inbox.agencies.webhook_sending import SCHEDULE, send_due
from tests.agencies.webhooks.test_queued import record

pytestmark = pytest.mark.django_db

DOCS = Path(__file__).parents[3] / "docs"
LANGUAGES = ["py", "mjs"]


class Example:
    """One of the servers, running."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._command, self._folder = command, folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *secrets: str) -> None:
        said = {"WEBHOOK_SECRETS": " ".join(secrets), "PORT": str(self.port)}
        said["TAKEN"] = str(self._folder / "taken.sqlite3")
        self.process = subprocess.Popen(
            self._command, env=said, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the example did not start")

    def stop(self) -> list[dict[str, object]]:
        """End it; returns what it has taken."""
        assert self.process
        self.process.terminate()
        said, _ = self.process.communicate(timeout=60)
        self.process = None
        return [json.loads(line) for line in said.splitlines()]


@pytest.fixture(params=LANGUAGES)
def example(request, tmp_path) -> Iterator[Example]:
    program = sys.executable
    if request.param == "mjs":
        program = shutil.which("node") or ""
    if not program and os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail("Node is missing, and CI leaves nothing out")
    if not program:
        pytest.skip("no Node on this machine: the receiver in Node was not tried")
    made = Example(
        [program, str(DOCS / "examples" / f"webhook_receiver.{request.param}")], tmp_path
    )
    yield made
    if made.process:
        made.process.kill()
        made.process.wait()


def test_it_takes_our_messages_once_also_while_the_secret_is_changed(nav, example):
    made = webhooks.create(nav, example.url, list(webhooks.EVENTS))
    example.start(made.secret)
    webhooks.queue([record(external_id="sak-æøå"), record()])
    send_due()
    new = webhooks.rotate(nav, made.webhook.id)
    webhooks.send_test(nav, made.webhook.id)
    send_due()
    assert set(WebhookMessage.objects.values_list("status", flat=True)) == {204}
    again = {"state": "waiting", "due_at": timezone.now()}
    WebhookMessage.objects.filter(event="ping").update(**again)
    send_due()
    assert set(WebhookMessage.objects.values_list("status", flat=True)) == {204}
    taken = example.stop()
    assert [each["type"] for each in taken] == ["letter.delivered", "letter.delivered", "ping"]
    assert taken[0]["data"]["reference"] == "sak-æøå"
    example.start(new.secret)
    webhooks.queue([record()])
    send_due()
    assert set(WebhookMessage.objects.values_list("status", flat=True)) == {204}
    assert len(example.stop()) == 1


@pytest.mark.files
def test_it_refuses_what_is_not_ours_old_or_changed(nav, example):
    secret, other = webhooks._new_secret(), webhooks._new_secret()
    example.start(secret)
    body = '{"type":"letter.opened"}'
    now = timezone.now()

    def send(by: str, age: int = 0, sent: str = body, **changes: str) -> int:
        at = now - timedelta(seconds=age)
        headers = {
            "webhook-id": "m1",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Signer(by).sign("m1", at, body),
        }
        headers |= {f"webhook-{name}": value for name, value in changes.items()}
        raw = {name: value.encode() for name, value in headers.items()}
        return httpx.post(example.url, content=sent, headers=raw).status_code

    assert send(other) == 401
    assert send(secret, age=400) == send(secret, age=-400) == 401
    assert send(secret, sent='{"type":"letter.replied"}') == 401
    assert send(secret, id="m2") == 401
    assert send(secret, timestamp="soon") == 401
    for signature in ("", "v1", "v1,", "v1a,x", "v2," + "A" * 44, "æ"):
        assert send(secret, signature=signature) == 401
    assert send(secret, sent="a" * 30_000) == 413
    assert send(secret) == 204
    assert example.stop() == [json.loads(body)]


def test_the_schedule_in_the_docs_is_the_one_that_is_kept():
    page = (DOCS / "agency-webhooks.md").read_text("utf-8")
    (line,) = [each for each in page.splitlines() if each.startswith("| after |")]
    shown = [each.strip() for each in line.strip("|").split("|")][1:]
    units = {"s": 1, "min": 60, "h": 3600}
    seconds = [0] + [int(n) * units[unit] for n, unit in map(str.split, shown[1:])]
    assert seconds == [wait.total_seconds() for wait in SCHEDULE]


def test_every_event_is_in_the_docs():
    page = (DOCS / "agency-webhooks.md").read_text("utf-8")
    for event in (*webhooks.EVENTS, webhooks.TEST):
        assert f"| `{event}` |" in page
