"""A document read as text, and a letter as it goes onto paper."""

from __future__ import annotations

import pytest
from django.urls import reverse

from connectors.contract import IncomingDocument
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.letters import texts
from inbox.letters.models import Document, DocumentText, Event, Letter
from tests.make import log_in, make_citizen, make_letter
from tests.web.letter.pages import SECRET, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


def address(letter: Letter) -> str:
    return reverse("document_text", args=[letter.id, main_of(letter).id])


def main_of(letter: Letter) -> Document:
    return Document.objects.get(letter_id=letter.id, is_main=True)


def say(letter: Letter, text: str = "", warnings=(), state="done", pages=1) -> None:
    DocumentText.objects.filter(id=main_of(letter).id).update(
        text=text, warnings=list(warnings), state=state, pages=pages
    )


def text_page(screen, letter: Letter) -> str:
    answer = screen.get(address(letter))
    assert answer.status_code == 200
    return answer.content.decode()


def printed(screen, letter: Letter) -> str:
    answer = screen.get(reverse("letter_print", args=[letter.id]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_real_pdf_is_read_as_text_page_by_page_in_its_own_language(screen, kari):
    draft = new_letter(by_slug("kari"), Channel.NAV, title="Vedtak", at=STUDY_DATE)
    letter = make_letter(kari, document=draft.documents[0].content, language="nn")
    assert "We have not read the text of this document yet" in text_page(screen, letter)
    assert texts.read_due() == 1
    page = text_page(screen, letter)
    assert "Page 1 of 1</h2>" in page
    assert '<div dir="auto" lang="nn">' in page
    assert '<h3 dir="auto">Vedtak</h3>' in page
    assert "Dette brevet er sendt fra kontrollsiden.</p>" in page
    assert 'data-color="warning"' not in page


def test_reading_as_text_is_offered_on_the_letters_page(screen, kari):
    letter = make_letter(kari)
    assert f'<a href="{address(letter)}">Read as text</a>' in page_of(screen, letter)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"state": "waiting"}, "We have not read the text of this document yet."),
        ({"state": "failed", "warnings": ["broken"]}, "We could not read the text"),
        ({"state": "failed", "warnings": ["too_large"]}, "too large for us to read"),
        ({"warnings": ["no_text"]}, "The document is a picture (a scan)"),
    ],
)
def test_where_there_is_no_text_the_page_says_why(screen, kari, row, said):
    letter = make_letter(kari)
    say(letter, **row)
    page = text_page(screen, letter)
    assert said in page
    assert "Page 1" not in page
    assert reverse("document", args=[letter.id, main_of(letter).id]) in page


def test_a_document_without_a_row_of_its_text_waits(screen, kari):
    letter = make_letter(kari)
    DocumentText.objects.all().delete()
    assert "We have not read the text of this document yet." in text_page(screen, letter)


def test_a_kind_of_file_that_has_no_text_says_so(screen, kari):
    letter = make_letter(kari, documents=[IncomingDocument("a.png", "image/png", content=b"x")])
    found = Document.objects.get()
    page = screen.get(reverse("document_text", args=[letter.id, found.id])).content.decode()
    assert "A file of this kind has no text" in page


def test_a_long_document_says_how_much_of_it_is_shown(screen, kari):
    letter = make_letter(kari)
    say(letter, "Side en\fSide to", ["cut", "untagged"], pages=300)
    page = text_page(screen, letter)
    assert "Page 2 of 300</h2>" in page
    assert "Only the first 2 of 300 pages are shown as text." in page
    assert "The text may stand in another order here." in page


WORDS = {
    "encrypted": "The document is encrypted.",
    "locked": "The document is locked with a password.",
    "broken": "The file has faults.",
    "script": "There is a program in the document",
    "embedded_files": "Other files lie inside the document.",
    "repaired": "The file has faults.",
}


@pytest.mark.parametrize("code", WORDS)
def test_what_is_unusual_about_a_pdf_is_told_over_it_and_over_its_text(screen, kari, code):
    letter = make_letter(kari)
    say(letter, "Tekst", [code])
    page = page_of(screen, letter)
    assert WORDS[code] in page
    # What runs a program or asks for a password is not opened before she asks for it.
    assert ("<object" in page) is (code not in ("script", "locked"))
    assert page.index(WORDS[code]) < page.index("Open PDF")
    assert "We keep the document just as it came." in page
    assert WORDS[code] in text_page(screen, letter)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("validated", "2a", [], "veraPDF 1.28.2"), "against the whole standard by veraPDF 1.28.2"),
        (("checked", "2a", [], "Samlepost 1"), "Nobody has held it against the whole standard."),
        (("claimed", "2b", ["output_intent"], "Samlepost 1"), "Not certain. The file says"),
        (("claimed", "2b", ["validation"], "veraPDF 1.28.2"), "has found that it does not."),
        (("", "", [], ""), "The file does not say that it is made to be readable"),
    ],
)
def test_how_long_a_document_can_be_read_is_told_with_who_has_looked(screen, kari, row, said):
    letter = make_letter(kari)
    assert "Long-term format" not in page_of(screen, letter)  # nobody has looked yet
    say(letter, "Tekst")
    names = ("pdfa_status", "pdfa_level", "pdfa_lacks", "pdfa_checked_by")
    DocumentText.objects.update(**dict(zip(names, row, strict=True)))
    page = page_of(screen, letter)
    assert "Long-term format</summary>" in page
    assert said in page


