"""The folder to copy works as it stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors import example
from connectors.contract import LEVEL_HIGH, Temporary
from connectors.example import simulator
from connectors.example.connector import to_batch, to_letter
from tests.connectors.conftest import Stand, letters_in

FOLDER = Path(example.__path__[0])
SAMPLES = json.loads((FOLDER / "samples" / "letters.json").read_text("utf-8"))


def test_the_three_samples_are_read() -> None:
    letters = [to_letter(item, "12345678901") for item in SAMPLES]
    assert [letter.external_id for letter in letters] == ["2026-0101", "2026-0417", "2026-0528"]
    assert letters[0].sent_at.isoformat() == "2026-01-12T08:00:00+00:00"
    assert {letter.security_level for letter in letters} == {LEVEL_HIGH}


def test_a_broken_sample_does_not_hide_the_others() -> None:
    broken = SAMPLES[1] | {"sent": "spring"}
    batch = to_batch([SAMPLES[0], broken, SAMPLES[2]], "12345678901", "3")
    assert [letter.external_id for letter in batch.letters] == ["2026-0101", "2026-0528"]
    [item] = batch.unreadable
    assert json.loads(item.raw[0].content) == broken


def test_its_simulator_speaks_as_the_samples_do(make_stand: Callable[..., Stand]) -> None:
    stand = make_stand("example")
    stand.send([1])
    [letter] = letters_in(stand.fetch())
    assert set(json.loads(letter.raw[0].content)) == set(SAMPLES[0])


def test_an_agency_that_says_the_same_again_does_not_hold_us(
    make_stand: Callable[..., Stand], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = make_stand("example")
    monkeypatch.setitem(stand.simulator.app.view_functions, "letters", lambda: SAMPLES)
    with pytest.raises(Temporary):
        stand.fetch()


def test_it_is_no_source_of_the_demo() -> None:
    assert not hasattr(simulator, "sources")
    assert simulator.ExampleSimulator.channels == ()


def test_it_is_short_enough_to_be_read_at_once() -> None:
    def lines(name: str) -> int:
        return sum(bool(line.strip()) for line in (FOLDER / name).read_text("utf-8").splitlines())

    assert lines("connector.py") <= 80
    assert lines("simulator.py") <= 40
