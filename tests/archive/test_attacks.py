"""What somebody with every right does to the archive, and what `verify_archive` says of it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction

from connectors.tlog import tiles
from connectors.tlog.checkpoint import Checkpoint
from connectors.tlog.merkle import leaf_hash
from connectors.tlog.note import Note
from connectors.tlog.tiles import Tiles
from inbox.archive import proof, store
from inbox.archive.deposit import package_rows
from inbox.archive.models import Blob, Holding, ObjectKey, Package
from inbox.archive.ocfl import object_folder
from inbox.archive.proof import log, restoring, tasks
from inbox.archive.proof.leaves import row_of
from inbox.archive.proof.models import LogEntry
from inbox.citizens.models import Citizen
from tests.archive.proved import Outside, home, outside, superuser

pytestmark = pytest.mark.django_db
__all__ = ["home", "outside"]


@pytest.fixture
def kari() -> Citizen:
    return Citizen.objects.create(name="Kari Nordmann")


@pytest.fixture
def letters(kari: Citizen, outside: Outside) -> list[UUID]:
    """Five letters, logged and witnessed in two steps."""
    made = [deposit(kari) for _ in range(3)]
    tasks.sequence()
    made += [deposit(kari) for _ in range(2)]
    tasks.sequence()
    return made


def deposit(citizen: Citizen, body: bytes = b"%PDF-1.7") -> UUID:
    stored = store.put(citizen.id, uuid4(), {"files/0001.pdf": body})
    package, blobs = package_rows(citizen.id, stored, {})
    Package.objects.bulk_create([package])
    Blob.objects.bulk_create(blobs)
    return stored.object_id


def verify() -> str:
    """Return what the command prints; empty when all is well."""
    out = StringIO()
    try:
        call_command("verify_archive", stdout=out)
    except CommandError as failure:
        assert failure.returncode == 1
        return out.getvalue()
    assert "are whole" in out.getvalue()
    return ""


def names(said: str, objects: list[UUID]) -> list[UUID]:
    return [each for each in objects if str(each) in said]


def folder(object_id: UUID, home: Path) -> Path:
    return home / "ocfl" / object_folder(object_id.urn)


def sign_anew(entries: list[bytes]) -> None:
    """Write a whole other log in the place of ours, signed with the real key."""
    for name in ("tile", "checkpoint", "cosigned", "witness", "timestamps"):
        path = log.folder() / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    tiles.write(log.folder(), tiles.grow(Tiles(log.folder(), 0), entries))
    edge = Tiles(log.folder(), len(entries)).edge()
    text = Checkpoint(log.signer().name, edge.size, edge.root()).text()
    signed = Note(text, (log.signer().sign(text),)).encode()
    (log.folder() / "checkpoint").write_text(signed, "utf-8")


def entries() -> list[bytes]:
    return [row.leaf.encode() for row in LogEntry.objects.order_by("index")]


def test_an_archive_that_nobody_touched_is_whole(letters: list[UUID], kari: Citizen):
    assert verify() == ""
    store.add_version(kari.id, letters[0], {"files/0002.pdf": b"more"})
    store.remove(kari.id, letters[1])
    Package.objects.filter(id=letters[1]).delete()
    deposit(kari)
    assert verify() == ""  # also while leaves wait for their places
    tasks.sequence()
    tasks.stamp()
    assert verify() == ""


def test_a_key_of_something_that_could_not_be_put_is_no_fault(letters: list[UUID], kari: Citizen):
    with store.group([(kari.id, broken := uuid4())]) as group, pytest.raises(RuntimeError):
        group.put(kari.id, broken, {"files/0001.pdf": breaks_off()})
    assert ObjectKey.objects.filter(object_id=broken).exists()
    assert verify() == ""


def breaks_off() -> Iterator[bytes]:
    yield b"%PDF"
    raise RuntimeError


def test_an_object_that_is_gone_without_a_destroyed_leaf(letters: list[UUID], home: Path):
    shutil.rmtree(folder(letters[2], home))
    Package.objects.filter(id=letters[2]).delete()
    said = verify()
    assert f"{letters[2]}: it is not in the archive, and the log knows of no destruction" in said
    assert names(said, letters) == [letters[2]]


def test_an_object_whose_key_alone_is_gone(letters: list[UUID]):
    ObjectKey.objects.filter(object_id=letters[2]).delete()
    said = verify()
    assert f"{letters[2]}: its key is gone, and the log knows of no destruction" in said
    assert names(said, letters) == [letters[2]]


def test_a_key_that_was_put_back_after_its_destruction(letters: list[UUID], kari: Citizen):
    key = ObjectKey.objects.get(object_id=letters[2])
    store.remove(kari.id, letters[2])
    Package.objects.filter(id=letters[2]).delete()
    tasks.sequence()
    assert verify() == ""
    key.save(force_insert=True)
    assert f"{letters[2]}: its key was destroyed, says the log, and is there" in verify()


def test_an_object_that_was_made_anew_with_matching_digests(letters: list[UUID], home: Path):
    place = folder(letters[1], home)
    inventory = json.loads((place / "inventory.json").read_bytes())
    inventory["versions"]["v1"]["message"] = "Received much earlier"
    raw = json.dumps(inventory).encode()
    for each in (place, place / "v1"):
        (each / "inventory.json").write_bytes(raw)
        digest = hashlib.sha512(raw).hexdigest()
        (each / "inventory.json.sha512").write_text(f"{digest} inventory.json\n")
        Package.objects.filter(id=letters[1]).update(inventory_sha512=digest)
    assert store.verify(letters[1]) == []
    said = verify()
    assert f"{letters[1]}: the inventory of version 1 is not the one that was logged" in said
    assert names(said, letters) == [letters[1]]


def test_an_object_that_was_never_logged(letters: list[UUID], kari: Citizen, settings):
    settings.ARCHIVE_PROOF = "off"
    smuggled = deposit(kari)
    settings.ARCHIVE_PROOF = "full"
    said = verify()
    assert f"{smuggled}: the log knows no version 1 of it" in said
    assert names(said, letters) == []
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("verify_archive", "--sample", "6", stdout=out)
    assert f"{smuggled}: the log knows no version 1 of it" in out.getvalue()


def test_leaves_dropped_from_the_end_of_the_log(letters: list[UUID]):
    sign_anew(entries()[:4])
    said = verify()
    assert f"{letters[4]}: its leaf 4 was dropped: the log ends at 4" in said
    assert "the witness has a signed head of 5 leaves, the log ends at 4" in said
    assert names(said, letters) == [letters[4]]
    with pytest.raises(proof.LogBroken):
        proof.sequence()


def test_leaves_dropped_from_the_log_and_the_database(letters: list[UUID]):
    kept = entries()[:4]
    with superuser():
        LogEntry.objects.filter(index=4).delete()
    sign_anew(kept)
    said = verify()
    assert f"{letters[4]}: the log knows no version 1 of it" in said
    assert "the witness has a signed head of 5 leaves, the log ends at 4" in said
    assert names(said, letters) == [letters[4]]


def test_a_database_that_was_put_back_to_yesterday(letters: list[UUID]):
    with superuser():
        LogEntry.objects.filter(index__gte=3).delete()
    Package.objects.filter(id__in=letters[3:]).delete()
    ObjectKey.objects.filter(object_id__in=letters[3:]).delete()
    said = verify()
    for number in (3, 4):
        assert f"{letters[number]}: leaf {number} is in the log and its row is not" in said
    assert names(said, letters) == letters[3:]
    with pytest.raises(proof.LogBroken, match=str(letters[3])):
        proof.sequence()
    assert restoring.rebuild() == 2
    assert f"{letters[3]}: its key is gone, and the log knows of no destruction" in verify()
    proof.sequence()


def test_database_log_and_archive_put_back_to_yesterday_together(letters: list[UUID], home: Path):
    kept = entries()[:3]
    with superuser():
        LogEntry.objects.filter(index__gte=3).delete()
    Package.objects.filter(id__in=letters[3:]).delete()
    ObjectKey.objects.filter(object_id__in=letters[3:]).delete()
    Holding.objects.filter(object_id__in=letters[3:]).delete()
    for each in letters[3:]:
        shutil.rmtree(folder(each, home))
    sign_anew(kept)
    said = verify()
    # Nothing here remembers the two letters: the witness alone knows that there were more.
    assert said == (
        "the log: the witness has a signed head of 5 leaves, the log ends at 3: it was cut, or put "
        "back to what it was before\n"
    )


def test_a_letter_exchanged_everywhere_and_the_log_signed_anew_with_the_real_key(
    letters: list[UUID], kari: Citizen, settings
):
    settings.ARCHIVE_PROOF = "off"
    store.remove(kari.id, letters[3])
    forged = store.put(kari.id, letters[3], {"files/0001.pdf": b"%PDF-1.7 forged"})
    Package.objects.filter(id=letters[3]).update(inventory_sha512=forged.inventory_sha512)
    Blob.objects.filter(package_id=letters[3]).update(
        sha256=forged.files["files/0001.pdf"].sha256, size=forged.files["files/0001.pdf"].size
    )
    seal = hashlib.sha256(store.seal_of(kari.id, letters[3])).hexdigest()
    new = row_of(proof.Entry.put(letters[3], 1, forged.inventory_sha512, seal))
    with superuser():
        LogEntry.objects.filter(object_id=letters[3]).update(leaf=new.leaf, leaf_hash=new.leaf_hash)
    settings.ARCHIVE_PROOF = "full"
    sign_anew(entries())
    said = verify()
    assert "the witness has another root of the first 5 leaves" in said
    assert "it parts from what the witness signed at leaf 3 to 4" in said
    assert f"{letters[3]}: lies among the leaves 3 to 4, which were changed" in said
    assert names(said, letters) == letters[3:]


def test_a_head_beside_the_log_that_does_not_go_with_it(letters: list[UUID]):
    tasks.stamp()
    note = log.folder() / "timestamps/5.note"
    head = note.read_text("utf-8")
    note.write_text(head.replace("\n5\n", "\n4\n"), "utf-8")
    said = verify()
    assert "timestamps/5.note: the signature of samlepost.example/archive is false" in said
    assert "timestamps/5.tsr: a time stamp that is not good" in said


@pytest.mark.parametrize(
    "change",
    [
        {"leaf": "{}"},
        {"leaf_hash": bytes(32)},
        {"version": 7},
        {"event": "destroyed"},
        {"object_id": UUID(int=1)},
        {"index": None},
        {"index": 9},
    ],
)
def test_a_row_edited_by_the_superuser(letters: list[UUID], change: dict):
    with superuser():
        LogEntry.objects.filter(object_id=letters[1]).update(**change)
    said = verify()
    assert f"{letters[1]}: " in said
    assert names(said, letters) == [letters[1]]


def test_a_row_edited_before_it_was_logged(letters: list[UUID], kari: Citizen):
    waiting = deposit(kari)
    with superuser():
        LogEntry.objects.filter(object_id=waiting).update(version=2)
    assert f"{waiting}: its row was changed before it was logged" in verify()


def test_a_leaf_that_waits_too_long(letters: list[UUID], kari: Citizen):
    waiting = deposit(kari)
    with superuser():
        LogEntry.objects.filter(object_id=waiting).update(at=datetime.now(UTC) - timedelta(hours=2))
    assert f"{waiting}: its leaf has waited for its place" in verify()


def test_a_bit_flipped_in_a_leaf_names_its_object(letters: list[UUID]):
    bundle = log.folder() / "tile/entries/000.p/5"
    raw = bundle.read_bytes()
    at = raw.index(str(letters[2]).encode()) - 30  # within the digest of its inventory
    bundle.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
    said = verify()
    assert f"{letters[2]}: leaf 2 and its hash in tile/0/000.p/5 do not go together" in said
    assert names(said, letters) == [letters[2]]


def test_a_bit_flipped_in_a_tile_or_a_file_of_the_log_gone(letters: list[UUID]):
    tile = log.folder() / "tile/0/000.p/5"
    raw = tile.read_bytes()
    tile.write_bytes(raw[:70] + bytes([raw[70] ^ 1]) + raw[71:])
    said = verify()
    assert f"{letters[2]}: leaf 2 and its hash in tile/0/000.p/5 do not go together" in said
    tile.unlink()
    assert "tile/0/000.p/5 is missing" in verify()
    tile.write_bytes(raw)
    assert verify() == ""
    (log.folder() / "tile/entries/000.p/5").unlink()
    said = verify()
    assert "tile/entries/000.p/5 is missing" in said
    assert names(said, letters) == letters


def test_a_checkpoint_that_is_not_signed(letters: list[UUID]):
    path = log.folder() / "checkpoint"
    path.write_text(path.read_text("utf-8").replace("\n5\n", "\n4\n"), "utf-8")
    assert "the checkpoint is not ours: the signature of samlepost.example/archive" in verify()
    path.unlink()
    assert f"{letters[0]}: its leaf 0 was dropped: the log ends at 0" in verify()


def test_a_witness_that_cannot_be_asked_is_not_taken_for_a_good_one(
    letters: list[UUID], outside: Outside
):
    outside.witness_is_away = True
    assert "the witness cannot be asked" in verify()


def test_leaf_hashes_are_those_of_the_leaves(letters: list[UUID]):
    for row in LogEntry.objects.all():
        assert bytes(row.leaf_hash) == leaf_hash(row.leaf.encode())


@pytest.mark.servers
@pytest.mark.parametrize("change", [{"leaf": "{}"}, {"version": 7}, {"index": None}, {"index": 9}])
def test_on_postgresql_a_leafs_row_is_not_changed_by_mistake(letters: list[UUID], change: dict):
    row = LogEntry.objects.filter(object_id=letters[1])
    with pytest.raises(DatabaseError, match="is not changed"), transaction.atomic():
        row.update(**change)
    with pytest.raises(DatabaseError, match="is not deleted"), transaction.atomic():
        row.delete()
    assert verify() == ""
