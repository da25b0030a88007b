"""Lånekassen and the university: grants, loans, plans for paying back, a place to study."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from connectors.contract import Kind, Signing, SigningStatus
from connectors.world.drafts import Draft, rng
from connectors.world.model import Channel, Person
from connectors.world.pdf import Heading, Items, Rows
from connectors.world.stories.common import complaint_guide, letter
from connectors.world.words import kroner, long_date, number

MY_LOAN = "https://www.lanekassen.no/"


def support(person: Person, years: range, language: str = "nb") -> Iterator[Draft]:
    """Yield each year's decision on support, and its conversion to a grant the winter after."""
    english = language == "en"
    for year in years:
        total = 123_500 + 6_800 * (year - 2021)
        monthly = total // 11
        yield letter(
            person,
            f"stotte-{year}",
            "lanekassen",
            Channel.LANEKASSEN,
            date(year, 7, rng("support", person.slug, year).randint(6, 24)),
            f"Your student finance for {year}-{year + 1}"
            if english
            else f"Du har fått lån og stipend for {year}-{year + 1}",
            f"You are granted {kroner(total, language)} for the academic year."
            if english
            else f"Du får {kroner(total)} for studieåret.",
            Rows(
                ("Item", "NOK") if english else ("Hva", "Kroner"),
                (
                    ("Per month" if english else "Per måned", number(monthly)),
                    ("Total" if english else "Til sammen", number(total)),
                ),
            ),
            "You must sign the contract before we can pay."
            if english
            else "Du må signere avtalen før vi kan betale ut pengene.",
            kind=Kind.DECISION,
            language=language,
            needs_action=True,
            enclosures=(complaint_guide("lanekassen", year, language),),
            action=(MY_LOAN, "Sign the contract" if english else "Signer avtalen"),
            agency_task="Sign the contract" if english else "Signer avtalen",
            signing=Signing(SigningStatus.WAITING),
        )
        if year + 1 <= 2026:
            grant = total * 40 // 100
            yield letter(
                person,
                f"stipend-{year}",
                "lanekassen",
                Channel.LANEKASSEN,
                date(year + 1, 2, 20),
                "Part of your loan is now a grant" if english else "Lån er gjort om til stipend",
                f"We have converted {kroner(grant, language)} of your loan."
                if english
                else f"Vi har gjort om {kroner(grant)} av lånet til stipend.",
                "The amount follows from the exams you have passed, your income and your assets."
                if english
                else "Beløpet avhenger av eksamener du har bestått, inntekt og formue.",
                kind=Kind.DECISION,
                language=language,
            )


def repayment(person: Person, years: range, loan: int) -> Iterator[Draft]:
    """Yield the new plan for paying back that comes each November."""
    for year in years:
        left = loan - 19_200 * (year - years.start)
        yield payment_plan(person, date(year, 11, 16), left, 1_600 + 25 * (year - 2020))


def payment_plan(person: Person, on: date, loan: int, monthly: int, **more: object) -> Draft:
    """Return the plan for next year, with the loan and the monthly sum."""
    return letter(
        person,
        f"betalingsplan-{on.year}",
        "lanekassen",
        Channel.LANEKASSEN,
        on,
        f"Ny betalingsplan fra januar {on.year + 1}",
        "Renten endres fra 1. januar. Her er den nye planen din.",
        Rows(
            ("Plan", "Kroner"),
            (("Lån ved nyttår", number(loan)), ("Per måned", number(monthly))),
        ),
        Heading("Er det for mye?"),
        Items(("Du kan søke om utsatt betaling.", "Har du lav inntekt, kan du få slettet renter.")),
        **more,
    )


def admission(person: Person, on: date, programme: str, language: str = "nb") -> Draft:
    """Return the offer of a place to study, to be answered in a few days."""
    english = language == "en"
    due = date(on.year, on.month, on.day + 4)
    return letter(
        person,
        f"studieplass-{on.year}",
        "uio",
        person.mailbox_supplier,
        on,
        "Offer of admission" if english else "Tilbud om studieplass",
        f"You are offered a place at {programme}. Reply by {long_date(due, 'en')}."
        if english
        else f"Du har fått tilbud om plass på {programme}. Svar innen {long_date(due)}.",
        kind=Kind.DECISION,
        language=language,
        due=due,
        needs_action=True,
        enclosures=(complaint_guide("uio", on.year, language),),
    )


def term_fees(person: Person, terms: tuple[date, ...], language: str = "nb") -> Iterator[Draft]:
    """Yield the bill for the semester fee."""
    english = language == "en"
    for day in terms:
        yield letter(
            person,
            f"semesteravgift-{day.isoformat()}",
            "uio",
            person.mailbox_supplier,
            day,
            "Semester fee" if english else "Faktura: semesteravgift",
            f"Pay {kroner(900 if day.year < 2025 else 980, language)} to keep your place."
            if english
            else f"Betal {kroner(900)} for å beholde plassen.",
            kind=Kind.INVOICE,
            language=language,
            due=day.replace(day=28),
        )


def received_documents(person: Person, on: date) -> Iterator[Draft]:
    """Yield two letters of one day and one title, by two channels, that are not the same letter."""
    for key, channel, case, what in (
        ("mottatt-husleie", person.mailbox_supplier, "LK-2026-5512", "your rental contract"),
        ("mottatt-inntekt", Channel.LANEKASSEN, "LK-2026-6034", "your income statement"),
    ):
        yield letter(
            person,
            key,
            "lanekassen",
            channel,
            on,
            "We have received your documents",
            f"We have received {what}.",
            "You need not do anything. We will write to you when we have looked at it.",
            kind=Kind.NOTICE,
            case=case,
            language="en",
        )
