"""A citizen's key is lost: by somebody's will for good, or by accident, and then it is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.db.utils import load_backend
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from connectors import clock
from connectors.contract import Batch, Connector, RawPart, Recipient, Unreadable
from inbox.archive import copying, key_backup, keys, proof, scan, store
from inbox.archive.models import Damage, ObjectKey, OwnerKey, Package
from inbox.citizens.identity import identify
from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import exports, filing, folders, forward, indexing, own, saved_searches
from inbox.letters.export import Part
from inbox.letters.models import DocumentText, Letter
from inbox.notifications.models import OutboxEmail
from inbox.notifications.rules import queue_for
from inbox.sync import engine, opening, quarantine, removal, replies, state
from inbox.sync.intake import Intake
from inbox.sync.models import Quarantined
from inbox.sync.replies import Written
from inbox.web import export_making
from tests import beforehand
from tests.commands import run
from tests.incoming import PDF, WRITE, incoming
from tests.make import make_citizen, make_letter, make_mailbox, make_source

pytestmark = pytest.mark.usefixtures("frozen_clock")

NUMBER = "01857012345"
HERS = {
    "title": "axolotl",
    "body": "bongobird",
    "summary": "cassowary",
    "sender": "dugongdirektoratet",
    "file": "echidna",
    "text": "fossanova",
    "case": "gharial2026",
    "draft": "hoatzin",
    "attachment": "indriindri",
    "folder": "jabiru",
    "search": "kinkajou",
    "paper": "lammergeier",
    "forwarded to": "manulmanul",
    "notice": "numbatnumbat",
    "quarantine": "pangolin",
    "name": "quetzal",
}
"""A word of its own in everything that is kept for her."""


@pytest.fixture
def database(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path: Path,
) -> Iterator[Path | None]:
    """The database, on SQLite in a file, which is yielded; what is committed there is."""
    memory = connections["default"]
    if memory.vendor != "sqlite":
        request.getfixturevalue("db")
        yield None
        return
    file = tmp_path / "database" / "samlepost.sqlite3"
    file.parent.mkdir()
    beforehand.copy_of_migrated(file)
    said = {**memory.settings_dict, "NAME": str(file)}
    connections["default"] = load_backend(said["ENGINE"]).DatabaseWrapper(said, "default")
    with django_db_blocker.unblock():
        yield file
        connections["default"].close()
    connections["default"] = memory


@pytest.fixture(autouse=True)
def places(settings: Any, tmp_path: Path) -> Path:
    settings.ARCHIVE_DIR = tmp_path / "archive"
    settings.ARCHIVE_COPY_DIR = str(tmp_path / "copy")
    settings.EXPORT_DIR = tmp_path / "exports"
    settings.ARCHIVE_PROOF = "log"
    settings.ARCHIVE_LOG_KEY_FILE = str(tmp_path / "keys" / "archive-log.pem")
    return tmp_path


def tables() -> Iterator[tuple[str, bytes]]:
    """Every row of every table that there is, the search index's own among them."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                for value in row:
                    if isinstance(value, bytes | memoryview):
                        yield table, bytes(value)
                    elif value is not None:
                        yield table, str(value).encode()


