"""Starting a voluntary organisation: registers, the municipality's grant, a yearly task."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from connectors.contract import Kind
from connectors.world.drafts import Draft
from connectors.world.model import Channel, Person
from connectors.world.pdf import Items, Rows
from connectors.world.stories.common import complaint_guide, letter, weeks_after
from connectors.world.words import kroner, number


def founding(person: Person, municipality: str, on: date) -> Iterator[Draft]:
    """Yield the letters to the chair of a cabin owners' association."""
    yield letter(
        person,
        "forening-registrert",
        "brreg",
        Channel.ALTINN,
        on,
        "Foreningen er registrert i Enhetsregisteret",
        "Du er registrert som styreleder.",
        Items(("Sjekk navn og adresse.", "Meld fra innen tre uker hvis noe er feil.")),
        kind=Kind.DECISION,
    )
    yield letter(
        person,
        "frivillighetsregisteret",
        "brreg",
        Channel.ALTINN,
        weeks_after(on, 5),
        "Foreningen er registrert i Frivillighetsregisteret",
        "Foreningen kan nå søke om tilskudd og momskompensasjon.",
        kind=Kind.DECISION,
    )
    yield letter(
        person,
        "tilskudd-frivillig",
        municipality,
        person.mailbox_supplier,
        weeks_after(on, 16),
        "Vedtak: Tilskudd til frivillige organisasjoner",
        f"Foreningen får {kroner(18_000)} til dugnad og stier.",
        Rows(("Formål", "Kroner"), (("Stier og skilt", number(12_000)), ("Dugnad", number(6_000)))),
        kind=Kind.DECISION,
        enclosures=(complaint_guide(municipality, on.year),),
    )
    yield letter(
        person,
        "forening-bekreft",
        "brreg",
        Channel.ALTINN,
        date(2026, 11, 12),
        "Bekreft opplysningene i Frivillighetsregisteret",
        "Foreningen må bekrefte opplysningene hvert år for å bli stående i registeret.",
        kind=Kind.TASK,
        due=date(2026, 12, 18),
        needs_action=True,
        with_document=False,
        action=("https://www.brreg.no/", "Bekreft opplysningene"),
    )
