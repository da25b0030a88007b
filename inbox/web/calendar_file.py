"""An appointment as a file for her calendar: iCalendar, RFC 5545.

Written by hand: no more of the format is needed than these lines, folded (3.1), escaped (3.3.11)
and in UTC (3.3.5). Nobody is invited and nothing is answered (`METHOD:PUBLISH`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

MEDIA_TYPE = "text/calendar; charset=utf-8"
LINE_MAX = 75
"""Octets of a line, without its end."""


def calendar_file(
    appointment: Mapping[str, Any], letter_id: UUID, number: int, address: str, now: datetime
) -> bytes:
    """Return the file: an event for each of the appointment's times.

    `appointment` is as the letter keeps it, `number` its place among the letter's, `address` that
    of the letter's page. The same appointment has the same UIDs, so that a calendar that gets it
    twice has it once.
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Samlepost//Samlepost//NO"]
    lines.append("METHOD:PUBLISH")
    for index, (start, end) in enumerate(appointment["times"]):
        if start or end:
            uid = f"{letter_id}-{number}-{index}@samlepost"
            lines += _event(appointment, start, end, uid, address, now)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _fold(line)).encode()


def has_time(appointment: Mapping[str, Any]) -> bool:
    """Say whether there is anything of it to put into a calendar."""
    return any(start or end for start, end in appointment["times"])


def _event(
    appointment: Mapping[str, Any], start: str, end: str, uid: str, address: str, now: datetime
) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{uid}"
    yield f"DTSTAMP:{_utc(now)}"
    first, last = (datetime.fromisoformat(each) if each else None for each in (start, end))
    begins = first or last
    assert begins, "the caller has seen to it"
    yield f"DTSTART:{_utc(begins)}"
    # An end that is no later than the start is none (RFC 5545, 3.8.2.2).
    if first and last and last > first:
        yield f"DTEND:{_utc(last)}"
    for name, text in (
        ("SUMMARY", appointment["title"]),
        ("LOCATION", appointment["place"]),
        ("DESCRIPTION", appointment["note"]),
    ):
        if text:
            yield f"{name}:{_escaped(text)}"
    yield f"URL:{address}"
    yield "CLASS:PRIVATE"
    yield "END:VEVENT"


def _utc(moment: datetime) -> str:
    # Written by hand: not every system's strftime gives the years before 1000 four digits.
    utc = moment.astimezone(UTC)
    return f"{utc:%Y}".zfill(4) + f"{utc:%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    """Escape as TEXT; what is neither shown nor a line break is left out."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    shown = "".join(c for c in plain if c == "\n" or unicodedata.category(c) != "Cc")
    for sign in ("\\", ";", ","):
        shown = shown.replace(sign, f"\\{sign}")
    return shown.replace("\n", "\\n")


def _fold(line: str) -> Iterator[str]:
    """Cut a line into pieces of at most LINE_MAX octets, none of them within a character."""
    piece, size = "", 0
    for character in line:
        width = len(character.encode())
        if size + width > LINE_MAX:
            yield piece
            piece, size = " ", 1
        piece, size = piece + character, size + width
    yield piece
