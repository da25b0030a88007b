"""An agency deletes all that it has sent somebody: her copies stay, byte for byte, and say so."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from dataclasses import dataclass

from lxml.html import HtmlElement

from connectors.world.persons import by_slug
from tests.journeys.browserless import Visitor
from tests.journeys.processes import Demo, demo
from tests.pages import Answer, crawl

PERSON, AGENCY = "ola", "minside-nav"
FETCH = f"""
from django.utils import timezone
from inbox.citizens.models import Citizen
from inbox.sync import engine
from inbox.sync.models import Mailbox
row = Mailbox.objects.get(citizen__name="{by_slug(PERSON).name}", source_id="{AGENCY}")
engine.sync_mailbox(row.citizen_id, row.id)
row.refresh_from_db()
print(row.failure or "ok")
"""
DELETED = "Min side – NAV slettet brevet 23. november"
KEPT, NOT_ALL = f"{DELETED} – kopien din er lagret", f"{DELETED} – ikke alt i det er lagret her"
LATE, LINK = "Et brev som ble slettet før vi kom", "Les meldingen hos NAV"


@dataclass(frozen=True)
class Seen:
    """A letter as she sees it."""

    title: str
    page: str
    """The text of its page."""
    row: str
    """The text of its row in the list."""
    documents: dict[str, str]
    """By address: sha256 (hex) of what came."""


def test_a_letter_that_its_agency_has_purged_opens_from_the_archive_as_it_was(tmp_path, servers):
    with demo(tmp_path, servers) as running:
        running.start_simulators()
        running.set_up()
        running.start_web()
        running.control("clock", frozen_at="2026-11-23T09:00")
        running.control("send", person=PERSON, channel=AGENCY, title=LATE)
        running.control("expire", person=PERSON, channel=AGENCY)
        said = {"title": LINK, "document": False, "link": "https://www.nav.no/meldinger"}
        running.control("send", person=PERSON, channel=AGENCY, **said)
        assert running.shell(FETCH) == "ok"
        with Visitor(running.web) as visitor:
            visitor.log_in(PERSON)
            before = everything(visitor)
            offered = at_the_agency(running)
            assert len(before) == len(offered["letters"]) > 10
            kept = {sha256 for seen in before.values() for sha256 in seen.documents.values()}
            assert kept == offered["documents"] and len(kept) > 10

            answer = running.control("purge", person=PERSON, channel=AGENCY)
            assert answer == {"letters": len(before)}
            assert at_the_agency(running) == {"letters": set(), "documents": set()}
            assert running.shell(FETCH) == "ok"

            after = everything(visitor)
    assert {key: seen.documents for key, seen in after.items()} == {
        key: seen.documents for key, seen in before.items()
    }
    for seen in after.values():
        assert "Min side – NAV har ikke lenger brevet. Det fant vi ut 23. november" in seen.page
        whole = seen.title not in (LATE, LINK)
        assert (KEPT if whole else NOT_ALL) in seen.row
        assert ("Kopien din er lagret her." in seen.page) == whole
        assert DELETED not in before_of(seen, before).row or seen.title == LATE
    [late] = (seen for seen in after.values() if seen.title == LATE)
    assert "Noen av dokumentene var borte før vi fikk tatt vare på en kopi." in late.page
    [link] = (seen for seen in after.values() if seen.title == LINK)
    assert "Det som lenken fører til hos avsenderen, er det ikke." in link.page
    assert "Avsenderen sendte ikke mer enn dette, og har ikke brevet lenger." in link.page


def before_of(seen: Seen, before: dict[str, Seen]) -> Seen:
    return next(each for each in before.values() if each.title == seen.title)


def everything(visitor: Visitor) -> dict[str, Seen]:
    """Open every letter and every document of the agency's through the pages, by letter."""
    start = f"/?view=separate&source={AGENCY}"
    found = crawl(visitor.ask, [start], each=20, more={"letter": 100, "document": 0})
    rows = {
        path_of(row.xpath(".//h3//a/@href")[0]): text_of(row)
        for answer in found
        if answer.is_page and answer.route == "inbox" and f"source={AGENCY}" in answer.address
        for row in answer.tree.xpath("//*[contains(concat(' ', @class, ' '), ' row ')][.//h3//a]")
    }
    return {path: opened(visitor, visitor.ask(path), row) for path, row in rows.items()}


def opened(visitor: Visitor, letter: Answer, row: str) -> Seen:
    assert letter.status == 200
    parts = letter.tree.xpath("//object/@data | //a/@href")
    addresses = {path_of(each) for each in parts if "/documents/" in each}
    addresses = {
        each for each in addresses if re.fullmatch(r"/letters/[^/]+/documents/[^/]+/", each)
    }
    documents = {}
    for address in sorted(addresses):
        answer = visitor.ask(address)
        assert answer.status == 200
        documents[address] = hashlib.sha256(answer.body).hexdigest()
    title = " ".join(letter.tree.xpath("string(//h1)").split())
    return Seen(title, text_of(letter.tree), row, documents)


def path_of(address: str) -> str:
    return re.split(r"[?#]", address)[0]


def text_of(tree: HtmlElement) -> str:
    return " ".join(tree.text_content().split())


def at_the_agency(running: Demo) -> dict[str, set[str]]:
    """Return the letters that the agency's feed has of the person, and digests of documents."""
    whose = (AGENCY.removeprefix("minside-"), by_slug(PERSON).national_id)
    with sqlite3.connect(running.folder / "simulators" / "minside.sqlite3") as db:
        feed = "SELECT DISTINCT id FROM feed WHERE agency = ? AND person = ? AND id != ''"
        there = (
            "SELECT DISTINCT sha256 FROM documents WHERE agency = ? AND person = ?"
            " AND (deleted_at IS NULL OR deleted_at > '2026-11-23T08:00:00.000000Z')"
        )
        return {
            "letters": {each for (each,) in db.execute(feed, whose)},
            "documents": {each for (each,) in db.execute(there, whose)},
        }
