from __future__ import annotations

from io import BytesIO
from zipfile import ZipFile

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from connectors.contract import Action
from inbox.letters.models import Document, DocumentText, Letter
from tests.make import make_letter
from tests.web.letter.pages import document, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> <svg onload=alert(1)>"
    " [a](javascript:alert(1)) [b](data:text/html,x) [c](/logout/) [d](//evil.example)"
    " ![e](https://evil.example/pixel.png) [f](vbscript:x) <a href='https://x' onclick='y'>g</a>"
    " [h](https://nav.no/ok) <https://nav.no/auto>"
)


@pytest.mark.parametrize("media_type", ["text/markdown", "text/plain", "text/html"])
def test_nothing_hostile_in_a_letter_reaches_the_page_as_html(screen, kari, media_type):
    hostile_name = '"><script>alert(1)</script>.pdf'
    letter = make_letter(
        kari,
        title=HOSTILE[:250],
        summary=HOSTILE,
        body=HOSTILE,
        body_media_type=media_type,
        sender=HOSTILE[:200],
        case_reference=HOSTILE[:200],
        language='"><b>'[:8],
        documents=[
            document(hostile_name, hostile_name, is_main=True),
            document(hostile_name, hostile_name),
        ],
        actions=[Action("https://nav.no/'\"><script>", "<script>alert(1)</script>")],
        provenance={"signer": "<script>", "message_signature": "<script>"},
    )
    page = page_of(screen, letter)
    body = page[page.index("<main") : page.index("</main>")]
    for tag in ("<script", "<img", "<b>", "<svg onload"):
        assert tag not in body
    for attribute in ('href="javascript', 'href="data', 'href="vbscript', 'href="/logout'):
        assert attribute not in body
    assert 'href="//evil' not in body
    assert 'src="https://evil' not in body
    if media_type == "text/markdown":
        link = '<a href="https://nav.no/ok" rel="noopener noreferrer nofollow external">h</a>'
        assert link in body


def test_markdown_keeps_its_shape_under_the_pages_own_headings(screen, kari):
    text = "# Om deg\n\n### Mer\n\n- en\n- *to*\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> sitat"
    page = page_of(screen, make_letter(kari, body=text, body_media_type="text/markdown"))
    for part in ("<h3>Om deg</h3>", "<h4>Mer</h4>", "<em>to</em>", "<td>1</td>", "<blockquote>"):
        assert part in page
    assert page.count("<h1") == 1


def test_plain_text_keeps_its_lines(screen, kari):
    page = page_of(screen, make_letter(kari, body="En & to\ntre\r\n\r\nfire"))
    assert "<p>En &amp; to<br>tre</p><p>fire</p>" in page


def with_attachments(
    kari, number: int, name: str = "vedlegg.pdf", title: str = "Vedlegg"
) -> Letter:
    """A letter with so many attachments of the same name, all with the bytes of the first."""
    letter = make_letter(kari, documents=[document(is_main=True), document(name, title)])
    first = letter.documents.get(is_main=False)
    copies = [
        Document(
            citizen_id=kari.id,
            letter_id=letter.id,
            delivery_id=first.delivery_id,
            blob_id=first.blob_id,
            position=position,
            name=name,
            title=title,
            media_type=first.media_type,
            size=first.size,
        )
        for position in range(2, number + 1)
    ]
    Document.objects.bulk_create(copies, batch_size=500)
    Letter.objects.filter(id=letter.id).update(attachments=number)
    return letter


def test_of_two_thousand_attachments_the_first_are_listed_and_all_of_them_on_asking(screen, kari):
    letter = with_attachments(kari, 2000)
    address = reverse("letter", args=[letter.id])
    page = screen.get(address, {"back": "/?show=unread"}).content.decode()
    assert "Attachments (2000)" in page
    assert page.count("<bdi>Vedlegg</bdi></a><br>") == 50
    assert len(page) < 120_000
    more = f'href="{address}?back=%2F%3Fshow%3Dunread&amp;attachments=all#attachments-title"'
    assert more in page
    assert "Show all 2000 attachments" in page
    with CaptureQueriesContext(connection) as captured:
        whole = screen.get(address, {"attachments": "all"}).content.decode()
    assert len(captured) <= 5
    assert "Show all" not in whole
    addresses = {
        reverse("document_download", args=[letter.id, d.id]) for d in letter.documents.all()
    }
    assert len(addresses) == 2001
    assert all(f'href="{address}"' in whole for address in addresses)


@pytest.mark.parametrize("name", ["vedlegg.pdf", "å" * 240 + ".pdf", "📎" * 200])
def test_many_attachments_of_one_name_are_as_many_files_in_the_zip(screen, kari, name):
    letter = with_attachments(kari, 600, name[:255], name[:255])
    screen.get(reverse("letter", args=[letter.id]))
    with CaptureQueriesContext(connection) as captured:
        answer = screen.get(reverse("documents_download", args=[letter.id]))
        content = b"".join(answer.streaming_content)
    assert len(captured) <= 10
    names = ZipFile(BytesIO(content)).namelist()
    assert len({given.casefold() for given in names}) == 601
    assert max(len(given.encode()) for given in names) <= 255
    assert all(given.endswith(".pdf") for given in names)


def test_in_print_every_attachment_is_named_and_the_page_stays_readable(screen, kari):
    letter = with_attachments(kari, 2000, title="<b>Vedlegg</b> \u202e📎")
    screen.get(reverse("letter", args=[letter.id]))
    page = screen.get(reverse("letter_print", args=[letter.id])).content.decode()
    assert page.count("<bdi>&lt;b&gt;Vedlegg&lt;/b&gt; \u202e📎</bdi>") == 2000
    assert "<b>" not in page


@pytest.mark.parametrize("title", ["å" * 255, "\u202eרשימה של מסמכים", "W" * 255])
def test_long_and_right_to_left_titles_are_shown_whole(screen, kari, title):
    page = page_of(screen, make_letter(kari, title=title))
    assert f">{title}</h1>" in page
    assert 'dir="auto"' in page


@pytest.mark.parametrize("title", ["👩🏽‍⚖️" * 30, "\u202eרשימה של מסמכים", "W" * 255, "<i>a</i>"])
def test_odd_titles_stay_what_they_are_in_the_list_in_print_and_as_text(screen, kari, title):
    letter = make_letter(
        kari, title=title, sender=title[:200], documents=[document(title=title, is_main=True)]
    )
    found = letter.documents.get()
    DocumentText.objects.filter(id=found.id).update(state="done", text=title, pages=1)
    page_of(screen, letter)
    for name, own in (
        ("inbox", []),
        ("letter_print", [letter.id]),
        ("document_text", [letter.id, found.id]),
    ):
        page = screen.get(reverse(name, args=own)).content.decode()
        assert escape(title) in page
        assert "<i>" not in page
