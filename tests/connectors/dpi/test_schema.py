"""Our checks of DPI's messages beside the official JSON schemas, which are the judge."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jsonschema
import pytest
import referencing
from referencing.jsonschema import DRAFT7

from connectors.contract import OutgoingReceipt, ReceiptKind
from connectors.dpi import receipts, schema
from connectors.dpi.refusal import Refusal
from tests.connectors.dpi.place import DATA

EXAMPLES = [
    path
    for path in sorted((DATA / "examples").glob("*.json"))
    if "standardBusinessDocument" in json.loads(path.read_text())
]
UNDECIDED = {
    # The types of an older draft, for which no schema was published. We refuse them.
    "fysiskpost_print_1_0_sample.json",
    "innbyggerpost_dpi_1_0_budnad2_sample.json",
    "innbyggerpost_dpi_1_0_budnad_sample.json",
    "innbyggerpost_dpi_1_0_nav_sample.json",
}
STRICTER = {
    # Skeletons: their digest method is empty, so that nothing could be compared.
    "innbyggerpost_dpi_digital_1_0.json": "digestMethod",
    "innbyggerpost_dpi_utskrift_1_0.json": "digestMethod",
}
STRICTER_REASONS = re.compile(
    r"\S+\.(instanceIdentifier|epostadresse|digestMethod) is .*"
    r"|\S+\.(creationDateAndTime|tidspunkt|virkningstidspunkt) is not a time with a zone"
    r"|\S+\.(virkningsdato|mottakstidspunkt) is not a date"
    r"|\S+\.typeVersion is none of the permitted values"
    r"|\S+\.postkasseadresse is too short or too long"
    r"|\S+\.varsler is not an object"
    r"|the message has no conversation"
    r"|the message's body is not of the type that its header names"
)
"""What `schema.py` says that it is stricter in."""


@cache
def judge(kind: str) -> jsonschema.Draft7Validator | None:
    folder = DATA / "schemas"
    path = folder / f"innbyggerpost_dpi_{kind}_1_0.schema.json"
    if not path.exists():
        return None
    loaded = [json.loads(each.read_text()) for each in folder.glob("*.json")]
    registry: referencing.Registry[Any] = referencing.Registry().with_resources(
        (each["$id"], DRAFT7.create_resource(_without_inner_ids(each))) for each in loaded
    )
    return jsonschema.Draft7Validator(
        _without_inner_ids(json.loads(path.read_text())), registry=registry
    )


def _without_inner_ids(official: dict[str, Any]) -> dict[str, Any]:
    """Take out `"$id": "#/definitions/…"`, which draft-07 does not allow and which says nothing."""

    def plain(part: Any) -> Any:
        if isinstance(part, list):
            return [plain(each) for each in part]
        if not isinstance(part, dict):
            return part
        return {
            name: plain(value)
            for name, value in part.items()
            if not (name == "$id" and isinstance(value, str) and value.startswith("#"))
        }

    cleaned: dict[str, Any] = plain(official)
    return cleaned


def officially(payload: Any, kind: str) -> bool | None:
    """The official verdict; None where there is no schema for the type."""
    validator = judge(kind)
    return None if validator is None else validator.is_valid(payload)


def our_reason(payload: Any) -> str:
    """Why we refuse the message or receipt; empty when we take it."""
    try:
        kind = schema.document_type(payload)
        (schema.check_receipt if kind in schema.RECEIPTS else schema.check_message)(payload)
    except Refusal as refusal:
        return str(refusal)
    return ""


def kind_of(payload: Any) -> str:
    header = payload["standardBusinessDocument"]["standardBusinessDocumentHeader"]
    return str(header["documentIdentification"]["type"])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.stem))
def test_every_official_example_has_the_verdict_of_the_official_schema(path: Any) -> None:
    payload = json.loads(path.read_text())
    reason, official = our_reason(payload), officially(payload, kind_of(payload))
    if path.name in UNDECIDED:
        assert official is None and reason
    elif path.name in STRICTER:
        assert official and STRICTER[path.name] in reason
    else:
        assert official is (not reason), reason


def test_no_listed_inconsistency_is_without_its_example() -> None:
    names = {path.name for path in EXAMPLES}
    assert UNDECIDED | set(STRICTER) < names


def example(name: str) -> Any:
    return json.loads((DATA / "examples" / name).read_text())


def of_kind(kind: str, payload: Any, body: dict[str, Any]) -> Any:
    """The payload as a message of another type, with this body."""
    document = copy.deepcopy(payload["standardBusinessDocument"])
    header = document["standardBusinessDocumentHeader"]
    header["documentIdentification"]["type"] = kind
    return {
        "standardBusinessDocument": {"standardBusinessDocumentHeader": header, kind: dict(body)}
    }


def valid_messages() -> dict[str, Any]:
    """One whole message of every type, with every field that its schema knows."""
    draft = example("innbyggerpost_dpi_1_0_budnad2_sample.json")
    letter = draft["standardBusinessDocument"]["digital"]
    letter["dokumentpakkefingeravtrykk"]["digestMethod"] = schema.SHA256
    letter["virkningstidspunkt"] = "2015-01-30T08:00:00.000+01:00"
    letter["avsender"]["fakturaReferanse"] = "4711"
    moved = {
        **letter,
        "tidspunkt": "2021-04-11T15:29:58Z",
        "mottakstidspunkt": "2020-02-29",
        "aapnet": True,
    }
    printed = example("utskrift-forretningsmelding.json")
    receipt = example("lerveringskvittering_nav_sample.json")
    body = receipt["standardBusinessDocument"]["leveringskvittering"]
    body["mottaker"]["motakeridentifikator"] = "enhet"
    messages = {"digital": of_kind("digital", draft, letter)}
    messages |= {"flyttet": of_kind("flyttet", draft, moved), "utskrift": printed}
    for kind in schema.RECEIPTS:
        extra: dict[str, Any] = {
            "varslingfeiletkvittering": {"varslingskanal": "sms", "beskrivelse": "Nei"},
            "feil": {"feiltype": "SERVER", "detaljer": "Nei"},
        }.get(kind, {})
        messages[kind] = of_kind(kind, receipt, {**body, **extra})
    return messages


VALUES: list[Any] = [None, True, 7, -1, "", "x", "æ" * 41, "x" * 600, [], {}, ["x"], {"x": 1}]


def mutations(part: Any) -> Iterator[tuple[str, Any]]:
    """Yield every one-step change of the value, with what was done."""
    if isinstance(part, dict):
        yield "one field more", {**part, "fremmed": 1}
        for name, value in part.items():
            rest = {key: each for key, each in part.items() if key != name}
            yield f"without {name}", rest
            for what, changed in mutations(value):
                yield f"{name}: {what}", {**part, name: changed}
    elif isinstance(part, list):
        yield "one entry twice", part * 2
        yield "one entry eleven times", part[:1] * 11
        for what, changed in mutations(part[0]):
            yield f"first: {what}", [changed, *part[1:]]
    for value in VALUES:
        yield f"is {value!r}"[:40], value


@pytest.mark.parametrize("kind", valid_messages())
def test_every_change_of_a_message_has_the_verdict_of_the_official_schema(kind: str) -> None:
    payload = valid_messages()[kind]
    assert officially(payload, kind) and not our_reason(payload)
    tried = 0
    for what, changed in mutations(payload["standardBusinessDocument"]):
        tried += 1
        changed = {"standardBusinessDocument": changed}
        reason, official = our_reason(changed), officially(changed, kind)
        if official:
            assert not reason or STRICTER_REASONS.fullmatch(reason), f"{what}: {reason}"
        else:
            assert reason, what
    assert tried > 200


ADDRESSES = [
    ({"postnummer": "0473", "poststed": "Oslo"}, True),
    ({"land": "Sverige"}, True),
    ({"landkode": "SE"}, True),
    ({"land": "Sverige", "landkode": "SE"}, False),
    ({"postnummer": "0473", "poststed": "Oslo", "land": "Norge"}, False),
    ({"postnummer": "0473"}, False),
    ({"postnummer": "0473", "poststed": "Oslo", "land": "Norge", "landkode": "NO"}, True),
    ({"postnummer": "473", "poststed": "Oslo"}, False),
    ({"landkode": "SWE"}, False),
]


@pytest.mark.parametrize(("fields", "valid"), ADDRESSES)
def test_a_postal_address_is_in_norway_or_in_one_country(
    fields: dict[str, str], valid: bool
) -> None:
    payload = example("utskrift-forretningsmelding.json")
    address = {"navn": "Ola Nordmann", "adresselinje1": "Liksomveien 22", **fields}
    payload["standardBusinessDocument"]["utskrift"]["mottaker"] = address
    assert officially(payload, "utskrift") is valid
    assert (our_reason(payload) == "") is valid


@pytest.mark.parametrize("kind", schema.RECEIPTS)
def test_a_receipt_with_a_token_is_read_though_the_schema_forbids_it(kind: str) -> None:
    """kvitteringer.md asks for the token that the schema forbids: we read both kinds."""
    payload = valid_messages()[kind]
    payload["standardBusinessDocument"][kind]["maskinportentoken"] = "eyJ"
    assert not officially(payload, kind) and not our_reason(payload)


@pytest.mark.parametrize("kind", receipts.TYPES)
def test_every_receipt_that_we_send_is_valid_by_the_official_schema(kind: ReceiptKind) -> None:
    message = example("digital-forretningsmelding.json")
    at = datetime(2026, 11, 23, 8, tzinfo=UTC)
    for detail in ("", "sms: ukjent nummer", "the package is not whole"):
        receipt = OutgoingReceipt(kind, "reference", at, "key", detail)
        built = receipts.build_receipt(receipt, message, "984661185")
        assert officially(built, receipts.TYPES[kind]), detail
        assert not our_reason(built)
