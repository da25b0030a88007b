"""The simulated sender waits for receipts, and prints what is not answered in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from connectors import clock
from connectors.contract import ReceiptKind
from connectors.dpi.envelope import peek
from connectors.world.model import Channel
from tests.connectors.dpi.place import DELIVERED, KARI, SENT, Place, letter, receipt


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    clock.freeze(SENT)
    yield
    clock.reset()


def later(**passed: float) -> None:
    clock.freeze(SENT + timedelta(**passed))


def tell(place: Place, kind: ReceiptKind, key: str = "r1") -> None:
    place.connector().send_receipt(None, receipt(place, kind, key, detail="broken"))


def state(place: Place) -> str:
    [sent] = place.dpi.sent(KARI)
    return sent.state


def test_a_message_says_until_when_its_sender_waits(place: Place) -> None:
    place.dpi.send(letter())
    [sent] = place.dpi.sent(KARI)
    row = place.dpi.state.connection().execute("SELECT envelope FROM messages").fetchone()
    header = peek(row["envelope"])["standardBusinessDocument"]["standardBusinessDocumentHeader"]
    [scope] = header["businessScope"]["scope"]
    [said] = scope["scopeInformation"]
    assert said == {"expectedResponseDateTime": sent.answer_by}
    assert sent.answer_by == (SENT + timedelta(hours=24)).isoformat(timespec="milliseconds")


def test_a_letter_of_long_ago_is_waited_for_from_when_it_is_sent(place: Place) -> None:
    later(days=100)
    place.dpi.send(letter())
    assert state(place) == "waiting"


def test_a_receipt_in_time_ends_the_wait(place: Place) -> None:
    place.dpi.send(letter())
    later(hours=23)
    tell(place, DELIVERED)
    later(days=9)
    assert state(place) == "delivered"


def test_what_is_not_answered_in_time_is_printed_once_and_a_late_receipt_is_late(
    place: Place,
) -> None:
    place.dpi.send(letter())
    later(hours=25)
    assert state(place) == "printed"
    [first] = place.dpi.sent(KARI)
    later(hours=40)
    tell(place, DELIVERED)
    assert state(place) == "late"
    [after] = place.dpi.sent(KARI)
    assert after.printed_at == first.printed_at == first.answer_by
    assert after.delivered_at > first.answer_by
    later(hours=50)
    tell(place, DELIVERED)
    assert place.dpi.sent(KARI) == [after]


def test_a_receipt_is_late_though_nobody_looked_in_between(place: Place) -> None:
    place.dpi.send(letter())
    later(hours=25)
    tell(place, DELIVERED)
    assert state(place) == "late"


def test_an_error_receipt_has_the_letter_printed_at_once(place: Place) -> None:
    place.dpi.send(letter())
    later(hours=1)
    tell(place, ReceiptKind.REJECTED)
    assert state(place) == "refused"
    [sent] = place.dpi.sent(KARI)
    assert sent.printed_at == sent.refused_at
    tell(place, DELIVERED, "r2")
    assert state(place) == "late"


def test_an_opening_receipt_is_no_delivery(place: Place) -> None:
    place.dpi.send(letter())
    tell(place, ReceiptKind.OPENED)
    assert state(place) == "waiting"


def test_forgetting_her_forgets_what_her_senders_know(place: Place) -> None:
    place.dpi.send_garbage(KARI, Channel.DIGIPOST)
    place.dpi.forget(KARI)
    assert place.dpi.sent() == []
