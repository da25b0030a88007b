"""A copy that is brought into an empty inbox: the same letters again, and no more believed."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import bagit
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone

from connectors import clock
from connectors.contract import Appointment, IncomingDocument, Payment, ThreadMessage
from inbox.archive import proof, store
from inbox.archive.bag import verify as check
from inbox.citizens.models import Citizen, InboxState, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import bring_in, counters, filing, folders, imports
from inbox.letters.models import (
    Access,
    Delivery,
    Document,
    Export,
    Import,
    Letter,
    Placement,
    Reply,
    Sender,
)
from inbox.letters.presentation import ROWS, page_of, rows
from inbox.letters.receive import receive
from tests.archive.bags import unzip, verify
from tests.incoming import PDF, WRITE, arrival, incoming
from tests.make import log_in, make_citizen, make_letter, make_source
from tests.take_out import zipped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

HIGH = SecurityLevel.HIGH


@pytest.fixture(autouse=True)
def places(settings, tmp_path) -> None:
    settings.EXPORT_DIR, settings.ARCHIVE_DIR = tmp_path / "exports", tmp_path / "archive"
    settings.IMPORT_DIR = tmp_path / "imports"
    settings.ARCHIVE_PROOF, settings.DEMO = "log", True
    settings.ARCHIVE_LOG_KEY_FILE = str(tmp_path / "log.pem")
    settings.ARCHIVE_LOG_ORIGIN, settings.ARCHIVE_WITNESS_KEY = "log.example/tests", ""


@pytest.fixture
def kari(client: Client) -> Citizen:
    """Has letters of every kind, in every place."""
    citizen = make_citizen()
    log_in(client, citizen, level=4)
    client.cookies["django_language"] = "nb"
    now, viewer = clock.now(), Viewer(citizen.id, HIGH)
    answered = make_letter(
        citizen,
        title="Send dokumentasjon",
        body="**Vi** mangler noe.",
        body_media_type="text/markdown",
        needs_action=True,
        due_at=now + timedelta(days=5),
        case_reference="2026/17",
        reply_forms=[WRITE],
        messages=[ThreadMessage("m1", now, "Takk for svaret.", "NAV Grünerløkka")],
        appointments=[Appointment("Møte", "Oslo", [(now, None)], "Ta med legitimasjon.")],
        payment=Payment(50_000, "12345678903", "42"),
        external_id="answered",
    )
    file = uuid4()
    stored = store.put(citizen.id, file, {"files/0001.png": b"png"})
    Reply.objects.create(
        citizen=citizen,
        letter_id=answered.id,
        state="done",
        due_at=now,
        form="skriv",
        text="Her er lønnsslippen.",
        security_level=4,
        updated_at=now,
        sent_at=now,
        reference="R-1",
        attachments=[
            {
                "id": str(file),
                "name": "lønn.png",
                "media_type": "image/png",
                "size": 3,
                "sha256": stored.files["files/0001.png"].sha256,
                "path": "files/0001.png",
            }
        ],
    )
    Letter.objects.filter(id=answered.id).update(unread=False, opened_at=now, place="filed")
    # The same letter by two channels is one letter with two deliveries.
    for source in ("altinn", "minside-nav"):
        make_letter_again(citizen, source)
    make_letter(citizen, title="Høyt nivå", security_level=4, case_reference="2026/17")
    binned = make_letter(citizen, title="Kastet", sent_at=now - timedelta(days=400))
    filing.move(viewer, [binned.id], Letter.Place.BIN)
    make_letter(citizen, title="Uten innhold", document=None, content_on_open=True)
    make_letter(citizen, title="Vil ha kvittering", wants_opening_receipt=True)
    folder = folders.create(viewer, "Bolig", "brand1")
    filing.put(viewer, [answered.id, binned.id], folder.id, into=True)
    counters.recount(citizen.id)
    proof.sequence()
    return citizen


def make_letter_again(citizen: Citizen, source: str) -> None:
    make_source(source)
    documents = [IncomingDocument("brev.pdf", "application/pdf", "Brev", is_main=True, content=PDF)]
    said = incoming(f"{source}:7", title="To kanaler", documents=documents, same_as=["nav:7"])
    with transaction.atomic():
        receive([arrival(citizen.id, said, source)], clock.now())


@pytest.fixture
def copy(client: Client, kari: Citizen) -> bytes:
    return zipped(client)


@pytest.fixture
def ola() -> Citizen:
    return make_citizen("Ola Nordmann")


def upload(client: Client, citizen: Citizen, content: bytes, level: int = 4) -> Any:
    log_in(client, citizen, level=level)
    client.cookies["django_language"] = "nb"
    answer = client.post("/import/", {"copy": SimpleUploadedFile("kopi.zip", content)})
    if answer.headers.get("Location") != "/import/":
        return answer
    imports.take_due()
    return client.get("/import/")


def shown(citizen: Citizen) -> list[dict[str, Any]]:
    """What her lists and her letters' pages show, without ids and where it came from."""
    viewer = Viewer(citizen.id, HIGH)
    found = []
    for place in Letter.Place.values:
        letters = ROWS.visible_to(viewer).filter(place=place).newest_first()
        for row in rows(letters, viewer, 100):
            letter = Letter.objects.select_related("sender", "case").get(id=row.id)
            page = page_of(letter, viewer)
            names = Placement.objects.filter(citizen=citizen, letter_id=letter.id)
            found.append(
                {
                    **{
                        name: value
                        for name, value in asdict(row).items()
                        if name
                        not in ("id", "source", "other_sources", "folders", "content", "incomplete")
                    },
                    "folders": sorted(names.values_list("folder__name", "folder__color")),
                    "body": page.body,
                    "messages": page.messages,
                    "payment": page.payment,
                    "appointments": page.appointments,
                    "case": letter.case and (letter.case.title, letter.case.letters),
                    "opened": page.opened_at,
                    "deliveries": len(page.deliveries),
                    "events": [
                        (each.kind, each.at) for each in page.events if each.kind != "brought"
                    ],
                    "documents": [
                        (each.title, each.media_type, each.is_main, content(citizen, each.id))
                        for each in page.documents
                    ],
                    "answers": [
                        (each.text, each.state, each.sent_at, each.reference, files_of(each))
                        for each in Reply.objects.filter(citizen=citizen, letter_id=letter.id)
                    ],
                }
            )
    return found


