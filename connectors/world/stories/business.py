"""A sole trader in Kárášjohka: the register, the Sámi parliament and the roads.

What is to the trader and what is to the enterprise comes to two inboxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from connectors.contract import Kind
from connectors.world.drafts import Draft, Enclosure
from connectors.world.model import Channel, Person
from connectors.world.pdf import Heading, Items, Rows
from connectors.world.stories.common import complaint_guide, letter
from connectors.world.words import kroner, long_date, number


def register(person: Person, on: date) -> Iterator[Draft]:
    """Yield the registration of the firm and the later confirmations from the registers."""
    yield letter(
        person,
        "foretak-registrert",
        "brreg",
        Channel.ALTINN,
        on,
        "Enkeltpersonforetaket er registrert",
        "Foretaket ditt er registrert i Enhetsregisteret.",
        "Utskriften ligger ved. Si fra innen tre uker hvis noe er feil.",
        kind=Kind.DECISION,
        enclosures=(
            Enclosure(
                "Utskrift fra Enhetsregisteret",
                (
                    Rows(
                        ("Opplysning", "Registrert"),
                        (
                            ("Organisasjonsform", "Enkeltpersonforetak"),
                            ("Innehaver", person.name),
                            ("Næring", "Reparasjon av kjøretøy"),
                        ),
                    ),
                ),
            ),
        ),
    )
    for year in (2022, 2024, 2026):
        yield letter(
            person,
            f"foretak-kontroll-{year}",
            "brreg",
            Channel.ALTINN,
            date(year, 1, 25),
            "Bekreft opplysningene om foretaket",
            "Sjekk at adresse, næringskode og e-post er riktige.",
            Items(("forretningsadresse", "næringskode", "e-post for varsling")),
            kind=Kind.TASK,
            due=date(year, 2, 28),
            needs_action=True,
            needs_confirmation=True,
            with_document=False,
            action=("https://www.altinn.no/", "Bekreft opplysningene"),
        )


def grant(person: Person, on: date, amount: int) -> Iterator[Draft]:
    """Yield application and decision on a grant from Sámediggi."""
    case = f"SD-{on.year}/218"
    yield letter(
        person,
        f"tilskudd-soknad-{on.year}",
        "sametinget",
        Channel.ALTINN,
        on,
        "Vi har mottatt søknaden om næringstilskudd",
        "Søknaden behandles innen tre måneder.",
        kind=Kind.NOTICE,
        case=case,
    )
    yield letter(
        person,
        f"tilskudd-vedtak-{on.year}",
        "sametinget",
        person.mailbox_supplier,
        date(on.year, on.month + 2, 15),
        "Vedtak: Du får næringstilskudd",
        f"Sametinget gir et tilskudd på {kroner(amount)} til verkstedet ditt.",
        Rows(
            ("Utbetaling", "Kroner"),
            (
                ("Ved oppstart", number(amount // 2)),
                ("Ved sluttrapport", number(amount - amount // 2)),
            ),
        ),
        f"Du må sende rapport innen {long_date(date(on.year + 1, 6, 1))}.",
        kind=Kind.DECISION,
        case=case,
        enclosures=(complaint_guide("sametinget", on.year),),
    )


def electoral_roll(person: Person, year: int) -> Draft:
    """Return the short letter about the electoral roll, in North Sámi with Norwegian below."""
    return letter(
        person,
        f"valgmanntall-{year}",
        "sametinget",
        person.mailbox_supplier,
        date(year, 6, 17),
        "Sámedikki jienastuslohku",
        "Don leat čálihuvvon Sámedikki jienastuslohkui.",
        Heading("På norsk"),
        "Du er innført i Sametingets valgmanntall og kan stemme ved sametingsvalget i september.",
        language="se",
        kind=Kind.NOTICE,
        public_title="Reive Sámedikkis",
    )


def road_permit(person: Person, on: date) -> Draft:
    """Return a permit for a sign beside the road."""
    return letter(
        person,
        f"skilt-{on.year}",
        "vegvesenet",
        Channel.ALTINN,
        on,
        "Tillatelse til skilt ved riksvei 92",
        "Du får sette opp ett serviceskilt i fem år.",
        "Gebyret er 3 100 kroner. Skiltet må stå minst tre meter fra veikanten.",
        kind=Kind.DECISION,
        enclosures=(complaint_guide("vegvesenet", on.year),),
    )


def own_enterprise(person: Person) -> Iterator[Draft]:
    """Yield what is addressed to the enterprise, by its organisation number."""
    yield _to_enterprise(
        person,
        "verksted-godkjent",
        "vegvesenet",
        date(2022, 3, 14),
        "Verkstedet er godkjent",
        "Foretaket er godkjent som kjøretøyverksted til og med 2027.",
        "Si fra til oss når teknisk leder slutter, eller når verkstedet flytter.",
        kind=Kind.DECISION,
        enclosures=(complaint_guide("vegvesenet", 2022),),
    )
    yield _to_enterprise(
        person,
        "verksted-mva-2026-4",
        "skatteetaten",
        date(2026, 9, 8),
        "Mva-meldingen for 4. termin er mottatt",
        f"Foretaket skal betale {kroner(18_440)}.",
        Rows(("Sum", "Kroner"), (("Utgående", number(31_960)), ("Inngående", number(13_520)))),
    )
    yield _to_enterprise(
        person,
        "verksted-tilsyn",
        "vegvesenet",
        date(2026, 11, 17),
        "Vi kommer på tilsyn",
        "Statens vegvesen kommer på tilsyn i verkstedet 9. desember.",
        "Bekreft at dere har fått brevet. Teknisk leder må være til stede.",
        kind=Kind.TASK,
        due=date(2026, 12, 1),
        needs_action=True,
        needs_confirmation=True,
    )
    yield _to_enterprise(
        person,
        "verksted-mva-2026-5",
        "skatteetaten",
        date(2026, 11, 19),
        "Frist for mva-meldingen for 5. termin",
        "Mva-meldingen for september og oktober skal leveres innen 10. desember.",
        due=date(2026, 12, 10),
    )


def _to_enterprise(
    person: Person, key: str, sender: str, on: date, title: str, *text: Any, **more: Any
) -> Draft:
    return letter(
        person,
        key,
        sender,
        Channel.ALTINN,
        on,
        title,
        *text,
        enterprise="gaup-bilverksted",
        **more,
    )
