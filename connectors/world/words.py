"""Dates and sums as a letter writes them, in the languages of the made-up world."""

from __future__ import annotations

from datetime import date

_MONTHS = {
    "nb": "januar februar mars april mai juni juli august september oktober november desember",
    "nn": "januar februar mars april mai juni juli august september oktober november desember",
    "en": "January February March April May June July August September October November December",
}
_CURRENCY = {"nb": "kroner", "nn": "kroner", "en": "kroner", "se": "ruvnno"}
_NO_BREAK = "\N{NO-BREAK SPACE}"


def month_name(number: int, language: str = "nb") -> str:
    """Return the month (1 to 12) by name; Norwegian for a language without a list of its own."""
    return _MONTHS.get(language, _MONTHS["nb"]).split()[number - 1]


def long_date(day: date, language: str = "nb") -> str:
    """Return "24. september 2026", in English "24 September 2026", in Sami "24.9.2026"."""
    if language == "se":
        return f"{day.day}.{day.month}.{day.year}"
    dot = "" if language == "en" else "."
    return f"{day.day}{dot} {month_name(day.month, language)} {day.year}"


def number(amount: int) -> str:
    """Return whole kroner with a no-break space between thousands: "12 450"."""
    return f"{amount:,}".replace(",", _NO_BREAK)


def kroner(amount: int, language: str = "nb") -> str:
    """Return the sum with its unit: "12 450 kroner"."""
    return f"{number(amount)}{_NO_BREAK}{_CURRENCY.get(language, 'kroner')}"