def content(citizen: Citizen, document_id: object) -> bytes | None:
    document = Document.objects.select_related("blob").get(citizen=citizen, id=document_id)
    blob = document.blob
    if blob is None:
        return None
    return store.read_bytes(citizen.id, blob.package_id, blob.path, blob.version)


def files_of(reply: Reply) -> list[tuple[str, bytes]]:
    return [
        (each["name"], store.read_bytes(reply.citizen_id, UUID(each["id"]), each["path"]))
        for each in reply.attachments
    ]


def withheld(letters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what a copy does not hold: the content of a letter that she has not opened."""
    return [
        {name: each[name] for name in ("title", "sender_name", "received_at", "place", "unread")}
        if each["title"] in ("Vil ha kvittering", "Uten innhold")
        else each
        for each in letters
    ]


def test_the_same_letters_are_there_again(client, kari, copy, ola):
    before = shown(kari)
    assert {len(each["documents"]) for each in before} == {0, 1}
    assert max(each["deliveries"] for each in before) == 2
    assert f"{len(before)} brev er her nå." in upload(client, ola, copy).content.decode()
    assert withheld(shown(ola)) == withheld(before)
    state, recounted = InboxState.objects.get(citizen=ola), counters.recount(ola.id)
    assert (state.letters, state.unread) == (recounted.letters, recounted.unread)
    assert Access.objects.filter(citizen=ola).values_list("what", flat=True).get() == "import"
    # Kari's own are as they were.
    assert shown(kari) == before
    # On a page from before it was done she presses "Cancel": nothing is cancelled any more.
    assert "Det er avbrutt" not in client.post("/import/cancel/", follow=True).content.decode()
    assert Import.objects.get(citizen=ola).state == "done"


def test_it_waits_encrypted_shows_how_far_it_is_and_can_be_cancelled(
    client, kari, copy, ola, settings, monkeypatch
):
    monkeypatch.setattr(imports, "TELL_EVERY_SECONDS", 0)
    log_in(client, ola, level=4)
    client.cookies["django_language"] = "nb"
    for _ in range(2):  # two tabs
        client.post("/import/", {"copy": SimpleUploadedFile("kopi.zip", copy)})
    (file,) = settings.IMPORT_DIR.iterdir()
    assert b"letter.json" not in file.read_bytes()
    assert "Det begynner om et øyeblikk." in client.get("/import/").content.decode()
    shown = []
    archive = bring_in._Reader.archive

    def cancelled(self, name, made):
        shown.append(client.get("/import/", headers={"HX-Request": "true"}).content.decode())
        if len(shown) == 3:
            client.post("/import/cancel/")
        return archive(self, name, made)

    monkeypatch.setattr(bring_in._Reader, "archive", cancelled)
    assert imports.take_due() == 0
    assert len(shown) == 3
    assert "2 av 6 brev er i arkivet." in shown[2]
    assert not Letter.objects.filter(citizen=ola).exists()
    assert not Import.objects.exists()
    assert not list(settings.IMPORT_DIR.iterdir())


def test_a_worker_that_dies_is_followed_by_another_and_not_for_ever(
    client, copy, ola, settings, monkeypatch
):
    log_in(client, ola, level=4)
    client.cookies["django_language"] = "nb"
    client.post("/import/", {"copy": SimpleUploadedFile("kopi.zip", copy)})
    row = Import.objects.get(citizen=ola)
    assert imports._claim(ola.id, row.id) is not None
    assert imports.take_due() == 0  # somebody has it in hand
    long_ago = timezone.now() - timedelta(hours=1)
    Import.objects.update(lease_until=long_ago)

    def fails(*_args, **_said):
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(bring_in, "take_in", fails)
        for _ in range(imports.ATTEMPTS_MAX):
            Import.objects.update(due_at=long_ago)
            assert imports.take_due() == 0
    assert "Noe gikk galt her, flere ganger" in client.get("/import/").content.decode()
    assert not list(settings.IMPORT_DIR.iterdir())
    Import.objects.update(expires_at=long_ago)
    assert imports.sweep() == 1


def test_a_worker_that_was_taken_for_dead_deletes_no_file_of_anothers(
    copy, ola, settings, monkeypatch
):
    imports.ask(Viewer(ola.id, HIGH), io.BytesIO(copy))
    row = Import.objects.get(citizen=ola)

    def refused_too_late(*_args, **_said):
        Import.objects.update(lease_until=timezone.now() - timedelta(hours=1))
        assert imports._claim(ola.id, row.id) is not None
        raise imports.BadBag("too_large")

    with monkeypatch.context() as patched:
        patched.setattr(bring_in, "take_in", refused_too_late)
        assert not imports.take(ola.id, row.id)
    assert Import.objects.get(citizen=ola).state == "taking"
    # The other one dies as well.
    Import.objects.update(lease_until=timezone.now() - timedelta(hours=1))
    assert imports.take(ola.id, row.id)


def test_no_more_is_believed_than_is_proved(client, kari, copy, ola):
    upload(client, ola, copy)
    deliveries = Delivery.objects.filter(citizen=ola)
    assert set(deliveries.values_list("source", "sender_verified")) == {("brought", "")}
    letter = Letter.objects.get(citizen=ola, title="Send dokumentasjon")
    delivery = deliveries.get(letter_id=letter.id)
    assert delivery.provenance["proof"] == "log"
    kept = store.describe(ola.id, delivery.id).files
    assert {"brought/v1/seal.json", "brought/v1/proof.tlog-proof", "original/item.json"} <= set(
        kept
    )
    page = client.get(f"/letters/{letter.id}/").content.decode()
    assert "Tatt inn av deg fra en kopi" in page
    assert "Ingen har kontrollert hvem som sendte brevet" in page
    assert "loggen viser det" in page
    assert 'name="form"' not in page
    # What nobody here has sent can be marked as done all the same, and nobody is told.
    assert client.post(f"/letters/{letter.id}/done/", {"done": "yes"}).status_code in (200, 302)
    assert client.get("/").status_code == 200


def test_a_copy_of_brought_letters_can_be_taken_out_and_checked(client, copy, ola, tmp_path):
    upload(client, ola, copy)
    proof.sequence()
    whole = tmp_path / "again.zip"
    whole.write_bytes(zipped(client))
    done = verify(unzip(whole, tmp_path))
    assert done.returncode == 0, done.stdout


def test_strangers_can_make_no_sender_known_to_others(client, kari, copy, ola, tmp_path):
    letters = len(Sender.objects.all())
    twice = [{"name": name, "color": "brand1"} for name in ("Bolig", "bolig")]

    def change(said: dict[str, Any]) -> None:
        said["sender"].update(name="Falsk NAV")
        said.update(folders=twice)

    forged = remade(copy, tmp_path, change)
    upload(client, ola, forged)
    assert Letter.objects.filter(citizen=ola, sender_name="Falsk NAV").exists()
    assert not Sender.objects.filter(name="Falsk NAV").exists()
    assert len(Sender.objects.all()) == letters + 1


def remade(copy: bytes, tmp_path, change) -> bytes:
    """Change every letter.json and write the manifests anew, as a forger would."""
    whole = tmp_path / "forged.zip"
    whole.write_bytes(copy)
    bag = unzip(whole, tmp_path / "forged")
    for file in bag.rglob("letter.json"):
        said = json.loads(file.read_text())
        change(said)
        file.write_text(json.dumps(said))
    made = bagit.Bag(str(bag))
    made.save(manifests=True)
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as archive:
        for file in sorted(bag.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(bag.parent).as_posix())
    return out.getvalue()


def test_it_goes_into_an_empty_inbox_alone_and_at_the_highest_level(client, kari, copy, ola):
    answer = upload(client, kari, copy)
    assert "Du har allerede brev her" in answer.content.decode()
    assert upload(client, ola, copy, level=3)["Location"].startswith("/login/step-up/")
    assert not Letter.objects.filter(citizen=ola).exists()


def test_a_damaged_copy_is_refused_and_the_file_is_named(client, copy, ola):
    broken = copy.replace(b"%PDF-1.7 made up", b"%PDF-1.7 made ux", 1)
    said = upload(client, ola, broken).content.decode()
    assert "Kopien er skadet, eller er endret: data/letters/" in said
    assert "Ingenting ble tatt inn." in said
    assert not Letter.objects.filter(citizen=ola).exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.update(received_at="9999-12-31T00:00:00+00:00"),
        lambda said: said.update(received_at="i går"),
        lambda said: said.update(due_at="9999-12-31T23:59:59+00:00"),
        lambda said: said["deliveries"].append(said["deliveries"][0]),
        lambda said: said.update(title=["x"]),
        lambda said: said.update(deliveries=[]),
        lambda said: said.update(format="samlepost-export/1"),
        lambda said: said["deliveries"][0].update(fetched_at="2026-01-01T00:00:00"),
    ],
)
def test_a_letter_that_is_not_what_it_must_be_is_refused(client, copy, ola, tmp_path, change):
    said = upload(client, ola, remade(copy, tmp_path, change)).content.decode()
    assert re.search("kan ikke leses: data/letters/|er endret: data/letters/", said)
    assert not Letter.objects.filter(citizen=ola).exists()
    assert not list(tmp_path.glob("archive/**/brought*"))


def hostile() -> Iterator[tuple[str, bytes]]:
    def made(*files: tuple[str | ZipInfo, bytes], kind: int = ZIP_STORED) -> bytes:
        out = io.BytesIO()
        with ZipFile(out, "w", kind) as archive:
            for name, data in files:
                archive.writestr(name, data)
        return out.getvalue()

    link = ZipInfo("bag/link")
    link.external_attr = 0o120777 << 16
    declared = ("bag/bagit.txt", b"BagIt-Version: 1.0\n")
    yield "ikke en zip-fil", b"no zip at all"
    yield "ikke en zip-fil", b""
    yield "ikke en kopi", made(("bag/letter.txt", b""))
    yield "ikke en kopi", made(declared, ("other/file", b""))
    yield "navn som ikke er tillatt", made(declared, ("bag/../../evil", b""))
    yield "navn som ikke er tillatt", made(declared, ("/etc/passwd", b""))
    yield "navn som ikke er tillatt", made(declared, ("bag\\evil", b""))
    yield "navn som ikke er tillatt", made(declared, (link, b"/etc/passwd"))
    yield "altfor stor", made(declared, ("bag/data/x", bytes(10**7)), kind=ZIP_DEFLATED)
    yield "er skadet", made(declared)
    nul = [(f"bag/manifest-sha{n}.txt", b"0 a\0b\n") for n in (256, 512)]
    yield "er endret: ab", made(declared, *nul)
    with pytest.warns(UserWarning, match="Duplicate"):
        yield "samme filen to ganger", made(declared, ("bag/x", b"1"), ("bag/x", b"2"))


def test_hostile_zips_are_refused_in_words(client, ola, settings):
    for words, content in hostile():
        said = upload(client, ola, content or b"\0").content.decode()
        assert words in said, words
    settings.IMPORT_ZIP_MAX_BYTES = 1000
    assert "for stor" in upload(client, ola, bytes(2000)).content.decode()


def test_a_check_that_would_never_end_is_given_up(client, copy, ola, monkeypatch):
    monkeypatch.setattr(imports, "CHECK_SECONDS_MAX", -1)
    assert "for stor" in upload(client, ola, copy).content.decode()
    name, key = b"log.example", b"\1" + bytes(32)
    digest = hashlib.sha256(name + b"\n" + key).digest()[:4]
    known = f"log.example+{digest.hex()}+{base64.b64encode(key).decode()}"
    line = f"— log.example {base64.b64encode(digest + bytes(64)).decode()}\n"
    asked: list[bytes] = []
    monkeypatch.setattr(check, "is_signed", lambda key, *_: not asked.append(key))
    check.Check(None, [known]).note("log.example\n1\nroot\n\n" + line * 1000)
    assert 1 <= len(asked) <= 32


def test_large_copies_are_brought_in_by_a_command(client, kari, copy, ola, tmp_path, capsys):
    file = tmp_path / "copy.zip"
    file.write_bytes(copy)
    call_command("bring_in", str(ola.id), str(file))
    assert Letter.objects.filter(citizen=ola).count() == Letter.objects.filter(citizen=kari).count()
    assert "proved by the log" in capsys.readouterr().out
    with pytest.raises(CommandError, match="empty"):
        call_command("bring_in", str(kari.id), str(file))
    file.write_bytes(copy[:-100])
    with pytest.raises(CommandError, match="no_zip"):
        call_command("bring_in", str(make_citizen().id), str(file))


def test_exports_are_no_part_of_what_is_brought(client, copy, ola):
    upload(client, ola, copy)
    assert not Export.objects.filter(citizen=ola).exists()
