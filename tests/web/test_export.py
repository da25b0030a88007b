"""All her letters in one zip: whole, readable, hers alone, and made in little memory."""

from __future__ import annotations

import json
import tracemalloc
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import bagit
import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from lxml import etree

from connectors import clock
from connectors.contract import IncomingDocument
from inbox.archive import proof, store
from inbox.archive.proof import timestamps
from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import exports, filing, folders
from inbox.letters.documents import LevelTooLow
from inbox.letters.export import BATCH, everything
from inbox.letters.models import Access, Delivery, Document, DocumentText, Export, Letter
from inbox.sync import removal
from inbox.sync.models import OutboundReceipt
from inbox.web import export_making
from tests.archive.bags import unzip, verify
from tests.archive.proved import Outside, home, outside
from tests.incoming import PDF
from tests.make import act_for, log_in, make_citizen, make_letter, make_representation
from tests.take_out import files_of, take_out, zipped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]
__all__ = ["home", "outside"]


@pytest.fixture(autouse=True)
def export_dir(settings, tmp_path: Path) -> None:
    settings.EXPORT_DIR = tmp_path / "exports"


@pytest.fixture
def kari(client: Client) -> Citizen:
    citizen = make_citizen()
    log_in(client, citizen, level=4)
    client.cookies["django_language"] = "nb"
    return citizen


