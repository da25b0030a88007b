"""What the archive asks of a storage, asked of a folder and of a bucket alike."""

from __future__ import annotations

import os
import threading
import tracemalloc
from pathlib import Path

import pytest

from inbox.archive import s3
from inbox.archive.storage import Disk, Missing, Storage, Unavailable
from tests.archive.s3_server import (
    Server,
    answering,
    changing,
    keys,
    matching,
    receiving,
)

pytestmark = pytest.mark.django_db

DIGEST = "2c9f04" + "0" * 58
FOLDER = f"2c9/f04/{DIGEST}"
FILES = {
    "v1/content/original/item.json.enc": b"what arrived",
    "0=ocfl_object_1.1": b"ocfl_object_1.1\n",
    "inventory.json": b"{}",
    "inventory.json.sha512": b"digest inventory.json\n",
    "v1/inventory.json": b"{}",
}
ROOT = {"ocfl_layout.json": b"{}", "0=ocfl_1.1": b"ocfl_1.1\n"}


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return settings.ARCHIVE_DIR


@pytest.fixture
def bucket(server: Server, monkeypatch: pytest.MonkeyPatch) -> s3.S3:
    monkeypatch.setattr(s3, "ATTEMPTS", 1)
    made = s3.S3(server.bucket())
    made.lay_out(ROOT)
    server.seen.clear()
    return made


@pytest.fixture(params=["disk", "s3"])
def storage(request: pytest.FixtureRequest, home: Path) -> Storage:
    if request.param == "s3":
        return request.getfixturevalue("bucket")
    made = Disk(home)
    made.lay_out(ROOT)
    return made


def publish(storage: Storage, files: dict[str, bytes] = FILES, folder: str = FOLDER) -> list[str]:
    with storage.stage(DIGEST, marked=True) as staged:
        for name, data in files.items():
            staged.write(name, [data[:3], data[3:]])
        return storage.publish([(staged, folder)])


def held(storage: Storage, folder: str = FOLDER) -> dict[str, bytes]:
    return {name: b"".join(storage.chunks(folder, name)) for name in storage.names(folder)}


def test_what_is_published_is_there_and_nobody_elses_goes_over_it(storage: Storage):
    assert storage.names(FOLDER) == []
    publish(storage)
    assert held(storage) == FILES
    assert storage.size(FOLDER, "inventory.json.sha512") == 22
    assert publish(storage, dict.fromkeys(FILES, b"other")) == [FOLDER]
    assert held(storage) == FILES
    assert storage.stale(-1) == []


def test_what_is_discarded_or_never_published_is_not_there(storage: Storage):
    with storage.stage(DIGEST) as staged:
        staged.write("v1/content/same", [b"x"])
        with pytest.raises(FileExistsError):
            staged.write("v1/content/same", [b"y"])
        staged.discard("v1/content/same")
        staged.write("v1/content/same", [b"z"])
    assert storage.names(FOLDER) == []
    assert storage.stale(-1) == []


def test_a_version_appears_beside_the_others_while_its_object_is_held(storage: Storage):
    publish(storage)
    with storage.locked(FOLDER):
        publish(storage, {"content/new": b"2", "inventory.json": b"{2}"}, f"{FOLDER}/v2")
        storage.replace(FOLDER, "inventory.json", b"{2}")
    assert held(storage) == {
        **FILES,
        "inventory.json": b"{2}",
        "v2/content/new": b"2",
        "v2/inventory.json": b"{2}",
    }


def test_a_file_is_put_back_or_taken_away(storage: Storage):
    publish(storage)
    name = "v1/content/original/item.json.enc"
    storage.take_away(FOLDER, name)
    storage.take_away(FOLDER, name)
    assert name not in storage.names(FOLDER)
    storage.put_back(FOLDER, name, iter([b"what ", b"arrived"]))
    storage.put_back(FOLDER, "inventory.json", [b"{}"])
    assert held(storage) == FILES


def test_what_is_removed_or_was_never_there_is_missing(storage: Storage):
    publish(storage)
    storage.remove(FOLDER)
    storage.remove(FOLDER)
    assert storage.names(FOLDER) == []
    assert storage.stale(-1) == []
    with pytest.raises(Missing), storage.locked(FOLDER):
        pass
    with pytest.raises(Missing):
        storage.size(FOLDER, "inventory.json")
    with pytest.raises(Missing):
        b"".join(storage.chunks(FOLDER, "inventory.json"))
    publish(storage)
    assert held(storage) == FILES


