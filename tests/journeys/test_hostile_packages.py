"""What the largest packages, hostile and honest, cost a worker that receives them from a queue."""

from __future__ import annotations

import os
import re
from pathlib import Path
from uuid import uuid4

import pytest

from connectors.dpi.sender import Message
from connectors.simulate import create_world
from connectors.world.model import Channel, SimulatedDocument
from tests.connectors.dpi.place import letter as written
from tests.connectors.dpi.test_forged_memory import MEMORY_MAX_MB, packages
from tests.journeys.processes import Demo, demo

QUARANTINED = """
from inbox.sync.models import Quarantined
print(*Quarantined.objects.order_by("arrived_at", "id").values_list("reason", flat=True), sep="\\n")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
def test_a_worker_takes_them_within_300_mb_and_the_letters_behind_them_arrive(
    tmp_path: Path, servers: dict[str, str]
) -> None:
    with demo(tmp_path, servers) as running:
        simulators, keys = tmp_path / "simulators", tmp_path / "keys"
        dpi = create_world(simulators, keys).control.by_channel[Channel.EBOKS]
        letter = written(channel=Channel.EBOKS)
        hostile = packages(dpi.authority.agency(letter.agency), letter.sent_at)
        sent: list[Message] = [
            dpi.sender.sealed(letter, package, str(uuid4())) for package in hostile.values()
        ]
        largest = tuple(
            SimulatedDocument(f"{n}.pdf", f"Vedlegg {n}", "application/pdf", os.urandom(24_000_000))
            for n in range(2)
        )
        honest = (letter, written("two", channel=Channel.EBOKS, documents=largest))
        dpi.put([*sent, *map(dpi.sender.message, honest)])
        running.serve_simulators()
        running.set_up()
        running.start_worker()
        running.wait_for(lambda: running.count_letters("kari") == 2)
        said = running.shell(QUARANTINED).splitlines()
        assert len(said) == len(hostile)
        for reason in hostile:
            assert any(reason in words for words in said)
        assert max(peaks(running)) < MEMORY_MAX_MB


def peaks(running: Demo) -> list[int]:
    """The most memory, in MB, that each of the worker's processes has held."""
    parent = running.running["worker"].pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    found = []
    for pid in [str(parent), *children]:
        status = Path(f"/proc/{pid}/status").read_text()
        peak = re.search(r"VmHWM:\s+([0-9]+) kB", status)
        assert peak
        found.append(int(peak[1]) // 1024)
    assert len(found) > 1, "a worker has processes of its own"
    return found
