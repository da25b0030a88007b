"""Receipts, verified by the simulated sender."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors.contract import (
    Fault,
    Misconfigured,
    ReceiptKind,
    Temporary,
)
from connectors.dpi import receipts, schema
from connectors.dpi.envelope import peek, sign_envelope
from connectors.dpi.refusal import Refusal
from connectors.world.model import Channel
from tests.connectors.dpi.place import (
    DELIVERED,
    KARI,
    NAV,
    SENT,
    Place,
    letter,
    receipt,
)
from tests.connectors.dpi.test_schema import officially


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
    assert officially(peek(taken.envelope), taken.type) is True
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


@pytest.mark.parametrize(("fault", "said"), [(Fault.CLIENT, "KLIENT"), (Fault.SERVER, "SERVER")])
def test_an_error_receipt_says_whose_fault_it_is(place: Place, fault: Fault, said: str) -> None:
    place.dpi.send(letter())
    receipt_ = receipt(place, ReceiptKind.REJECTED, fault=fault, detail="broken")
    place.connector().send_receipt(None, receipt_)
    [taken] = place.dpi.receipts(KARI)
    assert officially(peek(taken.envelope), "feil") is True
    assert peek(taken.envelope)["standardBusinessDocument"]["feil"]["feiltype"] == said


def test_what_was_signed_before_is_sent_as_it_is(place: Place) -> None:
    place.dpi.send(letter())
    connector = place.connector()
    signed = connector.sign_receipt(receipt(place, DELIVERED))
    later = receipt(place, DELIVERED, signed=signed, at=SENT + timedelta(days=3))
    connector.send_receipt(None, later)
    [taken] = place.dpi.receipts(KARI)
    assert taken.envelope.encode() == signed


@pytest.mark.parametrize("kind", sorted(schema.RECEIPTS))
def test_no_receipt_is_ever_answered(place: Place, kind: str) -> None:
    payload = peek(place.dpi.sender.message(letter()).envelope)
    identity = place.dpi.authority.agency(NAV)
    assert receipts.is_answerable(sign_envelope(payload, identity))
    header = payload["standardBusinessDocument"]["standardBusinessDocumentHeader"]
    header["documentIdentification"]["type"] = kind
    assert not receipts.is_answerable(sign_envelope(payload, identity))


@pytest.mark.parametrize("lost", ["sender", "businessScope", "documentIdentification"])
def test_what_does_not_say_whom_to_answer_is_not_answered(place: Place, lost: str) -> None:
    payload = peek(place.dpi.sender.message(letter()).envelope)
    header = payload["standardBusinessDocument"]["standardBusinessDocumentHeader"]
    for broken in ({}, [], None, [{}], "x"):
        header[lost] = broken
        envelope = sign_envelope(payload, place.dpi.authority.agency(NAV))
        assert not receipts.is_answerable(envelope)
