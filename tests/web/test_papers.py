"""My papers: what the sender marked as having lasting value as documentation."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from connectors.world.model import STUDY_DATE
from inbox.letters.models import Letter
from tests.make import log_in, make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture
def kari(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return make_citizen()


@pytest.fixture
def screen(client, kari):
    log_in(client, kari)
    client.cookies["django_language"] = "en"
    return client


def paper(kari, title: str, **fields) -> Letter:
    return make_letter(kari, title=title, documentary_value=True, document=None, **fields)


def shown(screen, address: str) -> list[str]:
    """The titles on a page, in order."""
    page = screen.get(address).content.decode()
    return re.findall(r"<a id=\"letter-[^>]*>(?:<span.*?</span>)?(.*?)</a>", page, re.DOTALL)


def test_they_are_those_that_the_sender_marked_from_inbox_and_archive_but_not_the_bin(screen, kari):
    paper(kari, "Vitnemål")
    filed = paper(kari, "Skjøte", sent_at=STUDY_DATE - timedelta(days=1))
    binned = paper(kari, "Kastet")
    Letter.objects.filter(id=filed.id).update(place="filed")
    Letter.objects.filter(id=binned.id).update(place="bin")
    make_letter(kari, title="Påminnelse", documentary_value=False, document=None)
    make_letter(kari, title="Ikke sagt", document=None)
    assert shown(screen, reverse("papers")) == ["Vitnemål", "Skjøte"]


def test_they_stand_by_year_or_by_sender(screen, kari):
    paper(kari, "B", sender="NAV", sent_at=STUDY_DATE - timedelta(days=700))
    paper(kari, "A", sender="Oslo kommune")
    paper(kari, "C", sender="NAV")
    page = screen.get(reverse("papers")).content.decode()
    assert re.findall(r'class="grp"[^>]*>([^<]+)<', page) == ["2026", "2024"]
    by_sender = screen.get(reverse("papers"), {"by": "sender"}).content.decode()
    assert re.findall(r'class="grp"[^>]*>([^<]+)<', by_sender) == ["NAV", "Oslo kommune"]
    assert shown(screen, reverse("papers") + "?by=sender") == ["C", "B", "A"]


@pytest.mark.parametrize("by", ["", "sender"])
def test_pages_follow_each_other_without_a_gap_and_at_the_same_cost(screen, kari, by):
    first = paper(kari, "0")
    names = [each.attname for each in Letter._meta.concrete_fields if each.attname != "id"]
    said = {name: getattr(first, name) for name in names}
    moments = [STUDY_DATE - timedelta(days=n // 2) for n in range(1, 60)]
    Letter.objects.bulk_create(
        Letter(**said | {"title": str(n), "received_at": at, "sender_name": f"Etat {n % 3}"})
        for n, at in enumerate(moments, 1)
    )
    address, seen = f"{reverse('papers')}?by={by}", []
    while address:
        with CaptureQueriesContext(connection) as captured:
            page = screen.get(address).content.decode()
        assert len(captured) <= 5
        seen += shown(screen, address)
        found = re.search(r'class="pager".*?href="([^"]+)"', page)
        address = found[1].replace("&amp;", "&") if found else ""
    assert len(seen) == len(set(seen)) == 60


def test_above_the_sessions_level_the_mark_is_not_told(screen, kari):
    paper(kari, "Vedtak", public_title="Brev fra NAV", security_level=4)
    page = screen.get(reverse("papers")).content.decode()
    assert "No letter has been marked as documentation." in page
    assert "Letters that require a higher security level are not shown here." in page
    assert "Value as documentation</span>" not in screen.get("/").content.decode()
    assert shown(screen, "/?proof=1") == []
    log_in(screen, kari, level=4)
    assert shown(screen, reverse("papers")) == ["Vedtak"]
    assert shown(screen, "/?proof=1") == ["Vedtak"]


def test_the_mark_stands_on_row_and_letter_and_can_be_filtered_by(screen, kari):
    letter = paper(kari, "Vitnemål")
    make_letter(kari, title="Annet", document=None)
    assert screen.get("/").content.decode().count("Value as documentation</span>") == 1
    page = screen.get(reverse("letter", args=[letter.id])).content.decode()
    assert "Value as documentation</span>" in page
    assert shown(screen, "/?proof=1") == ["Vitnemål"]
    assert shown(screen, "/?proof=x") == shown(screen, "/")


def test_an_odd_place_to_go_on_from_is_the_first_page(screen, kari):
    paper(kari, "Vitnemål")
    others = paper(make_citizen("Ola"), "Olas")
    for after in ("x", str(others.id), ""):
        assert shown(screen, f"{reverse('papers')}?after={after}") == ["Vitnemål"]
