"""Check digits of what is to be paid: a slip of the pen is worth a warning, never a refusal."""

from __future__ import annotations


def kid_is_right(kid: str) -> bool:
    """Say whether a KID's check digit fits by mod 10 or mod 11, of which the payee uses either.

    2 to 25 digits; by mod 11 the last sign may be a dash for the remainder 10 (Mastercard Payment
    Services, "OCR giro: systemspesifikasjon").
    """
    if not (2 <= len(kid) <= 25 and kid[:-1].isascii() and kid[:-1].isdigit()):
        return False
    if kid[-1] == "-":
        return _mod11(kid[:-1]) == 10
    if not (kid[-1].isascii() and kid[-1].isdigit()):
        return False
    return int(kid[-1]) in (_mod10(kid[:-1]), _mod11(kid[:-1]))


def account_is_right(account: str) -> bool:
    """Say whether a Norwegian account number has eleven digits and the right check digit."""
    digits = account.replace(" ", "").replace(".", "")
    if len(digits) != 11 or not (digits.isascii() and digits.isdigit()):
        return False
    return int(digits[-1]) == _mod11(digits[:-1])


def _mod10(digits: str) -> int:
    """The check digit by mod 10 (Luhn), weights 2 and 1 from the right."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 if place % 2 else 2)
        total += value - 9 if value > 9 else value
    return -total % 10


def _mod11(digits: str) -> int:
    """The check digit by mod 11, weights 2 to 7 from the right; 10 has no digit of its own."""
    total = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(digits)))
    return -total % 11
