"""The page that says whether a letter is unchanged, and the proof that she takes along."""

from __future__ import annotations

import hashlib
import json
import re
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from django.urls import reverse

from inbox.archive import proof, proving, store
from inbox.archive.ocfl import object_folder
from inbox.archive.proving import Standing
from inbox.letters.models import Delivery, Document
from tests.make import make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return settings.ARCHIVE_DIR


@pytest.fixture
def letter(kari, screen):
    made = make_letter(kari)
    screen.get(reverse("letter", args=[made.id]))
    return made


def page(screen, letter) -> str:
    return screen.get(reverse("letter_proof", args=[letter.id])).content.decode()


def test_she_sees_that_it_is_unchanged_and_the_documents_fingerprint(screen, letter):
    assert "The proof is not ready yet" in page(screen, letter)
    proof.sequence()
    said = page(screen, letter)
    assert "The letter is as it was when we received it" in said
    assert Document.objects.get(letter_id=letter.id).blob.sha256 in said
    assert "Line 1 of 1, signed by Samlepost" in said
    assert len(re.findall(r'<time datetime="20[^"]+">\d+ \w+ 20', said)) == 2


def test_the_proof_that_she_takes_along_holds_together(screen, letter):
    proof.sequence()
    delivery = Delivery.objects.get(letter_id=letter.id)
    address = reverse("proof_download", args=[letter.id, delivery.id])
    with ZipFile(BytesIO(b"".join(screen.get(address).streaming_content))) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    seal, text = files["v1/seal.json"], files["v1/proof.tlog-proof"].decode()
    document = Document.objects.get(letter_id=letter.id).blob
    assert document.sha256 in {each["sha256"] for each in json.loads(seal)["files"]}
    leaf = json.loads(proving.tlog_proof.read(text).extra or b"")
    assert leaf["commitment"] == hashlib.sha256(seal).hexdigest()
    assert leaf["inventory"] == hashlib.sha512(files["v1/inventory.json"]).hexdigest()
    assert proof.public_keys().log in files["keys.txt"].decode()
    assert "seal.json" in files["README.txt"].decode()


def flip(home: Path, letter) -> None:
    delivery = Delivery.objects.get(letter_id=letter.id)
    path = home / "ocfl" / object_folder(delivery.id.urn) / "v1/content/files/0000.pdf.enc"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def test_a_changed_byte_is_told_her_and_named_to_operators(home, screen, letter, caplog):
    proof.sequence()
    flip(home, letter)
    assert "Something is not as it was when we received it" in page(screen, letter)
    assert "0000.pdf.enc has changed" in caplog.text


def test_an_object_made_anew_is_not_what_the_log_says(screen, letter, kari):
    proof.sequence()
    delivery = Delivery.objects.get(letter_id=letter.id)
    store.remove(kari.id, delivery.id)
    store.put(kari.id, delivery.id, {"files/0000.pdf": b"%PDF-1.7 another"})
    [found] = proving.prove(kari.id, delivery.id)
    assert found.standing is Standing.CHANGED
    assert "is not what the log says" in found.faults[0]


def test_a_letter_that_she_has_not_opened_is_not_read(screen, kari):
    unopened = make_letter(kari)
    address = reverse("letter_proof", args=[unopened.id])
    assert screen.get(address).url == reverse("letter", args=[unopened.id])


def test_below_the_level_nothing_is_told(screen, kari):
    locked = make_letter(kari, security_level=4)
    for address in (
        reverse("letter_proof", args=[locked.id]),
        reverse("proof_download", args=[locked.id, Delivery.objects.get(letter_id=locked.id).id]),
    ):
        assert screen.get(address).url.startswith(reverse("step_up"))


def test_another_letters_delivery_is_not_found(screen, letter, kari):
    other = Delivery.objects.get(letter_id=make_letter(kari).id)
    address = reverse("proof_download", args=[letter.id, other.id])
    assert screen.get(address).status_code == 404
