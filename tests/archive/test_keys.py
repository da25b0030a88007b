"""Keys of objects, owners and the root; and that nothing can be read without them."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import threading
from datetime import timedelta
from importlib import import_module
from io import StringIO
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from inbox.archive import frames, holdings, key_backup, keys, lost_keys, scan, store
from inbox.archive.models import Damage, Holding, ObjectKey, OwnerKey
from inbox.archive.ocfl import object_folder

pytestmark = pytest.mark.django_db

KARI, OLA = UUID(int=1), UUID(int=2)
MARK = b"what only Kari may read"
FILES = {"original/sbd.jwt": MARK, "files/0001.pdf": b"%PDF-1.7 " + MARK}


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return settings.ARCHIVE_DIR


def stored_bytes(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_nothing_on_the_disk_tells_what_is_kept_or_whose_it_is(home: Path):
    store.put(KARI, uuid4(), FILES, source="altinn", media_types={"files/0001.pdf": "a/b"})
    raw = stored_bytes(home)
    for said in (MARK, b"altinn", b"a/b", KARI.bytes, str(KARI).encode(), KARI.hex.encode()):
        assert said not in raw


def test_two_who_hold_the_same_letter_hold_other_bytes(home: Path):
    first, second = uuid4(), uuid4()
    store.put(KARI, first, FILES)
    store.put(OLA, second, FILES)
    stored = [
        (home / "ocfl" / object_folder(each.urn) / "v1/content/files/0001.pdf.enc").read_bytes()
        for each in (first, second)
    ]
    assert stored[0][frames.HEADER_BYTES :] != stored[1][frames.HEADER_BYTES :]


def test_without_her_key_her_letters_are_unreadable_also_in_a_backup(home: Path, tmp_path: Path):
    hers, his = uuid4(), uuid4()
    store.put(KARI, hers, FILES)
    store.put(OLA, his, FILES)
    shutil.copytree(home, tmp_path / "backup")
    store.forget_owner(KARI)
    assert not store.exists(hers)
    shutil.copytree(tmp_path / "backup", home, dirs_exist_ok=True)
    assert store.verify(hers) == []
    for read in (store.read_bytes, store.read_chunks):
        with pytest.raises(store.Damaged, match="no key"):
            list(read(KARI, hers, "files/0001.pdf"))
    assert store.read_bytes(OLA, his, "original/sbd.jwt") == MARK
    with pytest.raises(keys.Destroyed):
        store.put(KARI, uuid4(), FILES)


def test_a_removed_object_has_no_key_and_can_be_put_anew(home: Path):
    object_id = uuid4()
    store.put(KARI, object_id, FILES)
    before = bytes(ObjectKey.objects.get(object_id=object_id).wrapped)
    store.remove(KARI, object_id)
    assert not ObjectKey.objects.exists()
    store.put(KARI, object_id, FILES)
    assert bytes(ObjectKey.objects.get(object_id=object_id).wrapped) != before
    assert store.read_bytes(KARI, object_id, "original/sbd.jwt") == MARK


def test_another_owner_does_not_reach_it():
    object_id = uuid4()
    store.put(KARI, object_id, FILES)
    store.put(OLA, uuid4(), FILES)
    with pytest.raises(store.Damaged):
        store.read_bytes(OLA, object_id, "original/sbd.jwt")


def test_a_key_that_is_moved_to_another_object_opens_nothing():
    first, second = uuid4(), uuid4()
    for each in (first, second):
        store.put(KARI, each, FILES)
    theirs = ObjectKey.objects.get(object_id=first).wrapped
    ObjectKey.objects.filter(object_id=second).update(wrapped=theirs)
    with pytest.raises(store.Damaged):
        store.read_bytes(KARI, second, "original/sbd.jwt")


def test_bytes_that_are_moved_within_an_object_open_nothing(home: Path):
    key, place = os.urandom(32), "object/v1/content/a.enc"
    sealed = b"".join(frames.encrypt([b"one"], key, place))
    assert b"".join(frames.decrypt([sealed], key, place)) == b"one"
    with pytest.raises(ValueError, match="do not open"):
        list(frames.decrypt([sealed], key, "object/v1/content/b.enc"))


def test_a_new_root_key_touches_owners_keys_alone(home: Path, settings):
    ids = {KARI: uuid4(), OLA: uuid4()}
    for owner_id, object_id in ids.items():
        store.put(owner_id, object_id, FILES)
    wrapped, raw = set(ObjectKey.objects.values_list("wrapped")), stored_bytes(home)
    settings.ARCHIVE_ROOT_KEYS_OLD = [settings.ARCHIVE_ROOT_KEY]
    settings.ARCHIVE_ROOT_KEY = secrets.token_hex(32)
    assert store.read_bytes(KARI, ids[KARI], "original/sbd.jwt") == MARK
    assert keys.rotate_root() == 2
    assert keys.rotate_root() == 0
    settings.ARCHIVE_ROOT_KEYS_OLD = []
    for owner_id, object_id in ids.items():
        assert store.read_bytes(owner_id, object_id, "original/sbd.jwt") == MARK
    assert set(ObjectKey.objects.values_list("wrapped")) == wrapped
    assert stored_bytes(home) == raw


def test_without_the_root_key_nothing_is_read_and_it_is_named(settings):
    object_id = uuid4()
    store.put(KARI, object_id, FILES)
    name = keys.root_name(bytes.fromhex(settings.ARCHIVE_ROOT_KEY))
    settings.ARCHIVE_ROOT_KEY = secrets.token_hex(32)
    with pytest.raises(store.Damaged, match=f"the root key {name} is not here"):
        store.read_bytes(KARI, object_id, "original/sbd.jwt")


def test_a_new_key_of_hers_touches_no_bytes(home: Path):
    ids = [uuid4() for _ in range(3)]
    for each in ids:
        store.put(KARI, each, FILES)
    before, raw = OwnerKey.objects.get(owner_id=KARI).wrapped, stored_bytes(home)
    assert keys.rotate_owner(KARI) == 3
    assert OwnerKey.objects.get(owner_id=KARI).wrapped != before
    assert stored_bytes(home) == raw
    for each in ids:
        store.add_version(KARI, each, {"files/0002.pdf": b"new"})
        assert store.read_bytes(KARI, each, "original/sbd.jwt", version=1) == MARK


@pytest.mark.parametrize("size", [0, 1, frames.FRAME_BYTES, frames.FRAME_BYTES + 1])
def test_any_size_comes_back_and_no_frame_can_be_cut_doubled_or_moved(size: int):
    key, plain, frame = os.urandom(32), os.urandom(size), frames.FRAME_BYTES + frames.TAG_BYTES
    sealed = b"".join(frames.encrypt([plain], key, "x"))
    assert b"".join(frames.decrypt([sealed], key, "x")) == plain
    assert frames.plain_size(len(sealed)) == size
    head, body = sealed[: frames.HEADER_BYTES], sealed[frames.HEADER_BYTES :]
    broken = [head, head[:-1], b"", head + body + body, head + body[:-1], sealed + b"\0"]
    broken += [head + body[:frame], head + body[frame:] + body[:frame]] if len(body) > frame else []
    for raw in broken:
        with pytest.raises(ValueError):
            list(frames.decrypt([raw], key, "x"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.servers
def test_two_who_make_the_same_keys_at_once_get_the_same():
    pairs = [(UUID(int=n % 3), UUID(int=n)) for n in range(60)]
    ready, found = threading.Barrier(2), []

    def make(order: int) -> None:
        try:
            ready.wait()
            found.append(keys.make(pairs[::order]))
        finally:
            connection.close()

    threads = [threading.Thread(target=make, args=(order,)) for order in (1, -1)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found[0] == found[1] == {pair: keys.find(*pair) for pair in pairs}


def test_keys_come_back_from_their_backup_and_no_key_stands_in_it_in_clear(tmp_path: Path):
    object_id = uuid4()
    store.put(KARI, object_id, FILES)
    clear = keys.find(KARI, object_id).hex()
    call_command("archive_keys", "backup", str(tmp_path / "keys.jsonl"), stdout=StringIO())
    assert clear not in (tmp_path / "keys.jsonl").read_text()
    assert (tmp_path / "keys.jsonl").stat().st_mode & 0o777 == 0o600
    OwnerKey.objects.all().delete()
    call_command("archive_keys", "restore", str(tmp_path / "keys.jsonl"), stdout=StringIO())
    assert store.read_bytes(KARI, object_id, "original/sbd.jwt") == MARK


def test_a_backup_can_be_restored_whatever_was_done_to_keys_while_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file, line = tmp_path / "keys.jsonl", key_backup._line
    expected = keys.make([(KARI, UUID(int=10))])

    def meanwhile(said: dict[str, str]) -> str:
        if said.get("owner") == str(KARI) and "object" not in said:
            keys.rotate_owner(KARI)
            keys.make([(OLA, UUID(int=11))])
        return line(said)

    monkeypatch.setattr(key_backup, "_line", meanwhile)
    key_backup.write(file)
    OwnerKey.objects.all().delete()
    key_backup.restore(file)
    connection.check_constraints()
    assert keys.find(KARI, UUID(int=10)) == expected[KARI, UUID(int=10)]


@pytest.mark.parametrize("text", ["", "nonsense\n", '{"format":"samlepost-keys/1"}\n{"owner":1}\n'])
def test_what_is_no_backup_of_keys_is_refused_and_changes_nothing(tmp_path: Path, text: str):
    (tmp_path / "keys.jsonl").write_text(text)
    with pytest.raises(CommandError):
        call_command("archive_keys", "restore", str(tmp_path / "keys.jsonl"))
    assert not OwnerKey.objects.exists()


def test_a_stranger_reads_a_file_with_the_documented_program(home: Path, tmp_path: Path, settings):
    object_id = uuid4()
    large = os.urandom(frames.FRAME_BYTES + 5)
    store.put(KARI, object_id, FILES)
    store.add_version(KARI, object_id, {"files/0002.pdf": large})
    call_command("archive_keys", "backup", str(tmp_path / "keys.jsonl"), stdout=StringIO())
    (tmp_path / "root").write_text(settings.ARCHIVE_ROOT_KEY + "\n")
    program = Path(__file__).parents[2] / "docs/examples/read_archive.py"
    folder = home / "ocfl" / object_folder(object_id.urn)
    arguments = [str(folder), str(tmp_path / "keys.jsonl"), str(tmp_path / "root")]
    for path, content in {**FILES, "files/0002.pdf": large}.items():
        done = subprocess.run(
            [sys.executable, "-I", str(program), *arguments, path],
            stdout=subprocess.PIPE,
            check=True,
        )
        assert done.stdout == content


@pytest.mark.parametrize("owner_id", [KARI, store.SYSTEM], ids=["an owner", "nobody"])
def test_whoever_lost_a_key_gets_no_other_while_objects_are_there_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner_id: UUID
):
    """An agency and what is nobody's have no packages that would tell that they had one."""
    objects = [uuid4(), uuid4()]
    for each in objects:
        store.put(owner_id, each, FILES)
    store.put(OLA, uuid4(), FILES)
    key_backup.write(tmp_path / "keys.jsonl")
    OwnerKey.objects.filter(owner_id=owner_id).delete()
    monkeypatch.setattr(scan, "REST", timedelta(seconds=-1))
    known = Damage.objects.filter(place=Damage.Place.KEYS, ended_at=None)

    with pytest.raises(keys.Lost, match=str(owner_id)):
        store.put(owner_id, uuid4(), FILES)
    with pytest.raises(keys.Lost), store.group([(OLA, uuid4()), (owner_id, uuid4())]):
        pass
    assert not OwnerKey.objects.filter(owner_id=owner_id).exists()
    assert [each.object_id for each in known] == [owner_id]
    known.delete()
    scan.run()
    assert [(each.object_id, each.problems) for each in known] == [
        (owner_id, [lost_keys.problem(2)])
    ]
    store.put(OLA, uuid4(), FILES)
    store.put(UUID(int=3), uuid4(), FILES)

    # It comes back from a backup.
    key_backup.restore(tmp_path / "keys.jsonl")
    store.put(owner_id, uuid4(), FILES)
    known.update(checked_at=timezone.now() - timedelta(days=1))
    scan.run()
    assert not known.exists()
    # Or what lay under it is removed, one by one or with its owner.
    OwnerKey.objects.filter(owner_id=owner_id).delete()
    for each in holdings.of(owner_id):
        store.remove(owner_id, each)
    store.put(owner_id, objects[0], FILES)
    OwnerKey.objects.filter(owner_id=owner_id).delete()
    store.forget_owner(owner_id)
    assert not store.exists(objects[0])
    assert holdings.of(owner_id) == []
    scan.run()
    assert not known.exists()


