"""Looking into somebody else's mail: given, accepted, ended; and whether it holds right now.

Everything goes by the shared clock. What a citizen gives is an invitation, to a person named by
her identity number or to whoever brings its code; the answer is the same whether or not that
person has an inbox here. Who acts without having been asked does so by the word of a register
(`register.py`): parents, guardians, and who represents an estate (arveloven, which since 2021
stands where skifteloven did); and for an enterprise by that of a source (`sync/parties.py`). How
far that reaches here is our own, careful choice: the texts of the laws have not been gone through
for it, and have to be before real mail flows.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, Q, QuerySet, UUIDField

from connectors import clock
from inbox.citizens.identity import blind_index
from inbox.citizens.models import Citizen, Identifier, Representation, SecurityLevel
from inbox.citizens.prepared import Prepared, Slot
from inbox.citizens.viewer import STANDS_IN, Role, Scope, Viewer

INVITATION_LASTS = timedelta(days=30)
LIVE_MAX = 50
"""So many may a citizen have given at once, invitations counted."""
CODE_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""None of them is taken for another."""
CODE_LENGTH = 12
CODE_KIND = "invitation_code"
SHOWN_MAX = 200


class TooMany(Exception):
    """She has given as many as she may."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a citizen wants to give, and to whom."""

    label: str
    reach: Representation.Reach
    limits: dict[str, Any]
    may_answer: bool
    starts_at: datetime | None = None
    """None: from when it is accepted."""
    ends_at: datetime | None = None
    national_id: str = ""
    """Empty: for whoever brings the code."""


def give(citizen_id: UUID, offer: Offer) -> tuple[Representation, str]:
    """Invite a helper; returns the invitation and its code ("" for a named person).

    The code is kept nowhere. Raises TooMany.
    """
    now = clock.now()
    code = "" if offer.national_id else _new_code()
    invited = (
        blind_index(CODE_KIND, code)
        if code
        else blind_index(Identifier.Kind.NATIONAL_ID, offer.national_id)
    )
    with transaction.atomic():
        Citizen.objects.select_for_update().only("id").get(id=citizen_id)
        if live(citizen_id).filter(kind=Representation.Kind.GIVEN).count() >= LIVE_MAX:
            raise TooMany
        made = Representation.objects.create(
            citizen_id=citizen_id,
            label=offer.label,
            reach=offer.reach,
            limits=offer.limits,
            may_answer=offer.may_answer,
            invited=invited,
            created_at=now,
            starts_at=offer.starts_at or now,
            ends_at=offer.ends_at,
        )
    return made, code


def in_force(now: datetime | Slot) -> Q:
    """Return the condition that a representation holds at `now`, and both live to use it."""
    of_the_living = ~Q(kind=Representation.Kind.ESTATE) & Q(citizen__deceased_at=None)
    of_the_dead = Q(kind=Representation.Kind.ESTATE, citizen__deceased_at__isnull=False)
    return Q(
        of_the_living | of_the_dead,
        Q(ends_at=None) | Q(ends_at__gt=now),
        accepted_at__isnull=False,
        withdrawn_at=None,
        starts_at__lte=now,
        citizen__is_active=True,
        helper__deceased_at=None,
    )


def live(citizen_id: UUID) -> QuerySet[Representation]:
    """What a citizen has given that holds, will hold, or waits for an answer."""
    now = clock.now()
    waits = Q(accepted_at=None, created_at__gt=now - INVITATION_LASTS)
    return Representation.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=now),
        waits | Q(accepted_at__isnull=False),
        citizen_id=citizen_id,
        withdrawn_at=None,
    )


def held(helper_id: UUID) -> QuerySet[Representation]:
    """What holds right now for a helper, with the citizens whose mail it is."""
    return _held(helper_id, clock.now())


def who_acts(enterprise_id: UUID | str, asked_by: UUID | None) -> UUID | None:
    """Return who acts for an enterprise right now: `asked_by`, if given, or the first who did."""
    acting = Representation.objects.filter(
        in_force(clock.now()), citizen_id=enterprise_id, kind=Representation.Kind.ENTERPRISE
    )
    if asked_by is not None:
        acting = acting.filter(helper_id=asked_by)
    return acting.order_by("starts_at", "id").values_list("helper_id", flat=True).first()


def invitations(helper_id: UUID) -> QuerySet[Representation]:
    """The open invitations that name a person by her identity number."""
    hers = Identifier.objects.filter(citizen_id=helper_id, kind=Identifier.Kind.NATIONAL_ID)
    indexes = [bytes(index) for index in hers.values_list("blind_index", flat=True)]
    return _open().filter(invited__in=indexes).exclude(citizen_id=helper_id)


def accept(helper_id: UUID, representation_id: UUID) -> Representation | None:
    """Accept an invitation that names the helper; None when there is no such invitation."""
    return _accept(invitations(helper_id).filter(id=representation_id), helper_id)


