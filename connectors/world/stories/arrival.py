"""New in Norway: residence, registration, introduction programme. Written in English."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from connectors.contract import LEVEL_HIGH, Kind, Signing, SigningStatus
from connectors.world.drafts import Draft
from connectors.world.model import Channel, Person
from connectors.world.pdf import Heading, Items, Rows
from connectors.world.stories.common import complaint_guide, letter, weeks_after
from connectors.world.words import kroner, long_date, number


def residence(person: Person, applied: date, renewed: date) -> Iterator[Draft]:
    """Yield UDI's receipt, the permit, and its renewal a year later."""
    case = f"UDI-{applied.year}-{person.slug}"
    yield letter(
        person,
        "udi-mottatt",
        "udi",
        person.mailbox_supplier,
        applied,
        "We have received your application for a residence permit",
        "You do not need to contact us while we process the application.",
        Items(("We check your documents.", "We may ask for more.", "You get the answer here.")),
        language="en",
        kind=Kind.NOTICE,
        case=case,
    )
    for on, key, title in (
        (
            weeks_after(applied, 6),
            "tillatelse",
            "Decision: You have been granted a residence permit",
        ),
        (renewed, "fornyelse", "Decision: Your residence permit has been renewed"),
    ):
        until = date(on.year + 1, on.month, 14)
        yield letter(
            person,
            f"udi-{key}",
            "udi",
            person.mailbox_supplier,
            on,
            title,
            f"The permit is valid until {long_date(until, 'en')}.",
            Heading("Your rights"),
            Items(("You may work full time.", "You may travel in the Schengen area.")),
            "You can appeal within three weeks.",
            language="en",
            kind=Kind.DECISION,
            case=case,
            level=LEVEL_HIGH,
            public_title="Letter from UDI",
            opening_receipt=True,
            enclosures=(complaint_guide("udi", on.year, "en"),),
        )


def registration(person: Person, on: date) -> Iterator[Draft]:
    """Yield the identity number's letter and the reminder to report a move."""
    yield letter(
        person,
        "folkeregister",
        "skatteetaten",
        Channel.ALTINN,
        on,
        "You have been registered in the National Population Register",
        "You now have a Norwegian national identity number.",
        "The number is confidential in daily life: show it only to those who need it.",
        language="en",
        kind=Kind.DECISION,
        level=LEVEL_HIGH,
        public_title="Letter from the Tax Administration",
    )
    yield letter(
        person,
        "folkeregister-adresse",
        "skatteetaten",
        Channel.ALTINN,
        weeks_after(on, 9),
        "Your new address is registered",
        "We have registered your move to Pedersgata in Stavanger.",
        language="en",
        kind=Kind.DECISION,
    )


def _work_practice(person: Person, on: date) -> Iterator[Draft]:
    """Yield a place in work practice and the contract to be signed, both by SvarUt."""
    case = f"PRAKSIS-{on.year}-{person.slug}"
    yield letter(
        person,
        "praksis-plass",
        "stavanger",
        Channel.SVARUT,
        on,
        "You have a place in work practice",
        "You begin at the city library. Your adviser meets you there on the first day.",
        "You get the contract in a letter of its own. You must sign it before you begin.",
        language="en",
        case=case,
        always_opened=True,
    )
    yield letter(
        person,
        "praksis-avtale",
        "stavanger",
        Channel.SVARUT,
        weeks_after(on, 3),
        "Contract for work practice",
        "Read the contract and sign it. You sign with BankID.",
        "If you do not want the place, tell your adviser.",
        language="en",
        level=LEVEL_HIGH,
        public_title="Letter from Stavanger kommune",
        kind=Kind.TASK,
        case=case,
        due=weeks_after(on, 7),
        needs_action=True,
        signing=Signing(SigningStatus.WAITING),
        enclosures=(complaint_guide("stavanger", on.year, "en"),),
    )


def introduction(person: Person, start: date) -> Iterator[Draft]:
    """Yield the municipality's programme: decision, benefit each term, language tests."""
    monthly = 21_700
    yield letter(
        person,
        "intro-vedtak",
        "stavanger",
        person.mailbox_supplier,
        start,
        "Decision: You can take part in the introduction programme",
        f"You get an introduction benefit of {kroner(monthly, 'en')} a month.",
        Rows(
            ("Benefit", "NOK"), (("Per month", number(monthly)), ("Per year", number(monthly * 12)))
        ),
        "You must attend every day. Tell your adviser if you are ill.",
        language="en",
        kind=Kind.DECISION,
        enclosures=(complaint_guide("stavanger", start.year, "en"),),
    )
    for number_of, weeks in enumerate((8, 20, 34, 48, 62), 1):
        day = weeks_after(start, weeks)
        yield letter(
            person,
            f"intro-plan-{number_of}",
            "stavanger",
            Channel.ALTINN if number_of % 2 else person.mailbox_supplier,
            day,
            f"Your integration plan, part {number_of}",
            "This is what you and your adviser have agreed for the next months.",
            Items(
                (
                    "Norwegian class: 20 hours a week",
                    "Work practice: two days a week",
                    "Meeting with your adviser: once a month",
                )
            ),
            language="en",
        )
    yield from _work_practice(person, weeks_after(start, 70))
    for name, weeks in (("A2", 30), ("B1", 66)):
        yield letter(
            person,
            f"norskprove-{name.lower()}",
            "imdi",
            person.mailbox_supplier,
            weeks_after(start, weeks),
            f"Result of your Norwegian test, level {name}",
            f"You passed the written and the oral part at level {name}.",
            Rows(
                ("Part", "Result"),
                (("Reading", name), ("Listening", name), ("Writing", name), ("Speaking", name)),
            ),
            language="en",
            kind=Kind.DECISION,
        )


def everyday(person: Person) -> Iterator[Draft]:
    """Yield what else a newcomer meets: police, NAV, licence."""
    yield letter(
        person,
        "politi-time",
        "politiet",
        person.mailbox_supplier,
        date(2025, 4, 28),
        "Your appointment with the police",
        "You have an appointment at the police station on 12 May 2025 at 09.20.",
        Items(
            (
                "Bring your passport.",
                "Bring the letter from UDI.",
                "We take your photo and fingerprints.",
            )
        ),
        language="en",
    )
    yield letter(
        person,
        "forerkort-innbytte",
        "vegvesenet",
        person.mailbox_supplier,
        date(2025, 10, 7),
        "Exchange of your foreign driving licence",
        "You must take a practical test before we can exchange your licence.",
        "Book the test at a driver and vehicle licensing office within twelve months.",
        language="en",
        kind=Kind.DECISION,
        enclosures=(complaint_guide("vegvesenet", 2025, "en"),),
    )
    yield letter(
        person,
        "nav-registrert",
        "nav",
        Channel.NAV,
        date(2026, 9, 9),
        "You are registered as a jobseeker",
        "You must confirm every fourteen days that you still look for work.",
        language="en",
        kind=Kind.NOTICE,
        with_document=False,
    )
    yield letter(
        person,
        "nav-samtale",
        "nav",
        Channel.NAV,
        date(2026, 11, 17),
        "Meeting with your adviser at NAV",
        "You have a meeting on 3 December 2026 at 13.00. Tell us if you cannot come.",
        "We will talk about work, language and what help you need.",
        language="en",
        kind=Kind.TASK,
        due=date(2026, 12, 3),
        needs_action=True,
        action=("https://www.nav.no/minside", "Confirm the meeting"),
    )
