"""What every connector promises, tried on each one found beside its simulator."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import connectors
from connectors import discovery
from connectors.contract import (
    Batch,
    Connector,
    IncomingDocument,
    IncomingLetter,
    Misconfigured,
    RateLimited,
    Temporary,
)
from tests.connectors.conftest import CONNECTORS, Stand, letters_in, unreadable_in

MANY = 120
"""More than a page of any connector."""


def ids(batches: list[Batch]) -> list[str]:
    return [letter.external_id for letter in letters_in(batches)]


def settled(stand: Stand, connector: Connector, cursor: str | None = None) -> list[Batch]:
    """Fetch as the engine does: settle each batch once it is safe."""
    batches = []
    for batch in connector.fetch(stand.account, cursor):
        batches.append(batch)
        connector.settle(batch)
    return batches


def test_every_connector_of_ours_has_a_simulator_and_can_be_used() -> None:
    found = discovery.find()
    assert {"altinn", "dpi", "example", "minside"} <= set(CONNECTORS)
    assert {name: each.off_reason for name, each in found.items() if each.off_reason} == {}


def test_an_empty_mailbox_yields_nothing(stand: Stand) -> None:
    assert stand.fetch() == []


def test_what_is_asked_for_is_checked(stand: Stand) -> None:
    stand.connector().check()


def test_all_letters_come_exactly_once_over_pages(stand: Stand) -> None:
    sent = stand.send(range(MANY))
    batches = settled(stand, stand.connector())
    assert len(batches) > 1
    assert sorted(ids(batches)) == sorted(sent)
    assert unreadable_in(batches) == []


def test_a_run_goes_on_from_any_batch(stand: Stand) -> None:
    sent = set(stand.send(range(MANY)))
    whole = 2 if stand.shared else len(stand.fetch())
    for taken in range(1, whole):
        first = []
        connector = stand.connector()
        for batch in connector.fetch(stand.account, None):
            first.append(batch)
            connector.settle(batch)
            if len(first) == taken:
                break
        rest = settled(stand, stand.connector(), first[-1].cursor)
        assert set(ids(first)) | set(ids(rest)) == sent
        assert len(set(ids(rest))) == len(ids(rest))
        assert len(ids(rest)) <= len(sent) - len(ids(first))


def test_a_letter_added_later_is_found(stand: Stand) -> None:
    stand.send(range(3))
    cursor = settled(stand, stand.connector())[-1].cursor
    [added] = stand.send([500])
    assert added in ids(settled(stand, stand.connector(), cursor))


def test_another_persons_letters_stay_with_her(stand: Stand) -> None:
    if stand.shared:
        pytest.skip("a shared queue holds everybody's letters")
    other = next(each for each in stand.persons() if each != stand.person)
    stand.simulator.send(stand.letter(1, person=other, key="another's"))
    [own] = stand.send([2])
    assert ids(stand.fetch()) == [own]


FAULTS = [
    ("down", Temporary),
    ("truncated", Temporary),
    ("html", Temporary),
    ("garbage", Temporary),
    ("unauthorized", Misconfigured),
    ("rate_limited", RateLimited),
]


@pytest.mark.parametrize(("mode", "error"), FAULTS)
def test_a_fault_has_its_name_and_is_never_an_empty_success(
    stand: Stand, mode: str, error: type[Exception]
) -> None:
    stand.send(range(3))
    stand.fail(mode)
    with pytest.raises(error) as caught:
        stand.fetch()
    assert stand.person.national_id not in str(caught.value)
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after == 7
    stand.fail("ok")
    assert len(ids(stand.fetch())) == 3


@pytest.mark.parametrize(("mode", "error"), FAULTS)
def test_a_fault_between_pages_loses_nothing(
    stand: Stand, mode: str, error: type[Exception]
) -> None:
    sent = set(stand.send(range(MANY)))
    connector = stand.connector()
    running = connector.fetch(stand.account, None)
    first = next(running)
    connector.settle(first)
    stand.fail(mode)
    with pytest.raises(error):
        list(running)
    stand.fail("ok")
    rest = settled(stand, stand.connector(), first.cursor)
    assert set(ids([first])) | set(ids(rest)) == sent


@pytest.mark.usefixtures("impatient")
def test_a_source_that_does_not_answer_is_given_up(
    stand: Stand, real_server: Callable[[Any], str]
) -> None:
    base_url = real_server(stand.app)
    connector = stand.connector(base_url)
    connector.check()
    stand.fail("timeout")
    started = time.monotonic()
    with pytest.raises(Temporary):
        list(connector.fetch(stand.account, None))
    assert time.monotonic() - started < 2


def test_one_broken_letter_in_fifty_is_kept_and_the_others_arrive(stand: Stand) -> None:
    sent = stand.send(range(25))
    broken = stand.simulator.send_garbage(stand.person, stand.channel)
    sent += stand.send(range(25, 49))
    batches = stand.fetch()
    assert sorted(ids(batches)) == sorted(sent)
    [item] = unreadable_in(batches)
    assert item.external_id == broken
    assert item.reason and stand.person.national_id not in item.reason
    assert item.raw and all(part.content for part in item.raw)


def of_the_source(stand: Stand) -> list[object]:
    """The requests so far, but for Maskinporten's keys, which may be needed to read again."""
    return [each for each in stand.recorder.requests if "/maskinporten/" not in str(each)]


