"""Reading letters. `visible_to` is the only way in; everything else narrows what it gives.

The list is read by keyset on (citizen, received_at, id): no COUNT, no OFFSET, no list of ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Self
from uuid import UUID

from django.apps import apps
from django.db import models
from django.db.models import Exists, OuterRef, Q

from connectors import clock
from inbox.citizens.models import SecurityLevel
from inbox.citizens.prepared import Slot
from inbox.citizens.viewer import Scope, Viewer

if TYPE_CHECKING:
    from inbox.letters.models import Letter

DUE_SOON_MAX = 25
"""No more letters than this stand under "Deadline soon"."""


def visible(citizen_id: UUID | Slot, now: datetime | Slot) -> Q:
    """Return the condition of `LetterQuerySet.visible_to`."""
    has_come = Q(visible_from=None) | Q(visible_from__lte=now)
    return Q(has_come, citizen_id=citizen_id)


def within(scopes: Iterable[Scope]) -> Q:
    """Return the condition that a letter lies in one of `scopes`; of none, no letter does."""
    found = Q(id__in=[])
    for scope in scopes:
        found |= _within(scope)
    return found


def _within(scope: Scope) -> Q:
    condition = Q()
    if scope.senders:
        condition &= Q(sender_id__in=scope.senders)
    if scope.case_id:
        condition &= Q(case_id=scope.case_id)
    if scope.life_event:
        decided = apps.get_model("letters", "LifeEventLetter")
        condition &= Q(
            Exists(
                decided._default_manager.filter(
                    citizen_id=OuterRef("citizen_id"),
                    letter_id=OuterRef("id"),
                    event=scope.life_event,
                    state=decided.State.ACCEPTED,
                )
            )
        )
    if scope.letter_id:
        condition &= Q(id=scope.letter_id)
    if scope.high_hidden_from:
        condition &= Q(security_level__lt=SecurityLevel.HIGH) | Q(
            received_at__lt=scope.high_hidden_from
        )
    return condition


class LetterQuerySet(models.QuerySet["Letter"]):
    """Named reads of letters."""

    def visible_to(self, viewer: Viewer) -> Self:
        """Letters whose existence the viewer may know of: her own, from their day on.

        Who looks on her behalf may know of those within her scopes, and of none in the bin.

        A letter above the level of her session is among them; what of it may be shown is
        decided by `presentation.py`.
        """
        hers = self.filter(visible(viewer.citizen_id, clock.now()))
        if not viewer.is_herself:
            hers = hers.outside_bin()  # what she has thrown away is hers to look for
        return hers if viewer.scopes is None else hers.filter(within(viewer.scopes))

    def newest_first(self) -> Self:
        """In the order of the list."""
        return self.order_by("-received_at", "-id")

    def after(self, received_at: datetime, letter_id: UUID) -> Self:
        """Those that stand below this position in the list."""
        return self.filter(received_at__lte=received_at).filter(
            Q(received_at__lt=received_at) | Q(id__lt=letter_id)
        )

    def in_place(self, place: str) -> Self:
        """Letters that lie in this place (`Letter.Place`)."""
        return self.filter(place=place)

    def in_folder(self, folder_id: UUID) -> Self:
        """Letters that are in this folder of hers."""
        return self.filter(placements__folder_id=folder_id)

    def outside_bin(self) -> Self:
        """Letters that she has not thrown away."""
        return self.filter(place__in=("inbox", "filed"))

    def unread(self) -> Self:
        """Letters that are news to her."""
        return self.filter(unread=True)

    def needing_action(self) -> Self:
        """Letters that ask something of her and are not handled."""
        return self.filter(needs_action=True, handled_at=None)

    def with_deadline(self) -> Self:
        """Letters with a deadline, handled or not."""
        return self.filter(due_at__isnull=False)

    def handled(self) -> Self:
        """Letters whose task is done."""
        return self.filter(handled_at__isnull=False)

    def unhandled(self) -> Self:
        """Letters that are not noted as done."""
        return self.filter(handled_at=None)

    def due_before(self, moment: datetime) -> Self:
        """Letters whose deadline had passed at this moment."""
        return self.filter(due_at__lt=moment)

    def due_from(self, moment: datetime) -> Self:
        """Letters whose deadline had not passed at this moment."""
        return self.filter(due_at__gte=moment)

    def by_due(self, *, nearest_first: bool) -> Self:
        """In the order of their deadlines, or the other way round."""
        return self.order_by("due_at", "id") if nearest_first else self.order_by("-due_at", "-id")

    def after_due(self, due_at: datetime, letter_id: UUID, *, nearest_first: bool) -> Self:
        """Those that stand below this position in that order."""
        if nearest_first:
            below = Q(due_at__gt=due_at) | Q(id__gt=letter_id)
            return self.filter(below, due_at__gte=due_at)
        return self.filter(Q(due_at__lt=due_at) | Q(id__lt=letter_id), due_at__lte=due_at)

    def due_between(self, start: datetime, end: datetime) -> Self:
        """Unhandled letters whose deadline lies in [start, end], nearest first."""
        return self.filter(due_at__range=(start, end), handled_at=None).order_by("due_at", "id")

    def without_due(self, due: tuple[datetime, datetime]) -> Self:
        """All but those that `front.py` adds for being due."""
        return self.exclude(id__in=self.due_between(*due).values("id")[:DUE_SOON_MAX])

    def in_case(self, case_id: UUID, viewer: Viewer) -> Self:
        """Letters of one case; not those above the level of the session: that they belong to it
        is as sensitive as what they say.
        """
        return self.filter(case_id=case_id, security_level__lte=viewer.level)

    def of_cases(self, viewer: Viewer) -> Self:
        """Letters that belong to some case, outside the bin and within the session's level."""
        hers = self.outside_bin().filter(security_level__lte=viewer.level)
        return hers.filter(case_id__isnull=False)

    def oldest_first(self) -> Self:
        """In the order of a thread."""
        return self.order_by("received_at", "id")

    def later_than(self, received_at: datetime, letter_id: UUID) -> Self:
        """Those that stand below this position in a thread."""
        return self.filter(received_at__gte=received_at).filter(
            Q(received_at__gt=received_at) | Q(id__gt=letter_id)
        )

    def worth_keeping(self, viewer: Viewer) -> Self:
        """Letters that the sender marked as having lasting value as documentation.

        Not those above the level of the session: the mark says something of the content.
        """
        return self.filter(documentary_value=True, security_level__lte=viewer.level)

    def put_in_herself(self, viewer: Viewer) -> Self:
        """Papers of her own, within the level of the session."""
        return self.filter(source="own", security_level__lte=viewer.level)

    def in_life_event(self, viewer: Viewer, event: str, state: str) -> Self:
        """Letters in this state (`LifeEventLetter.State`) for this life event.

        Above the level of the session only those of which sender and public title say as much.
        """
        known = Q(life_events__safe=True) | Q(security_level__lte=viewer.level)
        return self.filter(known, life_events__event=event, life_events__state=state)

    def of_life_event(self, viewer: Viewer, event: str) -> Self:
        """Letters that are proposed or accepted for this life event, known as above."""
        known = Q(life_events__safe=True) | Q(security_level__lte=viewer.level)
        states = ("proposed", "accepted")
        return self.filter(known, life_events__event=event, life_events__state__in=states)

    def by_sender_name(self) -> Self:
        """Each sender's letters together, newest first."""
        return self.order_by("sender_name", "-received_at", "-id")

    def after_by_sender_name(self, last: Letter) -> Self:
        """Those that stand below `last` in the order of `by_sender_name`."""
        older = Q(received_at__lt=last.received_at) | Q(
            received_at=last.received_at, id__lt=last.id
        )
        return self.filter(
            Q(sender_name__gt=last.sender_name) | (Q(sender_name=last.sender_name) & older)
        )

    def from_others(self, org_numbers: Iterable[str]) -> Self:
        """Those of other senders than these, by organisation number."""
        return self.exclude(sender__org_number__in=list(org_numbers))

    def from_sender(self, sender_id: UUID) -> Self:
        """Letters of all senders that bear the name of this one: to her they are one."""
        senders = apps.get_model("letters", "Sender").objects
        same = senders.filter(name__in=senders.filter(id=sender_id).values("name"))
        return self.filter(sender_id__in=same.values("id"))

    def by_source(self, sources: Iterable[str]) -> Self:
        """Letters that came by one of these sources (slugs)."""
        slugs = list(sources)
        also = Q()
        for slug in slugs:
            also |= Q(other_sources__contains=f" {slug} ")
        return self.filter(Q(source__in=slugs) | (~Q(other_sources="") & also))
