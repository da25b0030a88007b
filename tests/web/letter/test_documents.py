from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from django.urls import reverse

from connectors.contract import IncomingDocument
from inbox.archive import frames
from inbox.letters.models import Document, Event, Letter
from inbox.web.files import file_name
from tests.incoming import PDF
from tests.make import log_in, make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

LARGE = b"%PDF-1.7\n" + bytes(range(256)) * 8000


def letter_with(kari, media_type="application/pdf", name="brev.pdf", content=PDF, **fields):
    documents = [IncomingDocument(name, media_type, is_main=True, content=content)]
    return make_letter(kari, documents=documents, **fields)


def address(letter: Letter, name: str = "document") -> str:
    return reverse(name, args=[letter.id, Document.objects.get(letter_id=letter.id).id])


def damage(settings, content: bytes) -> None:
    """Change one byte of the only document in the archive that is as long as `content`."""
    (found,) = [
        path
        for path in Path(settings.ARCHIVE_DIR).rglob("files/*.enc")
        if frames.plain_size(path.stat().st_size) == len(content)
    ]
    stored = bytearray(found.read_bytes())
    stored[-2] ^= 1
    found.write_bytes(stored)


def test_a_document_is_the_senders_byte_for_byte(screen, kari):
    letter = letter_with(kari, content=LARGE)
    for name in ("document", "document_download"):
        answer = screen.get(address(letter, name))
        assert answer.status_code == 200
        assert answer.streaming
        assert b"".join(answer.streaming_content) == LARGE


