"""The examples of docs/minside-feed.md, tried as an agency would: served, added, fetched, read."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

import connectors.minside
from connectors import http
from connectors.conformance.feed import Feed, OwnTokens
from connectors.conformance.outcome import Verdict
from connectors.conformance.run import run_feed
from connectors.contract import Misconfigured
from connectors.maskinporten.simulator import CLIENT_ID, CLIENT_KEY, CLIENT_ORG
from connectors.world.persons import by_slug
from inbox.agencies import conformance
from inbox.agencies.models import Agency, ConformanceRun, Employee
from inbox.archive import store
from inbox.citizens.identity import find_citizen
from inbox.letters.models import Delivery, Letter
from inbox.sync import engine
from inbox.sync.models import Mailbox, Source
from inbox.sync.sources import connected
from tests.make import log_in, make_citizen

ROOT = Path(__file__).parents[2]
OPENAPI = Path(connectors.minside.__file__).parent / "openapi.json"
IN_PYTHON = ROOT / "docs" / "examples" / "minside_feed.py"
IN_NODE = ROOT / "tests" / "connectors" / "feed.mjs"
PATH = "/samlepost/v1"
KARI = by_slug("kari")
ORG = "958935420"
TEXT = "Du har fått plass i kulturskolen.\n"
ENTRY = {
    "id": "2026-77",
    "type": "decision",
    "title": "Plass i kulturskolen",
    "security_level": 3,
    "sent_at": "2026-11-20T09:00:00+01:00",
    "sender": {"name": "Bygda kommune", "org_number": ORG},
}


@pytest.fixture
def serve(monkeypatch) -> Iterator[Callable[[Any], str]]:
    """Serve an application on a free port of this machine, and let us speak to real addresses."""
    servers = []

    def start(app: Any) -> str:
        monkeypatch.setattr(http, "transport_for", lambda _: None)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        servers.append(server)
        Thread(target=server.serve_forever, daemon=True).start()
        return f"http://localhost:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def maskinporten(demo_citizens, serve, monkeypatch) -> str:
    address = serve(demo_citizens.wsgi)
    monkeypatch.setenv("SIMULATORS_PUBLIC_URL", address)
    return f"{address}/maskinporten"


def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("minside_feed", IN_PYTHON)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settings_of(base_url: str, maskinporten: str) -> dict[str, str]:
    """What an agency sets for either example."""
    return {
        "BASE_URL": base_url,
        "MASKINPORTEN_URL": maskinporten,
        "SAMLEPOST_ORG_NUMBER": CLIENT_ORG.removeprefix("0192:"),
    }


@pytest.fixture
def in_python(maskinporten, serve, tmp_path) -> str:
    """The address of the example in Python, with a letter for Kari in its feed."""
    mounted = DispatcherMiddleware(None, {})
    base_url = f"{serve(mounted)}{PATH}"
    module, db = example(), sqlite3.connect(tmp_path / "feed", check_same_thread=False)
    mounted.mounts[PATH] = module.make_app(db, OPENAPI, **settings_of(base_url, maskinporten))
    module.publish(db, KARI.national_id, ENTRY, ("brev.txt", "text/plain", TEXT.encode()))
    return base_url


@pytest.fixture
def in_node(maskinporten, tmp_path) -> Iterator[str]:
    """The address of the example for Node, with the same letter."""
    node = shutil.which("node")
    if node is None and os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail("Node is missing, and CI leaves nothing out")
    if node is None:
        pytest.skip("no Node on this machine: the feed in another language was not tried")
    files = [{"name": "brev.txt", "media_type": "text/plain", "text": TEXT}]
    letters = [{"pid": KARI.national_id, "entry": ENTRY, "files": files}]
    (tmp_path / "letters.json").write_text(json.dumps(letters))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        base_url = f"http://localhost:{free.getsockname()[1]}{PATH}"
    names = settings_of(base_url, maskinporten) | {"LETTERS": str(tmp_path / "letters.json")}
    with subprocess.Popen([node, IN_NODE], env=names, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"ready\n"
        yield base_url
        process.terminate()


def add_agency(base_url: str, maskinporten: str, keys: Path) -> Mailbox:
    """Add the agency as an operator does; returns Kari's mailbox there."""
    said = {
        "base_url": base_url,
        "org_number": ORG,
        "maskinporten_url": maskinporten,
        "client_id": CLIENT_ID,
        "private_key_file": str(keys / CLIENT_KEY),
        "retention_days": "365",
    }
    sets = [part for name, value in said.items() for part in ("--set", f"{name}={value}")]
    call = ["source", "bygda", "--connector", "minside", "--label", "Bygda kommune", *sets]
    call_command(*call, "--connect-everybody", stdout=StringIO())
    kari = find_citizen("national_id", KARI.national_id)
    return Mailbox.objects.get(citizen=kari, source_id="bygda")


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["in_python", "in_node"])
def test_an_agencys_own_feed_is_added_and_its_letter_is_on_her_page(
    request, client, maskinporten, _keys, language
):
    base_url = request.getfixturevalue(language)
    mailbox = add_agency(base_url, maskinporten, _keys)
    assert engine.sync_mailbox(mailbox.citizen_id, mailbox.id) == 1
    mailbox.refresh_from_db()
    assert (mailbox.failure_detail, mailbox.cursor) == ("", "1")
    delivery = Delivery.objects.get()
    document = delivery.documents.get()
    log_in(client, Letter.objects.get().citizen)
    assert ENTRY["title"] in client.get("/").text
    shown = client.get(f"/letters/{delivery.letter_id}/").text
    assert ENTRY["title"] in shown and "Bygda kommune" in shown
    opened = client.get(f"/letters/{delivery.letter_id}/documents/{document.id}/")
    assert b"".join(opened.streaming_content) == TEXT.encode()
    assert store.verify(delivery.id) == []
    assert engine.sync_mailbox(mailbox.citizen_id, mailbox.id) == 0
    kit = Feed(base_url, ORG, OwnTokens(_keys, base_url), retention_days=365)
    found = run_feed(kit).findings
    assert [(x.code, x.detail) for x in found if x.verdict is Verdict.FAILED] == []
    assert sum(each.verdict is Verdict.PASSED for each in found) > 20


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["in_python", "in_node"])
def test_an_agency_connects_its_feed_by_itself_and_a_citizen_gets_its_letter(
    request, client, maskinporten, settings, language
):
    base_url = request.getfixturevalue(language)
    settings.KRR_MASKINPORTEN_URL = maskinporten
    employee = make_citizen("Guri")
    agency = Agency.objects.create(org_number=ORG, name="Bygda kommune")
    Employee.objects.create(agency=agency, citizen=employee)
    portal, slug = Client(), f"feed-{ORG}"
    log_in(portal, employee, 4)
    feed = {"address": base_url, "label": "Bygda kommune", "retention_days": "365"}
    portal.post(reverse("agency_connections_feed", args=[ORG]), feed)
    into_use = reverse("agency_connections_use", args=[ORG])
    portal.post(into_use)
    assert not Source.objects.get(slug=slug).active  # it has not been tried
    started = portal.post(reverse("agency_conformance_start", args=[ORG]), {"source": slug})
    (run_id,) = conformance.due()
    conformance.run(run_id)
    shown = portal.get(started["Location"]).text
    run = ConformanceRun.objects.get()
    assert (run.state, run.failed, run.last_error) == ("done", 0, ""), run.findings
    assert run.passed > 20 and "F-01" in shown and ENTRY["title"] in shown
    assert run.persons == "" and KARI.national_id not in f"{shown}{run.findings}{run.shown}"
    portal.post(into_use)
    kari = find_citizen("national_id", KARI.national_id)
    log_in(client, kari)
    assert "Bygda kommune" in client.get("/sources/").text
    assert client.post(reverse("source_connect", args=[slug])).status_code == 302
    mailbox = Mailbox.objects.get(citizen=kari, source_id=slug)
    assert engine.sync_mailbox(mailbox.citizen_id, mailbox.id) == 1
    assert ENTRY["title"] in client.get("/").text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["--connector", "none"], "no connector"),
        (["--connector", "minside"], "missing setting: base_url, org_number"),
        (["--connector", "minside", "--set", "base_url"], "NAME=VALUE"),
        (["--connector", "minside", "--set", "base_url=nav.no", "--set", "org_number=1"], "http"),
    ],
)
def test_a_source_that_cannot_be_used_is_not_added(call, said):
    with pytest.raises(CommandError, match=said):
        call_command("source", "bygda", *call)
    assert not Source.objects.exists()