def test_writers_of_one_object_wait_for_each_other(storage: Storage):
    publish(storage)
    order: list[str] = []

    def second() -> None:
        with storage.locked(FOLDER):
            order.append("second")

    waiting = threading.Thread(target=second)
    with storage.locked(FOLDER):
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join(10)
    assert order == ["first", "second"]


def objects(bucket: s3.S3) -> dict[str, bytes]:
    """Everything in the bucket but the root's own files."""
    return {
        key: data for key, data in keys(bucket).items() if key.count("/") > 1 or "staging" in key
    }


def test_a_bucket_gets_the_inventory_last_and_only_after_reading_back_the_rest(
    bucket: s3.S3, server: Server
):
    publish(bucket)
    last = server.seen.index(("PUT", f"/{bucket._bucket.name}/kept/ocfl/{FOLDER}/inventory.json"))
    read = {path for method, path in server.seen[:last] if method == "GET"}
    top = f"/{bucket._bucket.name}/kept/ocfl/{FOLDER}/"
    assert {top + name for name in FILES if name != "inventory.json"} <= read
    assert not any(method == "PUT" for method, _ in server.seen[last + 1 :])
    assert objects(bucket) == {f"ocfl/{FOLDER}/{name}": data for name, data in FILES.items()}


def dies_at(step: int, bucket: s3.S3, write: object) -> bool:
    """Run `write` in a process that exits hard before its request number `step`; say if it did."""
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, 9)
        return code == 9
    left = step

    def count(**_kwargs: object) -> None:
        nonlocal left
        if left == 0:
            os._exit(9)
        left -= 1

    bucket._client.meta.events.register("before-send.s3", count)
    try:
        write()
        os._exit(0)
    except BaseException:
        os._exit(1)


@pytest.mark.parametrize("doing", ["publish", "remove"])
def test_a_process_that_dies_at_any_request_leaves_the_object_whole_or_out_of_sight(
    bucket: s3.S3, doing: str
):
    step, whole, nothing = 0, 0, 0
    write = {"publish": lambda: publish(bucket), "remove": lambda: bucket.remove(FOLDER)}[doing]
    if doing == "remove":
        publish(bucket)
    while dies_at(step, bucket, write):
        seen = held(bucket)
        assert seen in ({}, FILES)
        whole, nothing = whole + bool(seen), nothing + (not seen)
        for label in bucket.stale(-1):
            assert bucket.clear(label, -1, FOLDER) == 1
        assert bucket.stale(-1) == []
        assert objects(bucket).keys() == {f"ocfl/{FOLDER}/{name}" for name in seen}
        bucket.remove(FOLDER)
        if doing == "remove":
            publish(bucket)
        step += 1
    assert whole >= 1
    assert nothing >= 2


def test_whoever_writes_after_one_that_died_clears_up_after_it(bucket: s3.S3):
    assert dies_at(6, bucket, lambda: publish(bucket, dict.fromkeys(FILES, b"of one that died")))
    assert any(key.startswith("ocfl/") for key in objects(bucket))
    publish(bucket)
    assert held(bucket) == FILES


ITEM = "item.json.enc"


def down(server: Server):
    return answering("503 Slow Down", lambda environ: True)


