"""Who gets which letters: each made-up person's story, put together from the others' parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, time, timedelta

from connectors.contract import LEVEL_HIGH, Appointment, Kind
from connectors.world.drafts import Draft, Enclosure, oslo
from connectors.world.model import Channel, Person
from connectors.world.pdf import Items, Rows
from connectors.world.stories import (
    arrival,
    association,
    bereavement,
    business,
    everyday,
    health,
    ill_child,
    kari,
    many,
    municipal,
    nav,
    nav_no,
    study,
    tax,
)
from connectors.world.stories.common import by_channels, complaint_guide, letter
from connectors.world.words import kroner, number

SETTLED = range(2021, 2027)
"""The years in which a settlement has come since the mailbox was opened in November 2020."""


def ola(person: Person) -> Iterator[Draft]:
    """Yield a pensioner's mail in Bergen."""
    yield everyday.welcome(person, date(2020, 12, 1))
    yield from tax.settlements(person, SETTLED)
    yield from tax.returns(person, range(2024, 2027))
    yield from tax.tax_cards(person, SETTLED)
    yield from everyday.polling_cards(person, "bergen", (2021, 2023, 2025))
    pensions = nav.pension_regulation(person, range(2021, 2027), 21_480)
    yield from by_channels(pensions, "alderspensjon-2026", person.mailbox_supplier)
    months = tuple(date(2026, month, 20) for month in range(1, 12))
    yield from nav.payslips(person, months, nav.regulated(person, range(2021, 2027), 21_480)[2026])
    yield from municipal.rates(person, "bergen", range(2022, 2027), 7_900)
    yield from everyday.exemption_card(person, range(2021, 2027))
    for on, what, at in (
        (date(2023, 3, 7), "undersøkelse av hjertet", "28. mars 2023 klokken 9.00"),
        (date(2024, 9, 17), "øyeundersøkelse", "8. oktober 2024 klokken 13.15"),
    ):
        yield everyday.appointment(person, "helse-vest", on, what, at)
    start = oslo(date(2026, 12, 9), time(11, 40))
    yield everyday.appointment(
        person,
        "helse-vest",
        date(2026, 11, 10),
        "kontroll av hjertet",
        "9. desember 2026 klokken 11.40",
        meeting=Appointment(
            "Kontroll av hjertet",
            "Haukeland universitetssjukehus, Jonas Lies vei 65, 5021 Bergen",
            ((start, start + timedelta(minutes=45)),),
            "Hjertepoliklinikken, 2. etasje. Møt 15 minutter før timen; ta med legitimasjon og "
            "liste over medisinene du bruker.",
        ),
    )
    yield everyday.hospital_answer(person, "helse-vest", date(2023, 4, 14), "hjerteundersøkelsen")
    yield everyday.hospital_answer(person, "helse-vest", date(2024, 10, 22), "øyeundersøkelsen")
    yield everyday.periodic_test(person, "SV 54321", date(2025, 4, 30), date(2025, 1, 20))
    yield everyday.driving_licence(person, date(2025, 2, 11))
    yield everyday.new_doctor(person, date(2022, 9, 6), "Per Eide")
    yield from health.heart(person, "Per Eide")
    yield letter(
        person,
        "spk-2027",
        "spk",
        person.mailbox_supplier,
        date(2026, 11, 20),
        "Ny beregning av tjenestepensjonen din",
        f"Fra januar får du {kroner(6_214)} i måneden fra Statens pensjonskasse.",
        Rows(("Per måned", "Kroner"), (("Før", number(6_010)), ("Fra januar", number(6_214)))),
        "Du kan klage innen seks uker.",
        kind=Kind.DECISION,
        visible_from=date(2026, 12, 1),
        enclosures=(complaint_guide("spk", 2026),),
    )


def amina(person: Person) -> Iterator[Draft]:
    """Yield a student's mail, in English where the sender can."""
    yield everyday.welcome(person, date(2021, 8, 9))
    yield study.admission(person, date(2021, 7, 20), "Informatics: programming and systems", "en")
    supports = study.support(person, range(2021, 2027), "en")
    yield from by_channels(supports, "stotte-2026", person.mailbox_supplier)
    terms = tuple(date(year, month, 12) for year in range(2022, 2027) for month in (1, 8))
    yield from study.term_fees(person, terms, "en")
    yield from tax.settlements(person, range(2022, 2027), "en")
    yield from tax.returns(person, range(2024, 2027), "en")
    yield from tax.tax_cards(person, range(2023, 2027), "en")
    yield tax.coming_tax_card(person, date(2026, 11, 19), "en")
    yield everyday.new_doctor(person, date(2022, 2, 3), "Anne Lie", "en")
    yield from everyday.polling_cards(
        person, "oslo", (2021, 2023, 2025), sent_by="valgdirektoratet"
    )
    yield from study.received_documents(person, date(2026, 10, 14))
    yield letter(
        person,
        "utbetaling-januar",
        "lanekassen",
        person.mailbox_supplier,
        date(2026, 11, 19),
        "Your payments this spring",
        f"You will receive {kroner(14_320, 'en')} on 15 January 2027.",
        Rows(
            ("Date", "NOK"),
            (("15 January 2027", number(14_320)), ("15 February 2027", number(14_320))),
        ),
        language="en",
        visible_from=date(2026, 11, 27),
    )


