"""PDFs of what came as text: made beside the original, whatever the text is."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from connectors.contract import IncomingDocument, ThreadMessage, Version
from connectors.world.model import STUDY_DATE
from inbox.archive import seal, store, verify
from inbox.archive.models import Blob, Package
from inbox.letters import access_copies, extract
from inbox.letters.change import add_messages, change
from inbox.letters.models import AccessCopy, Delivery, Document, Letter
from inbox.letters.typeset import blocks_of, html_of, pdf_of
from tests.incoming import arrival, incoming
from tests.make import log_in, make_citizen, make_letter
from tests.web.letter.pages import page_of

MARKDOWN = "text/markdown"
ABOUT = {
    "title": "Vedtak #sys.inputs",
    "sender": "NAV",
    "day": "02.11.2026",
    "note": "Kopi",
    "lang": "nb",
    "timestamp": 0,
}
BODY = (
    "## Vedtak\n\nDu får **8 000** kroner.\n\n- en\n- to\n\n| Måned | Beløp |\n|--|--|\n| mai | 9 |"
)


def read(pdf: bytes) -> dict:
    """What our own reader makes of a copy; it is fit to be kept, as far as its structure tells."""
    answer = extract.text_of(pdf, "application/pdf")
    assert answer["pdfa"] == {"level": "2a", "lacks": []}
    assert answer["warnings"] == []
    return answer


def set_as(text: str | bytes, media_type: str = "text/plain") -> dict:
    content = text if isinstance(text, bytes) else text.encode()
    return read(pdf_of(content, {**ABOUT, "media_type": media_type}))


def copy_of(citizen, **fields) -> AccessCopy:
    access_copies.make_due()
    return AccessCopy.objects.select_related("blob").get(citizen=citizen, **fields)


def bytes_of(blob: Blob) -> bytes:
    return store.read_bytes(blob.citizen_id, blob.package_id, blob.path, version=blob.version)


def test_what_a_sender_wrote_is_never_run():
    wild = '#import "@preview/x:1.0.0": *\n#read("/etc/passwd") #eval("1") \\u{41} $x$ @a <b> `c`'
    assert wild.splitlines()[1] in set_as(wild)["text"]
    assert "Vedtak #sys.inputs" in set_as("x")["text"]


def test_what_cannot_be_shown_is_named_and_nothing_is_left_blank():
    text = set_as("Hei \u6f22 שלום e\u0301\x00\x1b\u202e")["text"]
    assert "[CJK UNIFIED IDEOGRAPH-6F22]" in text
    assert "שלום" in text and "é" in text
    # One of each script that people in Norway are written to in.
    for word in ("مرحبا", "สวัสดี", "ሰላም", "नमस्ते", "வணக்கம்", "Вітаю", "გამარჯობა", "😀"):
        assert "[" not in set_as(word)["text"]
    with pytest.raises(ValueError, match="characters"):
        set_as("".join(map(chr, range(0x4E00, 0x4F00))))


@pytest.mark.parametrize(
    ("text", "media_type"),
    [
        ("Ord og setning. " * 1900, "text/plain"),
        ("a" * 30_000, "text/plain"),
        ("<table><tr><td>" * 300 + "dypt" + "</table>" * 300, "text/html"),
        ("<ul><li>" * 2000 + "dypt", "text/html"),
        ("<table><tr>" + "<td>celle" * 50 + "</table>", "text/html"),
        ("\n\n".join(f"{'#' * (n % 6 + 1)} h{n}" for n in range(100)), "text/markdown"),
        (b"sm\xf8rbr\xf8d", "text/plain"),
    ],
    ids=["long", "one word", "tables", "lists", "wide", "headings", "cp1252"],
)
def test_wild_texts_are_set(text, media_type):
    assert set_as(text, media_type)["pages"] >= 1


def test_html_is_cleaned_as_on_the_page_and_nothing_is_fetched():
    html = (
        '<script>alert(1)</script><style>p{}</style><img src="http://evil.test/x.png">'
        '<p onclick="x()">Avsnitt <a href="javascript:x()">en</a> <a href="https://nav.no/">to</a>'
    )
    (paragraph,) = blocks_of(html_of(html, "text/html"))
    assert [run.get("href", "") for run in paragraph["runs"] if run["text"] in ("en", "to")] == [
        "",
        "https://nav.no/",
    ]
    assert "alert" not in str(paragraph) and "evil" not in str(paragraph)


def test_structure_is_kept():
    kinds = [block["kind"] for block in blocks_of(html_of(BODY, "text/markdown"))]
    assert kinds == ["heading", "paragraph", "items", "table"]
    table = blocks_of(html_of(BODY, "text/markdown"))[-1]
    assert (table["columns"], len(table["head"]), len(table["rows"])) == (2, 2, 1)


@pytest.mark.django_db
def test_a_letters_text_gets_a_pdf_beside_what_came():
    kari = make_citizen()
    letter = make_letter(kari, body=BODY, body_media_type="text/markdown", title="Vedtak")
    delivery = Delivery.objects.get(citizen=kari)
    before = store.describe(kari.id, delivery.id)
    original = {path: file.sha256 for path, file in before.files.items()}
    copy = copy_of(kari)
    assert (copy.state, copy.blob.path, copy.blob.version) == ("done", "access/0001.pdf", 2)
    assert copy.source_sha256 == hashlib.sha256(letter.body.encode()).hexdigest()
    assert copy.made_by.startswith("Samlepost ") and "typst" in copy.made_by
    pdf = bytes_of(copy.blob)
    assert hashlib.sha256(pdf).hexdigest() == copy.blob.sha256
    assert "8 000" in read(pdf)["text"].replace("\xa0", " ")
    after = store.describe(kari.id, delivery.id)
    kept = {path: file.sha256 for path, file in after.files.items() if path in original}
    assert (after.version, kept) == (2, original)
    said = seal.read_seal(store.seal_of(kari.id, delivery.id), delivery.id, 2)
    made = said.events[0]
    assert (made.type, made.outcome) == ("normalization", "success")
    assert copy.source_sha256 in made.detail and "typst" in made.detail
    assert [problem for _, problem in verify.damage(Package.objects.all()) if problem] == []
    assert access_copies.make_due() == 0


@pytest.mark.django_db
def test_a_letter_and_each_document_that_is_text_get_one():
    kari = make_citizen()
    documents = [
        IncomingDocument("a.html", "text/html", is_main=True, content=b"<h1>Brev</h1><p>Hei"),
        IncomingDocument("b.pdf", "application/pdf", content=b"%PDF-1.7"),
        IncomingDocument("c.txt", "text/plain; charset=utf-8", content=b"Hei"),
        IncomingDocument("d.md", "text/markdown", content="漢".encode() * 9 + "字々".encode()),
        IncomingDocument("e.txt", "text/plain", content=b"\x00 \n"),
    ]
    make_letter(kari, body="Tekst", documents=documents)
    access_copies.make_due()
    found = AccessCopy.objects.filter(citizen=kari).select_related("blob")
    paths = sorted(each.blob.path for each in found if each.blob_id)
    assert paths == [f"access/000{n}.pdf" for n in (1, 2, 4, 5)]
    (failed,) = (each for each in found if not each.blob_id)
    assert (failed.state, failed.reason) == ("failed", "empty")


@pytest.mark.django_db
def test_other_languages_and_the_thread_are_in_it_and_what_is_added_sets_it_anew():
    kari = make_citizen()
    make_letter(
        kari,
        body="Du får bostøtte.",
        language="nb",
        versions=[Version("en", "Decision", body="You get **support**.", body_media_type=MARKDOWN)],
        messages=[
            ThreadMessage("1", STUDY_DATE, "Ring oss.", title="Beskjed", body="# Mer\n\nTekst")
        ],
    )
    first = read(bytes_of(copy_of(kari).blob))["text"]
    lines = ["Du får bostøtte.", "English: Decision", "You get support.", "Beskjed", "Ring oss."]
    assert [first.index(line) for line in lines] == sorted(first.index(line) for line in lines)
    assert f"{STUDY_DATE:%d.%m.%Y}, NAV" in first
    letter, delivery = Letter.objects.get(), Delivery.objects.get()
    hers = ThreadMessage("2", STUDY_DATE, "Takk for svaret.", from_her=True)
    with transaction.atomic():
        add_messages(letter, delivery, [hers], STUDY_DATE)
    copy = copy_of(kari)
    assert copy.blob.version == 3
    assert "Fra deg\nTakk for svaret." in read(bytes_of(copy.blob))["text"]


@pytest.mark.django_db
def test_where_none_can_be_made_the_letter_says_so_and_operators_see_why(client):
    kari = make_citizen(is_staff=True)
    text = "".join(map(chr, range(0x4E00, 0x4F00)))
    documents = [IncomingDocument("b.txt", "text/plain", is_main=True, content=text.encode())]
    letter = make_letter(kari, body="x" * 500_001, documents=documents)
    make_letter(kari, documents=[IncomingDocument("e.txt", "text/plain", content=b"\x00 \n")])
    access_copies.make_due()
    assert access_copies.failed() == {"characters": 1, "too_large": 1}
    log_in(client, kari, level=4)
    client.cookies["django_language"] = "en"
    page_of(client, letter)
    page = page_of(client, letter)
    assert page.count("No PDF could be made of this text. What the sender sent is kept") == 2
    assert "characters that none of our fonts has" in page
    assert "It is too long." in page
    shown = client.get("/operator/archive/").content.decode()
    assert "Characters that none of the fonts has</dt><dd>1</dd>" in shown


@pytest.mark.django_db
def test_what_is_sent_anew_is_set_anew_and_the_first_copy_stays():
    kari = make_citizen()
    make_letter(kari, external_id="1", body="Gammel tekst")
    first = copy_of(kari)
    delivery = Delivery.objects.get(citizen=kari)
    said = replace(incoming("1"), body="Ny tekst")
    again = replace(arrival(kari.id, said, letter_id=delivery.letter_id), delivery_id=delivery.id)
    again.package, again.blobs, again.raw_blobs = None, [], []
    change(delivery, again)
    second = copy_of(kari)
    assert (first.blob.version, second.blob.version) == (2, 3)
    assert "Gammel tekst" in read(bytes_of(first.blob))["text"]
    assert "Ny tekst" in read(bytes_of(second.blob))["text"]


@pytest.mark.django_db
def test_a_text_that_kills_its_process_is_given_up_and_blocks_no_other(monkeypatch):
    kari = make_citizen()
    make_letter(kari, body="Dette dreper", external_id="1")
    make_letter(kari, body="Dette ikke", external_id="2")
    ask = access_copies.Typesetter.ask

    def dies(self, request, content):
        if b"dreper" in content:
            self._started().kill()
        return ask(self, request, content)

    monkeypatch.setattr(access_copies.Typesetter, "ask", dies)
    assert access_copies.make_due() == 1
    for _ in range(access_copies.ATTEMPTS_MAX):
        AccessCopy.objects.filter(state="waiting").update(due_at=timezone.now())
        access_copies.make_due()
    failed = AccessCopy.objects.get(citizen=kari, state="failed")
    assert (failed.reason, failed.attempts) == ("broken", access_copies.ATTEMPTS_MAX)


@pytest.mark.django_db
def test_what_is_wanted_anew_while_it_is_made_waits_on():
    kari = make_citizen()
    make_letter(kari, body="Tekst")
    row = AccessCopy.objects.select_related("delivery__letter").get(citizen=kari)
    AccessCopy.objects.update(due_at=timezone.now() + timedelta(seconds=1))
    access_copies._finish(row, {})
    row.refresh_from_db()
    assert (row.state, row.lease_until) == ("waiting", None)


@pytest.mark.django_db
def test_letters_that_were_here_before_get_theirs():
    kari = make_citizen()
    make_letter(kari, body="Tekst")
    AccessCopy.objects.all().delete()
    import_module("inbox.letters.migrations.0033_access_copy").want(apps, None)
    assert access_copies.make_due() == 1


@pytest.mark.django_db
def test_copies_go_with_their_letter():
    kari = make_citizen()
    letter = make_letter(kari, body="Tekst")
    access_copies.make_due()
    letter.delete()
    assert not AccessCopy.objects.exists()


@pytest.mark.django_db
def test_she_is_given_it_once_she_has_opened_the_letter_and_nobody_else_is(client):
    kari = make_citizen()
    letter = make_letter(kari, body="Tekst", title="Vedtak", security_level=4)
    access_copies.make_due()
    address = reverse("letter_pdf", args=[letter.id])
    log_in(client, kari, level=4)
    assert client.get(address)["Location"] == reverse("letter", args=[letter.id])
    page = client.get(reverse("letter", args=[letter.id])).content.decode()
    if address not in page:  # opening it shows it
        page = page_of(client, letter)
    assert f'href="{address}"' in page
    answer = client.get(address)
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == 'attachment; filename="Vedtak.pdf"'
    assert "Tekst" in read(b"".join(answer.streaming_content))["text"]
    log_in(client, kari, level=3)
    assert "/step-up" in client.get(address)["Location"]
    log_in(client, make_citizen("Ola"), level=4)
    assert client.get(address).status_code == 404


@pytest.mark.django_db
def test_a_document_that_is_text_is_given_as_pdf_too(client):
    kari = make_citizen()
    documents = [IncomingDocument("b.html", "text/html", "Brev", is_main=True, content=b"<p>Hei")]
    letter = make_letter(kari, documents=documents)
    log_in(client, kari, level=4)
    document = Document.objects.get(citizen=kari)
    address = reverse("document_pdf", args=[letter.id, document.id])
    assert address not in page_of(client, letter)
    access_copies.make_due()
    Letter.objects.filter(id=letter.id).update(opened_at=timezone.now())
    assert address in page_of(client, letter)
    answer = client.get(address)
    assert answer["Content-Disposition"] == 'attachment; filename="Brev.pdf"'