FAULTS = {
    "down": down,
    "down for some": lambda server: answering("503 Slow Down", matching("PUT", ITEM)),
    "refuses": lambda server: answering("403 Forbidden", matching("PUT", "kept/ocfl")),
    "no bucket": lambda server: answering(
        "404 Not Found",
        matching("PUT", "kept"),
        b"<Error><Code>NoSuchBucket</Code><Message>x</Message></Error>",
    ),
    "takes, and keeps nothing": lambda server: answering("200 OK", matching("PUT", ITEM)),
    "keeps something else": lambda server: receiving(
        server, matching("PUT", ITEM), b"what arriveD"
    ),
    "keeps a half": lambda server: receiving(server, matching("PUT", ITEM), b"what"),
    "keeps another inventory": lambda server: receiving(
        server, matching("PUT", f"{DIGEST}/inventory.json?"), b"{"
    ),
    "hands out something else": lambda server: changing(
        server, matching("GET", ITEM), body=lambda data: data.upper()
    ),
    "breaks off": lambda server: changing(
        server, matching("GET", ITEM), body=lambda data: data[:-1]
    ),
    "talks nonsense": lambda server: answering("200 OK", matching("GET", "list-type"), b"<html>"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_fails_or_lies_makes_the_write_fail_and_shows_nothing(
    bucket: s3.S3, server: Server, fault: str
):
    server.faults.append(FAULTS[fault](server))
    with pytest.raises(Unavailable):
        publish(bucket)
    server.faults.clear()
    assert bucket.names(FOLDER) == []
    for label in bucket.stale(-1):
        bucket.clear(label, -1, FOLDER)
    assert objects(bucket) == {}
    publish(bucket)
    assert held(bucket) == FILES


def test_what_a_server_says_of_etags_and_checksums_is_not_believed(bucket: s3.S3, server: Server):
    lies = {"ETag": '"0"', "x-amz-checksum-sha256": "A" * 43 + "="}
    server.faults.append(changing(server, matching("PUT", ""), headers=lies))
    server.faults.append(changing(server, matching("GET", ITEM), headers=lies))
    publish(bucket)
    assert held(bucket) == FILES


def test_a_read_that_breaks_off_is_no_end_of_file(bucket: s3.S3, server: Server):
    publish(bucket)
    server.faults.append(FAULTS["breaks off"](server))
    with pytest.raises(Unavailable):
        held(bucket)


def test_an_answer_that_is_lost_is_no_other_writer(bucket: s3.S3, server: Server):
    def fault(environ, start):
        if not matching("PUT", "inventory.json")(environ):
            return None
        b"".join(server.honest(environ, lambda *_: None))
        start("412 Precondition Failed", [("Content-Length", "0")])
        return []

    server.faults.append(fault)
    publish(bucket)
    assert held(bucket) == FILES


def test_one_who_writes_without_our_lock_is_not_written_over(bucket: s3.S3, server: Server):
    key = f"kept/ocfl/{FOLDER}/inventory.json"

    def fault(environ, start):
        if matching("PUT", f"{DIGEST}/inventory.json?")(environ):
            server.faults.clear()
            bucket._client.put_object(Bucket=bucket._bucket.name, Key=key, Body=b"{theirs}")

    server.faults.append(fault)
    assert publish(bucket) == [FOLDER]
    assert held(bucket)["inventory.json"] == b"{theirs}"


def test_an_object_that_has_lost_its_inventory_is_neither_swept_nor_written_over(bucket: s3.S3):
    publish(bucket)
    bucket.take_away(FOLDER, "inventory.json")
    assert bucket.stale(-1) == []
    assert publish(bucket) == [FOLDER]
    rest = sorted(name for name in FILES if name != "inventory.json")
    assert bucket.names(FOLDER) == rest


def test_a_large_file_goes_in_parts_with_little_memory(bucket: s3.S3):
    piece, count = os.urandom(65_536), 400
    child = os.fork()
    if not child:  # in a process of its own, as the server has memory too
        tracemalloc.start()
        with bucket.stage(DIGEST) as staged:
            staged.write("v1/content/large", (piece for _ in range(count)))
            staged.write("inventory.json", [b"{}"])
            bucket.publish([(staged, FOLDER)])
        size = sum(map(len, bucket.chunks(FOLDER, "v1/content/large")))
        peak = tracemalloc.get_traced_memory()[1]
        os._exit(0 if size == count * 65_536 and peak < 15_000_000 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert bucket.size(FOLDER, "v1/content/large") == count * 65_536
    assert bucket.stale(-1) == []


def test_parts_that_nobody_finishes_are_cleared_away(bucket: s3.S3, server: Server):
    large = {"v1/content/large": os.urandom(s3.PART + 1), "inventory.json": b"{}"}
    second_part = matching("PUT", "partNumber=2")
    server.faults.append(answering("500 Internal Server Error", second_part))
    with pytest.raises(Unavailable):
        publish(bucket, large)
    assert bucket.stale(-1) == []
    assert dies_at(4, bucket, lambda: publish(bucket, large))
    assert bucket.stale(-1) == [DIGEST]
    assert bucket.clear(DIGEST, -1, FOLDER) == 2
    assert bucket.stale(-1) == []
    assert objects(bucket) == {}
