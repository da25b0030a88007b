"""The store on a real disk, judged by ocfl-py."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import ocfl
import pytest
from ocfl.layout import Layout
from ocfl.layout_registry import add_layout

from inbox.archive import holdings, store
from inbox.archive import storage as storage_module
from inbox.archive.models import LogEntry
from inbox.archive.ocfl import object_folder

OWNER = UUID(int=1)
FIRST = {"original/sbd.jwt": b"signed", "files/0001.pdf": b"%PDF-1.7 first"}


class HashedNTuple(Layout):
    """Layout 0004, which ocfl-py does not bring, written from the extension's own text."""

    def __init__(self) -> None:
        self.NAME = "0004-hashed-n-tuple-storage-layout"
        self.DESCRIPTION = "hashed n-tuple"
        self.size = self.count = 0
        self.PARAMS = {
            "digestAlgorithm": lambda value: value == "sha256",
            "tupleSize": lambda value: setattr(self, "size", value),
            "numberOfTuples": lambda value: setattr(self, "count", value),
            "shortObjectRoot": lambda value: value is False,
        }

    def identifier_to_path(self, identifier: str) -> str:
        digest = hashlib.sha256(identifier.encode()).hexdigest()
        cuts = range(0, self.size * self.count, self.size)
        return "/".join([*(digest[cut : cut + self.size] for cut in cuts), digest])


pytestmark = pytest.mark.django_db
add_layout("0004-hashed-n-tuple-storage-layout", HashedNTuple)


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return settings.ARCHIVE_DIR


def root(home: Path) -> Path:
    return home / "ocfl"


def folder(home: Path, object_id: UUID) -> Path:
    return root(home) / object_folder(object_id.urn)


def objects_found_by_ocfl_py(home: Path) -> int:
    judge = ocfl.StorageRoot(root=str(root(home)))
    judge.registered_extensions.append("0004-hashed-n-tuple-storage-layout")
    assert judge.validate(log_warnings=True, max_errors=5), judge.log.status_str()
    assert judge.errors == []
    assert judge.good_objects == judge.num_objects
    for path, name in judge.list_objects():
        assert path == judge.object_path(name)
    return judge.num_objects


def test_ocfl_py_finds_the_root_and_objects_of_one_two_and_three_versions_valid(home: Path):
    ids = [uuid4() for _ in range(3)]
    for versions, object_id in enumerate(ids, 1):
        store.put(OWNER, object_id, FIRST, note="Received")
        if versions > 1:
            store.add_version(
                OWNER, object_id, {"files/0001.pdf": b"second", "files/0002.pdf": b"new"}
            )
        if versions > 2:
            store.add_version(OWNER, object_id, {"access/0001.html": b"%PDF-1.7 first"})
        assert store.describe(OWNER, object_id).version == versions
        assert store.verify(object_id) == []
    assert objects_found_by_ocfl_py(home) == 3


def test_the_layout_puts_objects_where_the_extension_says():
    # The digest is that of example 1 in the text of extension 0004.
    digest = "3c0ff4240c1e116dba14c7627f2319b58aa3d77606d0d90dfc6161608ac987d4"
    assert object_folder("object-01") == f"3c0/ff4/{digest}"


def test_what_was_put_is_read_back_with_its_digests():
    object_id = uuid4()
    stored = store.put(OWNER, object_id, FIRST)
    assert (stored.object_id, stored.version, set(stored.files)) == (object_id, 1, set(FIRST))
    for path, data in FIRST.items():
        assert store.read_bytes(OWNER, object_id, path) == data
        assert stored.files[path].sha256 == hashlib.sha256(data).hexdigest()
        assert stored.files[path].size == len(data)


def test_the_inventory_digest_is_what_sha512sum_says(home: Path):
    object_id = uuid4()
    stored = store.put(OWNER, object_id, FIRST)
    command = ["sha512sum", "-c", "inventory.json.sha512"]
    assert subprocess.run(command, cwd=folder(home, object_id), check=True).returncode == 0
    raw = (folder(home, object_id) / "inventory.json").read_bytes()
    assert stored.inventory_sha512 == hashlib.sha512(raw).hexdigest()


def test_putting_the_same_again_changes_nothing():
    object_id = uuid4()
    stored = store.put(OWNER, object_id, FIRST)
    assert (
        store.put(OWNER, object_id, {path: iter([data]) for path, data in FIRST.items()}) == stored
    )


def test_putting_the_first_content_again_after_a_second_version_returns_the_first():
    object_id = uuid4()
    stored = store.put(OWNER, object_id, FIRST)
    store.add_version(OWNER, object_id, {"files/0001.pdf": b"second"})
    assert store.put(OWNER, object_id, FIRST) == stored