def nils_ante(person: Person) -> Iterator[Draft]:
    """Yield a sole trader's mail."""
    yield everyday.welcome(person, date(2020, 11, 30))
    yield from business.register(person, date(2021, 2, 3))
    yield from tax.settlements(person, SETTLED)
    yield from tax.advance_tax(person, range(2022, 2027))
    yield from tax.vat_reminders(person, range(2022, 2027))
    yield from tax.returns(person, range(2023, 2027))
    yield from business.grant(person, date(2024, 3, 4), 180_000)
    yield business.electoral_roll(person, 2021)
    yield business.electoral_roll(person, 2025)
    yield business.road_permit(person, date(2023, 5, 8))
    yield from business.own_enterprise(person)
    yield everyday.periodic_test(person, "ZA 20202", date(2024, 6, 30), date(2024, 3, 11))
    yield everyday.periodic_test(person, "ZA 20202", date(2026, 6, 30), date(2026, 3, 9))
    yield from everyday.vehicle_registered(person, range(2023, 2024))
    yield everyday.appointment(
        person,
        "helse-nord",
        date(2025, 10, 13),
        "røntgen av skulder",
        "4. november 2025 klokken 12",
    )
    yield from nav.sick_pay(person, date(2025, 11, 10))
    yield everyday.passport(person, date(2024, 5, 13))
    yield tax.coming_tax_card(person, date(2026, 11, 19))


def bjorg(person: Person) -> Iterator[Draft]:
    """Yield the mail of a daughter and heir."""
    died = date(2026, 6, 30)
    yield everyday.welcome(person, date(2021, 1, 12))
    yield from tax.settlements(person, SETTLED)
    yield from tax.tax_cards(person, SETTLED)
    yield from everyday.polling_cards(person, "trondheim", (2021, 2023, 2025))
    yield from municipal.rates(person, "trondheim", range(2023, 2026), 6_300)
    yield from bereavement.before(person)
    yield from bereavement.estate(person, died)
    yield from by_channels(
        bereavement.belongings(person, died), "gravferd", person.mailbox_supplier
    )


def olena(person: Person) -> Iterator[Draft]:
    """Yield the mail of somebody new in Norway."""
    yield from arrival.residence(person, date(2025, 3, 3), date(2026, 4, 7))
    yield from arrival.registration(person, date(2025, 5, 19))
    yield everyday.passport(person, date(2025, 5, 26), "en", key="oppholdskort")
    yield everyday.new_doctor(person, date(2025, 6, 10), "Marte Sunde", "en")
    yield from arrival.introduction(person, date(2025, 6, 16))
    yield from arrival.everyday(person)
    yield from health.newcomers_tests(person)
    yield from tax.tax_cards(person, range(2026, 2027), "en")
    yield from tax.settlements(person, range(2026, 2027), "en")
    yield from tax.returns(person, range(2026, 2027), "en")
    yield tax.coming_tax_card(person, date(2026, 11, 19), "en")


def jonas(person: Person) -> Iterator[Draft]:
    """Yield the mail of somebody between two jobs."""
    yield everyday.welcome(person, date(2020, 11, 25))
    yield from tax.settlements(person, SETTLED)
    yield from tax.tax_cards(person, range(2023, 2027))
    yield tax.coming_tax_card(person, date(2026, 11, 19))
    yield from everyday.polling_cards(
        person, "oslo", (2021, 2023, 2025), sent_by="valgdirektoratet"
    )
    yield from study.repayment(person, range(2022, 2027), 302_400)
    benefit = nav.unemployment(person, date(2026, 4, 7), date(2026, 11, 23))
    yield from by_channels(benefit, "dagpenger-vedtak", person.mailbox_supplier)
    yield from municipal.parking(person, range(2022, 2027))
    yield nav.meeting(person, date(2026, 8, 19), "2. september 2026 klokken 10")
    yield everyday.new_doctor(person, date(2024, 4, 18), "Ida Strand")
    yield letter(
        person,
        "sosialhjelp",
        "oslo",
        Channel.OSLO,
        date(2026, 10, 26),
        "Vedtak: Du får hjelp til strøm",
        f"Søknaden din er innvilget med {kroner(1_850)}.",
        "Pengene betales direkte til strømselskapet.",
        kind=Kind.DECISION,
        enclosures=(complaint_guide("oslo", 2026),),
    )


