from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.world.persons import by_slug
from tests.journeys.browserless import Visitor
from tests.journeys.processes import ROOT, Demo, demo

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))

LETTERS = """
import json
from inbox.archive.models import Blob
from inbox.citizens.models import Citizen
from inbox.letters.models import Letter
kari = Citizen.objects.get(name={name!r})
rows = [
    [l.sender_name, l.title, l.public_title, l.snippet, l.source, l.kind, l.security_level,
     l.received_at.isoformat(), str(l.due_at), l.unread, l.content, l.attachments,
     sorted(d.blob.sha256 for d in l.documents.select_related("blob") if d.blob_id)]
    for l in Letter.objects.filter(citizen=kari).order_by("-received_at", "title")
]
print(json.dumps(rows, ensure_ascii=False))
"""
FETCH = """
from inbox.sync import engine
from inbox.sync.models import Mailbox
for each in Mailbox.objects.filter(citizen__name={name!r}).select_related("source"):
    if each.source.shared_queue:
        engine.sync_source(each.source_id)
    else:
        engine.sync_mailbox(each.citizen_id, each.id, waits_its_turn=False)
"""


def test_every_service_has_what_it_depends_on():
    services = COMPOSE["services"]
    assert set(services) == {
        "postgres", "redis", "simulators", "setup", "web", "worker", "reader", "beat"
    }  # fmt: skip
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"]


@pytest.mark.servers
def test_its_commands_run_the_same_demo_as_make_run_does(tmp_path, servers):
    """The same citizen's same letters stand in the list on both kinds of database."""
    (tmp_path / "compose").mkdir()
    (tmp_path / "files").mkdir()
    with demo(tmp_path / "compose", servers) as containers:
        containers.fill_simulators(light=True)  # its own command for this finds it done
        start_as_compose_does(containers)
        containers.wait_for(lambda: containers.count_letters("kari") >= 27)
        on_servers = karis_letters(containers)
        with Visitor(containers.web) as kari:
            listed_on_servers = titles(kari.log_in("kari").text)
    with demo(tmp_path / "files", {}) as processes:
        processes.start_simulators()
        processes.set_up()
        processes.start_web()
        processes.shell(FETCH.format(name=by_slug("kari").name))
        on_files = karis_letters(processes)
        with Visitor(processes.web) as kari:
            listed_on_files = titles(kari.log_in("kari").text)
    assert on_servers == on_files
    assert listed_on_servers == listed_on_files
    assert len(listed_on_files) >= 20


def start_as_compose_does(running: Demo) -> None:
    """Run each service's own command and environment, with addresses of this machine."""
    services = COMPOSE["services"]
    ours = {
        name: str(value)
        for name, value in services["web"]["environment"].items()
        if name not in ("DATABASE_URL", "REDIS_URL")
    }
    for name, value in ours.items():
        assert "/data" not in value or name in running.environment, f"{name} is not translated"
    assert set(ours) <= set(running.environment) | {"ALLOWED_HOSTS"}
    running.environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for name in ("simulators", "setup", "web", "worker", "reader", "beat"):
        command = translated(services[name]["command"], running)
        if name == "setup":
            running.run("-c", f"import subprocess; subprocess.run({command!r}, check=True)")
        else:
            running.start_command(name, command)
        if name == "simulators":
            running.wait_for_address(f"{running.simulators}/control/api/persons")
    running.wait_for_address(f"{running.web}/healthz")


def translated(command: list[str], running: Demo) -> list[str]:
    """The command with this test's ports, on loopback alone."""
    ports = {"8000": running.web.rpartition(":")[2], "8010": running.simulators.rpartition(":")[2]}
    text = json.dumps(command).replace("0.0.0.0", "127.0.0.1")
    for theirs, mine in ports.items():
        text = text.replace(f" {theirs}", f" {mine}").replace(f'"{theirs}"', f'"{mine}"')
    found: list[str] = json.loads(text)
    assert shlex.join(found)
    return found


def karis_letters(running: Demo) -> list[list[Any]]:
    """What the database holds for Kari."""
    said = running.shell(LETTERS.format(name=by_slug("kari").name))
    found: list[list[Any]] = json.loads(said.splitlines()[-1])
    return found


def titles(page: str) -> list[str]:
    """The titles in the list, in order."""
    return [part.split("</a>")[0].rpartition(">")[2].strip() for part in page.split("<h3")[1:]]