@pytest.mark.parametrize("other", [{"files/0001.pdf": b"other"}, {**FIRST, "more": b""}])
def test_putting_something_else_under_the_same_id_is_refused(other: dict[str, bytes]):
    object_id = uuid4()
    store.put(OWNER, object_id, FIRST)
    with pytest.raises(store.AlreadyThere):
        store.put(OWNER, object_id, other)
    assert store.read_bytes(OWNER, object_id, "files/0001.pdf") == FIRST["files/0001.pdf"]


def test_a_new_version_leaves_the_old_one_and_copies_nothing_twice(home: Path):
    object_id = uuid4()
    store.put(OWNER, object_id, FIRST)
    second = store.add_version(OWNER, object_id, {"files/0001.pdf": b"new", "copy": b"signed"})
    assert second.version == 2
    assert set(second.files) == {"original/sbd.jwt", "files/0001.pdf", "copy"}
    first = store.read_bytes(OWNER, object_id, "files/0001.pdf", version=1)
    assert first == FIRST["files/0001.pdf"]
    assert store.read_bytes(OWNER, object_id, "files/0001.pdf") == b"new"
    assert store.read_bytes(OWNER, object_id, "copy") == b"signed"
    written = {path.name for path in (folder(home, object_id) / "v2/content").rglob("*.*")}
    assert written == {"0001.pdf.enc", "seal.json.enc"}


def test_a_version_that_changes_nothing_is_not_made():
    object_id = uuid4()
    stored = store.put(OWNER, object_id, FIRST)
    assert (
        store.add_version(OWNER, object_id, {"files/0001.pdf": FIRST["files/0001.pdf"]}) == stored
    )


def test_what_is_not_there_is_missing():
    object_id = uuid4()
    store.put(OWNER, object_id, FIRST)
    with pytest.raises(store.Missing):
        store.read_chunks(OWNER, uuid4(), "files/0001.pdf")
    with pytest.raises(store.Missing):
        store.read_chunks(OWNER, object_id, "files/0002.pdf")
    with pytest.raises(store.Missing):
        store.read_chunks(OWNER, object_id, "files/0001.pdf", version=2)
    with pytest.raises(store.Missing):
        store.add_version(OWNER, uuid4(), FIRST)
    assert store.verify(uuid4()) == ["the object is not in the archive"]


def test_a_removed_object_leaves_no_trace(home: Path):
    object_id = uuid4()
    store.put(OWNER, object_id, FIRST)
    store.remove(OWNER, object_id)
    store.remove(OWNER, object_id)
    assert not store.exists(object_id)
    assert sorted(path.name for path in root(home).iterdir()) == [
        "0=ocfl_1.1",
        "extensions",
        "ocfl_layout.json",
    ]
    assert list((home / "staging").iterdir()) == []


@pytest.mark.parametrize(
    "path",
    [
        "../evil",
        "/etc/passwd",
        "a/../../b",
        "a//b",
        "a/",
        "",
        ".",
        "a\\b",
        "vedtak ærø.pdf",
        "ærø.pdf",
        "a\n",
        "a" * 201,
    ],
)
def test_paths_that_climb_or_carry_other_signs_are_refused(home: Path, path: str):
    object_id = uuid4()
    with pytest.raises(store.BadPath):
        store.put(OWNER, object_id, {**FIRST, path: b"x"})
    assert not store.exists(object_id)


@pytest.mark.parametrize("pair", [("a", "a/b"), ("A/x", "a/x"), ("a/B", "A/b/c")])
def test_paths_that_cannot_live_side_by_side_are_refused(pair: tuple[str, str]):
    with pytest.raises(store.BadPath):
        store.put(OWNER, uuid4(), dict.fromkeys(pair, b"x"))


def test_an_iterable_that_fails_leaves_nothing(home: Path):
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise TimeoutError

    object_id = uuid4()
    with pytest.raises(TimeoutError):
        store.put(OWNER, object_id, {"files/0001.pdf": broken()})
    assert not store.exists(object_id)
    assert list((home / "staging").iterdir()) == []


