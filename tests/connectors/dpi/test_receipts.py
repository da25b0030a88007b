"""Receipts, verified by the simulated sender."""

from __future__ import annotations

import pytest

from connectors.contract import (
    Misconfigured,
    ReceiptKind,
    Temporary,
)
from connectors.dpi import receipts
from connectors.dpi.envelope import peek, sign_envelope
from connectors.dpi.refusal import Refusal
from connectors.world.model import Channel
from tests.connectors.dpi.place import (
    DELIVERED,
    KARI,
    NAV,
    Place,
    letter,
    receipt,
)


@pytest.mark.parametrize(
    ("kind", "detail", "expected"),
    [
        (DELIVERED, "", {}),
        (ReceiptKind.OPENED, "", {}),
        (
            ReceiptKind.NOTIFICATION_FAILED,
            "sms: ukjent nummer",
            {"varslingskanal": "sms", "beskrivelse": "ukjent nummer"},
        ),
        (
            ReceiptKind.REJECTED,
            "the package is not whole",
            {"feiltype": "KLIENT", "detaljer": "the package is not whole"},
        ),
    ],
)
def test_every_kind_of_receipt_is_taken_by_the_sender(
    place: Place, kind: ReceiptKind, detail: str, expected: dict[str, str]
) -> None:
    identifier = place.dpi.send(letter())
    connector = place.connector()
    assert kind in connector.receipts
    connector.send_receipt(None, receipt(place, kind, detail=detail))
    [taken] = place.dpi.receipts(KARI)
    assert (taken.message_id, taken.type) == (identifier, receipts.TYPES[kind])
    document = peek(taken.envelope)["standardBusinessDocument"]
    body = document[taken.type]
    assert {name: body[name] for name in expected} == expected
    assert set(body) == {"avsender", "mottaker", "tidspunkt", *expected}
    header = document["standardBusinessDocumentHeader"]
    assert header["receiver"][0]["identifier"]["value"] == f"0192:{NAV.org_number}"
    assert header["sender"][0]["identifier"]["value"] == "0192:984661185"


def test_a_receipt_that_is_sent_again_is_taken_once(place: Place) -> None:
    place.dpi.send(letter())
    for _ in range(3):
        place.connector().send_receipt(None, receipt(place, DELIVERED))
    place.connector().send_receipt(None, receipt(place, ReceiptKind.OPENED, "r2"))
    types = [taken.type for taken in place.dpi.receipts()]
    assert types == ["leveringskvittering", "aapningskvittering"]


def test_a_receipt_for_another_suppliers_letter_is_refused(place: Place) -> None:
    place.dpi.send(letter())
    with pytest.raises(Temporary):
        place.connector(Channel.EBOKS).send_receipt(None, receipt(place, DELIVERED))
    assert place.dpi.receipts() == []


def test_a_receipt_for_a_message_never_sent_is_refused(place: Place) -> None:
    with pytest.raises(Temporary):
        place.connector().send_receipt(None, receipt(place, DELIVERED))
    with pytest.raises(Misconfigured, match="not kept"):
        place.connector().send_receipt(None, receipt(place, DELIVERED, raw={}))


def test_a_receipt_signed_by_somebody_else_is_refused(place: Place) -> None:
    place.dpi.send(letter())
    document = receipts.build_receipt(
        receipt(place, DELIVERED), peek(place.dpi.sender.message(letter()).envelope), "984661185"
    )
    envelope = sign_envelope(document, place.dpi.authority.agency(NAV))
    with pytest.raises(Refusal, match="not the organisation"):
        place.dpi.take_receipt(envelope)
