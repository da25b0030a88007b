from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone

from inbox.archive import copying, lost_keys, scan, store
from inbox.archive.models import Damage, Holding, OwnerKey
from tests.archive.test_scan import FIRST, flip, folder, grow_old, scan_all
from tests.make import log_in, make_citizen, make_letter

pytestmark = pytest.mark.django_db

PAGE = "/operator/archive/"


@pytest.fixture(autouse=True)
def home(settings, tmp_path: Path) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    settings.ARCHIVE_COPY_DIR = ""
    return settings.ARCHIVE_DIR


@pytest.fixture
def staff(client):
    client.cookies["django_language"] = "en"
    log_in(client, make_citizen("Odd Operatør", is_staff=True))
    return client


def page(client) -> str:
    return " ".join(client.get(PAGE).content.decode().split())


def test_only_those_who_run_samlepost_see_how_the_archive_stands(client):
    assert client.get(PAGE).status_code == 404
    log_in(client, make_citizen(), level=4)
    assert client.get(PAGE).status_code == 404


def test_damage_is_shown_by_object_with_its_reason_and_what_became_of_it(
    staff, home: Path, settings
):
    assert "No damage is known that has not been repaired." in page(staff)
    object_id = UUID(int=7)
    store.put(make_citizen("Kari Nordmann").id, object_id, FIRST)
    settings.ARCHIVE_COPY_DIR = str(home.parent / "copy")
    copying.run()
    settings.ARCHIVE_COPY_DIR = ""
    flip(folder(home, object_id) / "v1/content/files/0001.pdf.enc")
    scan_all()
    shown = page(staff)
    assert str(object_id) in shown
    assert "v1/content/files/0001.pdf.enc has changed" in shown
    assert "there is no second copy" in shown
    assert "There is no second copy" in shown
    assert "Kari" not in shown
    settings.ARCHIVE_COPY_DIR = str(home.parent / "copy")
    scan_all()
    shown = page(staff)
    assert "No damage is known that has not been repaired." in shown
    assert "Repaired from the other copy" in shown
    assert "It holds all that the archive holds." in shown


def test_what_fails_in_the_log_is_shown_with_since_when(staff, home: Path, settings):
    settings.ARCHIVE_PROOF = "off"
    assert "the setting ARCHIVE_PROOF is off" in page(staff)
    settings.ARCHIVE_PROOF = "full"
    assert "The log grows, and all that is to sign it does." in page(staff)
    state = home / "log/state/witness"
    state.parent.mkdir(parents=True)
    since = timezone.now() - timedelta(hours=3)
    state.write_text(json.dumps({"since": since.isoformat(), "reason": "it is away"}))
    shown = page(staff)
    assert "The witness does not sign the log</dt>" in shown
    assert 'It began 3 hours ago.<br><span lang="en">it is away</span>' in shown
    assert "The log grows" not in shown


def test_an_owner_whose_key_is_gone_is_named_by_her_id(staff):
    kari = make_citizen("Kari Nordmann")
    make_letter(kari)
    OwnerKey.objects.all().delete()
    lost_keys.note(kari.id)
    shown = page(staff)
    assert str(kari.id) in shown
    assert "<td>The keys</td>" in shown
    assert "1 of this owner&#39;s objects have no key, and nobody destroyed it" in shown
    assert "archive_keys restore" in shown
    assert "Nordmann" not in shown


def test_a_scan_and_a_copy_that_fall_behind_are_shown(staff, settings):
    settings.ARCHIVE_COPY_DIR = "/proc/nowhere"
    store.put(store.SYSTEM, UUID(int=7), FIRST)
    Holding.objects.update(stored_at=timezone.now() - timedelta(hours=5))
    copying.run()
    shown = page(staff)
    assert "It is behind by 1 object, stored or deleted 5 hours ago." in shown
    assert "The last attempt failed:" in shown
    assert "Some of it was not read" not in shown
    grow_old(days=91)
    assert "Some of it was not read within 90 days" in page(staff)
    assert scan.run() == 1
    assert "Some of it was not read" not in page(staff)
    assert not Damage.objects.exists()
