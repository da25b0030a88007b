"""A letter written on the control page, from a form's or a JSON object's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from connectors import clock
from connectors.contract import LEVEL_HIGH, LEVEL_SUBSTANTIAL, Version
from connectors.minside.feed import FEEDS
from connectors.world.letters import USUAL_SENDER, new_letter
from connectors.world.model import Agency, Channel, Person, SimulatedDocument, SimulatedLetter
from connectors.world.persons import AGENCIES, PERSONS

OSLO = ZoneInfo("Europe/Oslo")
TITLE_MAX = 200
BODY_MAX = 10_000
DUE_DAYS_MAX = 3650
SUMMARY_MAX, LINK_MAX, ATTACHMENTS_MAX = 255, 255, 100
CONFIRM_DAYS = 14

MIN_SIDE = tuple(channel for channel, _ in FEEDS.values())
"""An agency's min side carries its own letters alone."""

DPI = (Channel.DIGIPOST, Channel.EBOKS)
CHANNEL_NAMES = {
    Channel.DIGIPOST: "Digipost",
    Channel.EBOKS: "e-Boks",
    Channel.ALTINN: "Altinn",
    Channel.NAV: "Min side hos NAV",
    Channel.NAV_NO: "nav.no",
    Channel.OSLO: "Min side hos Oslo kommune",
    Channel.BERGEN: "Min side hos Bergen kommune",
    Channel.LANEKASSEN: "Min side hos Lånekassen",
    Channel.SKATTEETATEN: "Min side hos Skatteetaten",
    Channel.HELSENORGE: "Helsenorge",
    Channel.PASIENTPOST: "Pasientpost fra fastlegen",
    Channel.SVARUT: "SvarUt",
}

_PERSONS = {person.slug: person for person in PERSONS}
_AGENCIES = {agency.slug: agency for agency in AGENCIES}


class WrongInput(ValueError):
    """Something the control page or API cannot do; the text is Norwegian, for the person there."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody wants to send, checked."""

    person: Person
    channel: Channel
    also: Channel | None
    """A further channel that the same letter goes by."""
    agency: Agency
    title: str
    body: str
    due_in_days: int | None
    level: int
    needs_action: bool
    document: bool
    public_title: str = ""
    summary: str = ""
    needs_confirmation: bool = False
    link: str = ""
    """Where its button leads; https."""
    link_label: str = ""
    attachments: int = 0
    versions: Sequence[Version] = ()
    offer: str = ""
    """Words of a button at whose press the sender does something (Altinn)."""


def person_of(values: Mapping[str, Any]) -> Person:
    """Return the person that `values` names by slug. Raises WrongInput."""
    person = _PERSONS.get(str(values.get("person", "")))
    if person is None:
        raise WrongInput("Det finnes ingen slik person.")
    return person


def channel_of(values: Mapping[str, Any], person: Person | None = None) -> Channel:
    """Return the channel that `values` names. Raises WrongInput, also for the wrong mailbox."""
    try:
        channel = Channel(str(values.get("channel", "")))
    except ValueError:
        raise WrongInput("Det finnes ingen slik kanal.") from None
    if person is not None and channel in DPI and channel != person.mailbox_supplier:
        raise WrongInput(
            f"{person.name} har postkassen sin hos {CHANNEL_NAMES[person.mailbox_supplier]}."
        )
    return channel


def whole_number(values: Mapping[str, Any], name: str, low: int, high: int) -> int | None:
    """Return a number, None when it is absent or empty. Raises WrongInput outside low..high."""
    value = values.get(name)
    if value is None or value == "":
        return None
    try:
        number = int(str(value))
    except ValueError:
        raise WrongInput(f"{name} må være et helt tall.") from None
    if not low <= number <= high:
        raise WrongInput(f"{name} må være fra {low} til {high}.")
    return number


def read_wishes(values: Mapping[str, Any]) -> Wishes:
    """Check what a form or a JSON object asks for. Raises WrongInput."""
    person = person_of(values)
    channel = channel_of(values, person)
    also = channel_of({"channel": values["also"]}, person) if values.get("also") else None
    if also is channel:
        raise WrongInput("Velg to forskjellige kanaler.")
    title = read_text(values, "title", TITLE_MAX).replace("\n", " ").strip()
    if not title:
        raise WrongInput("Brevet må ha en tittel.")
    level = whole_number(values, "level", LEVEL_SUBSTANTIAL, LEVEL_HIGH) or LEVEL_SUBSTANTIAL
    confirms = truth(values.get("needs_confirmation", False))
    versions = _versions(values)
    offer = read_text(values, "offer", TITLE_MAX).strip()
    if channel is not Channel.ALTINN and (confirms or versions or offer):
        raise WrongInput("Bekreftelse, flere språk og knapper som utføres, finnes bare i Altinn.")
    if confirms and versions:
        raise WrongInput("En melding som skal bekreftes, har ett språk i Altinn.")
    due = whole_number(values, "due_in_days", 0, DUE_DAYS_MAX)
    return Wishes(
        person=person,
        channel=channel,
        also=also,
        agency=_agency(values, [channel, also] if also else [channel]),
        title=title,
        body=read_text(values, "body", BODY_MAX).strip(),
        # What is to be confirmed must have a deadline (Altinn's error 1016).
        due_in_days=CONFIRM_DAYS if confirms and due is None else due,
        level=level,
        needs_action=truth(values.get("needs_action", False)),
        document=truth(values.get("document", True)) or channel in DPI or also in DPI,
        public_title=read_text(values, "public_title", TITLE_MAX).replace("\n", " ").strip(),
        summary=read_text(values, "summary", SUMMARY_MAX).strip(),
        needs_confirmation=confirms,
        link=link_of(values, "link"),
        link_label=read_text(values, "link_label", TITLE_MAX).strip(),
        attachments=whole_number(values, "attachments", 0, ATTACHMENTS_MAX) or 0,
        versions=versions,
        offer=offer,
    )


