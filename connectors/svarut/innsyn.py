"""From a message of Fiks Innsyn to our letter. Pure; README.md has the table.

Fiks Innsyn is KS's index of what municipalities have on a person. Its schemas are public
(`ks-no/fiks-innsyn-json-schema`, JSON Schema 2019-09), its interface is not: nothing fetches by
this module yet. A message names neither itself nor its recipient: both are the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from connectors.contract import (
    LEVEL_HIGH,
    Action,
    IncomingLetter,
    Kind,
    Payment,
    RawPart,
    Recipient,
    SenderRef,
)
from connectors.fields import (
    WrongField,
    https_url,
    identifier,
    moment,
    optional_moment,
    optional_text,
    rows,
    table,
    text,
)

OSLO = ZoneInfo("Europe/Oslo")
TITLE_MAX = 1000
LABEL_MAX = 255
LINK_LABEL = "Åpne hos kommunen"
PREDEFINED = {"SVAR": "Svar kommunen", "KLAGE": "Klag på vedtaket"}
"""`LenkePredefinertV1`: KS gives the words in its own pages, so these are ours."""
LANGUAGES = ("bokmal", "nynorsk", "engelsk", "nordsamisk")
COMPLAIN_BY = "Klagefrist: {day:%d.%m.%Y}."
STATUS = {
    "BETALT": "Fakturaen er betalt.",
    "IKKE_BETALT": "Fakturaen er ikke betalt.",
    "INKASSOVARSEL": "Det er sendt inkassovarsel.",
    "SENDT_INKASSO": "Kravet er sendt til inkasso.",
}
PAID = "BETALT"
AMOUNT_MAX = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class Message:
    """One indexed message with what the index itself knows of it."""

    id: str
    """`meldingId`: a UUID."""
    type: str
    """`meldingtype`: "faktura", "mappe" or "journalpost"; others are not letters."""
    indexed_at: datetime
    municipality: str
    """Name of whose index it is in."""
    content: Mapping[str, Any]


def letter_from(message: Message, recipient: Recipient) -> IncomingLetter:
    """Map a message. Raises WrongField, also for a type that is no letter."""
    read = {"faktura": _invoice, "mappe": _folder, "journalpost": _journal_post}.get(message.type)
    if read is None:
        raise WrongField("the message is of no type that is a letter")
    own = identifier({"id": message.id}, "id")
    said = table(message.content, "the message")
    raw = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    base = IncomingLetter(
        external_id=own,
        recipient=recipient,
        sender=SenderRef(message.municipality, verified="source"),
        title=text(said, "tittel", longest=TITLE_MAX),
        sent_at=message.indexed_at,
        security_level=LEVEL_HIGH,  # the index does not say
        case_reference=_correlation(said),
        same_as=(f"innsyn:{own}",),
        provenance={"transport": "fiks-innsyn", "message_type": message.type},
        raw=[RawPart("melding.json", raw, "application/json")],
    )
    return read(said, base)


def _invoice(said: Mapping[str, Any], base: IncomingLetter) -> IncomingLetter:
    """`faktura.v1.json`."""
    status = text(said, "status", longest=40)
    if status not in STATUS:
        raise WrongField("status is of no known kind")
    due = datetime.combine(_day(said, "forfallDato"), time(23, 59), OSLO).astimezone(UTC)
    is_paid = status == PAID
    account = optional_text(said, "kontonummer", longest=40)
    # What she has to pay is what is left of it, fees included, where the sender says so.
    amount = _ore(said, "utestaendeBelop", "totalbelop", "belop")
    can_be_paid = said.get("kanBetales") is not False and not is_paid and account and amount > 0
    payment = (
        Payment(amount, account, optional_text(said, "kid", longest=40), due_at=due)
        if can_be_paid
        else None
    )
    note = optional_text(said, "beskrivelse")
    return replace(
        base,
        sender=SenderRef(text(said, "betalesTil", longest=LABEL_MAX)),
        sent_at=datetime.combine(_day(said, "fakturaDato"), time(12), OSLO).astimezone(UTC),
        kind=Kind.INVOICE,
        summary=f"{STATUS[status]} {note}".strip(),
        due_at=None if is_paid else due,
        needs_action=payment is not None,
        payment=payment,
        actions=[*_papers(said), *_titled(said, "lenker")],
    )


def _folder(said: Mapping[str, Any], base: IncomingLetter) -> IncomingLetter:
    """`mappe/mappe.v1.json`: how a case stands."""
    at = optional_moment(said, "sistOppdatert") or optional_moment(said, "saksdato")
    return replace(
        base,
        kind=Kind.NOTICE,
        sent_at=at or base.sent_at,
        case_reference=_folder_reference(said) or base.case_reference,
        summary=_standing(said),
        body="\n".join(
            part for part in (optional_text(said, "beskrivelse"), _milestones(said)) if part
        ),
        actions=_links(said),
    )


def _journal_post(said: Mapping[str, Any], base: IncomingLetter) -> IncomingLetter:
    """`mappe/journalpost.v1.json`: one letter of a case's archive."""
    complain_by = optional_moment(said, "klagefrist")
    told = (
        COMPLAIN_BY.format(day=complain_by.astimezone(OSLO)) if complain_by else "",
        optional_text(said, "beskrivelse"),
    )
    sent_by = optional_text(said, "svarUtForsendelseId", longest=64)
    folder = said.get("mappeId")
    at = optional_moment(said, "dokumentetsDato") or optional_moment(said, "journaldato")
    return replace(
        base,
        sent_at=at or base.sent_at,
        kind=Kind.DECISION if complain_by else Kind.LETTER,
        summary=" ".join(part for part in told if part),
        due_at=complain_by,
        same_as=(*base.same_as, *([f"svarut:{_uuid(sent_by)}"] if sent_by else [])),
        case_reference=(_folder_reference(table(folder, "mappeId")) if folder else "")
        or base.case_reference,
        actions=[*_links(said), *_documents(said)],
    )


