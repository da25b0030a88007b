"""The store with its objects in an S3 bucket: what holds on a disk holds there."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

import pytest

from inbox.archive import proof, store
from inbox.archive.proof import copying as log_copying
from inbox.archive.s3 import S3, Bucket
from tests.archive import test_store as on_disk
from tests.archive.s3_server import Server, answering, keys
from tests.archive.test_store import FIRST, OWNER

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def bucket(settings, server: Server, tmp_path: Path) -> Bucket:
    settings.ARCHIVE_DIR = tmp_path / "nothing-but-locks"
    made = server.bucket()
    settings.ARCHIVE_S3 = asdict(made)
    return made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "downloaded"


def downloaded(bucket: Bucket, home: Path) -> Path:
    for key, data in keys(S3(bucket)).items():
        path = home / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return home


def test_ocfl_py_finds_a_downloaded_bucket_valid(bucket: Bucket, home: Path):
    ids = [uuid4(), uuid4()]
    with store.group() as group:
        for object_id in ids:
            group.put(OWNER, object_id, FIRST)
    store.add_version(OWNER, ids[0], {"files/0001.pdf": b"second", "files/0002.pdf": b"new"})
    assert store.describe(OWNER, ids[0]).version == 2
    assert [store.verify(each) for each in ids] == [[], []]
    assert on_disk.objects_found_by_ocfl_py(downloaded(bucket, home)) == 2
    assert not (home / "staging").exists()
    store.remove(OWNER, ids[0])
    assert not store.exists(ids[0])
    assert len({key.split("/")[3] for key in keys(S3(bucket)) if "urn" in key or "v1" in key}) == 1


test_same_again = on_disk.test_putting_the_same_again_changes_nothing
test_something_else = on_disk.test_putting_something_else_under_the_same_id_is_refused
test_missing = on_disk.test_what_is_not_there_is_missing


def test_the_log_is_copied_beside_the_objects_and_put_back_from_there(
    bucket: Bucket, settings, tmp_path: Path
):
    settings.ARCHIVE_PROOF = "log"
    settings.ARCHIVE_S3, settings.ARCHIVE_COPY_S3 = {}, asdict(bucket)
    settings.ARCHIVE_LOG_KEY_FILE = str(tmp_path / "log.pem")
    store.put(OWNER, uuid4(), FIRST)
    assert proof.sequence() == 1
    log_copying.run()
    there = keys(S3(bucket, "log"))
    assert there["log/checkpoint"].decode() == proof.checkpoint()
    tile = settings.ARCHIVE_DIR / "log/tile/0/000.p/1"
    tile.unlink()
    assert log_copying.compare() == 1
    assert tile.read_bytes() == there["log/tile/0/000.p/1"]


def test_nothing_is_there_while_the_bucket_is_away(server: Server):
    object_id = uuid4()
    store.put(OWNER, uuid4(), FIRST)
    server.faults.append(answering("403 Forbidden", lambda _: True))
    with pytest.raises(OSError, match="403"):
        store.put(OWNER, object_id, FIRST)
    server.faults.clear()
    assert not store.exists(object_id)
    store.put(OWNER, object_id, FIRST)
    assert store.read_bytes(OWNER, object_id, "files/0001.pdf") == FIRST["files/0001.pdf"]
