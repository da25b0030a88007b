"""The text of documents: read after the letter has come, whatever the document is."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Link
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from connectors.contract import IncomingDocument
from connectors.world.agencies import agency
from connectors.world.pdf import Heading, Page, letter_pdf
from inbox.archive import store
from inbox.letters import apart, extract, texts
from inbox.letters.change import change
from inbox.letters.models import Delivery, Document, DocumentText
from tests.incoming import arrival, incoming
from tests.make import make_citizen, make_letter

pytestmark = pytest.mark.django_db


def written(*blocks: object) -> bytes:
    """A letter as the agencies of the made-up world write them."""
    return letter_pdf(Page(agency("nav"), "Vedtak om bostøtte", date(2026, 11, 2), blocks))


def changed(pdf: bytes, change) -> bytes:
    """The same PDF after `change(writer)`."""
    writer = PdfWriter(clone_from=io.BytesIO(pdf))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def text_of_only(citizen) -> DocumentText:
    texts.read_due()
    return DocumentText.objects.get(citizen=citizen)


def test_a_letters_pdf_is_read_after_the_letter_has_come():
    kari = make_citizen()
    make_letter(kari, document=written("Husleien er 12 400 kroner.", Heading("Klage"), "Skriv."))
    before = DocumentText.objects.get(citizen=kari)
    assert (before.state, before.text) == ("waiting", "")
    assert texts.read_due() == 1
    text = DocumentText.objects.get(citizen=kari)
    assert text.state == "done"
    assert "Husleien er 12 400 kroner." in text.text.replace("\xa0", " ")
    assert (text.pages, text.warnings, text.lease_until) == (1, [], None)
    assert texts.read_due() == 0


def test_pages_are_kept_apart():
    writer = PdfWriter()
    for words in ("en", "to", "tre"):
        writer.append(io.BytesIO(written(words * 3)))
    out = io.BytesIO()
    writer.write(out)
    kari = make_citizen()
    make_letter(kari, document=out.getvalue())
    text = text_of_only(kari)
    said, pages = ("enen", "toto", "tretre"), text.text.split("\f")
    assert [words in page for words, page in zip(said, pages, strict=True)]
    assert text.pages == 3


@pytest.mark.parametrize(
    ("media_type", "content", "expected"),
    [
        ("text/plain", "Kjære søker\r\næøå".encode(), "Kjære søker\næøå"),
        ("text/plain; charset=utf-8", b"\xef\xbb\xbfHei", "Hei"),
        ("text/plain", "smørbrød".encode("cp1252"), "smørbrød"),
        ("text/plain", "snø".encode("utf-16"), "snø"),
        ("text/plain", b"a\x00b\x1b[31mc", "ab[31mc"),
        (
            "text/html",
            b"<h1>Vedtak</h1><script>alert(1)</script><p>Du f&aring;r <b>st&oslash;tte</b></p>",
            "Vedtak\nDu får støtte",
        ),
    ],
)
def test_text_and_html_are_read_plain(media_type, content, expected):
    kari = make_citizen()
    document = IncomingDocument("brev", media_type, is_main=True, content=content)
    make_letter(kari, documents=[document])
    text = text_of_only(kari)
    assert (text.state, text.text, text.pages) == ("done", expected, 1)


def test_what_holds_no_text_says_so():
    kari = make_citizen()
    make_letter(kari, documents=[IncomingDocument("b.png", "image/png", content=b"\x89PNG\r\n")])
    text = text_of_only(kari)
    assert (text.state, text.text, text.warnings) == ("done", "", ["no_text"])


def test_a_scan_is_done_but_has_no_text():
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    out = io.BytesIO()
    writer.write(out)
    answer = extract.text_of(out.getvalue(), "application/pdf")
    assert not answer["failed"]
    assert set(answer["warnings"]) == {"no_text", "untagged"}


def test_addresses_in_annotations_are_found_with_their_page_if_they_are_https():
    def add(writer):
        for url in ("https://nav.no/klage", "http://nav.no/", "javascript:alert(1)"):
            link = Link(rect=(0, 0, 50, 50), url=url)
            writer.add_annotation(0, link)
        writer.add_annotation(0, Link(rect=(0, 0, 9, 9), url="https://nav.no/klage"))

    answer = extract.text_of(changed(written("Tekst"), add), "application/pdf")
    urls = [link["url"] for link in answer["links"]]
    assert urls.count("https://nav.no/klage") == 1
    assert all(url.startswith("https://") for url in urls)
    assert {link["page"] for link in answer["links"]} == {1}


def test_unusual_pdfs_are_read_and_told_of():
    def run_script(writer):
        action = {NameObject("/S"): NameObject("/JavaScript")}
        writer.root_object[NameObject("/OpenAction")] = DictionaryObject(action)

    def oddities(pdf):
        return set(extract.text_of(pdf, "application/pdf")["warnings"])

    plain = written("Tekst")
    assert oddities(plain) == set()
    assert oddities(changed(plain, run_script)) == {"script"}
    assert oddities(changed(plain, lambda w: w.add_attachment("a.exe", b"MZ"))) == {
        "embedded_files"
    }
    assert oddities(changed(plain, lambda w: w.encrypt("", "owner"))) == {"encrypted"}
    assert "untagged" in oddities(
        changed(plain, lambda w: w.root_object.__delitem__("/StructTreeRoot"))
    )


@pytest.mark.parametrize(
    ("content", "warnings"),
    [
        (b"%PDF-1.7 made up\n%%EOF\n", ["broken"]),
        (b"not a PDF at all", ["broken"]),
        (b"", ["broken"]),
        (b"%PDF-1.7\n" + b"[" * 100_000, ["broken"]),
    ],
)
def test_what_cannot_be_read_fails_at_once_and_holds_nothing_up(content, warnings):
    kari = make_citizen()
    make_letter(kari, document=content, title="hostile")
    make_letter(kari, document=written("Den neste"))
    assert texts.read_due() == 1
    failed = DocumentText.objects.get(citizen=kari, state="failed")
    assert (failed.text, failed.warnings) == ("", warnings)
    assert DocumentText.objects.get(citizen=kari, state="done").text


def test_a_pdf_with_a_password_is_not_read():
    kari = make_citizen()
    make_letter(kari, document=changed(written("Hemmelig"), lambda w: w.encrypt("passord")))
    text = text_of_only(kari)
    assert (text.state, text.text, text.warnings) == ("failed", "", ["encrypted", "locked"])


def test_a_page_that_unpacks_to_gigabytes_costs_that_page_alone():
    def bomb(writer):
        stream = DecodedStreamObject()
        stream.set_data(b"0 " * 60_000_000)
        page = writer.pages[0]
        page[NameObject("/Contents")] = writer._add_object(stream.flate_encode())

    answer = extract.text_of(changed(written("x"), bomb), "application/pdf")
    assert "broken" in answer["warnings"]


def test_a_document_with_more_pages_than_are_read_says_so(monkeypatch):
    monkeypatch.setattr(extract, "PAGES_MAX", 2)
    writer = PdfWriter()
    for _ in range(3):
        writer.append(io.BytesIO(written("Side")))
    out = io.BytesIO()
    writer.write(out)
    answer = extract.text_of(out.getvalue(), "application/pdf")
    assert "cut" in answer["warnings"]
    assert answer["pages"] == len(PdfReader(out).pages) == 3
    assert len(answer["text"].split("\f")) == 2


def test_a_document_that_is_too_large_is_not_even_opened(monkeypatch):
    monkeypatch.setattr(texts, "SIZE_MAX", 10)
    kari = make_citizen()
    make_letter(kari)
    text = text_of_only(kari)
    assert (text.state, text.warnings) == ("failed", ["too_large"])


def test_the_process_that_reads_has_limits_and_no_secrets():
    with texts.Reader.running() as reader:
        assert reader.read(b"Hei", "text/plain")["text"] == "Hei"
        process = reader._process
        proc = Path(f"/proc/{process.pid}")
        lines = (proc / "limits").read_text().splitlines()
        limits = {line[:26].strip(): line[26:47].strip() for line in lines}
        assert limits["Max address space"] == str(apart.MEMORY_MAX)
        assert limits["Max file size"] == "0"
        assert int(limits["Max cpu time"]) <= apart.CPU_SECONDS + 5
        assert (proc / "environ").read_text() == ""


def test_a_reader_that_is_killed_is_started_anew_and_the_document_tried_again():
    kari = make_citizen()
    make_letter(kari, document=written("Tekst"))
    row = DocumentText.objects.get(citizen=kari)
    with texts.Reader.running() as reader:
        reader.read(b"Hei", "text/plain")
        reader._process.kill()
        assert not texts.read(kari.id, row.id, reader)
        row.refresh_from_db()
        assert (row.state, row.attempts, row.warnings) == ("waiting", 1, [])
        assert row.due_at > timezone.now()
        assert texts.read(kari.id, row.id, reader)


def test_what_kills_its_reader_again_and_again_is_given_up(monkeypatch):
    def dies(_self, _content, _media_type):
        raise texts.Unreadable

    monkeypatch.setattr(texts.Reader, "read", dies)
    kari = make_citizen()
    make_letter(kari)
    for _ in range(texts.ATTEMPTS_MAX + 2):
        DocumentText.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        texts.read_due()
    text = DocumentText.objects.get(citizen=kari)
    assert (text.state, text.attempts, text.warnings) == ("failed", 3, ["broken"])


def test_a_document_that_is_missing_from_the_archive_is_tried_again():
    kari = make_citizen()
    letter = make_letter(kari)
    document = Document.objects.select_related("blob").get(citizen=kari, letter_id=letter.id)
    store.remove(document.citizen_id, document.blob.package_id)
    text = text_of_only(kari)
    assert (text.state, text.attempts) == ("waiting", 1)


def test_a_document_in_another_workers_hands_is_left_alone():
    make_letter(make_citizen(), document=written("Tekst"))
    DocumentText.objects.update(lease_until=timezone.now() + timedelta(seconds=30))
    assert texts.read_due() == 0
    DocumentText.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert texts.read_due() == 1


def test_new_content_is_read_too_and_the_old_ones_text_stays():
    kari = make_citizen()
    make_letter(kari, external_id="1", documents=[_named(written("Gammelt"))])
    texts.read_due()
    delivery = Delivery.objects.get(citizen=kari)
    said = incoming("1", documents=[_named(written("Nytt"))])
    again = arrival(kari.id, said, letter_id=delivery.letter_id)
    again = replace(again, delivery_id=delivery.id)
    change(delivery, again)
    assert texts.read_due() == 1
    both = DocumentText.objects.filter(citizen=kari).values_list("text", flat=True)
    assert sorted("Nytt" in text for text in both) == [False, True]


def test_only_kept_documents_wait_and_they_go_with_their_letter():
    kari = make_citizen()
    letter = make_letter(kari)
    elsewhere = Document(citizen=kari, letter_id=letter.id, blob_id=None)
    assert texts.waiting([elsewhere]) == []
    assert DocumentText.objects.count() == 1
    letter.delete()
    assert not DocumentText.objects.exists()


def _named(content: bytes) -> IncomingDocument:
    return IncomingDocument("brev.pdf", "application/pdf", is_main=True, content=content)
