"""What the population and probate registers say: parents, guardians, estates and deaths.

Each relation becomes a `Representation` that nobody needs to accept, found again by the
register's own key, so that the same word twice changes nothing.

The ages are our own choice, more careful than parental responsibility, which lasts until 18. A
parent sees a child's mail until the day the child is 16, the age of majority in matters of health
(pasient- og brukerrettighetsloven § 4-3). From the day the child is 12, letters of level 4 are
the child's alone: between 12 and 16 a child may have reasons to keep something from its parents
that are to be respected (§ 3-4), and no source tells us of which letters that is so; what is of
level 4 may be. On the day it is 18 the row is erased. The
law has not been read anew for this, nor a lawyer asked.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q

from connectors import clock
from inbox.citizens.models import Citizen, Representation

OSLO = ZoneInfo("Europe/Oslo")
SECRETS_FROM, ACCESS_UNTIL, NOTHING_FROM = 12, 16, 18
"""Years of age."""


def parent(child: Citizen, helper: Citizen, key: str, born: date) -> None:
    """Record that `helper` is a parent of `child`. Nothing is recorded of one who is 18."""
    if _birthday(born, NOTHING_FROM) <= clock.now():
        return
    hidden = _birthday(born, SECRETS_FROM)
    _record(
        child,
        helper,
        key,
        Representation.Kind.PARENT,
        _midnight(born),
        _birthday(born, ACCESS_UNTIL),
        limits={"high_hidden_from": hidden.isoformat()},
        erase_at=_birthday(born, NOTHING_FROM),
    )


def guardian(ward: Citizen, helper: Citizen, key: str, since: date, until: date | None) -> None:
    """Record that `helper` is the guardian of `ward`; both days are included."""
    ends_at = _midnight(until + timedelta(days=1)) if until else None
    _record(ward, helper, key, Representation.Kind.GUARDIAN, _midnight(since), ends_at)


def estate(deceased: Citizen, helper: Citizen, key: str, since: date) -> None:
    """Record that `helper` represents the estate of `deceased`."""
    _record(deceased, helper, key, Representation.Kind.ESTATE, _midnight(since), None)


def death(citizen: Citizen) -> None:
    """Record a death: all sessions end, also of who looks on her behalf; letters are kept.

    What she gave and what she held for others ends for good; who represents the estate sees the
    letters.
    """
    now = clock.now()
    with transaction.atomic():
        told = Citizen.objects.filter(pk=citizen.pk, deceased_at=None)
        if told.update(deceased_at=now):
            citizen.end_sessions()
            hers = Q(citizen=citizen) & ~Q(kind=Representation.Kind.ESTATE)
            ending = Representation.objects.filter(hers | Q(helper=citizen), withdrawn_at=None)
            ending.update(withdrawn_at=now)


def _record(
    principal: Citizen,
    helper: Citizen,
    key: str,
    kind: Representation.Kind,
    starts_at: datetime,
    ends_at: datetime | None,
    **fields: object,
) -> None:
    said = {"starts_at": starts_at, "ends_at": ends_at, **fields}
    new = {"created_at": clock.now(), "accepted_at": clock.now(), "may_answer": True}
    Representation.objects.update_or_create(
        citizen=principal,
        register_key=key,
        defaults={"helper": helper, "kind": kind, **said},
        create_defaults={"helper": helper, "kind": kind, **said, **new},
    )


def _birthday(born: date, years: int) -> datetime:
    """Return the first moment of a birthday; who was born on 29 February has it on 1 March."""
    try:
        return _midnight(born.replace(year=born.year + years))
    except ValueError:
        return _midnight(date(born.year + years, 3, 1))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=OSLO)
