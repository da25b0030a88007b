from __future__ import annotations

import logging

import pytest

from config.logs import Redact
from connectors.world.persons import by_slug


@pytest.mark.parametrize("shape", ["{0}", "pid={0}&x", "urn:altinn:person:{0}", "{1} {2}"])
def test_what_looks_like_an_identity_number_does_not_reach_the_log(shape):
    number = by_slug("kari").national_id
    record = logging.makeLogRecord(
        {"msg": "asked for %s", "args": (shape.format(number, number[:6], number[6:]),)}
    )
    assert Redact().filter(record)
    assert number not in record.getMessage()
    assert "[redacted]" in record.getMessage()


def test_other_numbers_are_left_alone():
    record = logging.makeLogRecord({"msg": "case 2026/10442, org 889640782, 1763971200000 ms"})
    Redact().filter(record)
    assert record.getMessage() == "case 2026/10442, org 889640782, 1763971200000 ms"


def test_an_id_of_an_object_is_whole_whatever_digits_it_has():
    number = by_slug("kari").national_id
    message = f"5076d1ab-b57f-496c-bc2f-{number}a of {number} is damaged"
    record = logging.makeLogRecord({"msg": message})
    Redact().filter(record)
    assert record.getMessage() == f"5076d1ab-b57f-496c-bc2f-{number}a of [redacted] is damaged"
