"""The access log: who has seen a citizen's mail. Lines are written and read, never changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from connectors import clock
from inbox.citizens.models import Representation
from inbox.citizens.viewer import Role, Viewer
from inbox.letters.models import Access, Letter

SAMLEPOST = "samlepost"
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One line of the log as its page shows it."""

    id: UUID
    at: datetime
    what: str
    role: str
    actor_name: str
    owner_name: str
    is_actor: bool
    """Whoever looks at the log did it herself."""
    letter_id: UUID | None
    sender_name: str


def note(
    viewer: Viewer, what: str, letter_id: UUID | None = None, sender_name: str | None = None
) -> None:
    """Write that the viewer has seen something: a letter that she may know of, or a search.

    The letter's sender is looked up where the caller has not read it already.
    """
    if letter_id is not None and sender_name is None:
        shown = Letter.objects.visible_to(viewer).filter(id=letter_id)
        sender_name = shown.values_list("sender_name", flat=True).get()
    Access.objects.create(
        citizen_id=viewer.citizen_id,
        at=clock.now(),
        what=what,
        actor_id=viewer.actor_id,
        role=viewer.role.value,
        letter_id=letter_id,
        sender_name=sender_name or "",
    )


def note_fetched(letters: Iterable[Letter], at: datetime) -> None:
    """Write that Samlepost has fetched new letters. Must run in their transaction.

    A letter that may not be seen yet enters the log on its day.
    """
    Access.objects.bulk_create(
        [
            Access(
                citizen_id=letter.citizen_id,
                at=max(at, letter.visible_from or at),
                what=Access.What.FETCHED,
                role=SAMLEPOST,
                letter_id=letter.id,
                sender_name=letter.sender_name,
            )
            for letter in letters
        ]
    )


def note_operator(citizen_id: UUID, actor_id: UUID) -> None:
    """Write that somebody who runs Samlepost has looked at a letter that could not be read."""
    Access.objects.create(
        citizen_id=citizen_id,
        at=clock.now(),
        what=Access.What.QUARANTINE,
        actor_id=actor_id,
        role=OPERATOR,
    )


def log_of(viewer: Viewer, after: UUID | None, limit: int) -> list[AccessLine]:
    """Return the log of the mail looked at, newest first, below the line whose id is `after`."""
    hers = Access.objects.filter(citizen_id=viewer.citizen_id)
    return _lines(hers, viewer.actor_id, after, limit)


def done_by(helper_id: UUID, after: UUID | None, limit: int) -> list[AccessLine]:
    """Return what a helper has seen in others' mail: the very lines that they find there.

    Of mail of which no trace of her access may remain (`representation.erase_due`), nothing.
    """
    principals = Representation.objects.filter(helper_id=helper_id).values("citizen_id")
    done = Access.objects.filter(~Q(role=Role.HERSELF), actor_id=helper_id)
    return _lines(
        done.filter(Q(citizen_id__in=principals) | Q(role=Role.LINK)), helper_id, after, limit
    )


def _lines(
    found: QuerySet[Access], reader_id: UUID, after: UUID | None, limit: int
) -> list[AccessLine]:
    last = found.filter(id=after).first() if after else None
    if last:
        found = found.filter(at__lte=last.at).filter(Q(at__lt=last.at) | Q(id__lt=last.id))
    ordered = found.filter(at__lte=clock.now()).select_related("actor", "citizen")
    return [
        AccessLine(
            id=row.id,
            at=row.at,
            what=row.what,
            role=row.role,
            actor_name=row.actor.name if row.actor else "",
            owner_name=row.citizen.name,
            is_actor=row.actor_id == reader_id,
            letter_id=row.letter_id,
            sender_name=row.sender_name,
        )
        for row in ordered.order_by("-at", "-id")[:limit]
    ]
