"""The journal that an agency's feed is: entries are added at its end and never changed."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

from connectors.world.model import Channel

FEEDS = {
    "nav": (Channel.NAV, "Min side – NAV"),
    "oslo": (Channel.OSLO, "Min side – Oslo kommune"),
    "bergen": (Channel.BERGEN, "Min side – Bergen kommune"),
    "lanekassen": (Channel.LANEKASSEN, "Min side – Lånekassen"),
    "skatteetaten": (Channel.SKATTEETATEN, "Min side – Skatteetaten"),
    "helsenorge": (Channel.HELSENORGE, "Helsenorge"),
    "pasientpost": (Channel.PASIENTPOST, "Pasientpost (fastlegen)"),
}
"""The simulated agencies by their slugs: channel, and the source's name for the citizen."""


def stamp(moment_of: datetime) -> str:
    """Return a time as the simulator writes it; such texts sort as the times do."""
    return moment_of.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def append(
    db: sqlite3.Connection, slug: str, person: str, identifier: str, item: dict[str, Any]
) -> None:
    """Write an item at the feed's end."""
    db.execute(
        "INSERT INTO feed (agency, person, id, item) VALUES (?, ?, ?, ?)",
        (slug, person, identifier, json.dumps(item, ensure_ascii=False)),
    )


def append_note(
    db: sqlite3.Connection, slug: str, person: str, identifier: str, event: str, at: datetime
) -> None:
    """Write at the feed's end what has happened to a letter, without the letter.

    The row is no version of the letter, so it does not have its id.
    """
    append(db, slug, person, "", {"event": event, "id": identifier, "at": stamp(at)})


def latest(db: sqlite3.Connection, slug: str, person: str, identifier: str) -> dict[str, Any]:
    """Return a letter as it was last written. Raises LookupError when it is not the person's."""
    row = db.execute(
        "SELECT item FROM feed WHERE agency = ? AND id = ? AND person = ?"
        " ORDER BY position DESC LIMIT 1",
        (slug, identifier, person),
    ).fetchone()
    if row is None:
        raise LookupError("the person has no such letter")
    found: dict[str, Any] = json.loads(row["item"])
    return found