def of_one(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files of the only letter, by their names in its folder."""
    inside = {name: data for name, data in files.items() if name.startswith("data/letters/")}
    assert len({name.split("/")[2] for name in inside}) == 1
    return {name.split("/", 3)[3]: data for name, data in inside.items()}


def metadata(files: dict[str, bytes]) -> dict:
    return json.loads(of_one(files)["letter.json"])


def test_a_letter_is_a_folder_with_its_documents_to_read_and_for_programs(client, kari):
    letter = make_letter(kari, title="Vedtak om bostøtte", body="Du får *8 000* kroner.")
    DocumentText.objects.update(
        warnings=["script"],
        pdfa_status="claimed",
        pdfa_level="2b",
        pdfa_lacks=["actions"],
        pdfa_checked_by="Samlepost 1",
    )
    files = take_out(client)
    inside = of_one(files)
    assert inside["Brev.pdf"] == PDF
    assert "Vedtak om bostøtte" in inside["letter.html"].decode()
    assert "8 000" in inside["letter.html"].decode()
    said = metadata(files)
    assert said["format"] == "samlepost-export/2"
    assert (said["id"], said["title"]) == (str(letter.id), "Vedtak om bostøtte")
    assert said["documents"][0]["file"] == "Brev.pdf"
    document = Document.objects.select_related("blob").get(citizen=kari)
    assert said["documents"][0]["sha256"] == document.blob.sha256
    assert said["documents"][0]["warnings"] == ["script"]
    assert said["documents"][0]["pdfa"] == {
        "claims": "2b",
        "status": "claimed",
        "lacks": ["actions"],
        "by": "Samlepost 1",
    }
    index = files["index.html"].decode()
    assert "Alle brevene mine" in index
    assert "Vedtak om bostøtte" in index
    assert kari.name in index


def test_every_link_of_the_index_leads_to_a_letter_and_nothing_needs_the_net(client, kari):
    for number in range(3):
        make_letter(kari, title=f"Brev nr. {number} <b>50 %</b> & #1")
    files = take_out(client)
    index = files["index.html"].decode()
    assert "http" not in index
    links = [part.split('"')[0] for part in index.split('href="')[1:]]
    assert len(links) == 3
    for link in links:
        assert unquote(link) in files


def test_letters_alike_and_documents_alike_are_kept_apart_however_long_their_names(client, kari):
    long = "Å" * 255
    documents = [IncomingDocument(long, "application/pdf", content=b"%d" % n) for n in range(3)]
    documents.append(IncomingDocument("letter.html", "text/html", content=b"fra avsender"))
    for _ in range(2):
        make_letter(kari, title=long, documents=documents)
    files = take_out(client)
    letters = {name: data for name, data in files.items() if name.startswith("data/letters/")}
    folders = {name.split("/")[2] for name in letters}
    assert len(folders) == 2
    for folder in folders:
        inside = {name: data for name, data in letters.items() if name.split("/")[2] == folder}
        assert {b"0", b"1", b"2", b"fra avsender"} <= set(inside.values())
        # Beside the four documents what came with them: no document a second time.
        beside = ["letter.html", "letter.json", "premis.xml", "item.json", "seal.json"]
        beside.append("record.json")
        assert len(inside) == 4 + len(beside)
        assert all(len(part.encode()) <= 255 for name in inside for part in name.split("/"))


def test_it_says_which_source_has_letters_whose_content_we_do_not_keep(client, kari):
    make_letter(kari, title="Holdes tilbake", document=None, content_on_open=True)
    index = take_out(client)["index.html"].decode()
    assert "altinn: Vi har ikke innholdet i 1 brev." in index
    assert "ikke komplett" in index


def test_it_says_that_the_bin_is_included_and_which_letters_lie_there(client, kari):
    binned = make_letter(kari, title="Kastet")
    Letter.objects.filter(citizen=kari, id=binned.id).update(place=Letter.Place.BIN)
    make_letter(kari, title="Beholdt")
    index = take_out(client)["index.html"].decode()
    assert "Arkivet og papirkurven er med: 1 brev ligger i papirkurven." in index
    assert index.count("(i papirkurven)") == 1


def test_taking_letters_away_opens_none_of_them(client, kari):
    make_letter(kari, title="Krever kvittering", wants_opening_receipt=True)
    files = take_out(client)
    assert PDF not in of_one(files).values()
    assert metadata(files)["withheld"]
    assert "1 uåpnet brev" in files["index.html"].decode()
    assert Letter.objects.get(citizen=kari).opened_at is None


def test_one_damaged_file_does_not_cost_her_the_others(client, kari):
    letter = make_letter(kari, title="Skadet")
    make_letter(kari, title="Hel")
    store.remove(kari.id, Document.objects.get(citizen=kari, letter_id=letter.id).delivery_id)
    files = take_out(client)
    assert PDF in files.values()
    assert "1 dokument kunne ikke leses helt" in files["index.html"].decode()


def test_nothing_of_anybody_else_is_in_it(client, kari):
    make_letter(make_citizen("Ola"), title="Bare for Ola")
    make_letter(kari)
    assert not any(b"Bare for Ola" in data for data in take_out(client).values())


def test_below_the_highest_level_she_must_log_in_anew(client, kari):
    log_in(client, kari, level=3)
    answer = client.post("/export/")
    assert answer["Location"] == "/login/step-up/?next=%2Fexport%2F"
    assert "høyere sikkerhetsnivå" in client.get(answer["Location"]).content.decode()
    assert not Export.objects.exists()
    with pytest.raises(LevelTooLow):
        next(everything(Viewer(kari.id, SecurityLevel.SUBSTANTIAL)))


def test_only_who_has_just_identified_herself_gets_the_file(client, kari):
    make_letter(kari)
    take_out(client)
    session = client.session
    session["identified_at"] -= 6 * 60
    session.save()
    answer = client.post("/export/download/")
    assert answer["Location"] == "/login/step-up/?next=%2Fexport%2F&fresh=1"
    page = client.get(answer["Location"]).content.decode()
    assert "Logg inn en gang til" in page
    assert "/login/start/?level=4&amp;fresh=1&amp;next=/export/" in page
    # ID-porten is asked to identify her anew, however safe her session is.
    asked = client.get("/login/start/?level=4&fresh=1&next=/export/")["Location"]
    assert "prompt=login" in asked and "idporten-loa-high" in asked
    assert "prompt=login" not in client.get("/login/start/?level=4&next=/export/")["Location"]
    assert Access.objects.filter(citizen=kari, what="export").count() == 1


def test_the_page_says_how_far_it_is_and_she_is_told_when_it_is_ready(client, kari):
    for number in range(3):
        make_letter(kari, title=f"Brev {number}")
    client.post("/export/")
    waiting = client.get("/export/", headers={"HX-Request": "true"}).content.decode()
    assert "Det begynner om et øyeblikk" in waiting and 'hx-trigger="every 3s"' in waiting
    Export.objects.update(state="making", done=2)
    assert "2 av 3 brev er med" in client.get("/export/").content.decode()
    Export.objects.update(state="waiting", done=0)
    # In another tab she gets no second one, and none while it is made.
    client.post("/export/")
    assert Export.objects.count() == 1
    assert export_making.make_due() == 1 and export_making.make_due() == 0
    [told] = mail.outbox
    assert told.to == [kari.email] and "Kopien av brevene dine er klar" in told.subject
    assert "Brev 1" not in told.body and "http" not in told.body
    ready = client.get("/export/").content.decode()
    assert "Kopien din er klar" in ready and "3 brev" in ready
    assert 'hx-trigger="every 3s"' not in ready.partition('id="export-state"')[2].partition(">")[0]


def test_what_lies_on_the_disk_is_encrypted_and_is_gone_after_a_day(client, kari, settings):
    make_letter(kari, title="Vedtak om bostøtte", body="Du får 8 000 kroner.")
    take_out(client)
    [file] = Path(settings.EXPORT_DIR).iterdir()
    assert file.stat().st_mode & 0o077 == 0
    held = file.read_bytes()
    assert held[:2] != b"PK" and b"letter.html" not in held
    assert exports.sweep() == 0
    Export.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.post("/export/download/")["Location"] == "/export/"
    assert exports.sweep() == 1
    assert not file.exists() and not Export.objects.exists()


def test_she_may_cancel_it_also_while_a_worker_has_it_in_hand(client, kari, settings):
    make_letter(kari)
    client.post("/export/")
    export = exports.claim(kari.id, Export.objects.get().id)
    work = exports.Work(export)
    work._told_at -= 60

    def chunks():
        yield b"the beginning"
        client.post("/export/cancel/")
        yield b"more"

    with pytest.raises(exports.Stopped):
        work.write(chunks(), iter([1, 1]))
    assert list(Path(settings.EXPORT_DIR).iterdir()) == []
    assert exports.find(kari.id) is None


def test_a_worker_that_was_taken_for_dead_writes_nothing_more(client, kari):
    make_letter(kari)
    client.post("/export/")
    export_id = Export.objects.get().id
    late = exports.Work(exports.claim(kari.id, export_id))
    assert exports.claim(kari.id, export_id) is None
    Export.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert export_making.make_due() == 1
    with pytest.raises(exports.Stopped):
        late.write(iter([b"old"]), iter([1]))
    answer = client.post("/export/download/")
    assert "index.html" in files_of(b"".join(answer))


def test_what_fails_is_tried_again_and_then_given_up(client, kari, settings, tmp_path):
    make_letter(kari)
    blocked = tmp_path / "no folder"
    blocked.write_bytes(b"")
    settings.EXPORT_DIR = blocked
    client.post("/export/")
    for _ in range(exports.ATTEMPTS_MAX):
        assert export_making.make_due() == 0
        Export.objects.update(due_at=timezone.now())
    assert "Vi klarte ikke å lage kopien" in client.get("/export/").content.decode()
    settings.EXPORT_DIR = tmp_path / "there"
    assert take_out(client)


def test_one_case_or_one_folder_can_be_taken_alone(client, kari):
    case = make_letter(kari, title="I saken", case_reference="2026/1")
    foldered = make_letter(kari, title="I mappen")
    make_letter(kari, title="Ingen av delene")
    viewer = Viewer(kari.id, SecurityLevel.HIGH)
    folder = folders.create(viewer, "Bolig")
    filing.put(viewer, [foldered.id], folder.id, into=True)
    page = client.get(f"/export/?case={case.case_id}").content.decode()
    assert "Bare brevene i saken «I saken»" in page
    for part, title in (
        ({"case": str(case.case_id)}, "I saken"),
        ({"folder": str(folder.id)}, "I mappen"),
    ):
        files = take_out(client, **part)
        assert metadata(files)["title"] == title
    assert metadata(files)["folders"] == [{"name": "Bolig", "color": "neutral"}]
    others = make_letter(make_citizen("Ola"), case_reference="2026/2")
    assert client.post("/export/", {"case": str(others.case_id)}).status_code == 404
    assert client.get(f"/export/?case={others.case_id}").status_code == 404
    assert client.post("/export/", {"folder": "x"}).status_code == 404


def test_a_helper_takes_nothing_and_who_closes_her_account_leaves_no_copy(client, kari, settings):
    make_letter(kari)
    take_out(client)
    removal.remove(kari.id)
    assert list(Path(settings.EXPORT_DIR).iterdir()) == []
    principal, helper = make_citizen("Ola"), make_citizen("Siri")
    make_representation(principal, helper, may_answer=True)
    log_in(client, helper, level=4)
    act_for(client, principal)
    assert client.get("/export/").status_code == 404
    assert client.post("/export/download/").status_code == 404


def test_the_bag_is_valid_and_its_own_program_says_what_the_log_has(
    client, kari, tmp_path, settings
):
    settings.ARCHIVE_PROOF, settings.ARCHIVE_DIR = "log", tmp_path / "archive"
    settings.DEMO, settings.ARCHIVE_LOG_KEY_FILE = True, str(tmp_path / "log.pem")
    settings.ARCHIVE_LOG_ORIGIN, settings.ARCHIVE_WITNESS_KEY = "log.example/tests", ""
    make_letter(kari, title="50 % av $HOME ~ Ærlig talt", body="*Hei*")
    proof.sequence()
    make_letter(kari, title="Nettopp kommet")
    make_letter(kari, wants_opening_receipt=True)
    whole = tmp_path / "copy.zip"
    whole.write_bytes(zipped(client))
    bag = unzip(whole, tmp_path)
    assert bagit.Bag(str(bag)).validate()
    done = verify(bag, proof.public_keys().log)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 seals, 1 in the log." in done.stdout
    assert "seal.json: not yet in the log" in done.stdout
    assert "OK    data/log/checkpoint" in done.stdout
    schema = etree.XMLSchema(etree.parse("tests/archive/data/premis-v3-0.xsd"))
    for file in bag.rglob("premis.xml"):
        schema.assertValid(etree.parse(str(file)))
    index = (bag / "index.html").read_text()
    assert "Beviset for 1 brev: Det er ikke i loggen ennå." in index


def test_the_letters_are_read_in_batches_with_as_many_queries_for_each(
    kari, django_assert_num_queries
):
    now = clock.now()
    for number in range(3):
        make_letter(kari, sent_at=now - timedelta(days=number))
    first = Letter.objects.filter(citizen=kari).latest("received_at")
    Letter.objects.bulk_create(
        Letter(
            citizen=kari,
            sender_id=first.sender_id,
            sender_name="NAV",
            source="altinn",
            title=f"Brev {number}",
            received_at=now - timedelta(days=10, minutes=number),
        )
        for number in range(2 * BATCH - 3)
    )
    # The first batch alone has deliveries, and so receipts and files to be read with them.
    with django_assert_num_queries(2 * 7 + 2 + 1):
        found = [each.letter.id for each in everything(Viewer(kari.id, SecurityLevel.HIGH))]
    assert len(found) == len(set(found)) == 2 * BATCH


@pytest.mark.files
def test_memory_stays_the_same_however_large_the_letters_are(client, kari):
    megabytes = 16
    big = [IncomingDocument("stor.pdf", "application/pdf", content=b"x" * megabytes * 10**6)]
    for _ in range(5):
        make_letter(kari, documents=big)
    client.post("/export/")
    tracemalloc.start()
    assert export_making.make_due() == 1
    size = sum(len(chunk) for chunk in client.post("/export/download/"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 5 * megabytes * 10**6
    assert peak < megabytes * 10**6


def test_the_signed_receipts_are_with_the_letter(client, kari):
    letter = make_letter(kari, wants_opening_receipt=True)
    receipt = OutboundReceipt.objects.create(
        citizen=kari,
        delivery_id=Delivery.objects.get(letter_id=letter.id).id,
        kind="delivered",
        at=clock.now(),
        due_at=clock.now(),
        sent_at=clock.now(),
        signed="head.body.signature",
    )
    files = take_out(client)
    [said] = metadata(files)["deliveries"][0]["receipts"]
    assert said["kind"] == "delivered"
    (name,) = [name for name in files if name.endswith(said["file"])]
    assert files[name] == receipt.signed.encode()


def test_the_witness_and_the_time_stamp_are_in_the_copy_and_a_changed_stamp_is_named(
    client, kari, outside: Outside, tmp_path: Path
):
    make_letter(kari)
    proof.sequence()
    assert timestamps.stamp()
    make_letter(kari, external_id="later")
    proof.sequence()
    (tmp_path / "copy.zip").write_bytes(zipped(client))
    bag = unzip(tmp_path / "copy.zip", tmp_path / "copy")
    stamps = bag / "data/log/timestamps"
    assert sorted(each.name for each in stamps.iterdir()) == ["1.note", "1.pem", "1.tsr"]
    done = verify(bag)
    assert done.returncode == 0, done.stdout
    assert "Everything is as it was." in done.stdout
    assert outside.witness.name in done.stdout
    raw = bytearray((stamps / "1.tsr").read_bytes())
    raw[-1] ^= 1
    (stamps / "1.tsr").write_bytes(raw)
    done = verify(bag)
    assert done.returncode == 1
    assert "data/log/timestamps/1.tsr" in done.stdout
    assert "openssl does not accept it" in done.stdout