def found_in_tables(words: dict[str, str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for table, value in tables():
        low = value.lower()
        for what, word in words.items():
            if word[:6].encode() in low:
                found.setdefault(what, set()).add(table)
    return found


def files(*homes: Path) -> bytes:
    paths = [path for home in homes for path in sorted(home.rglob("*")) if path.is_file()]
    return b"".join(path.read_bytes() for path in paths).lower()


def found_in(raw: bytes, words: dict[str, str]) -> set[str]:
    return {what for what, word in words.items() if word[:6].encode() in raw}


def rows_of(citizen_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """All that lies in tables whose rows are a citizen's."""
    return {
        model._meta.label: sorted(
            model._default_manager.filter(citizen=citizen_id).values(), key=str
        )
        for model in apps.get_models()
        if any(field.name == "citizen" for field in model._meta.concrete_fields)
    }


def quaint() -> Citizen:
    """A citizen who has something in everything, with a word of HERS in it."""
    kari = make_citizen(HERS["name"])
    identify(kari, "national_id", NUMBER)
    make_mailbox(kari)
    viewer = Viewer(kari.id, SecurityLevel.HIGH)
    letter = make_letter(
        kari,
        title=HERS["title"],
        public_title=HERS["title"],
        body=HERS["body"],
        summary=HERS["summary"],
        case_reference=HERS["case"],
        document=PDF + HERS["file"].encode(),
        reply_forms=[WRITE],
        raw=[RawPart("item.json", json.dumps(HERS).encode(), "application/json")],
    )
    make_letter(kari, source="dpi", title=HERS["title"])
    DocumentText.objects.filter(citizen=kari).update(text=HERS["text"], state="done")
    indexing.write_letter(kari.id, letter.id)
    with transaction.atomic():
        queue_for([letter], clock.now())
    opening.open_letter(viewer, letter.id)
    replies.save_draft(viewer, letter.id, Written(WRITE.code, HERS["draft"], 0, "tab"))
    name = f"{HERS['attachment']}.pdf"
    replies.attach(viewer, letter.id, WRITE.code, name, [PDF + HERS["attachment"].encode()])
    folder = folders.create(viewer, HERS["folder"])
    filing.put(viewer, [letter.id], folder.id, into=True)
    saved_searches.save(viewer, HERS["search"], f"q={HERS['search']}")
    content = PDF + HERS["paper"].encode()
    brought = own.look_at(f"{HERS['paper']}.pdf", lambda: [content])
    said = own.Said(HERS["paper"], HERS["sender"], date(2026, 1, 2), SecurityLevel.SUBSTANTIAL)
    own.add(viewer, said, [brought], own.new_key())
    forward.send_on(viewer, letter.id, HERS["forwarded to"], 1)
    OutboxEmail.objects.create(
        citizen=kari, sent_at=clock.now(), to=kari.email, subject="", text=HERS["notice"]
    )
    part = RawPart("x.json", HERS["quarantine"].encode(), "application/json")
    broken = Unreadable("9", HERS["quarantine"], [part])
    kept = quarantine.keep(make_source(), broken, kari.id)
    assert kept
    quarantine.record([kept])
    exports.ask(viewer, Part(), "nb")
    assert export_making.make_due() == 1
    return kari


def test_without_her_key_nothing_of_hers_can_be_read_anywhere_and_the_log_still_verifies(
    database: Path | None, places: Path
):
    kari, ola = quaint(), make_citizen("Ola")
    make_letter(ola, title="walrus", body="walrus")
    copying.run()
    proof.sequence()
    before, backup, old_keys = rows_of(ola.id), places / "backup", places / "keys.jsonl"
    run("backup", backup)
    run("archive_keys", "backup", old_keys)
    hers = list(Package.objects.filter(citizen=kari).values_list("id", flat=True))
    archived = [places / "archive", places / "copy", places / "exports", backup]
    everywhere = HERS | {"number": NUMBER}
    assert set(found_in_tables(HERS)) == set(HERS) - {"file"}, "each word is somewhere"
    assert found_in(files(*archived, places / "exports"), everywhere) == set()
    if database:
        assert found_in(files(database.parent), HERS) >= {"title", "body", "text", "draft"}

    said = run("archive_keys", "destroy", kari.id, "--yes")
    assert "is destroyed" in said
    copying.run()
    proof.sequence()

    assert found_in_tables(everywhere) == {}
    assert not any(rows_of(kari.id).values())
    assert str(kari.id).encode() not in files(places / "archive" / "log")
    assert not any((places / "exports").iterdir())
    if database:
        assert found_in(files(database.parent), everywhere) == set()
        assert keys.to_erase() == []
    assert rows_of(ola.id) == before
    assert run("verify_archive").endswith("packages are whole.\n")

    # With the old copy of the bytes, and the keys as they are now.
    shutil.copytree(backup / "ocfl", places / "archive" / "ocfl", dirs_exist_ok=True)
    for object_id in hers:
        with pytest.raises(store.Damaged, match="no key"):
            store.describe(kari.id, object_id)
    with pytest.raises(keys.NoKey):
        list(state._rows(kari.id, backup / "state" / f"{kari.id}.enc"))

    # With an older copy of the keys, and the old backup laid over what is here.
    passed = len(hers) + len({kari.id, keys.state_id(kari.id)})
    said = run("archive_keys", "restore", old_keys)
    assert f"{passed + 1} of them were destroyed since, and stay destroyed." in said
    assert "Those of 1 are left out" in run("restore_backup", backup)
    assert found_in_tables(everywhere) == {}
    assert not ObjectKey.objects.filter(owner_id=kari.id).exists()
    assert rows_of(ola.id)["letters.Letter"] == before["letters.Letter"]


@pytest.mark.django_db
def test_who_has_no_key_any_more_gets_no_other_one(places: Path):
    kari = make_citizen()
    make_letter(kari)
    run("backup", places / "backup")
    file = places / "backup" / "state" / f"{kari.id}.enc"
    assert file.exists()
    store.forget_owner(kari.id)
    with pytest.raises(keys.Destroyed):
        make_letter(kari)
    run("backup", places / "backup")
    assert not file.exists()
    assert keys.rotate_root() == 0
    run("archive_keys", "rotate-all")
    assert keys.is_destroyed(kari.id)
    assert not ObjectKey.objects.filter(owner_id=kari.id).exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("place", "name"),
    [
        (exports, "forget"),
        (store, "remove"),
        (quarantine, "withhold_contested"),
        (Citizen, "delete"),
        (indexing, "scrub"),
    ],
)
def test_what_broke_off_is_finished_by_itself_and_the_key_is_gone_at_once(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str
):
    kari = make_citizen()
    letter = make_letter(kari)
    object_id = letter.deliveries.get().id
    part = RawPart("x.json", b"{}", "application/json")
    kept = quarantine.keep(make_source(), Unreadable("9", "", [part]), kari.id)
    assert kept
    quarantine.record([kept])

    def dies(*_arguments: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(place, name, dies)
        removal.remove(kari.id)
    with pytest.raises(keys.NoKey):
        keys.find(kari.id, object_id)
    assert keys.to_erase() == [kari.id]
    removal.close_due()
    assert not Citizen.objects.filter(id=kari.id).exists()
    assert not any(rows_of(kari.id).values())
    assert not store.exists(kept.row.id)


@pytest.mark.django_db
def test_who_cannot_be_removed_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch):
    kari, ola = make_citizen(), make_citizen("Ola")
    for each in (kari, ola):
        store.forget_owner(each.id)
    forget = exports.forget

    def fails(citizen_id: UUID) -> bool:
        if citizen_id == kari.id:
            raise PermissionError
        return forget(citizen_id)

    with monkeypatch.context() as patched:
        patched.setattr(exports, "forget", fails)
        removal.close_due()
    assert list(Citizen.objects.all()) == [kari]
    removal.close_due()
    assert not Citizen.objects.exists()


@pytest.mark.django_db
def test_a_key_is_destroyed_by_who_says_her_id_twice_and_only_a_citizens(monkeypatch):
    kari = make_citizen()
    make_letter(kari)
    monkeypatch.setattr("builtins.input", lambda _asked: "yes")
    with pytest.raises(CommandError, match="Nothing was done"):
        run_bare("archive_keys", "destroy", str(kari.id))
    for other in (store.SYSTEM, uuid4()):
        with pytest.raises(CommandError):
            run_bare("archive_keys", "destroy", str(other), "--yes")
    assert not OwnerKey.objects.filter(destroyed_at__isnull=False).exists()
    monkeypatch.setattr("builtins.input", lambda _asked: str(kari.id))
    run_bare("archive_keys", "destroy", str(kari.id))
    assert keys.is_destroyed(kari.id)


def run_bare(*line: str) -> None:
    call_command(*line, stdout=StringIO())


@pytest.mark.django_db
def test_what_a_newer_copy_of_the_keys_or_the_log_knows_to_be_destroyed_goes(places: Path):
    kari, ola = make_citizen(), make_citizen("Ola")
    letters = [make_letter(kari), make_letter(ola), make_letter(ola)]
    objects = [letter.deliveries.get().id for letter in letters]
    run("archive_keys", "backup", places / "older.jsonl")
    store.remove(ola.id, objects[1])
    store.forget_owner(kari.id)
    run("archive_keys", "backup", places / "newer.jsonl")
    # Tables of keys that know nothing of it, beside a log that does, and then one that does not.
    OwnerKey.objects.all().delete()
    assert key_backup.restore(places / "older.jsonl").passed_over == 3
    assert keys.to_erase() == [kari.id]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(proof, "destroyed", lambda _objects: set())
        OwnerKey.objects.all().delete()
        assert key_backup.restore(places / "older.jsonl").passed_over == 0
        assert "destroyed before" in run("archive_keys", "restore", places / "newer.jsonl")
        assert keys.to_erase() == [kari.id]
        OwnerKey.objects.all().delete()
        assert key_backup.restore(places / "older.jsonl").passed_over == 0
    assert ObjectKey.objects.filter(object_id__in=objects).count() == 3
    assert key_backup.drop_destroyed() > 1
    assert keys.is_destroyed(kari.id)
    assert set(ObjectKey.objects.values_list("object_id", flat=True)) == {objects[2]}
    assert key_backup.drop_destroyed() == 0


@pytest.mark.django_db
def test_who_has_no_key_holds_up_nobody_else_on_a_shared_queue():
    kari, ola = make_citizen(), make_citizen("Ola")
    for citizen, number in ((kari, NUMBER), (ola, "01857012426")):
        identify(citizen, "national_id", number)
    make_letter(kari)
    OwnerKey.objects.filter(owner_id=kari.id).delete()
    source = make_source("queue", shared_queue=True)
    intake = Intake(source, Connector({}), None, None, still_ours=lambda: None)
    hers = [incoming(str(each), recipient=Recipient("national_id", NUMBER)) for each in range(2)]
    his = incoming("his", recipient=Recipient("national_id", "01857012426"))
    saved: list[bool] = []
    for batch in ([*hers, his], hers):
        received = engine._taken_in(intake, Batch(batch), lambda: saved.append(True))
        assert {each.citizen_id for each in received} <= {ola.id}
    assert Letter.objects.filter(citizen=ola).count() == 1
    assert len(saved) == 2
    assert Quarantined.objects.filter(reason__contains="Lost").count() == 2


@pytest.mark.django_db
def test_a_key_that_is_lost_by_accident_is_named_and_nothing_is_deleted(
    places: Path, client, monkeypatch
):
    kari, ola = make_citizen(), make_citizen("Ola")
    letters = [make_letter(kari), make_letter(kari)]
    one = make_letter(ola).deliveries.get().id
    make_letter(ola)
    run("backup", places / "backup")
    run("archive_keys", "backup", places / "keys.jsonl")
    keys.rotate_owner(ola.id)
    OwnerKey.objects.filter(owner_id=kari.id).delete()
    ObjectKey.objects.filter(object_id=one).delete()
    with pytest.raises(keys.Lost, match=str(kari.id)):
        make_letter(kari)
    file = places / "backup" / "state" / f"{kari.id}.enc"
    for line in (["backup", str(places / "backup")], ["verify_archive"]):
        said = StringIO()
        with pytest.raises(CommandError):
            call_command(*line, stdout=said)
        assert str(kari.id) in said.getvalue()
    assert f"owner {ola.id}: 1 of this owner's objects have no key" in said.getvalue()
    assert file.exists()
    Damage.objects.all().delete()
    monkeypatch.setattr(scan, "REST", timedelta(seconds=-1))
    scan.run()
    lost = Damage.objects.filter(place=Damage.Place.KEYS, ended_at=None)
    assert {each.object_id for each in lost} == {kari.id, ola.id}
    assert Package.objects.filter(citizen=kari).count() == len(letters)
    assert removal.close_due() == 0
    # Ola's had another key over it by then.
    assert key_backup.restore(places / "keys.jsonl").passed_over == 0
    store.describe(ola.id, one)
    lost.update(checked_at=timezone.now() - timedelta(days=1))
    scan.run()
    assert not lost.exists()
    assert run("verify_archive").endswith("packages are whole.\n")
