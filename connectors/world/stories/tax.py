"""Skatteetaten: tax cards, returns and settlements, all through Altinn (section 4.1.4).

The settlement tops the curve of the year (section 3.4, figure 6): most get it the same day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from connectors.contract import Kind
from connectors.world.drafts import Draft, Enclosure, rng
from connectors.world.model import Channel, Person
from connectors.world.pdf import Items, Rows
from connectors.world.stories.common import letter
from connectors.world.words import kroner, long_date, number

MY_TAX = "https://www.skatteetaten.no/"


def settlement_day(person: Person, year: int) -> date:
    """Return the day of the settlement: three batches, the first and largest in March."""
    month, week = rng("settlement", person.slug, year).choices(
        ((3, 3), (5, 1), (6, 2)), weights=(65, 20, 15)
    )[0]
    first = date(year, month, 1)
    return first + timedelta(days=(2 - first.weekday()) % 7, weeks=week)


def settlements(person: Person, years: range, language: str = "nb") -> Iterator[Draft]:
    """Yield the settlement sent in each year, for the income of the year before."""
    for year in years:
        dice = rng("tax", person.slug, year)
        paid = dice.randrange(62_000, 168_000, 10)
        refund = dice.choice((1, 1, 1, -1)) * dice.randrange(1_240, 14_900, 10)
        yield _settlement(person, year, paid, refund, language)


def _settlement(person: Person, year: int, paid: int, refund: int, language: str) -> Draft:
    sum_text = kroner(abs(refund), language)
    day = settlement_day(person, year)
    words = {
        "nb": (
            f"Skatteoppgjøret for {year - 1} er klart",
            f"Du får {sum_text} igjen på skatten."
            if refund > 0
            else f"Du har {sum_text} i restskatt.",
            ("Post", "Kroner"),
            ("Betalt forskuddstrekk", "Beregnet skatt", "Til gode" if refund > 0 else "Restskatt"),
            "Pengene kommer på kontoen din innen tre uker. Du trenger ikke gjøre noe."
            if refund > 0
            else "Restskatten betales i to deler. Du får faktura med kontonummer og forfallsdato.",
            "Er noe feil, kan du endre skattemeldingen i inntil tre år.",
            "Beregning av skatt",
        ),
        "nn": (
            f"Skatteoppgjeret for {year - 1} er klart",
            f"Du får {sum_text} att på skatten."
            if refund > 0
            else f"Du har {sum_text} i restskatt.",
            ("Post", "Kroner"),
            ("Betalt forskotstrekk", "Rekna skatt", "Til gode" if refund > 0 else "Restskatt"),
            "Pengane kjem på kontoen din innan tre veker. Du treng ikkje gjere noko."
            if refund > 0
            else "Restskatten blir betalt i to delar. Du får faktura med kontonummer og forfall.",
            "Er noko feil, kan du endre skattemeldinga i inntil tre år.",
            "Utrekning av skatt",
        ),
        "en": (
            f"Your tax settlement for {year - 1} is ready",
            f"You get {sum_text} back on your tax."
            if refund > 0
            else f"You have {sum_text} in outstanding tax.",
            ("Item", "NOK"),
            ("Tax already paid", "Tax calculated", "Refund" if refund > 0 else "Outstanding tax"),
            "The money will be in your account within three weeks. You need not do anything."
            if refund > 0
            else "You pay in two instalments. An invoice with account number and due date follows.",
            "If anything is wrong, you can change your tax return for up to three years.",
            "Calculation of tax",
        ),
    }
    title, summary, head, names, then, wrong, enclosure = words[language]
    rows = tuple(
        zip(names, (number(paid), number(paid - refund), number(abs(refund))), strict=True)
    )
    return letter(
        person,
        f"skatteoppgjor-{year}",
        "skatteetaten",
        Channel.ALTINN,
        day,
        title,
        summary,
        Rows(head, rows),
        then,
        wrong,
        kind=Kind.DECISION,
        language=language,
        case=f"SKO-{year - 1}",
        enclosures=(Enclosure(enclosure, (Rows(head, rows),)),),
    )


def returns(person: Person, years: range, language: str = "nb") -> Iterator[Draft]:
    """Yield the notice that the return is ready, sent in March of each year."""
    for year in years:
        if language == "en":
            title = f"Your tax return for {year - 1} is ready"
            summary = "Check that the information is correct and submit by 30 April."
            points = ("salary and tax paid", "bank deposits and debt", "commuting and deductions")
        else:
            title = f"Skattemeldingen for {year - 1} er klar"
            summary = "Sjekk at opplysningene stemmer, og lever innen 30. april."
            points = ("lønn og trekk", "bankinnskudd og gjeld", "reiser og andre fradrag")
        yield letter(
            person,
            f"skattemelding-{year}",
            "skatteetaten",
            Channel.ALTINN,
            date(year, 3, rng("return", person.slug, year).randint(11, 22)),
            title,
            summary,
            Items(points),
            language=language,
            kind=Kind.TASK,
            due=date(year, 4, 30),
            needs_action=True,
            needs_confirmation=True,
            with_document=False,
            action=(MY_TAX, "Open the tax return" if language == "en" else "Åpne skattemeldingen"),
        )


def tax_cards(person: Person, years: range, language: str = "nb") -> Iterator[Draft]:
    """Yield the tax card for each year, sent in the middle of the December before."""
    for year in years:
        percent = rng("card", person.slug, year).randint(19, 36)
        if language == "en":
            title = f"Your tax card for {year}"
            summary = (
                f"Your tax deduction card for {year} is ready. The rate is {percent} per cent."
            )
            advice = "Change the card if your income or interest will be different next year."
        else:
            title = f"Skattekortet ditt for {year}"
            summary = f"Skattekortet for {year} er klart. Trekket er {percent} prosent."
            advice = "Endre kortet hvis inntekt, gjeld eller fradrag blir annerledes neste år."
        yield letter(
            person,
            f"skattekort-{year}",
            "skatteetaten",
            Channel.ALTINN,
            date(year - 1, 12, rng("card day", person.slug, year).choice((9, 10, 10, 10, 14))),
            title,
            summary,
            advice,
            language=language,
            kind=Kind.NOTICE,
            with_document=year % 2 == 0,
        )


def coming_tax_card(
    person: Person, on: date, language: str = "nb", channel: Channel = Channel.ALTINN
) -> Draft:
    """Return the newest tax card's notice, with the deadline for changes soon to come."""
    due = date(2026, 12, 15)
    english = language == "en"
    return letter(
        person,
        "skattekort-2027",
        "skatteetaten",
        channel,
        on,
        "Check your tax card for 2027" if english else "Sjekk skattekortet ditt for 2027",
        "The tax card for 2027 is ready. Check that the information is correct."
        if english
        else "Skattekortet for 2027 er klart. Se over at opplysningene stemmer.",
        f"Changes made by {long_date(due, language)} apply from January."
        if english
        else f"Endringer du gjør innen {long_date(due)}, gjelder fra januar.",
        Items(
            ("expected salary", "interest on loans", "travel between home and work")
            if english
            else ("forventet lønn", "renter på lån", "reise mellom hjem og jobb")
        ),
        language=language,
        kind=Kind.NOTICE,
        due=due,
        with_document=False,
        action=(MY_TAX, "Check the tax card" if english else "Se over skattekortet"),
    )


