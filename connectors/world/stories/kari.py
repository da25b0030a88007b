"""Kari, 34: 27 letters from nine senders, two deadlines soon. The figure in research sessions.

Two of the 27 come by more channels than one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time

from connectors.contract import Kind
from connectors.world.drafts import RECENT, Draft, Enclosure, oslo
from connectors.world.model import STUDY_DATE, Channel, Person
from connectors.world.pdf import Heading, Items, Rows
from connectors.world.stories import answers, everyday, nav, study, tax
from connectors.world.stories.common import by_channels, complaint_guide, letter
from connectors.world.words import number

_CASE = "BO-2026-kari"


def story(person: Person) -> Iterator[Draft]:
    """Yield all of Kari's letters; all but the four newest unread ones were opened long ago."""
    yield from newest(person)
    earlier = by_channels(
        _earlier(person), "barnehage-soknad", person.mailbox_supplier, Channel.ALTINN
    )
    for draft in by_channels(earlier, "helsestasjon", person.mailbox_supplier):
        yield replace(draft, always_opened=draft.on < (STUDY_DATE - RECENT).date())


def newest(person: Person) -> Iterator[Draft]:
    """Yield the seven letters at the top of the list."""
    yield letter(
        person,
        "dokumentasjon",
        "nav",
        Channel.NAV,
        date(2026, 11, 22),
        "Du må sende dokumentasjon på inntekt",
        "Vi mangler lønnsslipp for september og oktober for å behandle søknaden din om å få "
        "endret bostøtten.",
        Heading("Dette må du sende"),
        Items(("lønnsslipp for september 2026", "lønnsslipp for oktober 2026")),
        "Send dokumentene innen 1. desember 2026. Får vi dem ikke, avgjør vi saken med de "
        "opplysningene vi har.",
        clock=time(14, 2),
        kind=Kind.TASK,
        due=date(2026, 12, 1),
        needs_action=True,
        case=_CASE,
        action=(nav.MY_NAV, "Send dokumentasjon"),
        agency_task="Send dokumentasjon",
        reply_forms=answers.write_to("Svar på brevet, og legg ved lønnsslippene", settles=True),
        enclosures=(
            Enclosure(
                "Slik sender du dokumentasjon",
                (
                    Items(
                        (
                            "Ta bilde av eller last ned lønnsslippen.",
                            "Logg inn på Min side.",
                            "Velg saken og last opp.",
                        )
                    ),
                ),
            ),
            Enclosure(
                "Opplysninger vi har om deg",
                (
                    Rows(
                        ("Opplysning", "Verdi"),
                        (
                            ("Husleie per måned", "12 900"),
                            ("Voksne i husstanden", "1"),
                            ("Barn i husstanden", "1"),
                        ),
                    ),
                ),
            ),
        ),
    )
    yield letter(
        person,
        "barnehage-svar",
        "oslo",
        Channel.OSLO,
        date(2026, 11, 20),
        "Svar på søknad om barnehageplass",
        "Barnet ditt har fått tilbud om plass i Tveita barnehage fra 1. januar.",
        "Du må svare ja eller nei til plassen. Svarer du nei, står barnet fortsatt på venteliste "
        "til de andre barnehagene du har søkt.",
        "Hilsen Bydel Alna.",
        clock=time(11, 15),
        kind=Kind.DECISION,
        needs_action=True,
        case="BHG-2026-11893",
        agency_task="Svar på tilbudet",
        reply_forms=answers.choose(
            "Vil dere ha plassen?", ("ja", "Ja, vi tar imot plassen"), ("nei", "Nei takk")
        ),
        enclosures=(complaint_guide("oslo", 2026),),
    )
    yield tax.coming_tax_card(person, date(2026, 11, 19))
    yield everyday.periodic_test(person, "EK 12345", date(2027, 2, 28), date(2026, 11, 18))
    yield study.payment_plan(
        person,
        date(2026, 11, 16),
        214_600,
        1_845,
        always_opened=True,
        handled=datetime(2026, 11, 17, 18, 20, tzinfo=UTC),
        payment=answers.invoice(1_845, 20_270_115, oslo(date(2027, 1, 15), time(12))),
    )
    yield letter(
        person,
        "bostotte-vedtak",
        "nav",
        Channel.NAV,
        date(2026, 9, 24),
        "Vedtak: Du får bostøtte",
        "Søknaden din er innvilget med 2 140 kroner per måned.",
        Rows(
            ("Beregning", "Kroner"),
            (
                ("Boutgifter", number(12_900)),
                ("Egenandel", number(9_842)),
                ("Bostøtte", number(2_140)),
            ),
        ),
        "Bostøtten er 70 prosent av boutgiftene over egenandelen.",
        "Du kan klage innen tre uker fra du fikk brevet.",
        kind=Kind.DECISION,
        case=_CASE,
        expires=date(2026, 12, 23),
        always_opened=True,
        reply_forms=answers.write_to("Skriv til NAV om vedtaket"),
        enclosures=(complaint_guide("nav", 2026),),
    )
    yield everyday.appointment(
        person,
        "helse-sor-ost",
        date(2026, 9, 11),
        "poliklinisk time",
        "5. oktober 2026 klokken 10.30",
    )


def _earlier(person: Person) -> Iterator[Draft]:
    yield from tax.settlements(person, range(2021, 2027))
    yield from tax.tax_cards(person, range(2025, 2027))
    yield from nav.parental_benefit(person, date(2026, 3, 20))
    yield nav.child_benefit(person, date(2026, 4, 8))
    yield everyday.welcome(person, date(2020, 11, 24))
    yield everyday.new_doctor(person, date(2021, 5, 12), "Siri Vik")
    yield from everyday.exemption_card(person, range(2026, 2027))
    yield everyday.passport(person, date(2026, 6, 22), key="pass-barn")
    yield study.payment_plan(person, date(2024, 11, 14), 253_100, 1_790)
    yield everyday.driving_licence(person, date(2023, 8, 30))
    yield letter(
        person,
        "barnehage-soknad",
        "oslo",
        Channel.OSLO,
        date(2026, 7, 8),
        "Vi har mottatt søknaden om barnehageplass",
        "Du får svar innen utgangen av november.",
        kind=Kind.NOTICE,
        case="BHG-2026-11893",
        reply_forms=answers.closed("Søknaden er behandlet. Se svaret fra 20. november."),
    )
    yield letter(
        person,
        "helsestasjon",
        "oslo",
        Channel.OSLO,
        date(2026, 5, 6),
        "Time på helsestasjonen",
        "Barnet ditt har time til kontroll 20. mai 2026 klokken 12.15.",
        "Ta med helsekortet til barnet. Du kan bytte time på nettsiden.",
    )
    yield letter(
        person,
        "startlan",
        "oslo",
        Channel.ALTINN,
        date(2024, 2, 6),
        "Svar på spørsmål om startlån",
        "Kommunen behandler søknader om startlån hele året.",
        "Har du barn eller lav inntekt over tid, kan du søke når du har fått avslag i banken.",
    )
