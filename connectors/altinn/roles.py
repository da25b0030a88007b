"""For whom the made-up persons may act in the simulated Altinn: children and enterprises."""

from __future__ import annotations

import json
import sqlite3
from datetime import date

from connectors import clock
from connectors.world.drafts import OSLO
from connectors.world.family import RELATIONS
from connectors.world.model import Person
from connectors.world.persons import ENTERPRISES


def give_roles(db: sqlite3.Connection, person: Person) -> None:
    """Let a person act for her children and enterprises, but for what has been changed since."""
    for enterprise in ENTERPRISES:
        if person in enterprise.holders:
            give_role(db, person, enterprise.org_number, enterprise.name, None, changes=False)
    for each in RELATIONS:
        if each.helper == person and each.born:
            child, born = each.principal, each.born.isoformat()
            name = child.name.upper()
            give_role(db, person, child.national_id, name, born, changes=False, hasKeyRole=False)


def give_role(
    db: sqlite3.Connection,
    person: Person,
    party: str,
    name: str,
    born: str | None,
    *,
    changes: bool = True,
    **said: bool,
) -> None:
    """Let a person act for a party; without `changes` what has been said before stays."""
    db.execute(
        f"INSERT OR {'REPLACE' if changes else 'IGNORE'} INTO roles VALUES (?, ?, ?, ?, ?)",
        (person.national_id, party, name, born, json.dumps({"hasKeyRole": True} | said)),
    )


def is_minor(born: date) -> bool:
    """Say whether somebody is not yet 18; who was born on 29 February is on 1 March."""
    today = clock.now().astimezone(OSLO).date()
    return (today.year - born.year, today.month, today.day) < (18, born.month, born.day)
