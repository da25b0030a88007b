"""What is broken is kept whole with the reason, SvarUt is told, and the others go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from connectors.contract import Fault, IncomingLetter, Unreadable
from connectors.svarut import connector as module
from connectors.svarut.consignments import VARIANTS, consignment, zipped
from connectors.svarut.simulator import SvarutSimulator
from tests.connectors.conftest import Stand, letters_in, unreadable_in
from tests.connectors.svarut.test_svarut import FNR, genuine, understood

REASONS = {
    "no-fnr": "has no fnr",
    "no-files": "it has no files",
    "not-encrypted": "cannot be decrypted",
    "broken-zip": "not a ZIP container",
    "path": "a name that leads out of it",
    "bomb": "grows more than 200 times",
    "collision": "two files in the package have the same name",
    "missing-file": "lists a file that did not come",
    "changed": "its digest is another",
    "no-date": "date is not a time",
}


@pytest.fixture
def stand(make_stand: Callable[..., Stand]) -> Stand:
    return make_stand("svarut")


@pytest.fixture
def simulator(stand: Stand) -> SvarutSimulator:
    assert isinstance(stand.simulator, SvarutSimulator)
    return stand.simulator


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_each_way_of_being_broken_has_its_reason_and_hides_no_other(
    stand: Stand, simulator: SvarutSimulator
) -> None:
    assert set(REASONS) == set(VARIANTS)
    sent = [simulator.send(stand.letter(0))]
    broken = {simulator.send_broken(stand.person, stand.channel, name): name for name in VARIANTS}
    sent.append(simulator.send(stand.letter(1)))
    batches = stand.fetch()
    assert [each.external_id for each in letters_in(batches)] == sent
    found = {broken[each.external_id]: each for each in unreadable_in(batches)}
    assert set(found) == set(VARIANTS)
    for name, item in found.items():
        assert REASONS[name] in item.reason, name
        assert item.fault is Fault.CLIENT and not item.answerable
        assert stand.person.national_id not in item.reason
        assert [part.name for part in item.raw] == [
            "forsendelse.json",
            "metadata.json",
            "download.bin",
        ]
    for batch in batches:
        stand.connector().settle(batch)
    assert simulator.waiting() == []
    assert {each.consignment for each in simulator.failures()} == set(broken)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mottaker": {"navn": "Kari", "fnr": "123"}}, "not a national identity number"),
        ({"mottaker": None}, "mottaker is not an object"),
        ({"avsender": {}}, "navn is missing"),
        ({"tittel": " "}, "tittel is missing"),
        ({"tittel": "x" * 1001}, "longer than 1000"),
        ({"kryptert": "ja"}, "kryptert is neither true nor false"),
        ({"filmetadata": {"filnavn": "a"}}, "filmetadata is not a list"),
        ({"filmetadata": [{"filnavn": "../a.pdf"}]}, "holds what no file's name may"),
        ({"filmetadata": [{"filnavn": ".."}]}, "holds what no file's name may"),
        ({"filmetadata": [{"filnavn": "a"}] * 2}, "two of its files have the same name"),
        ({"filmetadata": [{"filnavn": f"{n}"} for n in range(201)]}, "more than 200 files"),
        ({"id": "../../etc"}, "id is not a UUID"),
        ({"lenker": ["https://kommune.no"]}, "a link is not an object"),
    ],
)
def test_a_field_of_the_wrong_shape_is_named(changes: dict[str, Any], reason: str) -> None:
    found = understood(genuine(**changes))
    assert isinstance(found, Unreadable) and reason in found.reason
    assert FNR not in found.reason


def test_a_single_file_may_come_alone_or_in_a_zip_and_may_be_a_zip_itself() -> None:
    name = genuine()["filmetadata"][0]["filnavn"]
    alone = zipped([("word/document.xml", b"<w/>")])
    for package, content in (
        (b"%PDF", b"%PDF"),
        (zipped([(name, b"%PDF")]), b"%PDF"),
        (alone, alone),
        (alone[:20], alone[:20]),
    ):
        letter = understood(genuine(), package)
        assert isinstance(letter, IncomingLetter)
        assert [each.content for each in letter.documents] == [content]
    nothing = understood(genuine(), b"")
    assert isinstance(nothing, Unreadable) and "did not come" in nothing.reason


def test_a_file_that_no_list_names_is_not_lost() -> None:
    listed = [{"filnavn": name, "mimetype": "text/plain"} for name in ("b.txt", "a.txt")]
    package = zipped([("a.txt", b"a"), ("c.txt", b"c"), ("b.txt", b"b")])
    letter = understood(genuine(filmetadata=listed), package)
    assert isinstance(letter, IncomingLetter)
    assert [each.name for each in letter.documents] == ["b.txt", "a.txt", "c.txt"]


NO_ADDRESSES = ("https://evil.example/x", "\ud800", "x\ny", "http://[", "å", "x" * 70_000)


def test_what_cannot_be_an_address_is_kept_and_nobody_elses_host_is_asked(
    stand: Stand, simulator: SvarutSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listing is SvarUt's word, and yet one odd row must not stop the queue."""
    entry = consignment(stand.letter(), simulator.credentials.certificate).entry
    odd = [
        {**entry, "id": "1; drop", "downloadUrl": "http://127.0.0.1:8010/svarut/x"},
        *(
            {**entry, "id": str(UUID(int=number)), "downloadUrl": each}
            for number, each in enumerate(NO_ADDRESSES, 1)
        ),
        "no object",
        None,
    ]
    real = module.Connector._list

    def with_odd(self: module.Connector) -> list[Any]:
        return [*(module._waiting(json.loads(json.dumps(each))) for each in odd), *real(self)]

    monkeypatch.setattr(module.Connector, "_list", with_odd)
    sent = simulator.send(replace(stand.letter(), key="another"))
    batches = stand.fetch()
    assert [each.external_id for each in letters_in(batches)] == [sent]
    reasons = [each.reason for each in unreadable_in(batches)]
    assert reasons.count("it has no id that is a UUID") == 3
    assert reasons.count("downloadUrl is not an address of SvarUt's") == len(NO_ADDRESSES)
    assert all(url.host == "127.0.0.1" for _, url in stand.recorder.requests)
    refs = [ref for batch in batches for ref in batch.settle_refs]
    assert len(refs) == len(NO_ADDRESSES) + 1 and refs[-1] == sent


def test_what_is_too_large_or_gone_is_told_and_the_rest_goes_on(
    stand: Stand, simulator: SvarutSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PACKAGE_MAX_BYTES", 5_000)
    gone = simulator.send(stand.letter(1))
    simulator.expire_latest(stand.person, stand.channel)
    document = replace(stand.letter().documents[0], content=b"%PDF" + bytes(6_000))
    large = simulator.send(stand.letter(2, documents=(document,)))
    good = simulator.send(stand.letter(3))
    batches = stand.fetch()
    assert [each.external_id for each in letters_in(batches)] == [good]
    assert {each.external_id: each.fault for each in unreadable_in(batches)} == {
        gone: Fault.SERVER,
        large: Fault.CLIENT,
    }