def test_a_pdf_is_shown_inside_our_own_pages_alone_and_never_cached(screen, kari):
    answer = screen.get(address(letter_with(kari)))
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Length"] == str(len(PDF))
    assert answer["Content-Disposition"] == 'inline; filename="brev.pdf"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    assert answer["ETag"] == f'"{hashlib.sha256(PDF).hexdigest()}"'
    assert {"private", "no-store"} <= set(answer["Cache-Control"].split(", "))
    policy = answer["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert not any("script" in directive or "unsafe" in directive for directive in policy)


def test_a_download_is_a_file_that_no_page_may_frame(screen, kari):
    answer = screen.get(address(letter_with(kari), "document_download"))
    assert answer["Content-Disposition"] == 'attachment; filename="brev.pdf"'
    assert answer["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    "media_type",
    [
        *("text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/xml"),
        *("text/html; charset=utf-8", "TEXT/HTML", "application/javascript", "multipart/mixed"),
        *("", "application/pdf\r\nX-Evil: 1", "application/octet-stream"),
    ],
)
def test_what_a_browser_could_run_is_only_downloaded(screen, kari, media_type):
    letter = letter_with(kari, media_type, "side.html", b"<script>alert(1)</script>")
    answer = screen.get(address(letter))
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "X-Evil" not in answer


@pytest.mark.parametrize(
    ("media_type", "sent_as"),
    [
        ("image/png", "image/png"),
        ("IMAGE/JPEG", "image/jpeg"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/plain; charset=latin-1", "text/plain; charset=utf-8"),
    ],
)
def test_pictures_and_plain_text_are_shown(screen, kari, media_type, sent_as):
    answer = screen.get(address(letter_with(kari, media_type, "bilde", b"x")))
    assert answer["Content-Type"] == sent_as
    assert answer["Content-Disposition"].startswith("inline")


@pytest.mark.parametrize(
    ("name", "media_type", "expected"),
    [
        ("Vedtak om bostøtte", "application/pdf", "Vedtak om bostøtte.pdf"),
        ("VEDTAK.PDF", "application/pdf", "VEDTAK.PDF"),
        ("../../etc/passwd", "application/pdf", "passwd.pdf"),
        ("C:\\Users\\kari\\brev.pdf", "application/pdf", "brev.pdf"),
        ("regning.exe", "application/pdf", "regning.exe.pdf"),
        ("regning\u202efdp.exe", "application/pdf", "regningfdp.exe.pdf"),
        ("a\r\nSet-Cookie: b\x00.pdf", "application/pdf", "aSet-Cookie_ b.pdf"),
        ("tabell.xlsx", "application/octet-stream", "tabell.xlsx"),
        ("", "application/pdf", "document.pdf"),
        ("...", "text/plain", "document.txt"),
        ("å" * 300, "application/pdf", "å" * 150 + ".pdf"),
        ("x" * 300 + ".pdf", "application/pdf", "x" * 150 + ".pdf"),
    ],
)
def test_a_file_name_is_harmless_and_has_an_extension(name, media_type, expected):
    assert file_name(name, media_type) == expected


def test_a_name_with_norwegian_letters_survives(screen, kari):
    answer = screen.get(address(letter_with(kari, name="Årsoppgave 2025"), "document_download"))
    disposition = answer["Content-Disposition"]
    assert disposition == "attachment; filename*=utf-8''%C3%85rsoppgave%202025.pdf"


def test_a_head_request_gets_the_headers_alone(screen, kari):
    answer = screen.head(address(letter_with(kari)))
    assert answer.status_code == 200
    assert answer["Content-Length"] == str(len(PDF))
    assert answer["Content-Type"] == "application/pdf"
    assert answer.content == b""


def test_documents_are_only_read(screen, kari):
    letter = letter_with(kari)
    assert screen.post(address(letter)).status_code == 405
    assert screen.post(address(letter, "document_download")).status_code == 405


def test_showing_a_document_again_writes_nothing(screen, kari, django_assert_num_queries):
    place = address(letter_with(kari))
    screen.get(place)
    with django_assert_num_queries(4):  # the citizen, the letter, the document, its key
        screen.get(place)
    assert not Event.objects.filter(kind="document_opened").exists()


# Who may


@pytest.mark.parametrize("name", ["document", "document_download"])
def test_above_her_level_she_is_asked_to_log_in_again(screen, kari, name):
    letter = letter_with(kari, security_level=4)
    answer = screen.get(address(letter, name))
    assert answer.status_code == 302
    letter_page = reverse("letter", args=[letter.id]).replace("/", "%2F")
    assert answer.url == f"{reverse('step_up')}?next={letter_page}"
    log_in(screen, kari, level=4)
    assert screen.get(address(letter, name)).status_code == 200


@pytest.mark.parametrize("name", ["document", "document_download"])
def test_before_she_has_agreed_to_the_receipt_the_letters_page_asks_her(screen, kari, name):
    letter = letter_with(kari, wants_opening_receipt=True)
    answer = screen.get(address(letter, name))
    assert (answer.status_code, answer.url) == (302, reverse("letter", args=[letter.id]))


def test_another_letters_document_is_not_found(screen, kari):
    mine, other = letter_with(kari), letter_with(make_citizen("Ola"))
    theirs = Document.objects.get(letter_id=other.id).id
    for letter in (mine, other):
        for name in ("document", "document_download"):
            assert screen.get(reverse(name, args=[letter.id, theirs])).status_code == 404


def test_a_document_without_bytes_is_not_found(screen, kari):
    letter = letter_with(kari)
    place = address(letter)
    Document.objects.filter(letter_id=letter.id).update(blob_id=None)
    assert screen.get(place).status_code == 404


def test_nobody_logged_in_is_sent_to_log_in(client, kari):
    place = address(letter_with(kari))
    answer = client.get(place)
    assert answer.status_code == 302
    assert answer.url.startswith(reverse("login"))


# What the archive cannot give


def test_a_damaged_document_is_never_shown(screen, kari, settings, caplog):
    letter = letter_with(kari, title="Hemmelig tittel")
    damage(settings, PDF)
    for name in ("document", "document_download"):
        answer = screen.get(address(letter, name))
        assert answer.status_code == 503
        assert answer["Content-Type"].startswith("text/html")
        assert PDF[:8] not in answer.content
        assert reverse("letter", args=[letter.id]) in answer.content.decode()
    messages = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert any("cannot be read: Damaged" in message for message in messages)
    assert "Hemmelig" not in caplog.text
    assert kari.name not in caplog.text


def test_a_document_that_is_missing_from_the_archive_is_told_of(screen, kari, settings, tmp_path):
    letter = letter_with(kari)
    settings.ARCHIVE_DIR = tmp_path / "another"
    assert screen.get(address(letter)).status_code == 503


def test_a_large_damaged_document_breaks_off_before_its_end(screen, kari, settings, caplog):
    letter = letter_with(kari, content=LARGE)
    damage(settings, LARGE)
    got = b""
    with pytest.raises(Exception, match="of "):
        for chunk in screen.get(address(letter)).streaming_content:
            got += chunk
    assert len(got) < len(LARGE)
    assert "broke off: Damaged" in caplog.text
