"""Keys to the agency API: made at random, shown once, kept as digests."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from inbox.agencies.models import Agency, Key

MARK = "samlepost_"
"""How every key begins, so that one that has got loose is recognised (as GitHub's do)."""
RANDOM_BYTES = 32
PREFIX_LENGTH = len(MARK) + 6
OVERLAP = timedelta(hours=24)
"""How long a key works on that another has taken the place of."""
USE_NOTED_EVERY = timedelta(minutes=1)
KEYS_MAX = 20


class TooMany(Exception):
    """The agency has as many working keys as it may have."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new key, and the key itself: the one time that it can be shown."""

    key: Key
    secret: str


def working(agency: Agency) -> QuerySet[Key]:
    """Return the keys that open the API to this agency now, newest first."""
    return _working().filter(agency=agency).order_by("-created_at", "-id")


def create(agency: Agency, name: str, by: UUID) -> Made:
    """Make a key. Raises TooMany."""
    with transaction.atomic():
        _lock(agency)
        return _make(agency, name, by)


def rotate(agency: Agency, key_id: UUID, by: UUID) -> Made:
    """Make a key in place of another, which works on for OVERLAP.

    Raises Key.DoesNotExist, also for one that has been replaced or revoked, and TooMany.
    """
    with transaction.atomic():
        _lock(agency)
        old = working(agency).get(id=key_id, expires_at=None)
        made = _make(agency, old.name, by, replaces=old)
        Key.objects.filter(id=old.id).update(expires_at=timezone.now() + OVERLAP)
    return made


def revoke(agency: Agency, key_id: UUID) -> None:
    """End a key at once. Raises Key.DoesNotExist; to revoke it twice changes nothing."""
    key = Key.objects.get(agency=agency, id=key_id)
    Key.objects.filter(id=key.id, revoked_at=None).update(revoked_at=timezone.now())


def find(secret: str) -> Key | None:
    """Return the working key with its agency, and note that it is in use; None for no such key."""
    now = timezone.now()
    key = _working().select_related("agency").filter(digest=_digest(secret)).first()
    if key and (key.last_used_at is None or key.last_used_at < now - USE_NOTED_EVERY):
        Key.objects.filter(id=key.id).update(last_used_at=now)
    return key


def _working() -> QuerySet[Key]:
    unended = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return Key.objects.filter(unended, revoked_at=None)


def _lock(agency: Agency) -> None:
    """Let no two count or replace this agency's keys at once. In a transaction."""
    Agency.objects.filter(id=agency.id).update(name=F("name"))


def _make(agency: Agency, name: str, by: UUID, replaces: Key | None = None) -> Made:
    if working(agency).count() >= KEYS_MAX:
        raise TooMany
    secret = MARK + secrets.token_urlsafe(RANDOM_BYTES)
    key = Key.objects.create(
        agency=agency,
        name=name,
        prefix=secret[:PREFIX_LENGTH],
        digest=_digest(secret),
        created_at=timezone.now(),
        created_by_id=by,
        replaces=replaces,
    )
    return Made(key, secret)


def _digest(secret: str) -> bytes:
    # 256 random bits need no slow hash (OWASP ASVS 5.0, 11.4).
    return sha256(secret.encode()).digest()
