"""NAV: benefits, pensions and the tasks that go with them.

Links lead to www.nav.no over https, as NAV's own rules for notices demand.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from connectors.contract import LEVEL_HIGH, Kind
from connectors.world.drafts import Draft, Enclosure, rng
from connectors.world.model import Channel, Person
from connectors.world.pdf import Heading, Items, Rows
from connectors.world.stories.common import complaint_guide, letter, weeks_after
from connectors.world.words import kroner, long_date, month_name, number

MY_NAV = "https://www.nav.no/minside"
_COMPLAIN = "Du kan klage innen seks uker fra du fikk brevet. Vedlegget forklarer hvordan."


def parental_benefit(person: Person, born: date, language: str = "nb") -> Iterator[Draft]:
    """Yield the application's receipt and the decision, the latter by two channels."""
    rate = rng("parental", person.slug).randrange(1_480, 2_180, 5)
    applied, decided = born - timedelta(weeks=5), born - timedelta(weeks=2)
    nynorsk = language == "nn"
    yield letter(
        person,
        "foreldrepenger-mottatt",
        "nav",
        Channel.NAV,
        applied,
        "Vi har motteke søknaden din om foreldrepengar"
        if nynorsk
        else "Vi har mottatt søknaden din om foreldrepenger",
        "Du får svar innan tre veker." if nynorsk else "Du får svar innen tre uker.",
        language=language,
        kind=Kind.NOTICE,
        case=f"FP-{born.year}-{person.slug}",
    )
    rows = Rows(
        ("Periode", "Kroner per dag"),
        (
            (f"Frå {long_date(born)}" if nynorsk else f"Fra {long_date(born)}", number(rate)),
            ("Fellesperiode", number(rate)),
        ),
    )
    yield letter(
        person,
        "foreldrepenger-vedtak",
        "nav",
        Channel.NAV,
        decided,
        "Vedtak: Du får foreldrepengar" if nynorsk else "Vedtak: Du får foreldrepenger",
        f"Søknaden din er innvilga med {kroner(rate)} per dag."
        if nynorsk
        else f"Søknaden din er innvilget med {kroner(rate)} per dag.",
        rows,
        "Du får pengane kvar månad, seinast den 25."
        if nynorsk
        else "Pengene kommer hver måned, senest den 25.",
        _COMPLAIN if not nynorsk else "Du kan klage innan seks veker frå du fekk brevet.",
        language=language,
        kind=Kind.DECISION,
        case=f"FP-{born.year}-{person.slug}",
        enclosures=(complaint_guide("nav", decided.year),),
    )


def child_benefit(person: Person, on: date, language: str = "nb") -> Draft:
    """Return the decision on child benefit, given without an application."""
    nynorsk = language == "nn"
    return letter(
        person,
        f"barnetrygd-{on.year}",
        "nav",
        Channel.NAV,
        on,
        "Vedtak: Du får barnetrygd",
        "Du får 1 968 kroner i månaden frå og med neste månad."
        if nynorsk
        else "Du får 1 968 kroner i måneden fra og med neste måned.",
        "Barnetrygda blir utbetalt mot slutten av kvar månad."
        if nynorsk
        else "Barnetrygden utbetales mot slutten av hver måned. Si fra hvis du og barnet flytter.",
        language=language,
        kind=Kind.DECISION,
        case=f"BA-{on.year}-{person.slug}",
    )