def test_what_was_kept_can_be_read_again(stand: Stand) -> None:
    if type(stand.connector()).reread is Connector.reread:
        pytest.skip("this connector rereads nothing")
    stand.simulator.send_garbage(stand.person, stand.channel)
    [good] = stand.send([1])
    batches = stand.fetch()
    [item], [letter] = unreadable_in(batches), letters_in(batches)
    connector = stand.connector()
    asked = of_the_source(stand)
    again = connector.reread(stand.account, item.external_id, item.raw)
    assert [each.reason for each in again.unreadable] == [item.reason]
    assert connector.reread(stand.account, good, letter.raw).letters == [letter]
    assert of_the_source(stand) == asked


def test_every_time_is_in_utc(stand: Stand) -> None:
    stand.simulator.send(
        stand.letter(
            1,
            due_at=stand.letter().sent_at + timedelta(days=30),
            opened_at=stand.letter().sent_at + timedelta(hours=2),
        )
    )
    [letter] = letters_in(stand.fetch())
    times = [getattr(letter, each.name) for each in fields(IncomingLetter)]
    times = [each for each in times if isinstance(each, datetime)]
    assert letter.sent_at == stand.letter(1).sent_at
    assert all(each.utcoffset() == timedelta(0) for each in times)


def test_no_address_and_no_log_holds_an_identity_number(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("", "httpx", "httpcore", "samlepost.connectors.http"):
        caplog.set_level(logging.DEBUG, logger=name)
    stand.send(range(MANY))
    stand.simulator.send_garbage(stand.person, stand.channel)
    connector = stand.connector()
    batches = settled(stand, connector)
    for letter in letters_in(batches)[:3]:
        documents_of(stand, connector, letter)
    settled(stand, stand.connector(), batches[-1].cursor)
    assert len(stand.recorder.requests) > 3 and caplog.records
    assert all(stand.person.national_id not in str(url) for _, url in stand.recorder.requests)
    assert stand.person.national_id not in caplog.text
    assert all(
        stand.person.national_id not in f"{record.msg}{record.args}" for record in caplog.records
    )


def documents_of(
    stand: Stand, connector: Connector, letter: IncomingLetter
) -> list[tuple[IncomingDocument, bytes]]:
    """Return the letter's documents with their bytes, opening it where that is needed."""
    if letter.content_on_open:
        assert stand.account is not None
        letter = connector.open_letter(stand.account, letter.external_id)
    return [
        (
            each,
            each.content
            if each.content is not None
            else b"".join(connector.download(stand.account, each.ref)),
        )
        for each in letter.documents
    ]


def test_documents_are_what_was_sent_and_declared(stand: Stand) -> None:
    if stand.name == "example":
        pytest.skip("the example has no documents")
    stand.send([1, 2])
    connector = stand.connector()
    found = {}
    for letter in letters_in(stand.fetch()):
        for document, content in documents_of(stand, connector, letter):
            assert (document.content is None) != (document.ref == "")
            assert document.size in (None, len(content))
            assert document.sha256 in ("", hashlib.sha256(content).hexdigest())
            assert document.is_main and document.media_type == "application/pdf"
            found[letter.title] = content
    assert found == {
        stand.letter(number).title: stand.letter(number).documents[0].content for number in (1, 2)
    }


def test_the_same_answer_gives_the_same_letter(stand: Stand) -> None:
    stand.send(range(3))
    assert letters_in(stand.fetch()) == letters_in(stand.fetch())


def test_an_identity_number_is_not_shown_with_a_letter(stand: Stand) -> None:
    stand.send([1])
    assert stand.person.national_id not in repr(stand.fetch())


def test_a_missing_setting_is_named(stand: Stand) -> None:
    settings = stand.settings()
    for name in type(stand.connector()).required_settings:
        with pytest.raises(Misconfigured, match=name):
            discovery.make(stand.name, settings | {name: ""})


def test_the_readme_says_where_each_required_field_comes_from(stand: Stand) -> None:
    readme = (Path(connectors.__path__[0]) / stand.name / "README.md").read_text("utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("|")]
    for name in ("external_id", "recipient", "sender", "title", "sent_at"):
        assert any(re.search(rf"`{name}[`.]", row) for row in rows), name
