"""The search page: its address, hits, filters and what it says."""

from __future__ import annotations

import re
from datetime import timedelta
from html import escape, unescape

import pytest
from django.utils import translation

from connectors import clock
from connectors.contract import IncomingDocument
from inbox.letters import texts
from inbox.letters.models import Letter
from tests.make import log_in, make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]
HTMX = {"HX-Request": "true", "HX-Target": "results"}


@pytest.fixture(autouse=True)
def in_english(settings):
    settings.LANGUAGE_CODE = "en"
    with translation.override("en"):
        yield


@pytest.fixture
def kari(client):
    citizen = make_citizen()
    log_in(client, citizen, 3)
    return citizen


def html(client, query="", **headers) -> str:
    response = client.get(f"/search/{query}", headers={"Accept-Language": "en", **headers})
    assert response.status_code == 200
    return response.content.decode()


def titles(page: str) -> list[str]:
    found = re.findall(r'<h3><a id="letter-[^>]*>(.*?)</a></h3>', page, re.DOTALL)
    return [unescape(re.sub(r"<[^>]*>", "", one)).removeprefix("Unread: ") for one in found]


def write(citizen, title, **fields):
    fields.setdefault("document", None)
    fields.setdefault("summary", "")
    return make_letter(citizen, title=title, **fields)


def test_hits_are_counted_marked_and_quoted_from_the_document(client, kari):
    document = IncomingDocument("v.txt", "text/plain", "Vedlegg", content=b"Ta med kaffekopp.")
    write(kari, "Bostøttevedtaket", documents=[document])
    texts.read_due()
    page = html(client, "?q=bostøtte")
    assert titles(page) == ["Bostøttevedtaket"]
    assert "<mark>Bostøttevedtaket</mark>" in page
    assert "1 hit for “bostøtte”" in page
    page = html(client, "?q=kaffekoppen")
    assert "<mark>kaffekopp</mark>" in page
    assert "in the document Vedlegg" in page


def test_what_is_above_the_level_is_neither_found_nor_quoted(client, kari):
    secret = {"body": "Astma", "case_reference": "S-1", "kind": "decision", "security_level": 4}
    write(kari, "Diagnosen", public_title="Brev", **secret)
    for query in ("?q=astma", "?case=S-1", "?kind=decision", "?q=brev&kind=decision"):
        assert titles(html(client, query)) == []
    page = html(client, "?q=brev")
    assert titles(page) == ["Brev"]
    assert "Diagnosen" not in page
    assert "Astma" not in page


def test_a_typing_error_is_told(client, kari):
    write(kari, "Vedtak om bostøtte")
    page = html(client, "?q=bsotøtte")
    assert titles(page) == ["Vedtak om bostøtte"]
    assert "Showing hits for “bostøtte”: “bsotøtte” stands in no letter." in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?q=brev&source=altinn", ["Brev to"]),
        ("?q=brev&kind=decision", ["Brev en"]),
        ("?q=brev&status=action", ["Brev en"]),
        ("?q=brev&since=2026-11-01", ["Brev to"]),
        ("?q=brev&until=2026-11-01", ["Brev en"]),
        ("?q=brev&case=S-1", ["Brev en"]),
        ("?case=S-1", ["Brev en"]),
        ("?q=brev&kind=nonsense&source=&sender=x", ["Brev to", "Brev en"]),
    ],
)
def test_filters_narrow_the_hits(client, kari, query, expected):
    now = clock.now()
    old = {"sent_at": now - timedelta(days=60), "case_reference": "S-1", "needs_action": True}
    write(kari, "Brev en", source="nav", kind="decision", **old)
    write(kari, "Brev to", sent_at=now - timedelta(days=1))
    assert titles(html(client, query)) == expected


def test_a_reversed_range_is_told_of_and_nothing_is_lost(client, kari):
    page = html(client, "?q=brev&since=2026-11-02&until=2026-11-01")
    assert "The date from is later than the date to." in page
    assert 'value="2026-11-02"' in page
    assert 'value="brev"' in page
    assert "Write the date as" in html(client, "?q=brev&since=soon")


def test_the_archive_is_searched_too_and_the_bin_only_when_asked(client, kari):
    write(kari, "Arkivert brev")
    Letter.objects.update(place="filed")
    write(kari, "Kastet brev")
    Letter.objects.exclude(place="filed").update(place="bin")
    assert titles(html(client, "?q=brev")) == ["Arkivert brev"]
    page = html(client, "?q=brev&place=inbox")
    assert titles(page) == []
    assert 'href="/search/?q=brev"' in page
    assert titles(html(client, "?q=brev&place=bin")) == ["Kastet brev"]


def test_where_a_hit_lies_is_told_only_when_it_is_not_the_inbox(client, kari):
    write(kari, "Arkivert brev")
    Letter.objects.update(place="filed")
    write(kari, "Brev i innboksen")
    page = html(client, "?q=brev")
    assert len(titles(page)) == 2
    hits = page.partition('id="results"')[2]
    assert hits.count("In the archive") == 1
    assert "In the inbox<" not in hits


def test_htmx_gets_the_hits_alone_and_the_status_region_says_how_many(client, kari):
    write(kari, "Vedtak om bostøtte")
    response = client.get("/search/?q=vedtak", headers={"Accept-Language": "en", **HTMX})
    page = response.content.decode()
    assert "<html" not in page
    assert '<p id="status" hx-swap-oob="innerHTML">1 hit for “vedtak”</p>' in page
    assert "HX-Request" in response["Vary"]
    assert response["HX-Push-Url"] == "/search/?q=vedtak"


@pytest.mark.parametrize("q", ["x" * 10_000, "👋", "مرحبا", "a%00b", "%22'(*", "%E2%80%AE"])
def test_no_query_is_an_error(client, kari, q):
    write(kari, "Vedtak")
    assert "Search" in html(client, f"?q={q}&page=x&place=y&case=%00")


def test_more_hits_follow_on_pages(client, kari):
    for number in range(23):
        write(kari, f"Brev {number}", sent_at=clock.now() - timedelta(days=number))
    first, second = html(client, "?q=brev"), html(client, "?q=brev&page=2")
    assert "23 hits for “brev”" in first
    assert 'href="/search/?q=brev&amp;page=2"' in first
    assert (len(titles(first)), len(titles(second))) == (20, 3)
    assert not set(titles(first)) & set(titles(second))


def test_a_title_with_markup_is_shown_as_text(client, kari):
    write(kari, "<script>alert(1)</script> vedtak", body="<b>vedtak</b>")
    page = html(client, "?q=vedtak")
    assert "<script>alert(1)" not in page
    assert "<b>" not in page


def test_a_page_of_hits_takes_few_queries(client, kari, django_assert_max_num_queries):
    for number in range(5):
        write(kari, f"Vedtak {number}")
    html(client, "?q=vedtak")
    with django_assert_max_num_queries(8):  # her saved searches and sources among them
        html(client, "?q=vedtak")


def test_the_way_back_from_a_letter_leads_to_the_hits_that_it_was_found_among(client, kari):
    make_letter(kari, title="Vedtak om bostøtte")
    asked = "/search/?q=bost%C3%B8tte&status=unread"
    hits = client.get(asked).content.decode()
    letter = unescape(re.search(r'href="(/letters/[^"]+)"', hits)[1])
    shown = client.get(letter).content.decode()
    assert f'class="back" href="{escape(asked)}"' in shown
    outside = client.get(f"{letter.partition('?')[0]}?back=/search/?x=//evil.example")
    assert 'class="back" href="/search/"' in outside.content.decode()
