"""After a death: the estate, the house, the car and the money that remains."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from connectors.contract import LEVEL_HIGH, Kind
from connectors.world.drafts import Draft, Enclosure
from connectors.world.model import Channel, Person
from connectors.world.pdf import Heading, Items, Rows
from connectors.world.stories.common import complaint_guide, letter, weeks_after
from connectors.world.words import kroner, long_date, number

_CASE = "26-084113DFA"


def estate(person: Person, died: date) -> Iterator[Draft]:
    """Yield the court's letters: what to do, the certificate of probate, the deadline."""
    deadline = weeks_after(died, 9)
    yield letter(
        person,
        "skifte-info",
        "domstolene",
        person.mailbox_supplier,
        weeks_after(died, 1),
        "Til deg som er nærmeste pårørende",
        f"Arvingene må velge skifteform innen {long_date(deadline)}.",
        Heading("Dere kan velge mellom"),
        Items(("privat skifte", "offentlig skifte", "uskifte, for ektefelle eller samboer")),
        "Ved privat skifte må minst én arving ta ansvar for gjelden.",
        due=deadline,
        needs_action=True,
        case=_CASE,
        enclosures=(
            Enclosure(
                "Erklæring om skifteform",
                ("Jeg tar på meg ansvaret for avdødes forpliktelser.", "Dato og underskrift:"),
            ),
            Enclosure(
                "Veiledning til arvinger",
                (
                    Items(
                        (
                            "Finn testament.",
                            "Få oversikt over eiendeler og gjeld.",
                            "Velg skifteform.",
                        )
                    ),
                ),
                date(2026, 1, 2),
            ),
        ),
    )
    yield letter(
        person,
        "skifteattest",
        "domstolene",
        person.mailbox_supplier,
        weeks_after(died, 7),
        "Skifteattest",
        "Arvingene har rett til å skifte boet privat.",
        "Attesten viser hvem som er arvinger. Vis den til banken, Kartverket og Statens vegvesen.",
        kind=Kind.DECISION,
        case=_CASE,
        opening_receipt=True,
    )


def belongings(person: Person, died: date) -> Iterator[Draft]:
    """Yield what other agencies write to the heir about house, car, grave and taxes."""
    yield letter(
        person,
        "dodsfall-registrert",
        "skatteetaten",
        Channel.ALTINN,
        weeks_after(died, 1),
        "Dødsfallet er registrert i Folkeregisteret",
        "Andre offentlige etater får beskjed av oss. Du trenger ikke melde fra til dem.",
        kind=Kind.NOTICE,
    )
    yield letter(
        person,
        "gravplass",
        "trondheim",
        person.mailbox_supplier,
        weeks_after(died, 2),
        "Bekreftelse på gravplass",
        "Du er registrert som ansvarlig for graven.",
        "Graven er fri for avgift i 20 år. Deretter kan du feste den videre.",
        kind=Kind.DECISION,
    )
    yield letter(
        person,
        "gravferd",
        "nav",
        Channel.NAV,
        weeks_after(died, 3),
        "Vedtak: Du får gravferdsstønad",
        f"Søknaden er innvilget med {kroner(21_400)}.",
        Rows(
            ("Utgift", "Kroner"),
            (("Dekket av NAV", number(21_400)), ("Dekkes av boet", number(13_850))),
        ),
        "Du kan klage innen seks uker.",
        kind=Kind.DECISION,
        level=LEVEL_HIGH,
        public_title="Brev fra NAV",
        case="GS-2026-bjorg",
        enclosures=(complaint_guide("nav", 2026),),
    )
    yield letter(
        person,
        "pensjon-stanset",
        "spk",
        person.mailbox_supplier,
        weeks_after(died, 4),
        "Pensjonen er stanset",
        "Siste utbetaling til boet var for måneden etter dødsfallet.",
        "Er det betalt ut for mye, trekker vi det tilbake fra kontoen.",
        kind=Kind.DECISION,
    )
    yield letter(
        person,
        "bil-dodsbo",
        "vegvesenet",
        Channel.ALTINN,
        weeks_after(died, 10),
        "Kjøretøyet må registreres på ny eier",
        "Bilen kan brukes av boet i inntil ett år.",
        Items(
            (
                "Send skifteattesten.",
                "Velg hvem som skal stå som eier.",
                "Betal omregistreringsavgift.",
            )
        ),
        needs_action=True,
        due=date(2026, 12, 11),
        action=("https://www.vegvesen.no/", "Meld eierskifte"),
    )
    yield letter(
        person,
        "hjemmel",
        "kartverket",
        person.mailbox_supplier,
        weeks_after(died, 13),
        "Hjemmelserklæringen er tinglyst",
        "Du står nå som eier av halvparten av eiendommen.",
        Rows(("Gebyr", "Kroner"), (("Tinglysing", number(545)), ("Dokumentavgift", number(0)))),
        kind=Kind.DECISION,
        enclosures=(
            Enclosure("Grunnboksutskrift", ("Hjemmelshavere: Bjørg Lien 1/2, Arne Lien 1/2.",)),
        ),
    )
    yield letter(
        person,
        "avgifter-dodsbo",
        "trondheim",
        Channel.ALTINN,
        weeks_after(died, 14),
        "Faktura: kommunale avgifter for dødsboet",
        f"Beløpet er {kroner(6_420)}.",
        "Fakturaen gjelder andre termin. Boet er ansvarlig for beløpet.",
        kind=Kind.INVOICE,
        due=date(2026, 10, 30),
    )
    yield letter(
        person,
        "skattemelding-dodsbo",
        "skatteetaten",
        Channel.ALTINN,
        date(2026, 11, 18),
        "Skattemelding for dødsbo: dette må du gjøre",
        "Du må levere skattemelding for boet innen 30. april 2027.",
        kind=Kind.TASK,
        due=date(2027, 4, 30),
        needs_action=True,
        with_document=False,
        action=("https://www.skatteetaten.no/", "Les om skatt for dødsbo"),
    )


def before(person: Person) -> Iterator[Draft]:
    """Yield the years as next of kin before the death: letters about a representation."""
    for year, what in ((2024, "timebestilling"), (2025, "samtale med lege"), (2026, "utskriving")):
        yield letter(
            person,
            f"parorende-{year}",
            "trondheim",
            person.mailbox_supplier,
            date(year, 2, 19),
            f"Til deg som er pårørende: {what}",
            "Vi inviterer deg til et møte om hjelpen faren din får.",
            "Du kan ta med en til. Si fra hvis tidspunktet ikke passer.",
            level=LEVEL_HIGH,
            public_title="Brev fra kommunen",
        )