def eirik(person: Person) -> Iterator[Draft]:
    """Yield a young father's mail, in nynorsk where the sender can."""
    yield everyday.welcome(person, date(2021, 3, 2))
    yield from tax.settlements(person, SETTLED, "nn")
    yield from tax.returns(person, range(2023, 2027))
    parental = nav.parental_benefit(person, date(2025, 5, 14), "nn")
    yield from by_channels(parental, "foreldrepenger-vedtak", Channel.ALTINN)
    yield nav.child_benefit(person, date(2025, 6, 3), "nn")
    yield from municipal.kindergarten(person, "bergen", date(2026, 2, 24), "Fløyen barnehage", "nn")
    yield from ill_child.illness(person, date(2026, 9, 7))
    yield from health.childs_referral(person)
    yield from nav_no.care_benefit(person)
    yield from municipal.rates(person, "bergen", range(2024, 2027), 6_900)
    yield from municipal.building_case(person, "bergen", date(2025, 8, 18))
    yield from municipal.chimney(person, "bergen", (2024, 2026), Channel.BERGEN)
    yield from study.repayment(person, range(2022, 2027), 268_900)
    yield letter(
        person,
        "tinglysing",
        "kartverket",
        person.mailbox_supplier,
        date(2023, 10, 17),
        "Skøytet er tinglyst",
        "Du er no registrert som eigar av bustaden.",
        Rows(
            ("Gebyr", "Kroner"), (("Tinglysing", number(540)), ("Dokumentavgift", number(97_500)))
        ),
        language="nn",
        kind=Kind.DECISION,
    )


def ingrid(person: Person) -> Iterator[Draft]:
    """Yield the mail of somebody who has just come of age."""
    yield everyday.welcome(person, date(2022, 9, 20))
    yield from tax.tax_cards(person, range(2024, 2027))
    yield from tax.settlements(person, range(2024, 2027))
    yield from tax.returns(person, range(2024, 2027))
    yield everyday.driving_licence(person, date(2025, 11, 4))
    yield from everyday.polling_cards(person, "trondheim", (2025,))
    supports = study.support(person, range(2026, 2027))
    yield from by_channels(supports, "stotte-2026", person.mailbox_supplier)
    yield everyday.passport(person, date(2025, 5, 19))
    # The post went to where she lived before: it came back, and she has the letter here.
    doctor = everyday.new_doctor(person, date(2026, 8, 27), "Jon Rønning")
    yield replace(doctor, printed=date(2026, 8, 31), returned=date(2026, 9, 14))
    yield tax.coming_tax_card(person, date(2026, 11, 19))


def solveig(person: Person) -> Iterator[Draft]:
    """Yield the mail of an old woman who lives alone."""
    yield everyday.welcome(person, date(2021, 5, 5))
    yield from tax.settlements(person, SETTLED)
    yield from tax.tax_cards(person, range(2022, 2027))
    yield from nav.pension_regulation(person, range(2021, 2027), 18_940)
    yield from nav.assistive_device(person, date(2024, 1, 22), "en rullator")
    yield from nav.assistive_device(person, date(2026, 9, 14), "en dusjstol")
    yield from municipal.home_care(person, "tromso", date(2025, 2, 10))
    yield from everyday.exemption_card(person, range(2021, 2027))
    yield from everyday.polling_cards(person, "tromso", (2021, 2023, 2025))
    for on, what, at in (
        (date(2022, 10, 3), "hørselsprøve", "25. oktober 2022 klokken 10"),
        (date(2025, 1, 8), "operasjon av grå stær", "3. februar 2025 klokken 8.30"),
    ):
        yield everyday.appointment(person, "helse-nord", on, what, at)
    yield everyday.hospital_answer(person, "helse-nord", date(2025, 3, 10), "øyeoperasjonen")
    yield from health.eyes(person)
    yield letter(
        person,
        "bostotte",
        "husbanken",
        Channel.ALTINN,
        date(2026, 10, 20),
        "Vedtak om bostøtte for september",
        f"Du får {kroner(1_312)} i bostøtte.",
        "Pengene er på kontoen 10. november. Du kan klage innen tre uker.",
        kind=Kind.DECISION,
        enclosures=(complaint_guide("husbanken", 2026),),
    )


