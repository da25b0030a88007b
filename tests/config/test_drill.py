"""The drill passes on what is whole, and fails on a backup that lacks or falsifies anything."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import transaction

from config import drill
from config.drill import Failed, Places
from inbox.archive import escrow, store
from inbox.archive.proof import sequence
from tests.archive.proved import home, outside  # noqa: F401 - fixtures

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("outside")]


def flip_a_byte(backup: Path) -> str:
    path = max(backup.rglob("0001.pdf.enc"))
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    return "restore_backup"


def lose_a_letter(backup: Path) -> str:
    shutil.rmtree(max(backup.rglob("0=ocfl_object_1.1")).parent)
    return "restore_backup"


def cut_the_log(backup: Path) -> str:
    shutil.rmtree(backup / "log")
    shutil.copytree(backup.parent / "shorter", backup / "log")
    return "verify_archive"


def rewrite_what_a_letter_says(backup: Path) -> str:
    """Not the backup: what is compared with, as if the restored letter said something else."""
    before = backup.parent / "before.json"
    said = json.loads(before.read_text())
    said[min(said)][1] = "another title"
    before.write_text(json.dumps(said))
    return "differ"


def lose_everything(settings, archive: Path) -> None:
    with transaction.atomic():
        for model in reversed(apps.get_models()):
            if model._meta.app_label not in ("auth", "contenttypes"):
                model._default_manager.all()._raw_delete("default")
    shutil.rmtree(archive)


def test_whole_it_passes_and_whatever_is_wrong_it_fails(settings, tmp_path, monkeypatch, home):  # noqa: F811
    settings.IDENTITY_KEY = "1f" * 32
    run = drill.command
    # Migrations are run by the tests' own database.
    monkeypatch.setattr(drill, "command", lambda *line: line[0] == "migrate" or run(*line))
    places = Places(tmp_path)
    places.keys.parent.mkdir()
    store.put(store.SYSTEM, uuid4(), {"original/a": b"earlier"})
    sequence()
    shutil.copytree(home / "log", tmp_path / "shorter")
    drill.live(places, 30)
    secrets = escrow.recover(places.escrow / "share-3.txt", places.escrow / "share-2.txt")
    assert secrets["archive-root-key"].hex() == settings.ARCHIVE_ROOT_KEY
    shutil.copytree(places.backup, tmp_path / "whole")
    wrongs: list[Callable[[Path], str]] = [flip_a_byte, lose_a_letter, cut_the_log]
    for wrong in [*wrongs, rewrite_what_a_letter_says, None]:
        shutil.rmtree(places.backup)
        shutil.copytree(tmp_path / "whole", places.backup)
        before = places.before.read_text()
        lose_everything(settings, home)
        if wrong is None:
            drill.restore(places)
            continue
        with pytest.raises(Failed, match=wrong(places.backup)):
            drill.restore(places)
        places.before.write_text(before)


def test_any_two_shares_give_the_secrets_back_and_nothing_else_does(tmp_path: Path):
    secrets = {"a-key": bytes(range(256)), "b.pem": b"-----BEGIN"}
    escrow.write(tmp_path, secrets)
    share = {x: tmp_path / f"share-{x}.txt" for x in escrow.SHARES}
    for one, other in ((1, 2), (2, 3), (3, 1)):
        assert escrow.recover(share[one], share[other]) == secrets
    assert all(secrets["a-key"].hex() not in path.read_text() for path in share.values())
    with pytest.raises(escrow.BadShare):
        escrow.recover(share[1], share[1])
    mistyped = share[2].read_text().replace("a-key", "a-key", 1)
    last = mistyped.rstrip()[-1]
    share[2].write_text(mistyped.rstrip()[:-1] + ("0" if last != "0" else "1") + "\n")
    with pytest.raises(escrow.BadShare, match="mistyped"):
        escrow.recover(share[1], share[2])
    (tmp_path / "other").mkdir()
    escrow.write(tmp_path / "other", secrets | {"a-key": bytes(256)})
    with pytest.raises(escrow.BadShare, match="not of the same a-key"):
        escrow.recover(share[1], tmp_path / "other" / "share-3.txt")
