"""Municipalities: fees, kindergarten, school, care and building.

Of what municipalities sent digitally in the second quarter of 2019, 33 parts went by DPI and 22
by Altinn (section 3.4): three letters of five by DPI. Oslo has a page of its own besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from connectors.contract import LEVEL_HIGH, Kind
from connectors.world.drafts import Draft, Enclosure, rng
from connectors.world.model import Channel, Person
from connectors.world.pdf import Items, Rows
from connectors.world.stories.common import complaint_guide, letter, weeks_after
from connectors.world.words import kroner, long_date, month_name, number


def municipal_channel(person: Person, key: str) -> Channel:
    """Return DPI for three letters of five, Altinn for two."""
    by_dpi = rng("municipal", person.slug, key).random() < 0.6
    return person.mailbox_supplier if by_dpi else Channel.ALTINN


def rates(person: Person, municipality: str, years: range, half_year: int) -> Iterator[Draft]:
    """Yield the bill for water, sewage, waste and property tax, twice a year."""
    for year in years:
        for term, month in ((1, 3), (2, 9)):
            total = half_year * (100 + 6 * (year - 2021)) // 100
            water, sewage, waste = total * 30 // 100, total * 34 // 100, total * 21 // 100
            key = f"avgifter-{year}-{term}"
            due = date(year, month, 28)
            yield letter(
                person,
                key,
                municipality,
                municipal_channel(person, key),
                date(year, month, 4),
                f"Faktura: kommunale avgifter, {term}. termin {year}",
                f"Beløpet er {kroner(total)}, og forfall er {long_date(due)}.",
                Rows(
                    ("Gebyr", "Kroner"),
                    (
                        ("Vann", number(water)),
                        ("Avløp", number(sewage)),
                        ("Renovasjon", number(waste)),
                        ("Eiendomsskatt", number(total - water - sewage - waste)),
                        ("Å betale", number(total)),
                    ),
                ),
                "Har du avtalegiro eller eFaktura, trenger du ikke gjøre noe.",
                kind=Kind.INVOICE,
                due=due,
            )


def kindergarten(
    person: Person, municipality: str, applied: date, name: str, language: str = "nb"
) -> Iterator[Draft]:
    """Yield the application's receipt, the offer and the first bills of a kindergarten place."""
    nynorsk = language == "nn"
    offered = weeks_after(applied, 7)
    channel = municipal_channel(person, "barnehage")
    yield letter(
        person,
        f"barnehage-soknad-{applied.year}",
        municipality,
        channel,
        applied,
        "Vi har motteke søknaden om barnehageplass"
        if nynorsk
        else "Vi har mottatt søknaden om barnehageplass",
        "Du får svar innan åtte veker." if nynorsk else "Du får svar innen åtte uker.",
        language=language,
        kind=Kind.NOTICE,
    )
    due = weeks_after(offered, 2)
    yield letter(
        person,
        f"barnehage-tilbod-{applied.year}",
        municipality,
        person.mailbox_supplier,
        offered,
        "Tilbod om barnehageplass" if nynorsk else "Tilbud om barnehageplass",
        f"Barnet ditt har fått tilbod om plass i {name}. Svar innan {long_date(due)}."
        if nynorsk
        else f"Barnet ditt har fått tilbud om plass i {name}. Svar innen {long_date(due)}.",
        language=language,
        kind=Kind.DECISION,
        due=due,
        needs_action=True,
        enclosures=(complaint_guide(municipality, offered.year),),
    )
    for months in range(3):
        day = date(offered.year, 9 + months, 3) if offered.month < 9 else weeks_after(offered, 5)
        price = 2_000 if nynorsk else 2_400
        yield letter(
            person,
            f"barnehage-faktura-{day.year}-{months}",
            municipality,
            municipal_channel(person, f"barnehage-{months}"),
            day + timedelta(days=months),
            f"Faktura for barnehage, {month_name(day.month)} {day.year}",
            f"Beløpet er {kroner(price)}.",
            Rows(
                ("Post", "Kroner"),
                (
                    ("Foreldrebetaling", number(price - 240)),
                    ("Kost", "240"),
                    ("Sum", number(price)),
                ),
            ),
            language=language,
            kind=Kind.INVOICE,
            due=day + timedelta(days=20),
        )