def test_a_document_like_others_has_no_warning(screen, kari):
    letter = make_letter(kari)
    say(letter, "Tekst", ["untagged"])
    assert "We keep the document just as it came." not in page_of(screen, letter)


def test_html_is_shown_as_its_text_and_never_as_the_sender_made_it(screen, kari):
    html = (
        b"<h1>Vedtak</h1><script>alert(1)</script><p>Du f\xc3\xa5r &lt;b&gt;penger&lt;/b&gt;.</p>"
    )
    letter = make_letter(
        kari, documents=[IncomingDocument("a.html", "text/html", is_main=True, content=html)]
    )
    page = page_of(screen, letter)
    assert "<object" not in page
    assert f'<a class="ds-button" href="{address(letter)}">' in page
    texts.read_due()
    page = text_page(screen, letter)
    assert "Du får &lt;b&gt;penger&lt;/b&gt;.</p>" in page
    assert "alert(1)" not in page


def test_an_image_is_shown_with_its_title_as_its_text(screen, kari):
    letter = make_letter(
        kari,
        documents=[IncomingDocument("k.png", "image/png", "Kart", is_main=True, content=b"x")],
    )
    found = reverse("document", args=[letter.id, main_of(letter).id])
    assert f'<img src="{found}" alt="Kart">' in page_of(screen, letter)


def test_a_file_that_cannot_be_shown_says_so_and_is_downloaded(screen, kari):
    letter = make_letter(
        kari,
        documents=[IncomingDocument("a.xml", "text/xml", is_main=True, content=b"<a/>")],
    )
    page = page_of(screen, letter)
    assert "We cannot show a file of this kind here." in page
    assert reverse("document_download", args=[letter.id, main_of(letter).id]) in page


def test_the_print_view_has_head_origin_and_text_and_nothing_of_the_frame(screen, kari):
    letter = make_letter(
        kari,
        title="Vedtak",
        body="Hei **du**",
        body_media_type="text/markdown",
        case_reference="2026/10",
        provenance={"message_signature": "verified", "signer": "NAV"},
    )
    say(letter, "Du får bostøtte.\fSide to.")
    page_of(screen, letter)
    page = printed(screen, letter)
    for part in (
        *("Vedtak</h1>", "<bdi>NAV</bdi> (org. no. 889 640 782)", "<bdi>Kari Nordmann</bdi>"),
        *("23 November 2026 at 09:00", "<bdi>2026/10</bdi>", "The signature is genuine"),
        *("<strong>du</strong>", "Du får bostøtte.</p>", "Side to.</p>"),
    ):
        assert part in page
    assert "<header" not in page
    assert "<footer" not in page
    assert "<nav" not in page


def test_a_document_without_text_is_printed_from_itself(screen, kari):
    letter = make_letter(kari)
    say(letter, "", ["no_text"])
    page_of(screen, letter)
    page = printed(screen, letter)
    assert "This document is printed from itself:" in page
    assert reverse("document", args=[letter.id, main_of(letter).id]) in page


def test_printing_opens_no_letter(screen, kari):
    letter = make_letter(kari)
    answer = screen.get(reverse("letter_print", args=[letter.id]))
    assert answer["Location"] == reverse("letter", args=[letter.id])
    assert Letter.objects.get(id=letter.id).unread
    assert not Event.objects.filter(kind="opened").exists()


@pytest.mark.parametrize("name", ["document_text", "letter_print"])
def test_below_the_letters_level_there_is_nothing_to_read(screen, kari, name):
    letter = make_letter(kari, title=SECRET, public_title="", security_level=4)
    own = [letter.id, main_of(letter).id] if name == "document_text" else [letter.id]
    say(letter, SECRET)
    answer = screen.get(reverse(name, args=own))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("step_up"))
    log_in(screen, kari, level=4)
    page_of(screen, letter)
    assert SECRET in screen.get(reverse(name, args=own)).content.decode()


def test_before_she_agrees_to_a_receipt_there_is_no_text(screen, kari):
    letter = make_letter(kari, wants_opening_receipt=True)
    say(letter, "Teksten")
    answer = screen.get(address(letter))
    assert (answer.status_code, answer["Location"]) == (302, reverse("letter", args=[letter.id]))


def test_for_a_stranger_there_is_neither_text_nor_print(client, kari):
    letter = make_letter(kari)
    log_in(client, make_citizen("Ola"), level=4)
    assert client.get(address(letter)).status_code == 404
    assert client.get(reverse("letter_print", args=[letter.id])).status_code == 404