def test_keys_of_objects_tell_of_an_owners_that_is_gone():
    keys.make([(KARI, uuid4())])  # nothing was put under it yet
    hers = OwnerKey.objects.get(owner_id=KARI)
    OwnerKey.objects.filter(owner_id=KARI)._raw_delete("default")
    with pytest.raises(keys.Lost):
        store.put(KARI, uuid4(), FILES)
    hers.save(force_insert=True)
    store.put(KARI, uuid4(), FILES)


def test_a_key_that_another_makes_at_the_same_moment_is_not_taken_for_lost():
    theirs, mine = uuid4(), uuid4()
    was_looked = False

    def meanwhile(execute, sql, *rest):
        nonlocal was_looked
        found = execute(sql, *rest)
        if "archive_ownerkey" in sql and not was_looked:
            was_looked = True
            store.put(KARI, theirs, FILES)
        return found

    with connection.execute_wrapper(meanwhile):
        store.put(KARI, mine, FILES)
    for each in (theirs, mine):
        assert store.read_bytes(KARI, each, "original/sbd.jwt") == MARK


def test_whose_an_object_is_is_known_from_its_key_where_it_was_not_noted():
    object_id, system = uuid4(), uuid4()
    store.put(KARI, object_id, FILES)
    store.put(store.SYSTEM, system, FILES)
    Holding.objects.update(owner_id=None)
    import_module("inbox.archive.migrations.0007_holding_owner").name_owners(apps, None)
    assert holdings.of(KARI) == [object_id]
    assert holdings.of(store.SYSTEM) == [system]
