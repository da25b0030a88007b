"""The official JSON schemas of DPI's messages, as explicit checks.

Sources: `sbdh.schema.json`, `commons.schema.json` and `innbyggerpost_dpi_*_1_0.schema.json` at
docs.digdir.no/schemas (JSON Schema draft-07); `tests/connectors/dpi/test_schema.py` has them judge
beside us. Stricter than them where a message could not be handled: formats are asserted (uuid,
date, date-time with a zone, e-mail), whole numbers are written without a point, the version is
1.0, the key of the body is the type, there is one ConversationId with an id, the digest method is
SHA-256 (the skeletons `innbyggerpost_dpi_{digital,utskrift}_1_0.json` leave it empty), the mailbox
address is not empty, and `varsler` is an object. More lenient in one thing: receipts may carry a
maskinportentoken, which `kvitteringer.md` asks for though their schema forbids it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from connectors.dpi.refusal import Refusal

Check = Callable[[Any, str], None]

AUTHORITY = "iso6523-actorid-upis"
UUID = r"\A[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z"
"""Stricter than a parser: the identifier becomes part of an address."""
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"


def document_type(payload: Any) -> str:
    """Return the type that the header claims, after checking the header. Raises Refusal."""
    HEADER_ONLY(payload, "message")
    document = payload["standardBusinessDocument"]
    header = document["standardBusinessDocumentHeader"]
    found: str = header["documentIdentification"]["type"]
    if set(document) != {"standardBusinessDocumentHeader", found}:
        raise Refusal("the message's body is not of the type that its header names")
    scopes = header["businessScope"]["scope"]
    conversations = [each for each in scopes if each["type"] == "ConversationId"]
    if len(conversations) != 1 or "instanceIdentifier" not in conversations[0]:
        raise Refusal("the message has no conversation")
    return found


def check_message(payload: Any) -> str:
    """Check a message to a mailbox and return its type. Raises Refusal naming the field."""
    found = document_type(payload)
    if found not in MESSAGES:
        raise Refusal(f"messages of type {_shown(found)} are not read")
    MESSAGES[found](payload["standardBusinessDocument"][found], found)
    return found


def check_receipt(payload: Any) -> str:
    """Check a receipt of any type and return its type. Raises Refusal naming the field."""
    found = document_type(payload)
    if found not in RECEIPTS:
        raise Refusal(f"unknown type of receipt {_shown(found)}")
    RECEIPTS[found](payload["standardBusinessDocument"][found], found)
    return found


def _shown(word: str) -> str:
    """A word of the wire, safe to show: letters alone, cut short."""
    return re.sub(r"[^A-Za-zÆØÅæøå_]", "", word)[:40] or "(none)"


def _text(shortest: int = 0, longest: int | None = None, pattern: str = "") -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, str):
            raise Refusal(f"{where} is not a text")
        if len(value) < shortest or (longest is not None and len(value) > longest):
            raise Refusal(f"{where} is too short or too long")
        if pattern and not re.search(pattern, value):
            raise Refusal(f"{where} is not of the prescribed form")

    return check


def _one_of(*allowed: object) -> Check:
    def check(value: Any, where: str) -> None:
        # In Python True == 1: the type counts too.
        if not any(value == each and type(value) is type(each) for each in allowed):
            raise Refusal(f"{where} is none of the permitted values")

    return check


def _parsed(parse: Callable[[str], object], what: str) -> Check:
    def check(value: Any, where: str) -> None:
        try:
            parse(value)
        except (ValueError, TypeError, AttributeError):
            raise Refusal(f"{where} is not {what}") from None

    return check


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment


def _day(value: str) -> date:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError("not a full date")
    return date.fromisoformat(value)


def _boolean(value: Any, where: str) -> None:
    if not isinstance(value, bool):
        raise Refusal(f"{where} is neither true nor false")


def _whole(lowest: int, highest: int) -> Check:
    def check(value: Any, where: str) -> None:
        if type(value) is not int or not lowest <= value <= highest:
            raise Refusal(f"{where} is not a whole number from {lowest} to {highest}")

    return check


def _list(item: Check, shortest: int = 0, longest: int | None = None) -> Check:
    def check(value: Any, where: str) -> None:
        if not isinstance(value, list):
            raise Refusal(f"{where} is not a list")
        if len(value) < shortest or (longest is not None and len(value) > longest):
            raise Refusal(f"{where} has too few or too many entries")
        for each in value:
            item(each, where)

    return check


def _object(
    required: Mapping[str, Check],
    optional: Mapping[str, Check] | None = None,
    *,
    closed: bool = True,
) -> Check:
    known = {**required, **(optional or {})}

    def check(value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise Refusal(f"{where} is not an object")
        for name in required:
            if name not in value:
                raise Refusal(f"{where} lacks {name}")
        for name, each in value.items():
            if name in known:
                known[name](each, f"{where}.{name}")
            elif closed:
                raise Refusal(f"{where} has a field that does not belong there")

    return check


ANY_TEXT = _text()
MOMENT = _parsed(_moment, "a time with a zone")
IDENTIFIER = _text(pattern=UUID)
ACTOR = _object({"identifier": _object({"authority": ANY_TEXT, "value": ANY_TEXT})})
SCOPE = _object(
    {"type": ANY_TEXT},
    {
        "instanceIdentifier": IDENTIFIER,
        "identifier": ANY_TEXT,
        "scopeInformation": _list(_object({}, {"expectedResponseDateTime": ANY_TEXT})),
    },
)
HEADER = _object(
    {
        "headerVersion": ANY_TEXT,
        "sender": _list(ACTOR, 1, 1),
        "receiver": _list(ACTOR, 1, 1),
        "documentIdentification": _object(
            {
                "standard": ANY_TEXT,
                "typeVersion": _one_of("1.0"),
                "instanceIdentifier": IDENTIFIER,
                "type": ANY_TEXT,
                "creationDateAndTime": MOMENT,
            }
        ),
        "businessScope": _object({"scope": _list(SCOPE)}),
    }
)
HEADER_ONLY = _object(
    {"standardBusinessDocument": _object({"standardBusinessDocumentHeader": HEADER}, closed=False)}
)

ORGANISATION = _object(
    {"authority": _one_of(AUTHORITY), "value": _text(pattern=r"[0-9]{4}:\w{1,35}")}
)
SENDER = _object(
    {"virksomhetsidentifikator": ORGANISATION},
    {"avsenderidentifikator": _text(longest=100), "fakturaReferanse": _text(longest=40)},
)
BUSINESS_RECIPIENT = _object(
    {"virksomhetsidentifikator": ORGANISATION},
    {"motakeridentifikator": _text(longest=100)},
    closed=False,
)
REPETITIONS = _list(_whole(0, 25), 1, 10)
NOTICES = _object(
    {},
    {
        "epostvarsel": _object(
            {
                "epostadresse": _text(pattern=r"^[^@\s]+@[^@\s]+$"),
                "varslingstekst": _text(1, 500),
                "repetisjoner": REPETITIONS,
            }
        ),
        "smsvarsel": _object(
            {
                "mobiltelefonnummer": _text(8, 20, r"^\+?[- _0-9]+$"),
                "varslingstekst": _text(1, 160),
                "repetisjoner": REPETITIONS,
            }
        ),
    },
    closed=False,
)
FINGERPRINT = _object({"digestMethod": _one_of(SHA256), "digestValue": ANY_TEXT})
_PACKAGE = {
    "avsender": SENDER,
    "dokumentpakkefingeravtrykk": FINGERPRINT,
    "maskinportentoken": ANY_TEXT,
}
_LETTER = {
    **_PACKAGE,
    "mottaker": _object({"postkasseadresse": _text(1)}),
    "sikkerhetsnivaa": _one_of(3, 4),
    "ikkesensitivtittel": _text(1, 255),
    "spraak": _text(2, 2),
}
_LETTER_OPTIONS = {
    "virkningsdato": _parsed(_day, "a date"),
    "virkningstidspunkt": MOMENT,
    "aapningskvittering": _boolean,
    "varsler": NOTICES,
}
_ADDRESS_FIELDS = _object(
    {"navn": ANY_TEXT, "adresselinje1": _text(longest=100)},
    {
        "adresselinje2": _text(longest=100),
        "adresselinje3": _text(longest=100),
        "adresselinje4": _text(longest=100),
        "postnummer": _text(pattern=r"^\d{4}$"),
        "poststed": _text(longest=80),
        "land": _text(longest=80),
        "landkode": _text(pattern=r"^[a-zA-Z]{2}$"),
    },
)


def _address(value: Any, where: str) -> None:
    """A postal address: in Norway, or in a country given by its name or by its code."""
    _ADDRESS_FIELDS(value, where)
    norwegian = "postnummer" in value and "poststed" in value
    foreign = ("land" in value) != ("landkode" in value)
    if norwegian == foreign:
        raise Refusal(f"{where} is an address neither in Norway nor in one country")


MESSAGES: Mapping[str, Check] = {
    "digital": _object(_LETTER, _LETTER_OPTIONS),
    "flyttet": _object(
        {**_LETTER, "tidspunkt": MOMENT, "mottakstidspunkt": _parsed(_day, "a date")},
        {**_LETTER_OPTIONS, "aapnet": _boolean},
    ),
    "utskrift": _object(
        {
            **_PACKAGE,
            "mottaker": _address,
            "utskriftstype": _one_of("SORT_HVIT", "FARGE"),
            "retur": _object(
                {
                    "mottaker": _address,
                    "returposthaandtering": _one_of("DIREKTE_RETUR", "MAKULERING_MED_MELDING"),
                }
            ),
        },
        {"posttype": _one_of("A", "B")},
    ),
}

_RECEIPT = {"avsender": SENDER, "mottaker": BUSINESS_RECIPIENT, "tidspunkt": MOMENT}
_RECEIPT_OPTIONS = {"maskinportentoken": ANY_TEXT}
PLAIN_RECEIPT = _object(_RECEIPT, _RECEIPT_OPTIONS)
RECEIPTS: Mapping[str, Check] = {
    "leveringskvittering": PLAIN_RECEIPT,
    "aapningskvittering": PLAIN_RECEIPT,
    "mottakskvittering": PLAIN_RECEIPT,
    "returpostkvittering": PLAIN_RECEIPT,
    "varslingfeiletkvittering": _object(
        {**_RECEIPT, "varslingskanal": _one_of("epost", "sms")},
        {**_RECEIPT_OPTIONS, "beskrivelse": ANY_TEXT},
    ),
    "feil": _object(
        {**_RECEIPT, "feiltype": _one_of("KLIENT", "SERVER")},
        {**_RECEIPT_OPTIONS, "detaljer": ANY_TEXT},
    ),
}