def accept_code(helper_id: UUID, code: str) -> Representation | None:
    """Accept the invitation that bears this code; None for a code that opens nothing."""
    said = "".join(code.upper().split()).replace("-", "")
    if len(said) != CODE_LENGTH:
        return None
    found = _open().filter(invited=blind_index(CODE_KIND, said)).exclude(citizen_id=helper_id)
    return _accept(found, helper_id)


def decline(helper_id: UUID, representation_id: UUID) -> bool:
    """Turn down an invitation that names the helper, or give up what she holds."""
    hers = Q(helper_id=helper_id) | Q(
        id__in=list(invitations(helper_id).values_list("id", flat=True)), helper=None
    )
    found = Representation.objects.filter(hers, id=representation_id, withdrawn_at=None)
    return bool(found.update(withdrawn_at=clock.now()))


def withdraw(citizen_id: UUID, representation_id: UUID) -> bool:
    """Take back what the citizen gave. What the law gave is not hers to take back: False."""
    found = Representation.objects.filter(
        citizen_id=citizen_id,
        id=representation_id,
        kind=Representation.Kind.GIVEN,
        withdrawn_at=None,
    )
    return bool(found.update(withdrawn_at=clock.now()))


def erase_due() -> int:
    """Delete the rows of which nothing may remain; returns how many there were."""
    deleted, _ = Representation.objects.filter(erase_at__lte=clock.now()).delete()
    return deleted


def acting_for(
    helper_id: UUID, citizen_id: UUID, level: SecurityLevel, *, changing: bool
) -> tuple[Viewer, Sequence[Representation]] | None:
    """Return the helper as a viewer of the citizen's letters, and by what; None: not (any more).

    One query. To change something, only what lets her answer counts, and how far that reaches.
    """
    found = _HELD_OF.objects(helper=helper_id, citizen=citizen_id, now=clock.now())
    counting = [row for row in found if row.may_answer] if changing else found
    if not found:
        return None
    viewer = Viewer(
        citizen_id=citizen_id,
        level=level,
        helper_id=helper_id,
        role=_role(found),
        scopes=_scopes(counting),
        may_answer=any(row.may_answer for row in found),
    )
    return viewer, found


def scope_of(row: Representation) -> Scope | None:
    """Return how far a representation reaches; None: to every letter."""
    limits = row.limits
    reach = row.reach
    hidden = limits.get("high_hidden_from")
    hidden_from = datetime.fromisoformat(hidden) if hidden else None
    if reach == Representation.Reach.SENDERS:
        senders = tuple(UUID(sender) for sender in limits["senders"])
        return Scope(senders=senders, high_hidden_from=hidden_from)
    if reach == Representation.Reach.CASE:
        return Scope(case_id=UUID(limits["case"]), high_hidden_from=hidden_from)
    if reach == Representation.Reach.LIFE_EVENT:
        return Scope(life_event=limits["life_event"], high_hidden_from=hidden_from)
    if reach == Representation.Reach.LETTER:
        return Scope(letter_id=UUID(limits["letter"]), high_hidden_from=hidden_from)
    if reach != Representation.Reach.ALL:
        raise ValueError("a representation of a reach that is not known")
    return Scope(high_hidden_from=hidden_from) if hidden_from else None


def _scopes(rows: Iterable[Representation]) -> tuple[Scope, ...] | None:
    scopes = []
    for row in rows:
        scope = scope_of(row)
        if scope is None:
            return None
        scopes.append(scope)
    return tuple(scopes)


def _role(rows: Sequence[Representation]) -> Role:
    """Return in what capacity: with two that differ, the one that counts for less."""
    roles = [Role(row.kind) for row in rows]
    return next((role for role in roles if role not in STANDS_IN), roles[0])


def _held(helper_id: UUID | Slot, now: datetime | Slot) -> QuerySet[Representation]:
    found = Representation.objects.filter(in_force(now), helper_id=helper_id)
    return found.select_related("citizen").order_by("citizen__name", "created_at", "id")


def _held_of() -> QuerySet[Representation]:
    helper, citizen = (Slot(name, UUIDField()) for name in ("helper", "citizen"))
    found = _held(helper, Slot("now", DateTimeField())).filter(citizen_id=citizen)
    return found.select_related("citizen__inbox_state")


_HELD_OF = Prepared(_held_of)
"""Every request of somebody who looks at another's mail makes this read."""


def _open() -> QuerySet[Representation]:
    now = clock.now()
    return Representation.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=now),
        helper=None,
        accepted_at=None,
        withdrawn_at=None,
        created_at__gt=now - INVITATION_LASTS,
        citizen__is_active=True,
        citizen__deceased_at=None,
    ).select_related("citizen")


def _accept(found: QuerySet[Representation], helper_id: UUID) -> Representation | None:
    row = found.first()
    if row is None:
        return None
    now = clock.now()
    # Of two who bring the same code at once the second finds it taken.
    taken = Representation.objects.filter(
        citizen_id=row.citizen_id, id=row.id, helper=None, withdrawn_at=None
    ).update(helper_id=helper_id, accepted_at=now, starts_at=max(row.starts_at, now), invited=None)
    return row if taken else None


def _new_code() -> str:
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