def _correlation(said: Mapping[str, Any]) -> str:
    """`korrelasjonId`, else the message that it belongs below."""
    if found := optional_text(said, "korrelasjonId", longest=LABEL_MAX):
        return found
    parent = said.get("forelder")
    return identifier(table(parent, "forelder"), "meldingId") if parent else ""


def _folder_reference(said: Mapping[str, Any]) -> str:
    """The case number that the archive uses (Noark M003), else the folder's own name."""
    year, sequence = said.get("saksaar"), said.get("sakssekvensnummer")
    if isinstance(year, int) and isinstance(sequence, int) and year and sequence:
        return f"{year}/{sequence}"
    names = (optional_text(said, name, longest=LABEL_MAX) for name in ("mappeId", "systemId"))
    return next((name for name in names if name), "")


def _standing(said: Mapping[str, Any]) -> str:
    """`erAvsluttet` goes before `avsluttet`; else the milestone at which it stands."""
    is_closed = said.get("erAvsluttet")
    if is_closed or (is_closed is None and said.get("avsluttet")):
        return "Saken er avsluttet."
    current = said.get("navaerendeMilepel")
    if not current:
        return ""
    return text(table(current, "navaerendeMilepel"), "navn", longest=LABEL_MAX)


def _milestones(said: Mapping[str, Any]) -> str:
    lines = []
    for each in rows(said, "milepeler"):
        if each is None:
            continue
        one = table(each, "a milestone")
        day = moment(one, "startdato").astimezone(OSLO)
        lines.append(f"{day:%d.%m.%Y}: {text(one, 'navn', longest=LABEL_MAX)}")
    return "\n".join(lines)


def _links(said: Mapping[str, Any]) -> list[Action]:
    """`lenke.v1.json`, in the first language that it has words in."""
    found = []
    for each in rows(said, "lenker"):
        if each is None:
            continue
        link = table(each, "a link")
        own = table(link.get("egendefinert") or {}, "egendefinert")
        known = table(link.get("predefinert") or {}, "predefinert").get("type")
        words = (optional_text(own, language, longest=LABEL_MAX) for language in LANGUAGES)
        label = next((word for word in words if word), "") or PREDEFINED.get(str(known), "")
        found += _action(link, "url", label)
    return found


def _documents(said: Mapping[str, Any]) -> list[Action]:
    """Links: the index says where a document is, not how it is to be fetched."""
    return [
        action
        for each in rows(said, "dokumenter")
        if each and each.get("lenke")
        for action in _action(each, "lenke", optional_text(each, "tittel", longest=LABEL_MAX))
    ]


def _papers(said: Mapping[str, Any]) -> list[Action]:
    """The invoice itself and what goes with it."""
    invoice = said.get("faktura")
    own = _action(table(invoice, "faktura"), "url", "Åpne fakturaen") if invoice else []
    return [*own, *_titled(said, "vedlegg")]


def _titled(said: Mapping[str, Any], name: str) -> list[Action]:
    return [
        action
        for each in rows(said, name)
        if each
        for action in _action(
            table(each, name), "url", optional_text(each, "tittel", longest=LABEL_MAX)
        )
    ]


def _action(said: Mapping[str, Any], name: str, label: str) -> list[Action]:
    """None where it is not an https address: the schemas take any text."""
    try:
        return [Action(https_url(said, name), label or LINK_LABEL)]
    except WrongField:
        return []


def _day(said: Mapping[str, Any], name: str) -> date:
    try:
        return date.fromisoformat(text(said, name, longest=10))
    except WrongField:
        raise
    except ValueError:
        raise WrongField(f"{name} is not a date") from None


def _ore(said: Mapping[str, Any], *names: str) -> int:
    """Return the first of these sums that is given, in øre. Raises WrongField."""
    for name in names:
        value = said.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise WrongField(f"{name} is not a number")
        try:
            amount = Decimal(str(value))
            is_sound = abs(amount) < AMOUNT_MAX
        except InvalidOperation:
            is_sound = False
        if not is_sound or (ore := amount * 100) != ore.to_integral_value():
            raise WrongField(f"{name} is not a sum of money")
        return int(ore)
    raise WrongField(f"{names[-1]} is missing")


def _uuid(value: str) -> str:
    return identifier({"svarUtForsendelseId": value}, "svarUtForsendelseId")
