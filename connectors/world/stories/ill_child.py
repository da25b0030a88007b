"""A child who falls seriously ill: NAV, the hospital and the municipality. In Nynorsk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from connectors.contract import LEVEL_HIGH, Kind
from connectors.world.drafts import Draft
from connectors.world.model import Channel, Person
from connectors.world.pdf import Items
from connectors.world.stories.common import complaint_guide, letter, weeks_after
from connectors.world.words import kroner, long_date


def illness(person: Person, on: date) -> Iterator[Draft]:
    """Yield a father's letters from the day that the child was admitted."""
    case = f"PP-{on.year}-{person.slug}"
    yield letter(
        person,
        "barneavdeling",
        "helse-vest",
        person.mailbox_supplier,
        on,
        "Innkalling til kontroll ved barneavdelinga",
        f"Barnet ditt har time {long_date(weeks_after(on, 3))} klokka 9.",
        Items(("Ta med helsekortet.", "Ein av foreldra kan bu på avdelinga.")),
        language="nn",
        level=LEVEL_HIGH,
        public_title="Brev fra Helse Vest",
    )
    yield letter(
        person,
        "pleiepengar-mottatt",
        "nav",
        Channel.NAV,
        weeks_after(on, 1),
        "Vi har motteke søknaden din om pleiepengar",
        "Du får svar innan fire veker.",
        language="nn",
        kind=Kind.NOTICE,
        level=LEVEL_HIGH,
        public_title="Melding fra NAV",
        case=case,
    )
    yield letter(
        person,
        "pleiepengar-vedtak",
        "nav",
        Channel.NAV,
        weeks_after(on, 4),
        "Vedtak: Du får pleiepengar",
        f"Søknaden din er innvilga med {kroner(1_790)} per dag.",
        "Du må melde frå når barnet ikkje lenger treng tilsyn heile dagen.",
        language="nn",
        kind=Kind.DECISION,
        level=LEVEL_HIGH,
        public_title="Brev fra NAV",
        case=case,
        enclosures=(complaint_guide("nav", on.year),),
    )
    yield letter(
        person,
        "barnekoordinator",
        "bergen",
        person.mailbox_supplier,
        weeks_after(on, 6),
        "Familien har fått barnekoordinator",
        "Koordinatoren har oversikt over hjelpa de får, og kallar inn til møte.",
        "Gi svar på kva tid som passar for det første møtet.",
        language="nn",
        kind=Kind.TASK,
        level=LEVEL_HIGH,
        public_title="Brev fra Bergen kommune",
        due=date(2026, 12, 4),
        needs_action=True,
        action=("https://www.bergen.kommune.no/", "Svar på møtetid"),
        link_of_document=True,
    )
