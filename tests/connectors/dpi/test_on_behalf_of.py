"""The token inside a message: the right to send, and to send for another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.contract import Misconfigured, ReceiptKind, Temporary
from connectors.dpi.envelope import peek, sign_envelope
from connectors.maskinporten.simulator import issue_token
from connectors.world.agencies import agency
from tests.connectors.dpi.place import KARI, NAV, SENT, Place, drained, letter, receipt

PROCESSOR = agency("digdir")


def with_token(place: Place, sent: Any = None, **changes: Any) -> None:
    """Put a letter in the queue whose token was made out otherwise."""
    message = place.dpi.sender.message(sent or letter())
    payload = peek(message.envelope)
    fields: dict[str, Any] = {
        "client_id": "c",
        "consumer_org": f"0192:{NAV.org_number}",
        "scope": "digitalpostinnbygger:send",
        "issued_at": SENT.timestamp(),
        **changes,
    }
    token = fields.pop("token", "") or issue_token(place.keys, **fields)
    payload["standardBusinessDocument"]["digital"]["maskinportentoken"] = token
    signer = (sent or letter()).processor or NAV
    place.put(message, sign_envelope(payload, place.dpi.authority.agency(signer)))


def test_a_letter_sent_for_another_names_its_author_by_number(place: Place) -> None:
    place.dpi.send(letter(processor=PROCESSOR))
    [found], unreadable = drained(place.connector())
    assert not unreadable
    assert (found.sender.name, found.sender.org_number) == ("", NAV.org_number)
    assert found.sender.verified == "token"
    assert found.provenance["signer_org_number"] == PROCESSOR.org_number
    assert found.provenance["sender_token"] == "verified"


def test_the_receipt_for_such_a_letter_goes_to_who_sent_it(place: Place) -> None:
    sent = letter(processor=PROCESSOR)
    place.dpi.send(sent)
    raw = {"sbd.jwt": place.dpi.sender.message(sent).envelope.encode()}
    place.connector().send_receipt(None, receipt(place, ReceiptKind.DELIVERED, raw=raw))
    [taken] = place.dpi.receipts(KARI)
    header = peek(taken.envelope)["standardBusinessDocument"]["standardBusinessDocumentHeader"]
    assert header["receiver"][0]["identifier"]["value"] == f"0192:{PROCESSOR.org_number}"


DELEGATED = {"supplier_org": f"0192:{PROCESSOR.org_number}"}
REFUSED: dict[str, tuple[dict[str, Any], bool, str]] = {
    "of another author": ({"consumer_org": "0192:974761076"}, False, "made out to the letter's"),
    "with a supplier who did not sign": (DELEGATED, False, "does not let its sender"),
    "without the supplier who signed": ({}, True, "does not let its sender"),
    "of another scope": ({"scope": "krr:global/digitalpost.read"}, False, "not for sending"),
    "expired an hour before": (
        {"issued_at": (SENT - timedelta(hours=1)).timestamp()},
        False,
        "was not valid when",
    ),
    "issued an hour after": (
        {"issued_at": (SENT + timedelta(hours=1)).timestamp()},
        False,
        "was not valid when",
    ),
    "that is none": ({"token": "DummyMaskinportenToken"}, False, "not signed by Maskinporten"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_token_that_does_not_give_the_right_is_refused(place: Place, case: str) -> None:
    changes, for_another, reason = REFUSED[case]
    with_token(place, letter(processor=PROCESSOR) if for_another else None, **changes)
    _, [refused] = drained(place.connector())
    assert reason in refused.reason


def test_a_token_that_was_valid_then_has_expired_by_arrival(place: Place) -> None:
    with_token(place, lifetime=60)
    [found], _ = drained(place.connector())
    assert found.provenance["sender_token"] == "verified"


def forged(place: Place, tmp_path: Any, **changes: Any) -> None:
    """A letter whose token was signed by another Maskinporten."""
    stranger = issue_token(
        tmp_path / "stranger",
        client_id="c",
        consumer_org=f"0192:{NAV.org_number}",
        scope="digitalpostinnbygger:send",
        issued_at=SENT.timestamp(),
        **changes,
    )
    with_token(place, token=stranger)


def test_a_token_of_another_issuer_is_refused_unless_an_operator_says_so(
    place: Place, tmp_path: Any
) -> None:
    (tmp_path / "stranger").mkdir()
    forged(place, tmp_path)
    _, [refused] = drained(place.connector())
    assert "not signed by Maskinporten" in refused.reason
    connector = place.connector(sender_tokens="unverified")
    [found] = connector.reread(None, refused.external_id, refused.raw).letters
    assert found.provenance["sender_token"] == "not verified"


def test_without_maskinportens_keys_the_letter_waits_in_the_queue(place: Place) -> None:
    place.dpi.send(letter())
    place.wire.broken = "/jwks"
    with pytest.raises(Temporary):
        drained(place.connector())
    place.wire.broken = ""
    letters, _ = drained(place.connector())
    assert len(letters) == 1


def test_another_word_for_how_tokens_are_judged_is_refused(place: Place) -> None:
    with pytest.raises(Misconfigured, match="sender_tokens"):
        place.connector(sender_tokens="no")
