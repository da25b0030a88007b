"""A sole trader in Kárášjohka: the register, the Sámi parliament and the roads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

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