def advance_tax(person: Person, years: range) -> Iterator[Draft]:
    """Yield a sole trader's advance tax, four payments a year told of in February."""
    for year in years:
        part = rng("advance", person.slug, year).randrange(9_500, 17_500, 100)
        days = ("15. mars", "15. juni", "15. september", "15. desember")
        yield letter(
            person,
            f"forskuddsskatt-{year}",
            "skatteetaten",
            Channel.ALTINN,
            date(year, 2, 12),
            f"Forskuddsskatt for {year}",
            f"Forskuddsskatten din er {kroner(4 * part)}, fordelt på fire terminer.",
            Rows(("Forfall", "Kroner"), tuple((f"{day} {year}", number(part)) for day in days)),
            "Tjener foretaket mer eller mindre enn ventet, kan du søke om endring når som helst.",
            kind=Kind.INVOICE,
            due=date(year, 3, 15),
        )


def vat_reminders(person: Person, years: range) -> Iterator[Draft]:
    """Yield the reminder of the year's VAT return."""
    for year in years:
        yield letter(
            person,
            f"mva-{year}",
            "skatteetaten",
            Channel.ALTINN,
            date(year, 3, 2),
            f"Påminnelse: mva-meldingen for {year - 1}",
            f"Mva-meldingen for {year - 1} skal leveres og betales innen 10. mars.",
            "Har foretaket ikke hatt omsetning, skal du levere en melding uten beløp.",
            kind=Kind.TASK,
            due=date(year, 3, 10),
            needs_action=True,
            with_document=False,
            action=(MY_TAX, "Lever mva-meldingen"),
        )
