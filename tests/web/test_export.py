"""All her letters in one zip: whole, readable, hers alone, and made in little memory."""

from __future__ import annotations

import json
import tracemalloc
from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.test import Client

from connectors import clock
from connectors.contract import IncomingDocument
from inbox.archive import store
from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters.documents import LevelTooLow
from inbox.letters.export import BATCH, everything
from inbox.letters.models import Delivery, Document, DocumentText, Letter
from inbox.sync.models import OutboundReceipt
from tests.incoming import PDF
from tests.make import log_in, make_citizen, make_letter
from tests.take_out import take_out

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


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
        # Beside the four documents the item as it came: no document a second time.
        beside = ("letter.html", "letter.json", "premis.xml", "item.json", "seal.json")
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
    answer = client.post("/export/download/")
    assert answer["Location"] == "/login/step-up/?next=%2Fexport%2F"
    assert "høyere sikkerhetsnivå" in client.get(answer["Location"]).content.decode()
    with pytest.raises(LevelTooLow):
        next(everything(Viewer(kari.id, SecurityLevel.SUBSTANTIAL)))


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


def test_memory_stays_the_same_however_large_the_letters_are(client, kari):
    megabytes = 10
    big = [IncomingDocument("stor.pdf", "application/pdf", content=b"x" * megabytes * 10**6)]
    for _ in range(5):
        make_letter(kari, documents=big)
    tracemalloc.start()
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