def test_fifty_megabytes_stream_in_and_out_with_little_memory():
    object_id, piece = uuid4(), os.urandom(65_536)
    tracemalloc.start()
    stored = store.put(OWNER, object_id, {"files/0001.pdf": (piece for _ in range(800))})
    size = sum(len(chunk) for chunk in store.read_chunks(OWNER, object_id, "files/0001.pdf"))
    assert store.verify(object_id) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size == stored.files["files/0001.pdf"].size == 800 * 65_536
    assert peak < 8_000_000


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "bit": (lambda at: flip(at / "v1/content/files/0001.pdf.enc"), "0001.pdf.enc has changed"),
    "gone": (lambda at: (at / "v1/content/files/0001.pdf.enc").unlink(), "0001.pdf.enc is missing"),
    "stray": (lambda at: (at / "v1/content/extra").write_bytes(b"x"), "does not belong"),
    "inventory": (lambda at: flip(at / "inventory.json"), "does not match its"),
    "old inventory": (lambda at: flip(at / "v1/inventory.json"), "v1/inventory.json"),
    "sidecar": (lambda at: (at / "inventory.json.sha512").unlink(), "does not match its"),
    "no inventory": (lambda at: (at / "inventory.json").unlink(), "inventory.json is missing"),
    "declaration": (lambda at: flip(at / "0=ocfl_object_1.1"), "0=ocfl_object_1.1"),
    "link": (lambda at: (at / "v3").symlink_to("v1"), "v3 does not belong"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_and_named(home: Path, kind: str):
    object_id = uuid4()
    store.put(OWNER, object_id, FIRST)
    store.add_version(OWNER, object_id, {"files/0002.pdf": b"second"})
    do, words = DAMAGE[kind]
    do(folder(home, object_id))
    assert any(words in problem for problem in store.verify(object_id))
    store.sweep(older_than=-1)
    assert store.verify(object_id), "sweeping must not paper over damage"


def test_one_damaged_object_does_not_keep_leftovers_of_others(home: Path):
    broken = uuid4()
    store.put(OWNER, broken, FIRST)
    (folder(home, broken) / "inventory.json").unlink()
    labels = [folder(home, broken).name, "f" * 64]  # in this order
    for label in labels:
        (home / "staging" / f"{label}.{uuid4().hex}").mkdir()
    assert store.sweep(older_than=-1) == 1
    assert [path.name[:64] for path in (home / "staging").iterdir()] == labels[:1]


def test_what_is_removed_while_a_version_is_added_is_not_kept_on_record(
    monkeypatch: pytest.MonkeyPatch,
):
    object_id = uuid4()
    store.put(OWNER, object_id, FIRST)

    def removed_meanwhile() -> Iterator[bytes]:
        yield b"new"
        # Whoever removes it destroys its key, and waits for the folder.
        with monkeypatch.context() as patch:
            patch.setattr(store, "_remove_bytes", lambda object_id: None)
            store.remove(OWNER, object_id)

    with pytest.raises(store.Missing, match="was removed"):
        store.add_version(OWNER, object_id, {"files/0002.pdf": removed_meanwhile()})
    assert not holdings.is_held(object_id)
    assert LogEntry.objects.order_by("id").last().event == LogEntry.Event.DESTROYED
    store.remove(OWNER, object_id)
    assert not store.exists(object_id)


def test_history_rewritten_with_fitting_sidecars_is_found(home: Path):
    object_id = uuid4()
    store.put(OWNER, object_id, FIRST)
    store.add_version(OWNER, object_id, {"files/0001.pdf": b"second"})
    at = folder(home, object_id)
    data = json.loads((at / "inventory.json").read_bytes())
    data["versions"]["v1"]["state"] = data["versions"]["v2"]["state"]
    raw = json.dumps(data).encode()
    for place in (at, at / "v2"):
        (place / "inventory.json").write_bytes(raw)
        side = f"{hashlib.sha512(raw).hexdigest()} inventory.json\n"
        (place / "inventory.json.sha512").write_text(side)
    assert any("tells another history" in problem for problem in store.verify(object_id))


def test_an_inventory_that_points_outside_the_object_is_not_followed(home: Path):
    object_id = uuid4()
    store.put(OWNER, object_id, {"files/0001.pdf": b"x"})
    path = folder(home, object_id) / "inventory.json"
    path.write_text(
        path.read_text().replace("v1/content/files/0001.pdf.enc", "../../../../etc/hosts")
    )
    with pytest.raises(store.Damaged):
        store.read_bytes(OWNER, object_id, "files/0001.pdf")


def test_a_damaged_file_is_never_read_to_its_end(home: Path):
    object_id, data = uuid4(), os.urandom(200_000)
    store.put(OWNER, object_id, {"files/0001.pdf": data})
    flip(folder(home, object_id) / "v1/content/files/0001.pdf.enc")
    got = b""
    with pytest.raises(store.Damaged):
        for chunk in store.read_chunks(OWNER, object_id, "files/0001.pdf"):
            got += chunk
    assert len(got) < len(data)


def test_two_processes_that_put_the_same_make_one_object(home: Path):
    object_id = uuid4()
    made = (
        "import django; django.setup()\n"
        "from django.db import connection\n"
        "from inbox.archive.models import Holding, LogEntry, ObjectKey, OwnerKey, Package\n"
        "with connection.schema_editor() as editor:\n"
        "    for table in (OwnerKey, ObjectKey, Package, LogEntry, Holding):\n"
        "        editor.create_model(table)"
    )
    program = (
        "import sys, django; django.setup()\n"
        "from pathlib import Path; from uuid import UUID\n"
        "from django.conf import settings; settings.ARCHIVE_DIR = Path(sys.argv[1])\n"
        "from inbox.archive import store; sys.stdin.readline()\n"
        "files = {'files/0001.pdf': b'x' * 300_000}\n"
        "for n in range(20): store.put(UUID(int=1), UUID(int=n), files)\n"
        "print(store.put(UUID(int=1), UUID(sys.argv[2]), files).inventory_sha512)"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": str(home.parent),
        "DATABASE_URL": f"sqlite:///{home.parent / 'keys.sqlite3'}",
    }
    subprocess.run([sys.executable, "-c", made], check=True, env=environment)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(home), str(object_id)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(2)
    ]
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=60)[0] for process in running}
    assert len(answers) == 1
    assert [process.returncode for process in running] == [0, 0]
    assert objects_found_by_ocfl_py(home) == 21
    assert list((home / "staging").iterdir()) == []


