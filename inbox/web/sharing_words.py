"""A representation in plain words: who, how far, how long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils.translation import gettext

from connectors import clock
from inbox.citizens.models import Representation
from inbox.sync.sources import labels
from inbox.web import event_words
from inbox.web.dates import Calendar

References = Mapping[tuple[UUID, UUID], str]
"""Case numbers that may be shown, by (citizen, case)."""
Reach = Representation.Reach
Kind = Representation.Kind


@dataclass(slots=True)
class Access:
    """One representation."""

    id: UUID
    reach: str
    """What can be seen."""
    may: str
    period: str
    waits: bool
    """It is an invitation that has not been answered."""
    can_end: bool
    """It was given by a citizen, so that it can be withdrawn or given up."""
    source: str
    """By whose word, where it is neither a citizen's nor a register's."""


@dataclass(slots=True)
class Person:
    """Somebody with one or more representations, once."""

    key: str
    name: str
    citizen_id: UUID | None
    note: str
    accesses: list[Access] = field(default_factory=list)


def by_helper(
    rows: Iterable[Representation],
    senders: Mapping[str, Sequence[Any]],
    references: References,
    calendar: Calendar,
) -> list[Person]:
    """Return those whom a citizen has given access, each once however many rules match."""
    found: dict[str, Person] = {}
    for row in rows:
        key = str(row.helper_id or row.id)
        name = row.helper.name if row.helper else row.label
        person = found.setdefault(key, Person(key, name, row.helper_id, kind_words(row)))
        person.accesses.append(_access(row, senders, references, calendar))
    return list(found.values())


def by_principal(
    rows: Iterable[Representation], references: References, calendar: Calendar
) -> list[Person]:
    """Return those whose mail a helper may see or is asked to see, each once."""
    found: dict[UUID, Person] = {}
    for row in rows:
        principal = row.citizen
        made = Person(principal.id.hex, principal.name, principal.id, kind_words(row))
        found.setdefault(principal.id, made).accesses.append(_access(row, {}, references, calendar))
    return list(found.values())


def kind_words(row: Representation) -> str:
    """Return by what right somebody looks; "" for what a citizen gave herself."""
    words = {
        Kind.PARENT: gettext("Parent, by the population register"),
        Kind.GUARDIAN: gettext("Guardian, by the population register"),
        Kind.ESTATE: gettext("For the estate, by the probate register"),
        Kind.ENTERPRISE: gettext("Enterprise"),
        Kind.MADE_UP: gettext("Made up, for your agency's tests"),
    }
    return words.get(Kind(row.kind), "")


def source_words(row: Representation) -> str:
    """Return by whose word somebody acts for an enterprise."""
    slug = row.register_key.partition(":")[0]
    return gettext("key role, by %(source)s") % {"source": labels().get(slug, slug)}


def _access(
    row: Representation,
    senders: Mapping[str, Sequence[Any]],
    references: References,
    calendar: Calendar,
) -> Access:
    return Access(
        id=row.id,
        reach=_reach(row, senders, references),
        may=gettext("Read and answer") if row.may_answer else gettext("Read"),
        period=_period(row, calendar),
        waits=row.accepted_at is None,
        can_end=row.kind == Kind.GIVEN,
        source=source_words(row) if row.kind == Kind.ENTERPRISE else "",
    )


def case_keys(rows: Iterable[Representation]) -> list[tuple[UUID, UUID]]:
    """Return (citizen, case) of those that reach as far as one case."""
    return [(row.citizen_id, UUID(row.limits["case"])) for row in rows if row.reach == Reach.CASE]


def _reach(
    row: Representation, senders: Mapping[str, Sequence[Any]], references: References
) -> str:
    if row.reach == Reach.SENDERS:
        names = {senders[sender][0] for sender in row.limits["senders"] if sender in senders}
        if not names:
            return gettext("Letters from chosen senders")
        return gettext("Letters from %(senders)s") % {"senders": ", ".join(sorted(names))}
    if row.reach == Reach.CASE:
        reference = references.get((row.citizen_id, UUID(row.limits["case"])))
        if not reference:
            return gettext("Letters in one case")
        return gettext("Letters in case %(case)s") % {"case": reference}
    if row.reach == Reach.LIFE_EVENT:
        name = event_words.name_of(row.limits["life_event"])
        return gettext("Letters put into the life event “%(event)s”") % {"event": name}
    if row.reach == Reach.LETTER:
        return gettext("One letter")
    if row.kind == Kind.PARENT:
        return gettext("All letters, except those that are for the child alone")
    return gettext("All letters")


def _period(row: Representation, calendar: Calendar) -> str:
    last = calendar.full_day(row.ends_at - timedelta(seconds=1)) if row.ends_at else ""
    if row.accepted_at is None and row.starts_at <= clock.now():
        return gettext("until and including %(day)s") % {"day": last} if last else ""
    first = {"first": calendar.full_day(row.starts_at)}
    if row.kind == Kind.ENTERPRISE:
        return gettext("from %(first)s, as long as you have the role") % first
    if last:
        return gettext("%(first)s to %(last)s, both included") % (first | {"last": last})
    return gettext("from %(first)s, with no end") % first
