"""Sending a letter on to a person by a link: made, opened, withdrawn.

Whoever brings the link, logged in and at the letter's level, sees this one letter and changes
nothing. That is a line of the access log and no opening: the letter stays unread for the
recipient, and the sender is told nothing. Everything goes by the shared clock.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from connectors import clock
from inbox.citizens.identity import blind_index
from inbox.citizens.models import Citizen
from inbox.citizens.viewer import Role, Scope, Viewer
from inbox.letters.handle import readable_letter
from inbox.letters.models import Event, Forwarding, Letter

LASTS_DAYS = (7, 30, 90)
LIVE_MAX = 50
"""So many links may a citizen have in force at once."""
TOKEN_KIND = "forwarding"
TOKEN_BYTES = 32
TOKEN_LENGTH_MAX = 64


class TooMany(Exception):
    """She has as many links in force as she may."""


def send_on(viewer: Viewer, letter_id: UUID, label: str, days: int) -> tuple[Forwarding, str]:
    """Make a link to a letter that holds for `days`; returns the row and the link's token.

    The token is kept nowhere. What lies in the bin is not sent on. Raises Letter.DoesNotExist,
    LevelTooLow, NotOpened or TooMany.
    """
    letter = readable_letter(viewer, letter_id)
    if letter.place == Letter.Place.BIN:
        raise Letter.DoesNotExist
    now = clock.now()
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with transaction.atomic():
        Citizen.objects.select_for_update(no_key=True).only("id").get(id=viewer.citizen_id)
        if live(viewer.citizen_id).count() >= LIVE_MAX:
            raise TooMany
        made = Forwarding.objects.create(
            citizen_id=viewer.citizen_id,
            letter_id=letter.id,
            label=label,
            digest=blind_index(TOKEN_KIND, token),
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        Event.objects.create(
            citizen_id=viewer.citizen_id,
            letter_id=letter.id,
            kind=Event.Kind.FORWARDED,
            at=now,
            actor_id=viewer.actor_id,
        )
    return made, token


def live(citizen_id: UUID) -> QuerySet[Forwarding]:
    """Return a citizen's links that are in force, newest first."""
    found = Forwarding.objects.filter(
        citizen_id=citizen_id, withdrawn_at=None, expires_at__gt=clock.now()
    )
    return found.order_by("-created_at", "-id")


def withdraw(citizen_id: UUID, forwarding_id: UUID) -> bool:
    """Let a link of hers open nothing from now on; False when there is none, or it was so."""
    hers = Forwarding.objects.filter(citizen_id=citizen_id, id=forwarding_id, withdrawn_at=None)
    return bool(hers.update(withdrawn_at=clock.now()))


def find(person: Viewer, token: str) -> Viewer | None:
    """Return `person` as a viewer of the one letter that the link leads to; None: it opens nothing.

    Also none for a letter that she has thrown away since. The letter's id is that of the scope.
    """
    if not token or len(token) > TOKEN_LENGTH_MAX:
        return None
    found = Forwarding.objects.filter(
        digest=blind_index(TOKEN_KIND, token),
        withdrawn_at=None,
        expires_at__gt=clock.now(),
        citizen__is_active=True,
        citizen__deceased_at=None,
    ).first()
    if found is None:
        return None
    viewer = Viewer(
        citizen_id=found.citizen_id,
        level=person.level,
        helper_id=person.citizen_id,
        role=Role.LINK,
        scopes=(Scope(letter_id=found.letter_id),),
        may_answer=False,
    )
    there = Letter.objects.visible_to(viewer).filter(id=found.letter_id).exists()
    return viewer if there else None
