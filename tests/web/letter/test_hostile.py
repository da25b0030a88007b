from __future__ import annotations

import pytest
from django.urls import reverse

from connectors.contract import Action
from tests.incoming import PDF
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


def test_a_hundred_attachments_with_one_name_are_all_there(screen, kari):
    documents = [document(is_main=True)]
    documents += [document("vedlegg.pdf", "Vedlegg", content=PDF + b"%d" % n) for n in range(100)]
    letter = make_letter(kari, documents=documents)
    page = page_of(screen, letter)
    assert "Attachments (100)" in page
    assert page.count("<bdi>Vedlegg</bdi></a><br>") == 100
    addresses = {
        reverse("document_download", args=[letter.id, d.id]) for d in letter.documents.all()
    }
    assert len(addresses) == 101
    assert all(f'href="{address}"' in page for address in addresses)


@pytest.mark.parametrize("title", ["å" * 255, "\u202eרשימה של מסמכים", "W" * 255])
def test_long_and_right_to_left_titles_are_shown_whole(screen, kari, title):
    page = page_of(screen, make_letter(kari, title=title))
    assert f">{title}</h1>" in page
    assert 'dir="auto"' in page
