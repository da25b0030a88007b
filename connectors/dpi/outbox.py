"""What the simulated senders know of their messages: told in time, or printed instead.

Each message says until when its sender waits (`expectedResponseDateTime`). When no delivery
receipt has come by then, or an error receipt comes, the sender prints the letter, once; a delivery
receipt after that is late and changes nothing. Source: docs.digdir.no DPI, lifecycle of a message
(the sender's client gives 24 hours).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.dpi.sender import Message
from connectors.world.model import Person

TABLE = (
    "CREATE TABLE IF NOT EXISTS outbox (position INTEGER PRIMARY KEY AUTOINCREMENT, "
    "message TEXT UNIQUE, channel TEXT, person TEXT, answer_by TEXT, "
    "delivered_at TEXT DEFAULT '', refused_at TEXT DEFAULT '', printed_at TEXT DEFAULT '')"
)
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as its sender sees it. Times are ISO 8601 in UTC, empty for what has not been."""

    message: str
    channel: str
    person: str
    answer_by: str
    delivered_at: str
    """When the delivery receipt came."""
    refused_at: str
    """When the error receipt came."""
    printed_at: str
    """When the sender fell back to print."""
    returned_at: str
    """When the printing service said that the letter had come back."""

    @property
    def state(self) -> str:
        """One of "waiting", "delivered", "refused", "printed", "late" (printed, then delivered),
        "both" (delivered, then printed), "returned" (printed, and came back).

        "refused" is printed too.
        """
        if self.returned_at:
            return "returned"
        if self.printed_at and self.delivered_at:
            return "late" if self.delivered_at >= self.printed_at else "both"
        if self.refused_at:
            return "refused"
        if self.printed_at:
            return "printed"
        return "delivered" if self.delivered_at else "waiting"


def note_sent(db: sqlite3.Connection, messages: Iterable[Message]) -> None:
    """Wait for an answer to each message that has a deadline."""
    db.executemany(
        "INSERT OR IGNORE INTO outbox (message, channel, person, answer_by) VALUES (?, ?, ?, ?)",
        [
            (each.id, each.channel.value, each.person, _said(each.answer_by))
            for each in messages
            if each.answer_by
        ],
    )


def note_receipt(db: sqlite3.Connection, message: str, kind: str, now: datetime) -> None:
    """Take notice of a receipt; the first of its kind counts."""
    fall_back_due(db, now)
    if kind == "leveringskvittering":
        _note(db, "delivered_at", message, now)
    elif kind == "feil":
        _note(db, "refused_at", message, now)
        delivered = db.execute("SELECT delivered_at FROM outbox WHERE message = ?", (message,))
        if not (delivered.fetchone() or ("",))[0]:
            _note(db, "printed_at", message, now)


def fall_back_due(db: sqlite3.Connection, now: datetime) -> list[tuple[str, datetime]]:
    """Print what has not been answered in time; returns each of these messages, and when."""
    due = "printed_at = '' AND delivered_at = '' AND answer_by < ?"
    found = db.execute(f"SELECT message, answer_by FROM outbox WHERE {due}", (_said(now),))
    printed = [(str(row[0]), datetime.fromisoformat(row[1])) for row in found]
    if printed:
        db.execute(f"UPDATE outbox SET printed_at = answer_by WHERE {due}", (_said(now),))
    return printed


def print_now(db: sqlite3.Connection, message: str, at: datetime) -> bool:
    """Let the sender print this message; False when it has, or is not waiting for any answer."""
    found = db.execute(
        "UPDATE outbox SET printed_at = ? WHERE message = ? AND printed_at = ''",
        (_said(at), message),
    )
    return found.rowcount == 1


def sent(db: sqlite3.Connection, person: Person | None = None) -> list[Sent]:
    """Return the latest messages, newest first; of one person, or all."""
    rows = db.execute(
        "SELECT message, channel, person, answer_by, delivered_at, refused_at, printed_at, "
        "coalesce((SELECT at FROM print_receipts WHERE print_receipts.message = outbox.message "
        "AND type = 'returpostkvittering'), '') "
        "FROM outbox WHERE ? IN ('', person) ORDER BY position DESC LIMIT ?",
        (person.slug if person else "", SHOWN),
    )
    return [Sent(*row) for row in rows]


def _note(db: sqlite3.Connection, column: str, message: str, now: datetime) -> None:
    db.execute(
        f"UPDATE outbox SET {column} = ? WHERE message = ? AND {column} = ''",
        (_said(now), message),
    )


def _said(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds") if at else ""