@pytest.mark.parametrize("language", ["in_python", "in_node"])
def test_the_kit_finds_nothing_amiss_with_either_example(request, maskinporten, _keys, language):
    base_url = request.getfixturevalue(language)
    number, tokens = ENTRY["sender"]["org_number"], OwnTokens(_keys, base_url)
    report = run_feed(Feed(base_url, number, tokens, KARI.national_id, retention_days=365))
    failed = [each for each in report.findings if each.verdict is Verdict.FAILED]
    assert [(each.code, each.detail) for each in failed] == []
    assert report.passed > 20 and [each.title for each in report.shown] == [ENTRY["title"]]


@pytest.mark.django_db
def test_outside_the_demo_a_feed_on_this_machine_takes_a_setting_of_its_own(_keys, settings):
    settings.DEMO = False
    source = Source(
        slug="bygda",
        connector="minside",
        settings={
            "base_url": "http://localhost:8090",
            "org_number": ORG,
            "maskinporten_url": "https://test.maskinporten.no",
            "client_id": CLIENT_ID,
            "private_key_file": str(_keys / CLIENT_KEY),
        },
    )
    settings.FEEDS_ON_LOOPBACK = False
    with pytest.raises(Misconfigured, match="base_url"), connected(source):
        pass
    settings.FEEDS_ON_LOOPBACK = True
    with connected(source) as connector:
        assert connector.label
    source.settings["maskinporten_url"] = "http://localhost:8010/maskinporten"
    with pytest.raises(Misconfigured, match="maskinporten_url"), connected(source):
        pass
