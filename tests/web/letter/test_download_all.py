"""All documents of a letter as one zip: streamed, whole, under names that any system takes."""

from __future__ import annotations

import io
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import IncomingDocument
from inbox.archive import frames
from inbox.letters.models import Document
from inbox.web.zipped import NAME_BYTES_MAX, unique_names, zip_stream
from tests.incoming import PDF
from tests.make import log_in, make_citizen, make_letter

MOMENT = datetime(2026, 11, 22, 14, 2, 6)


def incoming(name: str, content: bytes | None = PDF, title: str = "", *, is_main: bool = False):
    ref = "" if content is not None else "later"
    return IncomingDocument(
        name, "application/pdf", is_main=is_main, title=title, content=content, ref=ref
    )


def address(letter) -> str:
    return reverse("documents_download", args=[letter.id])


def contents(answer) -> dict[str, bytes]:
    with ZipFile(io.BytesIO(b"".join(answer))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.django_db
@pytest.mark.usefixtures("frozen_clock")
class TestLetter:
    def test_every_document_is_there_byte_for_byte_the_main_one_first(self, screen, kari):
        documents = [
            incoming("b.pdf", b"%PDF vedlegg"),
            incoming("a.pdf", b"%PDF brevet", title="Vedtak om bostøtte", is_main=True),
        ]
        letter = make_letter(kari, documents=documents, sender="Oslo kommune")
        answer = screen.get(address(letter))
        assert answer.streaming
        assert answer["Content-Type"] == "application/zip"
        day = letter.received_at.date().isoformat()
        assert answer["Content-Disposition"] == f'attachment; filename="{day} Oslo kommune.zip"'
        assert {"private", "no-store"} <= set(answer["Cache-Control"].split(", "))
        assert list(contents(answer).items()) == [
            ("Vedtak om bostøtte.pdf", b"%PDF brevet"),
            ("b.pdf", b"%PDF vedlegg"),
        ]

    def test_equal_names_are_kept_apart(self, screen, kari):
        documents = [incoming("brev.pdf", b"%PDF " + bytes([65 + n])) for n in range(3)]
        found = contents(screen.get(address(make_letter(kari, documents=documents))))
        assert list(found) == ["brev.pdf", "brev (2).pdf", "brev (3).pdf"]
        assert len(set(found.values())) == 3

    def test_what_is_not_kept_is_left_out(self, screen, kari):
        documents = [incoming("a.pdf"), incoming("b.pdf")]
        letter = make_letter(kari, documents=documents)
        Document.objects.filter(letter_id=letter.id, name="b.pdf").update(blob_id=None)
        assert list(contents(screen.get(address(letter)))) == ["a.pdf"]

    def test_the_page_offers_it_for_more_than_one_document(self, screen, kari):
        one = make_letter(kari, documents=[incoming("a.pdf", is_main=True)])
        two = make_letter(kari, documents=[incoming("a.pdf", is_main=True), incoming("b.pdf")])
        assert address(one) not in screen.get(reverse("letter", args=[one.id])).content.decode()
        page = screen.get(reverse("letter", args=[two.id])).content.decode()
        assert f'href="{address(two)}"' in page
        assert "Download all 2 documents (zip)" in page

    def test_below_the_letters_level_she_is_asked_to_log_in_higher(self, screen, kari):
        letter = make_letter(kari, documents=[incoming("a.pdf")], security_level=4)
        answer = screen.get(address(letter))
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("step_up"))

    def test_a_letter_that_asks_for_a_receipt_is_opened_first(self, screen, kari):
        letter = make_letter(kari, documents=[incoming("a.pdf")], wants_opening_receipt=True)
        assert screen.get(address(letter))["Location"] == reverse("letter", args=[letter.id])

    def test_a_letter_without_documents_has_none_to_give(self, screen, kari):
        letter = make_letter(kari, documents=[])
        assert screen.get(address(letter)).status_code == 404

    def test_a_stranger_finds_nothing(self, client, kari):
        letter = make_letter(kari, documents=[incoming("a.pdf")])
        log_in(client, make_citizen("Per"))
        assert client.get(address(letter)).status_code == 404

    def test_a_missing_file_is_told_on_a_page_before_anything_is_sent(self, screen, kari, settings):
        content = b"%PDF forsvinner"
        letter = make_letter(kari, documents=[incoming("a.pdf"), incoming("b.pdf", content)])
        (found,) = [
            path
            for path in Path(settings.ARCHIVE_DIR).rglob("files/*.enc")
            if frames.plain_size(path.stat().st_size) == len(content)
        ]
        found.unlink()
        answer = screen.get(address(letter))
        assert answer.status_code == 503
        assert not answer.streaming

    def test_a_head_request_gets_the_headers_alone(self, screen, kari):
        answer = screen.head(address(make_letter(kari, documents=[incoming("a.pdf")])))
        assert answer.status_code == 200
        assert answer.content == b""


def test_memory_stays_the_same_however_large_the_files_are():
    chunk, chunks = b"x" * 65_536, 1_600  # 100 MB

    def measured(files: int) -> int:
        tracemalloc.start()
        parts = ((f"{n}.bin", MOMENT, (chunk for _ in range(chunks))) for n in range(files))
        sent = sum(len(piece) for piece in zip_stream(parts))
        assert sent > files * chunks * len(chunk)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    assert measured(1) < 2_000_000


def test_a_date_before_what_a_zip_can_hold_is_its_first():
    parts = [("a.txt", datetime(1972, 3, 1, tzinfo=UTC), iter([b"x"]))]
    with ZipFile(io.BytesIO(b"".join(zip_stream(parts)))) as archive:
        assert archive.infolist()[0].date_time[:3] == (1980, 3, 1)


def test_a_file_that_breaks_off_leaves_no_zip_that_opens():
    def broken():
        yield b"half"
        raise OSError("disk")

    sent: list[bytes] = []
    with pytest.raises(OSError, match="disk"):
        sent.extend(zip_stream([("a.txt", MOMENT, broken())]))
    with pytest.raises(Exception, match="not a zip"):
        ZipFile(io.BytesIO(b"".join(sent)))


@given(names=st.lists(st.text(alphabet="aÆø.b 😀", max_size=300), max_size=12))
def test_names_are_unique_and_short_enough_whatever_was_given(names):
    given_names = unique_names(names)
    assert len({name.casefold() for name in given_names}) == len(names)
    assert all(len(name.encode()) <= NAME_BYTES_MAX for name in given_names)


def test_two_thousand_equal_names_are_kept_apart():
    assert len(set(unique_names(["brev.pdf"] * 2_000))) == 2_000
