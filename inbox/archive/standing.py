"""How the archive stands, for those who run it: objects by id, no letters and no citizens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Min
from django.db.models.functions import Coalesce
from django.utils import timezone

from inbox.archive import places
from inbox.archive.models import Damage, Holding

SHOWN_MAX = 100


@dataclass(frozen=True)
class Checks:
    """When all of what lies in one place was read again."""

    objects: int
    oldest: datetime | None
    """When that was of the object that has waited longest; None where there is none."""
    is_late: bool
    """Whether that is longer ago than it may be (ARCHIVE_CHECK_DAYS)."""


@dataclass(frozen=True)
class Copy:
    """How far behind the second copy is."""

    owed: int
    """Objects of which it lacks the latest version, or the removal."""
    since: datetime | None
    """When the oldest of that was stored or removed."""
    error: str
    """Why the last attempt failed; empty while none has."""
    checks: Checks


@dataclass(frozen=True)
class Standing:
    """All of it."""

    checks: Checks
    copy: Copy | None
    """None where there is to be no second copy."""
    damaged: list[Damage]
    """What is damaged now, longest known first."""
    ended: list[Damage]
    """What was, newest first."""


def standing() -> Standing:
    """Return how the archive stands."""
    kept = Holding.objects.filter(removed_at=None)
    damage = Damage.objects.all()
    return Standing(
        checks=_checks(kept.count(), kept.aggregate(at=Min("checked_at"))["at"]),
        copy=_copy() if places.has_second() else None,
        damaged=list(damage.filter(ended_at=None).order_by("found_at")[:SHOWN_MAX]),
        ended=list(damage.exclude(ended_at=None).order_by("-found_at")[:SHOWN_MAX]),
    )


def _copy() -> Copy:
    owed = Holding.objects.filter(is_owed=True)
    failed = owed.exclude(copy_error="").order_by("-copy_due_at").first()
    copied = Holding.objects.filter(removed_at=None, is_owed=False)
    return Copy(
        owed=owed.count(),
        since=owed.aggregate(at=Min(Coalesce("removed_at", "stored_at")))["at"],
        error=failed.copy_error if failed else "",
        checks=_checks(copied.count(), copied.aggregate(at=Min("copy_checked_at"))["at"]),
    )


def _checks(objects: int, oldest: datetime | None) -> Checks:
    promised = timedelta(days=settings.ARCHIVE_CHECK_DAYS)
    is_late = oldest is not None and oldest < timezone.now() - promised
    return Checks(objects, oldest, is_late)
