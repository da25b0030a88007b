"""What nearly everybody gets: the mailbox itself, polling cards, car, passport and GP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time

from connectors.contract import LEVEL_HIGH, Appointment, Kind, Proof
from connectors.world.agencies import agency
from connectors.world.drafts import Draft, oslo, rng
from connectors.world.model import Channel, Person
from connectors.world.pdf import Items, Rows
from connectors.world.stories.common import complaint_guide, letter
from connectors.world.words import kroner, long_date, number


def welcome(person: Person, on: date) -> Draft:
    """Return the notice that the digital mailbox is open."""
    return letter(
        person,
        "velkommen",
        "digdir",
        person.mailbox_supplier,
        on,
        "Du har valgt digital postkasse",
        "Brev fra stat og kommune kommer nå i den digitale postkassen din i stedet for på papir.",
        Items(
            (
                "Sjekk at e-post og mobilnummer er riktig i kontaktregisteret.",
                "Du kan bytte postkasse når du vil. Brevene du har, mister du ikke.",
                "Vil du ha brev på papir, kan du reservere deg.",
            )
        ),
        kind=Kind.NOTICE,
    )


def polling_cards(
    person: Person, municipality: str, years: tuple[int, ...], *, sent_by: str = ""
) -> Iterator[Draft]:
    """Yield the card before each election: general 2021 and 2025, local 2023.

    That of 2025 is sent by `sent_by`, on behalf of the municipality.
    """
    for year in years:
        kind = "kommunestyre- og fylkestingsvalget" if year % 4 == 3 else "stortingsvalget"
        yield letter(
            person,
            f"valgkort-{year}",
            municipality,
            person.mailbox_supplier if year > 2021 else Channel.ALTINN,
            date(year, 8, 12),
            f"Valgkort for {kind} {year}",
            "Du har stemmerett. Her ser du hvor og når du kan stemme.",
            Rows(
                ("Når", "Tid"),
                (
                    ("Forhåndsstemming fra 10. august", "kl. 10 til 18"),
                    ("Valgdagen i september", "kl. 9 til 21"),
                ),
            ),
            "Ta med legitimasjon. Du trenger ikke ha med valgkortet.",
            kind=Kind.NOTICE,
            processor=sent_by if year == 2025 else "",
        )


def periodic_test(person: Person, plate: str, due: date, on: date) -> Draft:
    """Return the notice of the car's periodic test (EU-kontroll)."""
    return letter(
        person,
        f"eu-kontroll-{on.year}",
        "vegvesenet",
        person.mailbox_supplier,
        on,
        "Varsel om EU-kontroll",
        f"Kjøretøy {plate} må godkjennes innen {long_date(due)}.",
        "Bestill time hos et godkjent verksted i god tid. Har verkstedet funnet feil, må de "
        "rettes før fristen.",
        "Blir ikke bilen godkjent innen fristen, får den bruksforbud.",
        due=due,
        case=f"EU-{plate.replace(' ', '')}-{due.year}",
    )


def driving_licence(person: Person, on: date) -> Draft:
    """Return the letter that a licence is on its way."""
    return letter(
        person,
        f"forerkort-{on.year}",
        "vegvesenet",
        person.mailbox_supplier,
        on,
        "Førerkortet ditt er på vei",
        "Vi har produsert førerkortet. Du får det i posten innen ti virkedager.",
        "Frem til da kan du bruke det midlertidige førerkortet, men bare i Norge.",
    )


def vehicle_registered(person: Person, years: range) -> Iterator[Draft]:
    """Yield the confirmation of a car bought that autumn."""
    for year in years:
        fee = rng("vehicle", person.slug, year).randrange(1_260, 4_890, 10)
        yield letter(
            person,
            f"kjoretoy-{year}",
            "vegvesenet",
            Channel.ALTINN,
            date(year, 10, 4),
            "Kjøretøyet er registrert på deg",
            "Vi har registrert deg som eier av et kjøretøy. Vognkortet finner du på Din side.",
            Rows(("Gebyr", "Kroner"), (("Omregistrering", number(fee)),)),
            f"Gebyret på {kroner(fee)} er betalt.",
            kind=Kind.DECISION,
        )


