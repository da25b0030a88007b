"""A letter from elsewhere put into a person's own mailbox, as the simulated suppliers take it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import httpx
import pytest

from connectors.contract import (
    Account,
    CopyRefused,
    Misconfigured,
    OutgoingAttachment,
    OutgoingCopy,
    RateLimited,
    Recipient,
    RecipientKind,
    Temporary,
)
from connectors.dpi.own_mailbox import PATH, SCOPE
from connectors.simulation import Faults
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from tests.connectors.dpi.place import KARI, SENT, Place, drained

ACCOUNT = Account(KARI.national_id, 4)
BJORG = by_slug("bjorg")
COPY = OutgoingCopy(
    recipient=Recipient(RecipientKind.MAILBOX_ADDRESS, KARI.mailbox_address),
    title="Vedtak om bostøtte",
    sender_name="Husbanken",
    sent_at=SENT,
    security_level=4,
    idempotency_key="0192f0c4-6a0c-7e2b-8f57-2f5f5c1c7a11",
    documents=(
        OutgoingAttachment("vedtak æøå.pdf", "application/pdf", b"%PDF-1.7 a"),
        OutgoingAttachment("brev.txt", "text/plain", "Hei på deg".encode()),
    ),
)


def test_what_is_uploaded_lies_in_her_mailbox_as_it_was_and_is_receipted(place: Place) -> None:
    receipt = place.connector().put_copy(ACCOUNT, COPY)
    [kept] = place.dpi.uploaded(KARI)
    assert (kept.channel, kept.person) == (Channel.DIGIPOST, "kari")
    assert (kept.title, kept.sender, kept.level) == ("Vedtak om bostøtte", "Husbanken", 4)
    assert (receipt.reference, receipt.at) == (kept.reference, kept.at)
    assert [(each["name"], each["media_type"], each["sha256"]) for each in kept.files] == [
        (each.name, each.media_type, hashlib.sha256(each.content).hexdigest())
        for each in COPY.documents
    ]


def test_the_same_key_is_taken_once_and_has_the_same_receipt(place: Place) -> None:
    first = place.connector().put_copy(ACCOUNT, COPY)
    assert place.connector().put_copy(ACCOUNT, COPY) == first
    assert place.connector().put_copy(ACCOUNT, replace(COPY, idempotency_key="2")) != first
    assert len(place.dpi.uploaded(KARI)) == 2


def test_more_than_a_megabyte_is_taken(place: Place) -> None:
    large = OutgoingAttachment("stor.pdf", "application/pdf", b"%PDF-" + b"x" * 5_000_000)
    place.connector().put_copy(ACCOUNT, replace(COPY, documents=(large,)))
    [kept] = place.dpi.uploaded(KARI)
    assert kept.files[0]["size"] == 5_000_005


@pytest.mark.parametrize(
    ("channel", "national_id", "changes", "reason"),
    [
        (Channel.EBOKS, KARI.national_id, {}, "Du har ikke denne postkassen hos e-Boks."),
        (Channel.DIGIPOST, by_slug("ola").national_id, {}, "ikke denne postkassen"),
        (Channel.DIGIPOST, KARI.national_id, {"documents": ()}, "uten dokumenter"),
        (
            Channel.DIGIPOST,
            KARI.national_id,
            {"documents": (OutgoingAttachment("a.xml", "application/xml", b"<a/>"),)},
            "ikke imot filer av denne typen: a.xml",
        ),
    ],
)
def test_what_is_not_taken_is_refused_with_the_reason(
    place: Place, channel: Channel, national_id: str, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(CopyRefused, match=reason):
        place.connector(channel).put_copy(Account(national_id), replace(COPY, **changes))
    assert place.dpi.uploaded(KARI) == []


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("down", Temporary),
        ("garbage", Temporary),
        ("html", Temporary),
        ("truncated", Temporary),
        ("rate_limited", RateLimited),
        ("unauthorized", Misconfigured),
    ],
)
def test_a_fault_is_no_receipt_and_the_next_attempt_puts_it_there_once(
    place: Place, mode: str, error: type[Exception]
) -> None:
    place.dpi.state.set_faults(Channel.DIGIPOST, Faults(mode=mode))
    with pytest.raises(error):
        place.connector().put_copy(ACCOUNT, COPY)
    place.dpi.state.set_faults(Channel.DIGIPOST, Faults())
    receipt = place.connector().put_copy(ACCOUNT, COPY)
    assert [each.reference for each in place.dpi.uploaded(KARI)] == [receipt.reference]


def test_a_token_for_the_queue_opens_nobodys_mailbox(place: Place) -> None:
    address = f"{PATH}?kanal=984661185"
    assert place.client.post(address).status_code == 401
    assert place.client.post(address, headers=place.token()).status_code == 403
    assert place.client.get("messages/in", headers=place.token(SCOPE)).status_code == 403
    nobody: httpx.Response = place.client.post(address, headers=place.token(SCOPE))
    assert nobody.status_code == 400


def test_no_address_holds_the_number_or_the_mailbox(place: Place) -> None:
    place.connector().put_copy(ACCOUNT, COPY)
    assert place.wire.urls
    assert not any(
        word in url for url in place.wire.urls for word in (KARI.national_id, "kari.nordmann")
    )


def test_an_upload_is_not_in_the_queue_unless_the_supplier_lists_it(place: Place) -> None:
    receipt = place.connector().put_copy(ACCOUNT, COPY)
    assert drained(place.connector()) == ([], [])
    place.dpi.list_upload(KARI, receipt.reference)
    [letter], unreadable = drained(place.connector())
    assert (letter.external_id, letter.title) == (receipt.reference, COPY.title)
    assert unreadable == []


def test_forgetting_a_person_empties_her_mailbox_alone(place: Place) -> None:
    place.connector().put_copy(ACCOUNT, COPY)
    hers = replace(COPY, recipient=Recipient(RecipientKind.MAILBOX_ADDRESS, BJORG.mailbox_address))
    place.connector(Channel.EBOKS).put_copy(Account(BJORG.national_id), hers)
    place.dpi.forget(KARI)
    assert place.dpi.uploaded(KARI) == []
    assert len(place.dpi.uploaded(BJORG)) == 1
