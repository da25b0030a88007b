"""What NAV shows at nav.no itself: varsler, and documents of its archive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from connectors.contract import LEVEL_HIGH, Kind
from connectors.world.drafts import Draft, Enclosure
from connectors.world.model import Channel, Person
from connectors.world.stories.common import by_channels, letter

MY_PAGE = "https://www.nav.no/minside"


def care_benefit(person: Person) -> Iterator[Draft]:
    """Yield an application for care benefit, in nynorsk: each type of varsel, and the decision."""
    case = f"OMS-2026-{person.slug}"
    decision = letter(
        person,
        "omsorgspengar-vedtak",
        "nav",
        Channel.NAV_NO,
        date(2026, 10, 13),
        "Vedtak: Du får fleire omsorgsdagar",
        "Du får ti dagar ekstra i året til barnet fyller tolv.",
        "Dagane gjeld frå 1. oktober 2026.",
        language="nn",
        kind=Kind.DECISION,
        level=LEVEL_HIGH,
        public_title="Brev fra NAV",
        case=case,
        theme="OMS",
        enclosures=(
            Enclosure("Legeerklæring", ("Erklæring frå legen til barnet.",), withheld=True),
        ),
    )
    rate = letter(
        person,
        "barnetrygd-sats",
        "nav",
        person.mailbox_supplier,
        date(2026, 9, 1),
        "Barnetrygda di er endra",
        "Satsen for barnetrygd er sett opp frå 1. september 2026.",
        language="nn",
        theme="BAR",
    )
    yield from by_channels([rate], "barnetrygd-sats", Channel.NAV_NO)
    yield decision
    yield _varsel(
        person,
        "varsel-sensitivt",
        date(2026, 11, 16),
        "Vi har fått ei ny legeerklæring for barnet ditt.",
        level=LEVEL_HIGH,
        public_title="Melding fra NAV",
    )
    yield _varsel(
        person,
        "varsel-beskjed",
        date(2026, 11, 18),
        "Vi har fått søknaden din om fleire omsorgsdagar for 2027.",
        action=(MY_PAGE, "Gå til NAV"),
    )
    yield _varsel(
        person,
        "varsel-oppgave",
        date(2026, 11, 19),
        "Send inn stadfesting frå barnehagen, så kan vi behandle søknaden din.",
        kind=Kind.TASK,
        needs_action=True,
        action=(MY_PAGE, "Gå til oppgåva hos NAV"),
    )
    yield _varsel(
        person,
        "varsel-innboks",
        date(2026, 11, 20),
        "Du har fått svar på spørsmålet du sende oss.",
        kind=Kind.LETTER,
        action=(MY_PAGE, "Les meldinga hos NAV"),
    )


def _varsel(person: Person, key: str, on: date, words: str, **more: object) -> Draft:
    fields = {"kind": Kind.NOTICE, "language": "nn", "with_document": False} | more
    return letter(person, key, "nav", Channel.NAV_NO, on, words, words, **fields)
