from __future__ import annotations

import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.journeys.processes import Demo, demo

OPEN = """
from inbox.citizens.models import Citizen
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Letter
from inbox.sync.opening import open_letter
kari = Citizen.objects.get(name__startswith="Kari")
for letter in Letter.objects.visible_to(Viewer(kari.id, 4)):
    open_letter(Viewer(kari.id, 4), letter.id, agreed=True)
"""

LOOK = """
import json
from inbox.citizens.models import Citizen, InboxState
from inbox.letters.models import Letter
from inbox.sync.models import Retrieval
kari = Citizen.objects.get(name__startswith="Kari")
letters = Letter.objects.filter(citizen=kari).order_by("received_at", "title", "source")
print(json.dumps({
    "letters": list(letters.values_list("title", "source", "unread", "content")),
    "unread": InboxState.objects.get(citizen=kari).unread,
    "retrievals": Retrieval.objects.filter(citizen=kari).count(),
}))
"""


ALONE = """
from inbox.sync import engine
from inbox.sync.models import Mailbox, Source
for source in Source.objects.filter(shared_queue=True):
    engine.sync_source(source.slug)
Source.objects.update(due_at=None)
Mailbox.objects.exclude(citizen__name__startswith="Kari").update(due_at=None)
"""


def test_a_reset_while_workers_are_busy_and_one_dies_leaves_her_at_her_start(tmp_path, servers):
    with demo(tmp_path, servers) as running:
        running.start_simulators()
        running.set_up()
        running.shell(ALONE)
        running.start_web()
        assert running.control("reset", person="kari")["inbox"] == "ok"
        start = looked_at(running)
        assert len(start["letters"]) == 27
        running.start_worker()
        running.control("faults", channel="altinn", mode="ok", delay_seconds=0.2)
        for dies in (False, True):
            running.shell(OPEN)
            running.wait_for(lambda: looked_at(running)["marks"] > start["marks"])
            if dies:
                running.kill("worker")
            assert [answer["inbox"] for answer in press_twice(running)] == ["ok", "ok"]
            if dies:
                running.start_worker()
            time.sleep(6)  # whatever was under way is over, and every mailbox fetched again
            assert looked_at(running) == start


def press_twice(running: Demo) -> list[dict[str, Any]]:
    """Press "Nullstill" twice in a row."""
    with ThreadPoolExecutor() as pool:
        presses = [pool.submit(running.control, "reset", person="kari") for _ in range(2)]
        return [press.result() for press in presses]


def looked_at(running: Demo) -> dict[str, Any]:
    """Return her letters as she has them, and how many marks and receipts the sources hold."""
    found: dict[str, Any] = json.loads(running.shell(LOOK))
    for name, table in (("altinn", "marks"), ("minside", "receipts")):
        with sqlite3.connect(running.folder / "simulators" / f"{name}.sqlite3") as db:
            found[table] = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return found
