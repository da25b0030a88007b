"""Base64 (RFC 4648 section 4) and decimal numbers, of which each value has one spelling alone."""

from __future__ import annotations

import base64
import binascii
import re

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def to_base64(data: bytes) -> str:
    """Return data in base64, padded."""
    return base64.b64encode(data).decode()


def from_base64(text: str) -> bytes:
    """Return what the text stands for. Raises ValueError unless it is its one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
    if to_base64(data) != text:
        raise ValueError("not base64 as it is written")
    return data


def from_decimal(text: str) -> int:
    """Return a number from 0 to 2^63 - 1. Raises ValueError for leading zeroes and all else."""
    if not _NUMBER.fullmatch(text) or (number := int(text)) >= 2**63:
        raise ValueError("not a decimal number")
    return number
