"""What looks like a national identity number, kept out of what operators and agencies are shown."""

from __future__ import annotations

import re

from inbox.citizens.identity import is_national_id

NATIONAL_ID = re.compile(r"(?<!\d)\d{6} ?\d{5}(?!\d)")
HIDDEN = "•" * 11


def masked(text: str) -> str:
    """Hide what looks like a national identity number: who reads this needs none."""
    return NATIONAL_ID.sub(HIDDEN, text)


def masked_reference(text: str) -> str:
    """Hide what is a national identity number by its check digits, and leave other numbers.

    An agency's own references may have eleven digits, too.
    """
    return NATIONAL_ID.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    return HIDDEN if is_national_id(found[0].replace(" ", "")) else found[0]
