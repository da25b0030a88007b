"""Two thousand letters for one person, by rule: what a long life in one inbox looks like.

Her letters share some sixty PDFs (a general letter for each subject and year), as bills and
notices do; titles, dates, channels and sums differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from connectors.contract import LEVEL_HIGH, LEVEL_SUBSTANTIAL, Kind
from connectors.world.drafts import Draft, Enclosure, rng
from connectors.world.model import STUDY_DATE, Channel, Person
from connectors.world.pdf import Items
from connectors.world.words import kroner, long_date, month_name

HOW_MANY = 2_000
FIRST = date(2020, 11, 24)


@dataclass(frozen=True, slots=True)
class _Subject:
    key: str
    agency: str
    channel: Channel | None
    """None: her digital mailbox."""
    title: str
    """With {month}, {year} and {sum} to fill in."""
    general: str
    """What the shared document says."""
    kind: Kind = Kind.LETTER
    level: int = LEVEL_SUBSTANTIAL


_SUBJECTS = (
    _Subject(
        "sfo",
        "oslo",
        Channel.OSLO,
        "Faktura for aktivitetsskolen, {month} {year}: {sum}",
        "Fakturaen betales innen 20 dager. Du kan søke om lavere betaling hvis inntekten er lav.",
        Kind.INVOICE,
    ),
    _Subject(
        "avgift",
        "bergen",
        Channel.BERGEN,
        "Kommunale avgifter, {month} {year}: {sum}",
        "Gebyrene dekker vann, avløp og renovasjon. Satsene vedtas av bystyret hvert år.",
        Kind.INVOICE,
    ),
    _Subject(
        "utbetaling",
        "nav",
        Channel.NAV,
        "Utbetalingsmelding for {month} {year}: {sum}",
        "Meldingen viser hva NAV har betalt til kontoen din.",
        Kind.NOTICE,
    ),
    _Subject(
        "vedtak",
        "nav",
        None,
        "Vedtak om stønad for {month} {year}",
        "Vi har vurdert saken din på nytt. Du kan klage innen seks uker.",
        Kind.DECISION,
    ),
    _Subject(
        "skatt",
        "skatteetaten",
        Channel.ALTINN,
        "Endret skattetrekk fra {month} {year}",
        "Arbeidsgiveren din får det nye skattekortet automatisk.",
        Kind.NOTICE,
    ),
    _Subject(
        "betaling",
        "skatteetaten",
        Channel.SKATTEETATEN,
        "Betalingsinformasjon, {month} {year}: {sum}",
        "Bruk kontonummer og KID i fakturaen. Betaler du for sent, må du betale renter.",
        Kind.INVOICE,
    ),
    _Subject(
        "lan",
        "lanekassen",
        Channel.LANEKASSEN,
        "Faktura fra Lånekassen, {month} {year}: {sum}",
        "Du kan utsette betalingen tre måneder av gangen.",
        Kind.INVOICE,
    ),
    _Subject(
        "helse",
        "helse-sor-ost",
        None,
        "Time til behandling i {month} {year}",
        "Møt i god tid og ta med legitimasjon. Gi beskjed senest dagen før hvis du ikke kan komme.",
        Kind.LETTER,
        LEVEL_HIGH,
    ),
    _Subject(
        "bil",
        "vegvesenet",
        None,
        "Påminnelse om kjøretøyet ditt, {month} {year}",
        "På Din side ser du frister for EU-kontroll og avgift.",
        Kind.NOTICE,
    ),
    _Subject(
        "register",
        "brreg",
        Channel.ALTINN,
        "Kunngjøring om foretaket ditt, {month} {year}",
        "Opplysningene er registrert i Foretaksregisteret.",
        Kind.DECISION,
    ),
)


def story(person: Person) -> Iterator[Draft]:
    """Yield 2,000 letters, the first on 24 November 2020, the last just before the study date."""
    days = (STUDY_DATE.date() - FIRST).days
    for number in range(HOW_MANY):
        on = FIRST + timedelta(days=number * days // HOW_MANY)
        yield _letter(person, number, on)


def _letter(person: Person, number: int, on: date) -> Draft:
    dice = rng("many", number)
    subject = dice.choice(_SUBJECTS)
    amount = dice.randrange(240, 9_800, 10)
    due = on + timedelta(days=20) if subject.kind is Kind.INVOICE else None
    filled = {"month": month_name(on.month), "year": on.year, "sum": kroner(amount)}
    title = subject.title.format(**filled)
    return Draft(
        person=person,
        key=f"{subject.key}-{number:04d}",
        agency=subject.agency,
        channel=subject.channel or person.mailbox_supplier,
        on=on if on.weekday() < 5 else on - timedelta(days=2),
        title=title,
        summary=f"{title}. Sendt {long_date(on)}.",
        blocks=(f"Dette brevet gjelder {month_name(on.month)} {on.year}.", subject.general),
        level=subject.level,
        kind=subject.kind,
        public_title="Brev fra Helse Sør-Øst" if subject.level == LEVEL_HIGH else "",
        due=due,
        shared_document=_shared(subject, on.year),
        case=f"{subject.key.upper()}-{on.year}",
    )


def _shared(subject: _Subject, year: int) -> Enclosure:
    title = (
        subject.title.split("{")[0].split(",")[0].strip().removesuffix(" for").removesuffix(" i")
    )
    return Enclosure(
        f"{title.removesuffix(' fra').removesuffix(':')} {year}",
        (
            subject.general,
            "Beløp, dato og frist finner du i selve meldingen.",
            Items(("Opplysningene er dine, og du kan be om innsyn.", "Si fra hvis noe er feil.")),
        ),
        date(year, 1, 2),
    )
