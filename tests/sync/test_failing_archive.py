"""An archive that takes nothing: no letter is received, none is lost, no receipt is owed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
from django.utils import timezone

from connectors.world.model import Channel
from inbox.archive import store
from inbox.archive.models import Blob, Holding
from inbox.archive.storage import DiskStaged
from inbox.letters.models import Letter
from inbox.sync import engine
from inbox.sync.models import Mailbox, OutboundReceipt, Quarantined, Source
from tests.archive.s3_server import Server, answering, matching
from tests.sync.test_engine import send, state, sync

pytestmark = pytest.mark.django_db

Mend = Callable[[], None]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def full_disk(settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mend]:
    """A disk with no room, until it is mended: a real one where we may mount it."""
    place = tmp_path / "small"
    place.mkdir()
    settings.ARCHIVE_DIR = place / "archive"
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:

        def write(self: DiskStaged, name: str, chunks: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(DiskStaged, "write", write)
        yield monkeypatch.undo
        return
    ballast = place / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        store.exists(store.SYSTEM)  # the root is there; only letters have no room
        while file.write(bytes(4096)):
            pass
    yield ballast.unlink
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def bucket_down(settings, server: Server) -> Mend:
    settings.ARCHIVE_S3 = asdict(server.bucket())
    server.faults.append(answering("403 Forbidden", matching("PUT", "content")))
    return server.faults.clear


@pytest.fixture
def bucket_lies(settings, server: Server) -> Mend:
    settings.ARCHIVE_S3 = asdict(server.bucket())
    server.faults.append(answering("200 OK", matching("PUT", "content")))
    return server.faults.clear


@pytest.mark.files
@pytest.mark.parametrize("failing", ["full_disk", "bucket_down", "bucket_lies"])
def test_what_the_archive_cannot_keep_stays_at_the_source_until_it_can(
    demo_citizens, request: pytest.FixtureRequest, failing: str
):
    mend: Mend = request.getfixturevalue(failing)
    channels = (Channel.DIGIPOST, Channel.ALTINN)
    for channel in channels:
        send(demo_citizens, channel)
    # More often than a letter that cannot be received holds up the others.
    for _ in range(engine.PATIENCE + 1):
        for channel in channels:
            assert sync(channel) == 0
            assert not state(channel).ok
        Mailbox.objects.update(due_at=timezone.now())
        Source.objects.update(due_at=timezone.now())
    for nothing in (Letter, Blob, Holding, Quarantined, OutboundReceipt):
        assert not nothing.objects.exists()
    mend()
    for channel in channels:
        assert sync(channel) == 1
        assert state(channel).ok
    assert Letter.objects.count() == 2
    for blob in Blob.objects.all():
        assert store.verify(blob.package_id) == []