def unemployment(person: Person, lost: date, until: date) -> Iterator[Draft]:
    """Yield dagpenger: receipt, decision, a card every fourth week, and a request on the way."""
    rate = rng("dagpenger", person.slug).randrange(890, 1_290, 5)
    case = f"DP-{lost.year}-{person.slug}"
    yield letter(
        person,
        "dagpenger-mottatt",
        "nav",
        Channel.NAV,
        lost,
        "Vi har mottatt søknaden din om dagpenger",
        "Du får svar innen fire uker. Husk å sende meldekort mens du venter.",
        kind=Kind.NOTICE,
        case=case,
        with_document=False,
    )
    yield letter(
        person,
        "dagpenger-vedtak",
        "nav",
        Channel.NAV,
        weeks_after(lost, 4),
        "Vedtak: Du får dagpenger",
        f"Søknaden din er innvilget med {kroner(rate)} per dag.",
        Rows(("Hva", "Kroner"), (("Per dag", number(rate)), ("Per to uker", number(10 * rate)))),
        Heading("Du må"),
        Items(
            (
                "sende meldekort hver fjortende dag",
                "søke aktivt på jobber",
                "møte når vi kaller inn",
            )
        ),
        _COMPLAIN,
        kind=Kind.DECISION,
        case=case,
        enclosures=(
            complaint_guide("nav", lost.year),
            Enclosure(
                "Slik har vi regnet ut dagpengene",
                (
                    Rows(
                        ("Grunnlag", "Kroner"),
                        (
                            ("Lønn siste 12 måneder", number(rate * 260 * 100 // 62)),
                            ("Dagpenger per dag", number(rate)),
                        ),
                    ),
                    "Dagpenger er omtrent 62 prosent av lønnen du hadde før skatt.",
                ),
            ),
        ),
    )
    day = weeks_after(lost, 6)
    while day < until:
        due = day + timedelta(days=8)
        yield letter(
            person,
            f"meldekort-{day.isoformat()}",
            "nav",
            Channel.NAV,
            day,
            f"Meldekortet for uke {day.isocalendar().week - 2} og {day.isocalendar().week - 1}",
            f"Du kan sende meldekortet nå. Fristen er {long_date(due)}.",
            kind=Kind.TASK,
            due=due,
            needs_action=True,
            with_document=False,
            case=case,
            action=(MY_NAV, "Send meldekort"),
            agency_task="Send meldekort",
        )
        day = weeks_after(day, 4)


def meeting(person: Person, on: date, when: str) -> Draft:
    """Return a summons to a talk at the local office, at level 4."""
    return letter(
        person,
        f"mote-{on.isoformat()}",
        "nav",
        Channel.NAV,
        on,
        "Innkalling til samtale om arbeid og helse",
        f"Du er kalt inn til samtale {when}.",
        "Vi går gjennom hva du kan gjøre, og hva slags hjelp du trenger. Du kan ta med noen du "
        "stoler på.",
        "Kommer du ikke uten å si fra, kan pengene dine bli stanset.",
        level=LEVEL_HIGH,
        public_title="Brev fra NAV",
    )


def regulated(person: Person, years: range, monthly: int) -> dict[int, tuple[int, int]]:
    """Return each year's pension a month before and after the regulation of 1 May."""
    steps = {}
    for year in years:
        percent_tenths = 32 + rng("regulation", person.slug, year).randint(0, 24)
        steps[year] = (monthly, monthly * (1000 + percent_tenths) // 1000)
        monthly = steps[year][1]
    return steps


def pension_regulation(person: Person, years: range, monthly: int) -> Iterator[Draft]:
    """Yield the yearly regulation of the old-age pension, from 1 May."""
    for year, (before, after) in regulated(person, years, monthly).items():
        yield letter(
            person,
            f"alderspensjon-{year}",
            "nav",
            Channel.NAV if year >= 2024 else person.mailbox_supplier,
            date(year, 6, 3),
            f"Ny pensjon fra 1. mai {year}",
            f"Alderspensjonen din er økt til {kroner(after)} i måneden før skatt.",
            Rows(
                ("Per måned", "Kroner"),
                (
                    ("Før 1. mai", number(before)),
                    ("Fra 1. mai", number(after)),
                    ("Økning", number(after - before)),
                ),
            ),
            f"Du får etterbetalt {kroner(after - before)} for mai sammen med pensjonen for juni.",
            _COMPLAIN,
            kind=Kind.DECISION,
            case=f"PEN-{year}",
            enclosures=(complaint_guide("nav", year),),
        )


def payslips(person: Person, days: tuple[date, ...], pension: tuple[int, int]) -> Iterator[Draft]:
    """Yield notices of payment; `pension` is the sum a month before and after 1 May.

    The new sum is paid from June, together with what was missing in May.
    """
    before, after = pension
    for day in days:
        monthly = before if day.month < 6 else after
        if day.month == 6:
            monthly += after - before
        tax = monthly * 18 // 100
        yield letter(
            person,
            f"utbetaling-{day.isoformat()}",
            "nav",
            Channel.NAV,
            day,
            f"Utbetalingsmelding for {month_name(day.month)} {day.year}",
            f"Du har fått utbetalt {kroner(monthly - tax)}.",
            Rows(
                ("Post", "Kroner"),
                (
                    ("Pensjon før skatt", number(monthly)),
                    ("Skattetrekk", f"-{number(tax)}"),
                    ("Utbetalt", number(monthly - tax)),
                ),
            ),
            kind=Kind.NOTICE,
        )


def assistive_device(person: Person, on: date, what: str) -> Iterator[Draft]:
    """Yield the receipt and the decision on an aid for daily life, at level 4."""
    case = f"HJE-{on.year}-{person.slug}"
    yield letter(
        person,
        f"hjelpemiddel-{on.year}",
        "nav",
        Channel.NAV,
        on,
        "Vi har mottatt søknaden din om hjelpemiddel",
        f"Søknaden gjelder {what}. Du får svar innen fire uker.",
        level=LEVEL_HIGH,
        public_title="Brev fra NAV",
        kind=Kind.NOTICE,
        case=case,
    )
    yield letter(
        person,
        f"hjelpemiddel-vedtak-{on.year}",
        "nav",
        Channel.NAV,
        weeks_after(on, 3),
        "Vedtak: Du får hjelpemiddel",
        f"Du får låne {what} så lenge du trenger det.",
        "Kommunen leverer hjelpemiddelet hjem til deg og viser hvordan det brukes.",
        _COMPLAIN,
        level=LEVEL_HIGH,
        public_title="Brev fra NAV",
        kind=Kind.DECISION,
        case=case,
        enclosures=(complaint_guide("nav", on.year),),
    )


def sick_pay(person: Person, on: date) -> Iterator[Draft]:
    """Yield a spell of sick pay: receipt and decision, health matters at level 4."""
    rate = rng("sick", person.slug, on).randrange(1_150, 2_050, 5)
    case = f"SP-{on.year}-{person.slug}"
    yield letter(
        person,
        f"sykmelding-{on.isoformat()}",
        "nav",
        Channel.NAV,
        on,
        "Du har en ny sykmelding",
        "Du må sende sykmeldingen til arbeidsgiveren din eller til NAV.",
        level=LEVEL_HIGH,
        public_title="Melding fra NAV",
        kind=Kind.TASK,
        needs_action=True,
        with_document=False,
        case=case,
        action=(MY_NAV, "Send sykmeldingen"),
        agency_task="Send sykmeldingen",
    )
    yield letter(
        person,
        f"sykepenger-{on.isoformat()}",
        "nav",
        Channel.NAV,
        weeks_after(on, 5),
        "Vedtak: Du får sykepenger",
        f"Du får {kroner(rate)} per dag fra {long_date(weeks_after(on, 2))}.",
        Rows(("Hva", "Kroner"), (("Per dag", number(rate)), ("Per måned", number(rate * 22)))),
        _COMPLAIN,
        level=LEVEL_HIGH,
        public_title="Brev fra NAV",
        kind=Kind.DECISION,
        case=case,
        enclosures=(complaint_guide("nav", on.year),),
    )