def chimney(
    person: Person, municipality: str, years: tuple[int, ...], channel: Channel | None = None
) -> Iterator[Draft]:
    """Yield the notice that the chimney sweep comes."""
    for year in years:
        key = f"feiing-{year}"
        yield letter(
            person,
            key,
            municipality,
            channel or municipal_channel(person, key),
            date(year, 5, 6),
            "Feieren kommer til deg",
            f"Vi feier skorsteinen din i uke 22, {year}.",
            "Sett frem stige som når opp til taket, og steng trekk og luker før vi kommer.",
            kind=Kind.NOTICE,
        )


def parking(person: Person, years: range) -> Iterator[Draft]:
    """Yield Oslo's yearly permit for residents' parking, on the city's own page."""
    for year in years:
        price = 4_000 + 250 * (year - 2022)
        yield letter(
            person,
            f"parkering-{year}",
            "oslo",
            Channel.OSLO,
            date(year, 6, 12),
            "Vedtak: Du har fått beboerparkering",
            f"Tillatelsen gjelder i ett år og koster {kroner(price)}.",
            Rows(("Tillatelse", "Kroner"), (("Sone 4, ett år", number(price)),)),
            "Tillatelsen følger bilen. Bytter du bil eller flytter, må du si fra på nettsiden.",
            kind=Kind.DECISION,
        )


def home_care(person: Person, municipality: str, on: date) -> Iterator[Draft]:
    """Yield application, decision and yearly review of home care, at level 4."""
    case = f"HT-{on.year}-{person.slug}"
    shared = {"level": LEVEL_HIGH, "public_title": "Brev fra kommunen", "case": case}
    yield letter(
        person,
        f"hjemmetjeneste-{on.year}",
        municipality,
        person.mailbox_supplier,
        on,
        "Kartleggingsbesøk hos deg",
        f"En sykepleier kommer hjem til deg {long_date(weeks_after(on, 2))} klokken 10.",
        "Vi snakker om hva du klarer selv, og hva du trenger hjelp til.",
        **shared,
    )
    yield letter(
        person,
        f"hjemmetjeneste-vedtak-{on.year}",
        municipality,
        person.mailbox_supplier,
        weeks_after(on, 4),
        "Vedtak om hjemmetjenester",
        "Du får hjelp til medisiner to ganger i uken og trygghetsalarm.",
        Items(
            (
                "Hjemmesykepleie: mandag og torsdag formiddag",
                "Trygghetsalarm: hele døgnet",
                "Praktisk hjelp: hver tredje uke",
            )
        ),
        "Du kan klage innen fire uker fra du fikk brevet.",
        kind=Kind.DECISION,
        enclosures=(
            complaint_guide(municipality, on.year),
            Enclosure(
                "Priser for hjemmetjenester",
                (
                    Rows(
                        ("Tjeneste", "Kroner"),
                        (
                            ("Hjemmesykepleie", "0"),
                            ("Praktisk hjelp per time", "245"),
                            ("Trygghetsalarm per måned", "260"),
                        ),
                    ),
                ),
                date(on.year, 1, 2),
            ),
        ),
        **shared,
    )


def building_case(person: Person, municipality: str, on: date) -> Iterator[Draft]:
    """Yield a neighbour's notice and the permit in a small building case."""
    case = f"BYGG-{on.year}/{rng('building', person.slug).randint(1000, 9999)}"
    yield letter(
        person,
        f"nabovarsel-{on.year}",
        municipality,
        Channel.ALTINN,
        on,
        "Nabovarsel: naboen din vil bygge garasje",
        f"Har du merknader, må du sende dem innen {long_date(weeks_after(on, 2))}.",
        "Tegninger og kart ligger ved. Du trenger ikke svare hvis du ikke har merknader.",
        due=weeks_after(on, 2),
        case=case,
        needs_confirmation=True,
        enclosures=(
            Enclosure("Tegninger", ("Garasje med saltak, 50 kvadratmeter, mønehøyde 4,9 meter.",)),
            Enclosure("Situasjonsplan", ("Garasjen plasseres 1,5 meter fra nabogrensen i øst.",)),
        ),
    )
    yield letter(
        person,
        f"byggesak-{on.year}",
        municipality,
        person.mailbox_supplier,
        weeks_after(on, 9),
        "Vedtak i byggesak på naboeiendommen",
        "Kommunen har gitt tillatelse til garasjen. Du kan klage innen tre uker.",
        kind=Kind.DECISION,
        case=case,
        enclosures=(complaint_guide(municipality, on.year),),
    )
