"""How letters of the made-up world can be answered, paid and signed, where it can be done here."""

from __future__ import annotations

from datetime import UTC, datetime

from connectors.contract import Payment, ReplyChoice, ReplyForm, ReplyKind

FILES = ("application/pdf", "image/png", "image/jpeg")
FILE_BYTES_MAX = 5_000_000


def write_to(label: str, *, settles: bool = False, files: int = 3) -> tuple[ReplyForm, ...]:
    """Return a form of free text with as many attachments."""
    return (
        ReplyForm(
            code="skriv",
            kind=ReplyKind.TEXT,
            label=label,
            text_max=2_000,
            attachments_max=files,
            attachment_types=FILES if files else (),
            attachment_bytes_max=FILE_BYTES_MAX if files else 0,
            settles=settles,
        ),
    )


def choose(label: str, *choices: tuple[str, str], settles: bool = True) -> tuple[ReplyForm, ...]:
    """Return a form of one press; `choices` are (code, label)."""
    made = tuple(ReplyChoice(code, words) for code, words in choices)
    return (ReplyForm("valg", ReplyKind.CHOICE, label, choices=made, settles=settles),)


def closed(reason: str) -> tuple[ReplyForm, ...]:
    """Return that the letter can no longer be answered, and why."""
    return (ReplyForm("lukket", ReplyKind.CLOSED, reason=reason),)


def invoice(kroner: int, number: int, due: datetime) -> Payment:
    """Return what a bill asks for; `number` makes the KID. The account is made up."""
    return Payment(
        amount=kroner * 100,
        account=_with_mod11("8601117947"),
        kid=_with_mod10(f"{number:09d}"),
        due_at=due.astimezone(UTC),
    )


def _with_mod10(digits: str) -> str:
    """Add the check digit of a KID by mod 10 (Luhn)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return f"{digits}{-total % 10}"


def _with_mod11(digits: str) -> str:
    """Add the check digit of an account number by mod 11, weights 2 to 7 from the right."""
    total = sum(int(d) * (2 + n % 6) for n, d in enumerate(reversed(digits)))
    check = -total % 11
    if check == 10:
        raise ValueError("no account number has these ten digits")
    return f"{digits}{check}"
