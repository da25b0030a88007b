"""Rows of what was stored, and the command that compares the two."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from inbox.archive import store
from inbox.archive.deposit import package_rows
from inbox.archive.models import Blob, Package
from inbox.archive.ocfl import object_folder
from inbox.citizens.models import Citizen

pytestmark = pytest.mark.django_db

FILES = {"original/item.json": b"{}", "files/0001.pdf": b"%PDF-1.7"}


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return settings.ARCHIVE_DIR


@pytest.fixture
def kari() -> Citizen:
    return Citizen.objects.create(name="Kari Nordmann")


def deposit(citizen: Citizen, files: dict[str, bytes] = FILES) -> Package:
    stored = store.put(citizen.id, uuid4(), files)
    package, blobs = package_rows(citizen.id, stored, {"files/0001.pdf": "application/pdf"})
    Package.objects.bulk_create([package])
    Blob.objects.bulk_create(blobs)
    return package


def test_rows_say_what_is_stored_and_lead_back_to_the_bytes(kari: Citizen):
    package = Package.objects.get(citizen=kari, id=deposit(kari).id)
    assert package.version == 1
    assert package.inventory_sha512 == store.describe(kari.id, package.id).inventory_sha512
    types = dict(package.blobs.values_list("path", "media_type"))
    assert types == {
        "files/0001.pdf": "application/pdf",
        "original/item.json": "application/octet-stream",
    }
    for blob in package.blobs.all():
        assert (
            store.read_bytes(kari.id, blob.package_id, blob.path, blob.version) == FILES[blob.path]
        )


def test_the_command_finds_a_whole_archive_whole(kari: Citizen):
    deposit(kari)
    deposit(kari, {"files/0001.txt": b"text"})
    out = StringIO()
    call_command("verify_archive", "--all", stdout=out)
    assert out.getvalue() == "2 packages are whole.\n"
    out = StringIO()
    call_command("verify_archive", "--sample", "1", stdout=out)
    assert out.getvalue() == "1 packages are whole.\n"


def run_failing() -> str:
    out = StringIO()
    with pytest.raises(CommandError) as failure:
        call_command("verify_archive", stdout=out)
    assert failure.value.returncode == 1
    return out.getvalue()


def test_the_command_names_a_package_with_a_flipped_bit(kari: Citizen, home: Path):
    whole, damaged = deposit(kari), deposit(kari)
    path = home / "ocfl" / object_folder(damaged.id.urn) / "v1/content/files/0001.pdf.enc"
    path.write_bytes(b"%PDF-1.6")
    said = run_failing()
    assert f"{damaged.id}: v1/content/files/0001.pdf.enc has changed" in said
    assert str(whole.id) not in said


def test_the_command_names_a_package_whose_object_is_gone(kari: Citizen):
    package = deposit(kari)
    store.remove(kari.id, package.id)
    assert f"{package.id}: the object is not in the archive" in run_failing()


def test_the_command_names_an_object_that_was_made_anew(kari: Citizen):
    package = deposit(kari)
    store.remove(kari.id, package.id)
    store.put(kari.id, package.id, {**FILES, "files/0001.pdf": b"%PDF-9.9"})
    assert store.verify(package.id) == []
    said = run_failing()
    assert "is not the one that was deposited" in said
    assert "files/0001.pdf is not as its row says" in said


def test_the_command_names_an_edited_row(kari: Citizen):
    package = deposit(kari)
    Blob.objects.filter(citizen=kari, path="files/0001.pdf").update(sha256="0" * 64)
    assert f"{package.id}: files/0001.pdf is not as its row says" in run_failing()