def test_every_file_and_folder_is_synced_before_it_gets_its_name(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    store.put(OWNER, uuid4(), FIRST)
    synced: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename
    monkeypatch.setattr(storage_module, "SYNCFS", None)

    def fsync(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
        real_fsync(handle)

    def rename(source: str, target: str) -> None:
        inside = {source, *(str(path) for path in Path(source).rglob("*"))}
        assert inside <= set(synced)
        assert len(inside) > 8
        real_rename(source, target)
        synced.clear()

    monkeypatch.setattr(storage_module.os, "fsync", fsync)
    monkeypatch.setattr(storage_module.os, "rename", rename)
    object_id = uuid4()
    store.put(OWNER, object_id, FIRST)
    at = folder(home, object_id)
    assert synced == [str(at.parent), str(at.parent.parent), str(root(home))]


def test_a_group_is_synced_at_one_stroke_before_and_after_it_gets_its_names(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    done: list[str] = []
    real_rename, stroke = os.rename, storage_module.sync_file_system

    def rename(source: str, target: str) -> None:
        real_rename(source, target)
        done.append("renamed")

    def sync(handle: int) -> bool:
        done.append("synced")
        return stroke(handle)

    ids = [uuid4() for _ in range(3)]
    monkeypatch.setattr(storage_module.os, "rename", rename)
    monkeypatch.setattr(storage_module, "sync_file_system", sync)
    with store.group((OWNER, object_id) for object_id in ids) as group:
        for object_id in ids:
            group.put(OWNER, object_id, FIRST)
            assert not store.exists(object_id)
        assert done == []
    assert done == ["synced", *["renamed"] * 3, "synced"]
    assert objects_found_by_ocfl_py(home) == 3


def test_a_group_that_fails_leaves_nothing(home: Path):
    object_id = uuid4()
    with pytest.raises(RuntimeError), store.group() as group:
        group.put(OWNER, object_id, FIRST)
        raise RuntimeError
    assert not store.exists(object_id)
    assert list((home / "staging").iterdir()) == []


def test_a_group_that_fails_half_way_takes_back_what_was_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    ids, real_move = [uuid4() for _ in range(3)], storage_module.Disk._move_in

    def move(self: storage_module.Disk, folder: str, target: str) -> None:
        if target.endswith(object_folder(ids[2].urn)):
            raise OSError(errno.ENOSPC, "the disk is full")
        real_move(self, folder, target)

    monkeypatch.setattr(storage_module.Disk, "_move_in", move)
    with pytest.raises(OSError, match="full"), store.group() as group:
        for object_id in ids:
            group.put(OWNER, object_id, FIRST)
    assert not any(map(store.exists, ids))
    assert list((home / "staging").iterdir()) == []


def test_a_disk_that_cannot_write_makes_nothing_visible(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    def fails(handle: int) -> int:
        ctypes.set_errno(errno.EIO)
        return -1

    object_id = uuid4()
    monkeypatch.setattr(storage_module, "SYNCFS", fails)
    with pytest.raises(OSError, match="Input/output"):
        store.put(OWNER, object_id, FIRST)
    assert not store.exists(object_id)
