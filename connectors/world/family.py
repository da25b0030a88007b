"""Who stands in for whom among the made-up persons, as a population register would say it.

A relation is a parent of a child, a guardian (verge) of somebody, or the representative of an
estate. Days are days in Oslo; the register says when a child was born and who has died.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from connectors.world.model import Person
from connectors.world.persons import by_slug


@dataclass(frozen=True, slots=True)
class Relation:
    """`helper` stands in for `principal`; `key` is the register's own name for it."""

    key: str
    kind: Literal["parent", "guardian", "estate"]
    principal: Person
    helper: Person
    since: date
    until: date | None = None
    """The last day."""
    born: date | None = None
    """When the child was born; for a parent alone."""
    died: date | None = None
    """When the principal died; for an estate alone."""


RELATIONS: tuple[Relation, ...] = (
    Relation(
        "guardian-solveig-bjorg",
        "guardian",
        by_slug("solveig"),
        by_slug("bjorg"),
        since=date(2026, 3, 3),
        until=date(2028, 3, 2),
    ),
    Relation(
        "parent-henrik-sara",
        "parent",
        by_slug("sara"),
        by_slug("henrik"),
        since=date(2010, 12, 1),
        born=date(2010, 12, 1),
    ),
    Relation(
        "estate-bjorg-leif",
        "estate",
        by_slug("leif"),
        by_slug("bjorg"),
        since=date(2026, 8, 18),
        died=date(2026, 6, 30),
    ),
)