def passport(person: Person, on: date, language: str = "nb", key: str = "pass") -> Draft:
    """Return the police's word that a passport is ready."""
    english = language == "en"
    return letter(
        person,
        f"{key}-{on.year}",
        "politiet",
        person.mailbox_supplier,
        on,
        "Your residence card is on its way" if english else "Passet er klart",
        "The residence card will be sent by post within ten working days."
        if english
        else "Passet er produsert og sendes i posten til adressen din.",
        "Please check that your name is on your letter box."
        if english
        else "Sjekk at navnet ditt står på postkassen. Har passet ikke kommet innen ti dager, "
        "kontakter du passkontoret.",
        language=language,
        kind=Kind.NOTICE,
    )


def new_doctor(person: Person, on: date, doctor: str, language: str = "nb") -> Draft:
    """Return Helfo's confirmation of a change of GP."""
    english = language == "en"
    return letter(
        person,
        f"fastlege-{on.year}",
        "helfo",
        person.mailbox_supplier,
        on,
        "You have been assigned a GP" if english else "Du har fått ny fastlege",
        f"Your GP from the first of next month is {doctor}."
        if english
        else f"Fastlegen din fra den første i neste måned er {doctor}.",
        "You may change GP twice a year."
        if english
        else "Du kan bytte fastlege to ganger i året, og oftere hvis du flytter.",
        language=language,
        kind=Kind.DECISION,
    )


def exemption_card(person: Person, years: range) -> Iterator[Draft]:
    """Yield Helfo's exemption card (frikort), a health matter and so at level 4."""
    for year in years:
        limit = 2_460 + 155 * (year - 2021)
        on = date(year, rng("frikort", person.slug, year).randint(4, 8), 8)
        title = f"Frikort for helsetjenester {year}"
        proof = Proof(title, "Helfo", oslo(on, time()), oslo(date(year, 12, 31), time(23, 59)))
        yield letter(
            person,
            f"frikort-{year}",
            "helfo",
            person.mailbox_supplier,
            on,
            title,
            f"Du har betalt {kroner(limit)} i egenandeler og har fått frikort ut året.",
            "Du betaler ikke egenandel for resten av året. Har du betalt for mye, får du pengene "
            "tilbake på konto innen tre uker.",
            kind=Kind.DECISION,
            level=LEVEL_HIGH,
            public_title="Brev fra Helfo",
            enclosures=(complaint_guide("helfo", year),),
            proof=proof if year == 2026 else None,
        )


def appointment(
    person: Person,
    hospital: str,
    on: date,
    what: str,
    at: str,
    *,
    key: str = "time",
    meeting: Appointment | None = None,
) -> Draft:
    """Return a hospital's summons, at level 4 with a title that says only who wrote.

    `meeting` is the same for calendars.
    """
    return letter(
        person,
        f"{key}-{on.isoformat()}",
        hospital,
        person.mailbox_supplier,
        on,
        f"Innkalling til {what}",
        f"Du har fått time til {what} {at}.",
        "Møt 15 minutter før timen. Ta med legitimasjon og liste over medisinene du bruker.",
        "Passer ikke timen, må du si fra senest 24 timer før. Ellers må du betale gebyr.",
        level=LEVEL_HIGH,
        public_title=f"Brev fra {agency(hospital).name.removesuffix(' RHF')}",
        opening_receipt=True,
        appointment=meeting,
    )


def hospital_answer(person: Person, hospital: str, on: date, what: str) -> Draft:
    """Return a hospital's letter after a consultation, at level 4."""
    return letter(
        person,
        f"svar-{on.isoformat()}",
        hospital,
        person.mailbox_supplier,
        on,
        f"Svar etter {what}",
        f"Prøvene etter {what} viste ikke tegn til alvorlig sykdom.",
        "Fastlegen din har fått kopi av dette brevet. Ta kontakt med fastlegen hvis du får nye "
        "plager.",
        level=LEVEL_HIGH,
        public_title=f"Brev fra {agency(hospital).name.removesuffix(' RHF')}",
    )
