"""Letters that their sender had printed: what passes between sender and printing service."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors import clock
from connectors.contract import (
    Batch,
    IncomingLetter,
    PaperNotice,
    PaperStep,
    RecipientKind,
    Unreadable,
)
from connectors.dpi import cms, printing
from connectors.dpi.envelope import peek, sign_envelope
from connectors.dpi.manifest import build_manifest, parse_manifest
from connectors.dpi.mapping import conversation_id, header_of
from connectors.dpi.package import MANIFEST
from connectors.dpi.sender import Message, message_id, package_files
from connectors.world.agencies import agency
from connectors.world.model import Channel
from tests.connectors.dpi.place import KARI, NAV, SENT, Place, letter
from tests.connectors.dpi.test_schema import officially

AT = SENT + timedelta(hours=25)


def printed(place: Place, **changes: Any) -> Message:
    """The letter as its sender gives it to the printing service; nothing is put in the queue."""
    message = place.dpi.sender.message(letter(**changes))
    sent = printing.Sent(message.channel, message.person, message.envelope, message.package)
    return place.dpi.printing.message(sent, AT)


def fetched(place: Place, *messages: Message, **settings: str) -> Batch:
    """What the connector makes of these messages, fetched over HTTP."""
    place.dpi.put(messages)
    batches = list(place.connector(**settings).fetch(None, None))
    return Batch(
        [each for batch in batches for each in batch.letters],
        [each for batch in batches for each in batch.unreadable],
        paper=[each for batch in batches for each in batch.paper],
    )


def notice(batch: Batch) -> PaperNotice:
    (found,) = batch.paper
    assert not batch.letters and not batch.unreadable
    return found


def test_what_a_sender_gives_the_printing_service_is_in_order_by_the_official_schema(
    place: Place,
) -> None:
    message = printed(place)
    payload = peek(message.envelope)
    assert officially(payload, "utskrift") is True
    own = peek(place.dpi.sender.message(letter()).envelope)
    assert conversation_id(payload) == conversation_id(own)
    body = payload["standardBusinessDocument"]["utskrift"]
    assert body["mottaker"] == {
        "navn": "Kari Nordmann",
        "adresselinje1": "Tvetenveien 999",
        "postnummer": "0671",
        "poststed": "Oslo",
    }
    assert body["retur"]["mottaker"]["navn"] == "NAV"
    assert KARI.national_id not in message.envelope
    assert KARI.mailbox_address not in str(payload["standardBusinessDocument"])


@pytest.mark.parametrize("kind", [printing.TAKEN, printing.POSTED, printing.CAME_BACK])
def test_each_receipt_of_the_printing_service_is_in_order_and_has_no_package(
    place: Place, kind: str
) -> None:
    message = place.dpi.printing.receipt(printed(place), kind, AT)
    payload = peek(message.envelope)
    assert officially(payload, kind) is True
    receiver = header_of(payload)["receiver"][0]["identifier"]["value"]
    assert receiver == f"0192:{NAV.org_number}"
    place.dpi.put([message])
    address = f"messages/in/{message.id}"
    assert place.client.get(address, headers=place.token()).status_code == 404


def test_a_print_letter_is_word_of_the_letter_of_its_conversation(place: Place) -> None:
    message = printed(place)
    found = notice(fetched(place, message))
    conversation = conversation_id(peek(message.envelope))
    assert (found.external_id, found.step, found.at) == (message.id, PaperStep.SENT, AT)
    assert (found.about, found.org_number) == ((f"dpi:{conversation}",), NAV.org_number)
    [kept] = found.raw
    assert (kept.name, kept.content) == ("utskrift.jwt", message.envelope.encode())
    assert isinstance(found.otherwise, Unreadable) and not found.otherwise.answerable
    assert "names no mailbox" in found.otherwise.reason


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        (printing.TAKEN, PaperStep.ACCEPTED),
        (printing.POSTED, PaperStep.POSTED),
        (printing.CAME_BACK, PaperStep.RETURNED),
    ],
)
def test_a_receipt_of_the_printing_service_says_how_far_the_letter_has_come(
    place: Place, kind: str, step: PaperStep
) -> None:
    at = AT + timedelta(days=9)
    message = place.dpi.printing.receipt(printed(place), kind, at)
    found = notice(fetched(place, message))
    assert (found.step, found.at, found.org_number) == (step, at, NAV.org_number)
    assert [part.name for part in found.raw] == [f"{kind}.jwt"]
    assert isinstance(found.otherwise, Unreadable) and not found.otherwise.answerable
    assert not [url for url in place.wire.urls if url.endswith(message.id)], "there is no package"
    raw = found.otherwise.raw
    again = place.connector().reread(None, found.external_id, raw)
    assert notice(again) == found


def test_a_letter_printed_for_another_is_word_from_its_author(place: Place) -> None:
    message = printed(place, processor=agency("digdir"))
    receipt = place.dpi.printing.receipt(message, printing.TAKEN, AT)
    found = fetched(place, message, receipt).paper
    digdir = agency("digdir").org_number
    assert [each.org_number for each in found] == [NAV.org_number, digdir]


def anew(message: Message, identity: Any, change: Callable[[Any], None]) -> Message:
    payload = peek(message.envelope)
    change(payload["standardBusinessDocument"])
    return replace(message, envelope=sign_envelope(payload, identity))


def to_another_printer(document: Any) -> None:
    receiver = document["standardBusinessDocumentHeader"]["receiver"][0]["identifier"]
    receiver["value"] = "0192:974761076"


def nothing(_document: Any) -> None:
    """Signed anew as it was."""


def without_country(document: Any) -> None:
    del document["utskrift"]["mottaker"]["postnummer"]


FORGED = {
    "by another sender": ("skatteetaten", nothing, "not the organisation of the certificate"),
    "to another printer": ("nav", to_another_printer, "another printing service"),
    "that breaks the schema": ("nav", without_country, "neither in Norway nor in one country"),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_print_letter_that_is_not_in_order_is_word_of_nothing(place: Place, case: str) -> None:
    signer, change, reason = FORGED[case]
    identity = place.dpi.authority.agency(agency(signer))
    batch = fetched(place, anew(printed(place), identity, change))
    [refused] = batch.unreadable
    assert reason in refused.reason and not batch.paper


def test_a_package_that_the_print_letter_was_not_signed_for_is_refused(place: Place) -> None:
    batch = fetched(place, replace(printed(place), package=printed(place, key="other").package))
    assert "signed for" in batch.unreadable[0].reason and not batch.paper


def test_a_receipt_that_the_printing_service_did_not_sign_is_refused(place: Place) -> None:
    def from_nav(document: Any) -> None:
        sender = document["standardBusinessDocumentHeader"]["sender"][0]["identifier"]
        sender["value"] = f"0192:{NAV.org_number}"

    receipt = place.dpi.printing.receipt(printed(place), printing.CAME_BACK, AT)
    forged = anew(receipt, place.dpi.authority.agency(NAV), from_nav)
    batch = fetched(place, forged)
    assert "not from the printing service" in batch.unreadable[0].reason and not batch.paper


def test_without_a_printing_service_configured_none_of_it_is_read(place: Place) -> None:
    message = printed(place)
    receipt = place.dpi.printing.receipt(message, printing.TAKEN, AT)
    batch = fetched(place, message, receipt, print_supplier_org_number="")
    assert len(batch.unreadable) == 2 and not batch.paper


def named(place: Place, national_id: str = "") -> Message:
    """A print letter that we can open, whose signed manifest says to whom it is."""
    manifest = parse_manifest(package_files(letter())[MANIFEST])
    files = {
        **package_files(letter()),
        MANIFEST: build_manifest(replace(manifest, national_id=national_id)),
    }
    package = place.dpi.sender.packed(letter(), files)
    encrypted = cms.encrypt(package, place.dpi.sender.recipients[Channel.DIGIPOST])
    digest = base64.b64encode(hashlib.sha256(encrypted).digest()).decode()

    def ours(document: Any) -> None:
        document["utskrift"]["dokumentpakkefingeravtrykk"]["digestValue"] = digest

    message = replace(printed(place), package=encrypted)
    return anew(message, place.dpi.authority.agency(NAV), ours)


@pytest.mark.parametrize(
    ("national_id", "kind", "value"),
    [
        ("", RecipientKind.MAILBOX_ADDRESS, KARI.mailbox_address),
        (KARI.national_id, RecipientKind.NATIONAL_ID, KARI.national_id),
    ],
)
def test_a_print_letter_whose_manifest_names_a_person_can_be_a_letter_of_hers(
    place: Place, national_id: str, kind: RecipientKind, value: str
) -> None:
    found = notice(fetched(place, named(place, national_id))).otherwise
    assert isinstance(found, IncomingLetter)
    assert (found.recipient.kind, found.recipient.value) == (kind, value)
    assert (found.title, found.public_title) == ("Vedtak om foreldrepenger", "")
    assert (found.on_paper_at, found.sent_at) == (AT, AT)
    assert found.security_level == 4, "the message does not say its level"
    assert found.documents[0].content == b"%PDF-1.7 a"
    assert found.provenance["package_signature"] == "verified"
    assert "utskrift" not in found.title and KARI.national_id not in repr(found)


def test_a_sender_that_is_not_answered_in_time_copies_us_once(place: Place) -> None:
    clock.freeze(SENT)
    try:
        place.dpi.send(letter())
        clock.freeze(SENT + timedelta(hours=25))
        for _ in range(3):
            [sent] = place.dpi.sent(KARI)
        assert sent.state == "printed"
        batch = fetched(place)
        assert [each.step for each in batch.paper] == [PaperStep.SENT, PaperStep.ACCEPTED]
        assert batch.paper[0].at == datetime.fromisoformat(sent.answer_by)
        assert [each.external_id for each in batch.letters] == [message_id(letter())]
        assert place.dpi.return_letter(message_id(letter()), clock.now())
        assert not place.dpi.return_letter(message_id(letter()), clock.now())
        assert [each.state for each in place.dpi.sent(KARI)] == ["returned"]
        place.dpi.forget(KARI)
        assert place.dpi.sent() == []
    finally:
        clock.reset()
