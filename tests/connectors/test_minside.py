"""Min side: an agency's own feed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from connectors import clock, discovery
from connectors.contract import (
    CursorExpired,
    Gone,
    Kind,
    Misconfigured,
    OutgoingReceipt,
    ReceiptKind,
    Temporary,
)
from connectors.minside import entries, mapping
from connectors.minside.feed import FEEDS
from connectors.minside.simulator import MinsideSimulator, sources
from connectors.world.model import Channel
from tests.connectors.conftest import Stand, letters_in, unreadable_in

NAV = "889640782"
ITEM: dict[str, Any] = {
    "id": "a-1",
    "type": "decision",
    "title": "Vedtak om dagpenger",
    "language": "nb",
    "security_level": 4,
    "sent_at": "2026-09-01T10:00:00+02:00",
    "sender": {"name": "NAV", "org_number": NAV},
    "needs_action": False,
    "documents": [
        {
            "id": "d 1/2",
            "name": "vedtak.pdf",
            "title": "Vedtak",
            "media_type": "application/pdf",
            "size": 4,
            "sha256": "A" * 64,
            "main": True,
        }
    ],
}


AGENCY = mapping.Agency(NAV)


def read(items: list[Any], agency: mapping.Agency = AGENCY) -> tuple[Any, Any]:
    """Return the letters of a page and what could not be read."""
    batch = entries.read_entries(items, "12345678901", agency)
    return batch.letters, batch.unreadable


@pytest.fixture
def nav(make_stand: Callable[..., Stand]) -> Stand:
    return make_stand("minside", Channel.NAV)


def simulator_of(stand: Stand) -> MinsideSimulator:
    assert isinstance(stand.simulator, MinsideSimulator)
    return stand.simulator


def receipt(identifier: str, kind: ReceiptKind = ReceiptKind.OPENED) -> OutgoingReceipt:
    return OutgoingReceipt(kind, identifier, clock.now(), "key-1")


@pytest.mark.parametrize("channel", [channel for channel, _ in FEEDS.values()])
def test_each_agency_has_a_feed_of_its_own(
    make_stand: Callable[..., Stand], channel: Channel
) -> None:
    stand = make_stand("minside", channel)
    [identifier] = stand.send([1])
    [letter] = letters_in(stand.fetch())
    assert letter.external_id == identifier
    assert letter.sender.org_number == stand.letter().agency.org_number
    others = [each for each in stand.simulator.channels if each is not channel]
    for stand.channel in others:
        assert stand.fetch() == []


def test_a_fault_at_one_agency_leaves_the_others_alone(nav: Stand) -> None:
    nav.fail("down")
    with pytest.raises(Temporary):
        nav.fetch()
    nav.channel = Channel.OSLO
    assert nav.fetch() == []


def test_a_token_for_one_agency_opens_no_other_agencys_feed(nav: Stand) -> None:
    nav.send([1])
    elsewhere = nav.settings() | {"audience": nav.settings()["base_url"].replace("nav", "oslo")}
    connector = discovery.make("minside", elsewhere)
    with pytest.raises(Misconfigured, match="401"):
        list(connector.fetch(nav.account, None))
    connector.close()


def test_the_sources_are_labelled_as_citizens_know_them(nav: Stand) -> None:
    found = {source["slug"]: source["label"] for source in sources("http://x", nav.keys)}
    assert found == {
        "minside-nav": "Min side – NAV",
        "minside-oslo": "Min side – Oslo kommune",
        "minside-bergen": "Min side – Bergen kommune",
        "minside-skatteetaten": "Min side – Skatteetaten",
        "minside-lanekassen": "Min side – Lånekassen",
        "minside-helsenorge": "Helsenorge",
        "minside-pasientpost": "Pasientpost (fastlegen)",
    }
    assert nav.connector().label == "Min side – NAV"


def test_pages_hold_a_hundred_letters_oldest_first(nav: Stand) -> None:
    nav.simulator.send_many([nav.letter(number) for number in range(250)])
    batches = nav.fetch()
    assert [len(batch.letters) for batch in batches] == [100, 100, 50]
    titles = [letter.title for letter in letters_in(batches)]
    assert titles == [f"Brev nummer {number}" for number in range(250)]
    assert nav.fetch(batches[-1].cursor) == []


def test_a_changed_letter_comes_again_under_its_id(nav: Stand) -> None:
    [identifier] = nav.send([1])
    [batch] = nav.fetch()
    simulator_of(nav).change(nav.channel, identifier, withdrawn=True, title="Trukket tilbake")
    [letter] = letters_in(nav.fetch(batch.cursor))
    assert (letter.external_id, letter.withdrawn) == (identifier, True)
    assert letter.title == "Trukket tilbake"


def test_a_cursor_that_the_agency_has_forgotten_has_expired(nav: Stand) -> None:
    nav.send([1])
    [batch] = nav.fetch()
    simulator_of(nav).expire_cursors(nav.channel)
    for cursor in (batch.cursor, "nonsense"):
        with pytest.raises(CursorExpired):
            nav.fetch(cursor)
    assert len(letters_in(nav.fetch())) == 1


def test_a_document_deleted_at_the_source_is_gone_and_the_letter_is_not(nav: Stand) -> None:
    nav.send([1])
    assert nav.simulator.expire_latest(nav.person, nav.channel)
    assert not nav.simulator.expire_latest(nav.person, nav.channel)
    [letter] = letters_in(nav.fetch())
    with pytest.raises(Gone):
        list(nav.connector().download(nav.account, letter.documents[0].ref))


def test_a_document_that_never_was_is_gone(nav: Stand) -> None:
    with pytest.raises(Gone):
        list(nav.connector().download(nav.account, "documents/none"))


def test_an_agency_deletes_on_the_day_that_it_named(nav: Stand, frozen_clock: None) -> None:
    day = clock.now() + timedelta(days=10)
    nav.simulator.send(nav.letter(1, expires_at=day))
    [letter] = letters_in(nav.fetch())
    assert letter.expires_at == day
    assert b"".join(nav.connector().download(nav.account, letter.documents[0].ref))
    clock.freeze(day)
    with pytest.raises(Gone):
        list(nav.connector().download(nav.account, letter.documents[0].ref))


def test_an_opening_receipt_is_taken_once(nav: Stand) -> None:
    [identifier] = nav.send([1])
    for _ in range(2):
        nav.connector().send_receipt(nav.account, receipt(identifier))
    [taken] = simulator_of(nav).receipts(nav.person)
    assert (taken["agency"], taken["letter"], taken["kind"]) == ("nav", identifier, "opened")


def test_a_receipt_that_the_feed_does_not_know_is_refused(nav: Stand) -> None:
    [identifier] = nav.send([1])
    with pytest.raises(Misconfigured):
        nav.connector().send_receipt(nav.account, receipt(identifier, ReceiptKind.CONFIRMED))
    with pytest.raises(Temporary):
        nav.connector().send_receipt(nav.account, receipt("another's"))
    assert simulator_of(nav).receipts(nav.person) == []


def test_another_persons_document_is_not_given(nav: Stand) -> None:
    other = next(each for each in nav.persons() if each != nav.person)
    nav.simulator.send(nav.letter(1))
    [letter] = letters_in(nav.fetch())
    nav.person = other
    with pytest.raises(Gone):
        list(nav.connector().download(nav.account, letter.documents[0].ref))


def test_a_letter_of_another_organisation_is_kept_apart(nav: Stand) -> None:
    [identifier] = nav.send([1])
    simulator_of(nav).change(
        nav.channel, identifier, sender={"name": "Skatteetaten", "org_number": "974761076"}
    )
    batches = nav.fetch()
    assert len(letters_in(batches)) == 1
    [item] = unreadable_in(batches)
    assert "names another organisation" in item.reason


def test_an_item_is_mapped_field_by_field() -> None:
    item = ITEM | {
        "public_title": "Brev fra NAV",
        "summary": "Du får dagpenger.",
        "visible_from": "2026-09-02T08:00:00Z",
        "due_at": "2026-10-01T22:00:00Z",
        "deleted_at_source": "2029-09-01T00:00:00Z",
        "case_reference": "2026/1",
        "link": {"url": "https://www.nav.no/klage"},
        "documentary_value": True,
        "also_sent_as": ["dpi:1"],
        "future_field": {"x": 1},
    }
    letter = mapping.read_letter(item, "12345678901", AGENCY)
    assert (letter.kind, letter.security_level) == (Kind.DECISION, 4)
    assert (letter.title, letter.public_title) == ("Vedtak om dagpenger", "Brev fra NAV")
    assert letter.visible_from and letter.due_at and letter.expires_at
    assert (letter.case_reference, letter.same_as) == ("2026/1", ["dpi:1"])
    assert [(each.url, each.due_at) for each in letter.actions] == [
        ("https://www.nav.no/klage", letter.due_at)
    ]
    [document] = letter.documents
    assert (document.ref, document.size) == ("documents/d%201%2F2", 4)
    assert document.sha256 == "a" * 64
    assert letter.documentary_value is True
    assert mapping.read_letter(ITEM, "12345678901", AGENCY).documentary_value is None


def test_a_type_that_is_not_known_is_a_letter() -> None:
    assert mapping.read_letter(ITEM | {"type": "poem"}, "1", AGENCY).kind is Kind.LETTER


def test_what_is_done_needs_no_action() -> None:
    item = ITEM | {"needs_action": True, "handled_at": "2026-09-03T08:00:00Z"}
    letter = mapping.read_letter(item, "1", AGENCY)
    assert not letter.needs_action and letter.handled_at


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": "x" * 256},
        {"title": None},
        {"type": None},
        {"sent_at": "2026-09-01"},
        {"sent_at": "2026-13-01T00:00:00Z"},
        {"sent_at": "0001-01-01T00:00:00+14:00"},
        {"due_at": 12},
        {"security_level": 2},
        {"security_level": True},
        {"security_level": "4"},
        {"security_level": None},
        {"sender": {"name": "NAV"}},
        {"sender": {"name": " ", "org_number": NAV}},
        {"needs_action": "yes"},
        {"link": {"url": "http://www.nav.no"}},
        {"link": {"url": "javascript:alert(1)"}},
        {"link": {"url": "https://user:pw@nav.no/"}},
        {"also_sent_as": "nav:1"},
        {"documents": {}},
        {"documents": [ITEM["documents"][0] | {"size": -1}]},
        {"documents": [ITEM["documents"][0] | {"sha256": "abc"}]},
        {"documents": [ITEM["documents"][0] | {"id": ".."}]},
        {"documents": [ITEM["documents"][0], ITEM["documents"][0]]},
    ],
)
def test_an_item_that_is_wrong_is_kept_and_the_next_one_is_read(changes: dict[str, Any]) -> None:
    item = ITEM | changes
    letters, [refused] = read([item, ITEM])
    assert [letter.external_id for letter in letters] == ["a-1"]
    assert json.loads(refused.raw[0].content) == item
    assert refused.reason.startswith("item: ") and "12345678901" not in refused.reason


@pytest.mark.parametrize("item", [None, 7, "x", [], {}])
def test_an_item_that_is_no_letter_at_all_is_kept(item: Any) -> None:
    letters, [refused] = read([item])
    assert letters == [] and json.loads(refused.raw[0].content) == item


def test_a_thousand_of_two_thousand_letters_are_fetched_over_real_http(
    nav: Stand, real_server: Callable[[Any], str]
) -> None:
    nav.simulator.send_many([nav.letter(number) for number in range(2000)])
    base_url = real_server(nav.app)
    running = nav.connector(base_url).fetch(nav.account, None)
    batches = [next(running) for _ in range(10)]
    assert len(letters_in(batches)) == 1000