def henrik(person: Person) -> Iterator[Draft]:
    """Yield the mail of a man with a house, a cabin and two cars."""
    yield everyday.welcome(person, date(2020, 12, 8))
    yield from tax.settlements(person, SETTLED)
    yield from tax.returns(person, range(2022, 2027))
    yield from tax.tax_cards(person, range(2024, 2027))
    yield tax.coming_tax_card(person, date(2026, 11, 19), channel=Channel.SKATTEETATEN)
    yield from municipal.rates(person, "stavanger", range(2022, 2027), 8_400)
    yield from municipal.chimney(person, "stavanger", (2022, 2024, 2026))
    yield from everyday.vehicle_registered(person, range(2024, 2026))
    yield everyday.periodic_test(person, "RL 30303", date(2026, 12, 31), date(2026, 9, 21))
    yield from nav.sick_pay(person, date(2026, 1, 12))
    yield from health.back_pain(person)
    yield from association.founding(person, "stavanger", date(2026, 3, 9))
    yield letter(
        person,
        "hytte",
        "kartverket",
        person.mailbox_supplier,
        date(2025, 7, 3),
        "Skjøtet er tinglyst",
        "Du er registrert som eier av fritidseiendommen.",
        Rows(
            ("Gebyr", "Kroner"), (("Tinglysing", number(500)), ("Dokumentavgift", number(52_500)))
        ),
        kind=Kind.DECISION,
        enclosures=(
            Enclosure(
                "Grunnboksutskrift", (Items(("Hjemmelshaver: Henrik Dahl", "Heftelser: ingen")),)
            ),
        ),
    )


def sara(person: Person) -> Iterator[Draft]:
    """Yield a schoolgirl's mail, some of which is hers alone from the day she was twelve."""
    yield everyday.welcome(person, date(2024, 8, 19))
    yield letter(
        person,
        "tannlege",
        "stavanger",
        person.mailbox_supplier,
        date(2026, 9, 8),
        "Time hos tannlegen",
        "Du har time hos den offentlige tannklinikken 1. oktober klokken 10.30.",
        "Gi beskjed hvis du ikke kan komme. Behandlingen er gratis.",
    )
    yield letter(
        person,
        "helsestasjon-ungdom",
        "stavanger",
        person.mailbox_supplier,
        date(2026, 10, 13),
        "Time på helsestasjonen for ungdom",
        "Du har time hos helsesykepleier 3. november klokken 14.15.",
        "Det du snakker med oss om, er mellom deg og oss.",
        level=LEVEL_HIGH,
        public_title="Brev fra Stavanger kommune",
    )
    yield from health.her_own(person)
    yield letter(
        person,
        "skolevalg",
        "stavanger",
        Channel.ALTINN,
        date(2026, 11, 16),
        "Orientering om søknad til videregående skole",
        "Søknadsfristen er 1. mars 2027.",
        "Du søker selv. Foreldrene dine kan se søknaden hvis du vil.",
    )


def leif(person: Person) -> Iterator[Draft]:
    """Yield the mail of a man who died in June 2026, before and after."""
    yield everyday.welcome(person, date(2021, 2, 1))
    yield everyday.new_doctor(person, date(2023, 9, 5), "Siri Bakken")
    yield letter(
        person,
        "hjemmetjeneste-avsluttet",
        "trondheim",
        person.mailbox_supplier,
        date(2026, 7, 14),
        "Hjemmetjenesten er avsluttet",
        "Tjenesten er avsluttet fra 30. juni 2026.",
        "Nøkkel og trygghetsalarm kan leveres på nærmeste helse- og velferdskontor.",
        kind=Kind.DECISION,
    )
    yield letter(
        person,
        "alderspensjon-avsluttet",
        "nav",
        Channel.NAV,
        date(2026, 7, 21),
        "Alderspensjonen er avsluttet",
        "Siste utbetaling til boet er for juli 2026.",
        "Er det betalt ut for mye, tar vi kontakt med boet.",
        kind=Kind.DECISION,
    )
    yield letter(
        person,
        "skattemelding-avdod",
        "skatteetaten",
        Channel.ALTINN,
        date(2026, 9, 1),
        "Skattemeldingen for året før dødsfallet",
        "Boet kan endre skattemeldingen for 2025 i tre år.",
        "Den som representerer boet, svarer på vegne av den avdøde.",
    )


STORIES: dict[str, Callable[[Person], Iterator[Draft]]] = {
    "kari": kari.story,
    "ola": ola,
    "amina": amina,
    "nils-ante": nils_ante,
    "bjorg": bjorg,
    "olena": olena,
    "jonas": jonas,
    "eirik": eirik,
    "ingrid": ingrid,
    "solveig": solveig,
    "henrik": henrik,
    "sara": sara,
    "leif": leif,
    "stress": many.story,
}
"""The story of each person who has letters, by slug."""
