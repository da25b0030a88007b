"""A lost database and archive come back: from the archive and the keys alone, and with a backup."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.db import transaction
from django.test import override_settings

from connectors import clock
from connectors.world.model import STUDY_DATE
from connectors.world.persons import by_slug
from inbox.archive import keys, proof, store
from inbox.archive.models import ObjectKey, OwnerKey
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, InboxState
from inbox.citizens.viewer import Viewer
from inbox.letters import filing, folders, own
from inbox.letters.models import Delivery, Document, Event, Letter, Placement
from inbox.notifications.models import Notification
from inbox.sync import engine, removal, state
from inbox.sync.models import Mailbox, OutboundReceipt, Source
from tests.archive.proved import superuser
from tests.commands import run
from tests.conftest import configure, reached
from tests.fetched import fetch
from tests.rows import Kept, shared

pytestmark = pytest.mark.django_db

SHOWN = ("title", "public_title", "sender_name", "received_at", "due_at", "body", "kind", "source")
SHOWN += ("security_level", "case_reference", "content", "other_sources", "attachments", "actions")
HERS = ("place", "unread", "opened_at", "folders", "handled_at", "handled_by", "case_id", "updated")


PAIR = ("kari", "ingrid")


def wipe() -> None:
    """Lose every row."""
    with transaction.atomic(), superuser():
        for model in reversed(apps.get_models()):
            if model._meta.app_label not in ("auth", "contenttypes"):
                model._default_manager.all()._raw_delete("default")
    assert not Citizen.objects.exists()
    assert not OwnerKey.objects.exists()


def letters(*names: str) -> dict[UUID, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in Letter.objects.values_list("id", *names)}


def documents() -> set[tuple[Any, ...]]:
    columns = ("delivery_id", "position", "name", "is_main", "blob__sha256", "blob__path")
    return set(Document.objects.filter(replaced_at=None).values_list(*columns))


@pytest.fixture(scope="module")
def made(
    django_db_setup, django_db_blocker, tmp_path_factory, _keys: Path, _configured: Kept
) -> Iterator[Path]:
    """Letters of every source, and what Kari has done with some, made once; yields the archive."""
    folder = tmp_path_factory.mktemp("lived")
    settings = override_settings(
        ARCHIVE_DIR=folder / "archive", KRR_PRIVATE_KEY_FILE=str(_keys / "maskinporten-client.pem")
    )
    with settings, pytest.MonkeyPatch.context() as patch, shared(django_db_blocker):
        clock.freeze(STUDY_DATE)
        with reached(folder / "simulators", _keys, patch) as world:
            configure(world, _configured)
            fetch(world, *PAIR)
            live()
            yield folder / "archive"
    clock.reset()


@pytest.fixture
def lived(made: Path, db: None, frozen_clock: None, settings: Any, tmp_path: Path) -> Path:
    """All that was made, in an archive of the test's own; returns a folder for backups."""
    settings.ARCHIVE_DIR = tmp_path / "archive"
    shutil.copytree(made, settings.ARCHIVE_DIR)
    return tmp_path / "backup"


def live() -> None:
    """Let Kari do something with her letters."""
    kari = find_citizen("national_id", by_slug("kari").national_id)
    assert kari is not None
    viewer = Viewer(kari.id)
    hers = list(Letter.objects.filter(citizen=kari, security_level=3).order_by("id"))
    folder = folders.create(viewer, "Huset")
    filing.put(viewer, [hers[0].id], folder.id, into=True)
    filing.move(viewer, [hers[1].id], Letter.Place.FILED)
    paper = own.look_at("a.jpg", lambda: [b"\xff\xd8\xff\xe0 a picture"])
    said = own.Said("Vedtak", "Trygdekontoret", date(1998, 3, 4), 3)
    added = own.add(viewer, said, [paper], own.new_key())
    own.correct(viewer, added.id, own.Said("Klage", "Aker trygdekontor", date(1999, 5, 6), 4))


