"""Damage on a disk or in a bucket: found, put back from the second copy, and never silent."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from inbox.archive import copying, holdings, ocfl, places, scan, store
from inbox.archive.models import Damage, Holding
from inbox.archive.s3 import S3
from tests.archive.s3_server import Server, answering
from tests.archive.test_store import FIRST, OWNER, flip, folder, objects_found_by_ocfl_py

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    settings.ARCHIVE_COPY_DIR = str(tmp_path / "copy")
    settings.ARCHIVE_CHECK_DAYS = 90
    return settings.ARCHIVE_DIR


@pytest.fixture
def second(home: Path) -> Path:
    return home.parent / "copy"


def put(count: int = 1) -> list[UUID]:
    ids = [uuid4() for _ in range(count)]
    with store.group([(OWNER, each) for each in ids]) as group:
        for each in ids:
            group.put(OWNER, each, {**FIRST, "files/0002.pdf": each.bytes * 100})
    return ids


def tree(home: Path) -> dict[str, bytes]:
    top = home / "ocfl"
    return {
        path.relative_to(top).as_posix(): path.read_bytes()
        for path in sorted(top.rglob("*"))
        if path.is_file()
    }


def grow_old(days: int = 30) -> None:
    """Let everything have been checked last so long ago, and no damage looked at of late."""
    then = timezone.now() - timedelta(days=days)
    Holding.objects.update(checked_at=then)
    Holding.objects.filter(is_owed=False).update(copy_checked_at=then)
    Damage.objects.update(checked_at=then)


def scan_all() -> int:
    """Run until everything has had its turn; returns how many checks there were."""
    grow_old()
    count = 0
    while some := scan.run():
        count += some
    return count


def test_what_is_stored_is_copied_byte_for_byte_with_its_later_versions(home: Path, second: Path):
    ids = put(3)
    assert copying.run() == 3
    assert tree(second) == tree(home)
    store.add_version(OWNER, ids[0], {"files/0001.pdf": b"second"})
    assert copying.run() == 1
    for _ in range(2):
        store.add_version(OWNER, ids[0], {"files/0001.pdf": uuid4().bytes})
    store.put(uuid4(), uuid4(), FIRST)
    assert copying.run() == 2
    assert copying.run() == 0
    assert tree(second) == tree(home)
    assert objects_found_by_ocfl_py(second) == 4
    assert not list((second / "staging").iterdir())


def test_what_is_removed_goes_from_the_copy_and_is_never_put_back(home: Path, second: Path):
    gone, half, kept = put(3)
    copying.run()
    store.remove(OWNER, gone)
    # A process that dies while it removes: the row says so, and some bytes are gone.
    holdings.note_removal([half])
    (folder(home, half) / "inventory.json").unlink()
    scan_all()
    assert not Damage.objects.exists()
    assert copying.run() == 2
    assert {each.object_id for each in Holding.objects.all()} == {kept}
    assert tree(second) == tree(home)
    assert {path.parent for path in map(Path, tree(home)) if "inventory.json" in path.name} == {
        Path(ocfl.object_folder(kept.urn)),
        Path(ocfl.object_folder(kept.urn)) / "v1",
    }


def test_what_is_put_anew_is_not_taken_for_what_was_removed(home: Path, monkeypatch):
    (object_id,) = put()
    copying.run()
    store.remove(OWNER, object_id)
    remove = copying._remove

    def late(*arguments) -> None:
        store.put(OWNER, object_id, FIRST)
        remove(*arguments)

    monkeypatch.setattr(copying, "_remove", late)
    copying.run()
    assert store.verify(object_id) == []
    copying.run()
    assert tree(home.parent / "copy") == tree(home)


def test_a_copy_that_is_away_holds_up_nothing_and_is_caught_up(home: Path, second: Path, settings):
    put(2)
    copying.run()
    settings.ARCHIVE_COPY_DIR = "/proc/nowhere"
    removed, kept = put(2)
    store.remove(OWNER, removed)
    assert copying.run() == 0
    owed = Holding.objects.filter(is_owed=True)
    assert owed.count() == 2
    assert owed.exclude(copy_error="").count() == 1
    assert scan_all() == 3
    assert not Damage.objects.exists()
    settings.ARCHIVE_COPY_DIR = str(second)
    assert store.read_bytes(OWNER, kept, "files/0001.pdf") == FIRST["files/0001.pdf"]
    owed.update(copy_due_at=timezone.now())
    assert copying.run() == 2
    assert tree(second) == tree(home)


def edited_inventory(at: Path) -> None:
    """Give an object another inventory that fits itself in every way."""
    said = json.loads((at / "inventory.json").read_bytes())
    said["versions"]["v1"]["message"] = "Nothing to see here"
    raw = json.dumps(said).encode()
    for place in (at, at / "v1"):
        (place / "inventory.json").write_bytes(raw)
        (place / "inventory.json.sha512").write_bytes(ocfl.sidecar(raw))


def unlink(name: str) -> Callable[[Path], None]:
    return lambda at: (at / name).unlink()


@pytest.mark.files
def test_flipped_bits_missing_files_and_edited_inventories_are_all_found_and_repaired(
    home: Path, second: Path, caplog: pytest.LogCaptureFixture
):
    ids = put(60)
    for each in ids[:10]:
        store.add_version(OWNER, each, {"files/0001.pdf": b"second"})
    copying.run()
    before = tree(home)
    objects = {hashlib.sha256(each.urn.encode()).hexdigest(): each for each in ids}
    chance = random.Random(20261127)
    files = [name for name in before if len(name.split("/")) > 3 and "extensions" not in name]
    kinds = {"/content/": 3, "inventory.json": 2, "inventory.json.sha512": 2}
    chosen = [
        name
        for part, count in kinds.items()
        for name in chance.sample([each for each in files if part in each], count)
    ]
    assert len(chosen) >= len(files) / 100
    damaged = {objects[name.split("/")[2]] for name in chosen}
    for name in chosen:
        flip(home / "ocfl" / name)
    whole = [each for each in ids if each not in damaged]
    others = [
        unlink("v1/content/files/0002.pdf.enc"),
        unlink("inventory.json"),
        unlink("v1/inventory.json.sha512"),
        unlink("0=ocfl_object_1.1"),
        edited_inventory,
        lambda at: (at / "v1/content/extra").write_bytes(b"x"),
        lambda at: at.rename(home / "lost"),
    ]
    for each, damage in zip(whole, others, strict=False):
        damage(folder(home, each))
        damaged.add(each)
    assert scan_all() >= 120
    found = Damage.objects.all()
    assert {each.object_id for each in found} == damaged
    assert {each.outcome for each in found} == {Damage.Outcome.REPAIRED}
    assert all(each.problems and each.place == Damage.Place.PRIMARY for each in found)
    assert all(str(each) in caplog.text for each in damaged)
    assert tree(home) == before == tree(second)
    for each in damaged:
        assert store.read_bytes(OWNER, each, "files/0002.pdf") == each.bytes * 100
    count = len(found)
    scan_all()
    assert Damage.objects.count() == count


def test_a_damaged_copy_is_made_whole_from_the_primary(home: Path, second: Path):
    ids = put(4)
    copying.run()
    flip(folder(second, ids[0]) / "v1/content/files/0002.pdf.enc")
    flip(folder(second, ids[1]) / "inventory.json")
    folder(second, ids[2]).rename(second / "lost")
    scan_all()
    found = Damage.objects.all()
    assert {each.object_id for each in found} == set(ids[:3])
    assert {(each.place, each.outcome) for each in found} == {("copy", "repaired")}
    assert tree(second) == tree(home)


def test_nothing_is_put_back_from_a_copy_that_is_damaged_or_not_there(
    home: Path, second: Path, settings
):
    both, alone = put(2)
    copying.run()
    for place in (home, second):
        flip(folder(place, both) / "v1/content/files/0002.pdf.enc")
    flip(folder(second, both) / "v1/content/files/0001.pdf.enc")
    before = tree(home), tree(second)
    scan_all()
    assert (tree(home), tree(second)) == before
    found = {each.place: each for each in Damage.objects.filter(object_id=both)}
    assert set(found) == {"primary", "copy"}
    assert all("no better" in each.not_repaired for each in found.values())
    assert {each.outcome for each in found.values()} == {Damage.Outcome.OPEN}
    settings.ARCHIVE_COPY_DIR = ""
    flip(folder(home, alone) / "v1/content/files/0002.pdf.enc")
    scan_all()
    assert Damage.objects.get(object_id=alone).not_repaired == "there is no second copy"
    # Once the copy is there again, it is tried again; an open damage is written down once.
    settings.ARCHIVE_COPY_DIR = str(second)
    scan_all()
    assert Damage.objects.get(object_id=alone).outcome == Damage.Outcome.REPAIRED
    assert Damage.objects.filter(object_id=both).count() == 2


def test_a_damaged_object_is_not_copied(home: Path, second: Path):
    (object_id,) = put()
    flip(folder(home, object_id) / "v1/content/files/0002.pdf.enc")
    copying.run()
    assert not [name for name in tree(second) if "inventory.json" in name]
    found = Damage.objects.get()
    assert (found.object_id, found.found_by) == (object_id, "copy")
    assert Holding.objects.get().is_owed


def test_a_reader_who_meets_damage_has_it_repaired(home: Path):
    changed, missing, gone = put(3)
    copying.run()
    flip(folder(home, changed) / "v1/content/files/0002.pdf.enc")
    (folder(home, missing) / "v1/content/files/0002.pdf.enc").unlink()
    folder(home, gone).rename(home / "lost")
    with pytest.raises(store.Damaged):
        store.read_bytes(OWNER, changed, "files/0002.pdf")
    for each in (missing, gone):
        with pytest.raises(store.Missing):
            store.read_bytes(OWNER, each, "files/0002.pdf")
    found = Damage.objects.all()
    assert {(each.object_id, each.found_by) for each in found} == {
        (each, "read") for each in (changed, missing, gone)
    }
    # The next run takes them before all others, whenever they were checked last.
    scan.run()
    assert {each.outcome for each in Damage.objects.all()} == {Damage.Outcome.REPAIRED}
    for each in (changed, missing, gone):
        assert store.read_bytes(OWNER, each, "files/0002.pdf") == each.bytes * 100


def test_what_has_waited_longest_is_checked_first_and_all_of_it_in_time(monkeypatch):
    runs = 90 * 24 * 3600 // scan.EVERY_SECONDS
    for count in (0, 1, 12_345, 10_000_000):
        assert scan.budget(count) * runs * 2 / 3 >= count
    assert scan.budget(10_000_000) < 1000
    ids = put(8)
    now = timezone.now()
    for days, each in enumerate(ids):
        Holding.objects.filter(pk=each).update(checked_at=now - timedelta(days=days))
    assert scan.run() == scan.LEAST
    checked = Holding.objects.filter(checked_at__gt=now - timedelta(hours=1))
    assert {each.object_id for each in checked} == {ids[0], *ids[-scan.LEAST :]}


def test_an_object_that_its_row_does_not_fit_is_named(home: Path, second: Path):
    put()
    copying.run()
    Holding.objects.update(inventory_sha512="0" * 128)
    scan_all()
    for found in Damage.objects.all():
        assert "the inventory of v1 is not the one that was stored" in found.problems
        assert found.outcome == Damage.Outcome.OPEN
    assert Damage.objects.count() == 2


def test_a_bucket_is_a_second_copy_like_any_other(home: Path, settings, server: Server):
    settings.ARCHIVE_COPY_DIR = ""
    settings.ARCHIVE_COPY_S3 = asdict(server.bucket())
    first, other = put(2)
    copying.run()
    store.add_version(OWNER, first, {"files/0001.pdf": b"second"})
    copying.run()
    assert not Holding.objects.filter(is_owed=True).exists()
    flip(folder(home, first) / "v2/inventory.json")
    folder(home, other).rename(home / "lost")
    bucket = places.second()
    assert isinstance(bucket, S3)
    server.faults.append(answering("403 Forbidden", lambda _: True))
    scan_all()
    # Nothing is known of a copy that does not answer: it is neither damaged nor of any help.
    assert {each.place for each in Damage.objects.all()} == {"primary"}
    assert {each.outcome for each in Damage.objects.all()} == {Damage.Outcome.OPEN}
    server.faults.clear()
    bucket.take_away(holdings.folder_of(first), "0=ocfl_object_1.1")
    scan_all()
    ends = Damage.objects.values_list("object_id", "place", "outcome")
    assert (other, "primary", "repaired") in ends
    assert store.verify(other) == []
    assert store.verify(first) != []
    # Each was damaged where the other was not: somebody has to decide.
    assert {(place, end) for object_id, place, end in ends if object_id == first} == {
        ("primary", ""),
        ("copy", ""),
    }
    bucket.put_back(holdings.folder_of(first), "0=ocfl_object_1.1", [b"ocfl_object_1.1\n"])
    scan_all()
    assert store.verify(first) == []
    assert not Damage.objects.filter(ended_at=None).exists()


def test_what_is_damaged_in_a_bucket_is_put_back_from_a_folder(settings, server: Server):
    settings.ARCHIVE_S3 = asdict(server.bucket())
    first, other = put(2)
    copying.run()
    bucket = places.primary()
    bucket.put_back(holdings.folder_of(first), "v1/content/files/0002.pdf.enc", [b"other"])
    bucket.take_away(holdings.folder_of(other), "inventory.json")
    scan_all()
    assert {each.outcome for each in Damage.objects.all()} == {Damage.Outcome.REPAIRED}
    assert Damage.objects.count() == 2
    assert [store.verify(each) for each in (first, other)] == [[], []]