def link_of(values: Mapping[str, Any], name: str) -> str:
    """Return an https address, empty where none is given. Raises WrongInput."""
    link = read_text(values, name, LINK_MAX).strip()
    if link and not link.startswith("https://"):
        raise WrongInput("Lenken må begynne med https://.")
    return link


def _versions(values: Mapping[str, Any]) -> list[Version]:
    found = []
    for language in ("nn", "en"):
        title = read_text(values, f"title_{language}", TITLE_MAX).replace("\n", " ").strip()
        body = read_text(values, f"body_{language}", BODY_MAX).strip()
        if body and not title:
            raise WrongInput("Teksten på et annet språk må ha en tittel på det språket.")
        if title:
            found.append(Version(language, title, "", body.split("\n\n")[0][:255], body))
    return found


def compose(wishes: Wishes) -> list[SimulatedLetter]:
    """Return the letter, sent now by the shared clock, once for each of its channels.

    Raises `typst.TypstError`.
    """
    letter = new_letter(
        wishes.person,
        wishes.channel,
        at=clock.now().replace(microsecond=0),
        agency=wishes.agency,
        title=wishes.title,
        body=wishes.body or "Dette er et oppdiktet brev som er sendt fra kontrollsiden.",
        due_in_days=wishes.due_in_days,
        level=wishes.level,
        needs_action=wishes.needs_action,
        with_document=wishes.document,
    )
    letter = replace(
        letter,
        public_title=wishes.public_title or letter.public_title,
        summary=wishes.summary or letter.summary,
        needs_confirmation=wishes.needs_confirmation,
        action_url=wishes.link or letter.action_url,
        action_label=wishes.link_label
        or letter.action_label
        or ("Gå til avsenderen" if wishes.link else ""),
        documents=(*letter.documents, *attachments(wishes.attachments)),
        versions=wishes.versions,
    )
    if wishes.also is None:
        return [letter]
    conversation = str(uuid4())
    keys = (f"{wishes.agency.slug}:{letter.key}", f"dpi:{conversation}")
    letter = replace(letter, same_as=keys, conversation=conversation)
    return [letter, replace(letter, key=f"{letter.key}-kopi", channel=wishes.also)]


def attachments(count: int) -> list[SimulatedDocument]:
    """Return so many short texts."""
    return [
        SimulatedDocument(
            f"vedlegg-{number}.txt",
            f"Vedlegg {number}",
            "text/plain",
            f"Dette er vedlegg {number}.\n".encode(),
        )
        for number in range(1, count + 1)
    ]


def _agency(values: Mapping[str, Any], channels: Sequence[Channel]) -> Agency:
    """Return who sends: an agency's min side carries its own letters alone."""
    owned = [channel for channel in channels if channel in MIN_SIDE]
    slug = str(values.get("agency") or USUAL_SENDER[(owned or channels)[0]])
    if slug not in _AGENCIES:
        raise WrongInput("Det finnes ingen slik avsender.")
    for channel in owned:
        if slug != USUAL_SENDER[channel]:
            owner = _AGENCIES[USUAL_SENDER[channel]].name
            raise WrongInput(f"{CHANNEL_NAMES[channel]} sender bare brev fra {owner}.")
    return _AGENCIES[slug]


def read_text(values: Mapping[str, Any], name: str, longest: int) -> str:
    """Return a text without control characters. Raises WrongInput when it is too long."""
    text = str(values.get(name) or "").replace("\r\n", "\n")
    if len(text) > longest:
        raise WrongInput(f"{name} kan ha høyst {longest} tegn.")
    # Control characters would make neither XML nor a PDF.
    return "".join(sign for sign in text if sign == "\n" or sign.isprintable())


def truth(value: Any) -> bool:
    """Return what a form's box or a JSON value says."""
    return value if isinstance(value, bool) else str(value).lower() in ("1", "on", "true", "yes")