@pytest.mark.files
def test_the_archive_and_the_keys_alone_give_the_letters_back(lived: Path, tmp_path: Path):
    before, docs, people = letters(*SHOWN), documents(), set(Citizen.objects.values_list("id"))
    assert len(before) > 30
    run("archive_keys", "backup", tmp_path / "keys.jsonl")
    wipe()
    run("archive_keys", "restore", tmp_path / "keys.jsonl")
    run("rebuild_index")
    assert letters(*SHOWN) == before
    assert documents() == docs
    assert set(Citizen.objects.values_list("id")) <= people
    assert find_citizen("national_id", by_slug("kari").national_id)
    assert not Letter.objects.filter(unread=True).exists()
    assert not Notification.objects.exists()
    assert not OutboundReceipt.objects.exists()
    assert run("verify_archive").endswith("packages are whole.\n")
    counted = InboxState.objects.get(citizen__name="Kari Nordmann").letters
    hers = Letter.objects.filter(citizen__name="Kari Nordmann")
    assert counted == hers.filter(place="inbox").count() == hers.count() - 1
    again = run("rebuild_index")
    assert again.startswith("0 letters made")
    assert letters(*SHOWN) == before


def test_a_backup_gives_back_what_the_database_alone_knew(lived: Path, tmp_path: Path, settings):
    before, sources = letters(*SHOWN, *HERS), Source.objects.count()
    placed, events = Placement.objects.count(), Event.objects.count()
    boxes = set(Mailbox.objects.values_list("id", "cursor"))
    run("backup", lived)
    run("archive_keys", "backup", tmp_path / "keys.jsonl")
    wipe()
    settings.ARCHIVE_DIR = tmp_path / "new"
    run("archive_keys", "restore", tmp_path / "keys.jsonl")
    run("restore_backup", lived)
    assert letters(*SHOWN, *HERS) == before
    assert (Placement.objects.count(), Event.objects.count()) == (placed, events)
    assert set(Mailbox.objects.values_list("id", "cursor")) == boxes
    assert Source.objects.count() == sources
    for mailbox in Mailbox.objects.select_related("source"):
        if not mailbox.source.shared_queue:
            assert engine.sync_mailbox(mailbox.citizen_id, mailbox.id, waits_its_turn=False) == 0
    assert letters(*SHOWN, *HERS) == before


@pytest.mark.files
def test_what_is_hers_goes_with_her_key_also_from_every_backup(
    lived: Path, tmp_path: Path, settings
):
    settings.ARCHIVE_PROOF = "log"
    settings.ARCHIVE_LOG_KEY_FILE = str(tmp_path / "archive-log.pem")
    kari, ingrid = (find_citizen("national_id", by_slug(each).national_id) for each in PAIR)
    assert kari is not None
    assert ingrid is not None
    for owner_id, object_id in ObjectKey.objects.values_list("owner_id", "object_id"):
        store.note_again(owner_id, object_id)
    proof.sequence()
    theirs = letters(*SHOWN, *HERS)
    hers = list(Letter.objects.filter(citizen=kari))
    count = Delivery.objects.filter(citizen=kari).count()
    marks = {kari.name, kari.email, "Huset", by_slug("kari").national_id}
    for letter in hers:
        marks |= {letter.title, letter.sender_name, letter.body[:40], str(letter.id)}
        del theirs[letter.id]
    run("backup", lived)
    run("archive_keys", "backup", tmp_path / "keys-before.jsonl")
    kari_id = kari.id
    removal.remove(kari_id)
    proof.sequence()
    run("backup", tmp_path / "later")
    run("archive_keys", "backup", tmp_path / "keys.jsonl")
    raw = b"".join(path.read_bytes() for path in lived.rglob("*") if path.is_file())
    raw += b"".join(path.read_bytes() for path in tmp_path.glob("keys*.jsonl"))
    assert len(raw) > 100_000
    # Three bytes, as of NAV, stand somewhere in so much ciphertext by chance.
    assert [mark for mark in marks if len(mark) > 4 and mark.encode() in raw] == []
    # The old backup's bytes, with the keys and the log of after.
    shutil.rmtree(lived / "log")
    shutil.copytree(tmp_path / "later" / "log", lived / "log")
    wipe()
    settings.ARCHIVE_DIR = tmp_path / "new"
    run("archive_keys", "restore", tmp_path / "keys.jsonl")
    said = run("restore_backup", lived)
    assert f"{count} have no key" in said
    assert letters(*SHOWN, *HERS) == theirs
    assert not Letter.objects.filter(citizen_id=kari_id).exists()
    assert Letter.objects.filter(citizen_id=ingrid.id).exists()
    assert keys.is_destroyed(kari_id)
    assert run("verify_archive").endswith("packages are whole.\n")
    assert proof.checkpoint()


def test_what_a_backup_leaves_out_is_named_by_tables_that_there_are():
    tables = {model._meta.label_lower for model in apps.get_models()}
    assert set(state.MADE_ANEW + state.OF_ITS_MOMENT) <= tables
