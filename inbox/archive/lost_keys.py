"""Keys that are gone though nobody destroyed them: whose they are is named, and nothing is deleted.

A key that was destroyed is remembered (`keys.py`), so that this is never taken for that. What is
under a lost key comes back with a backup of the keys. An owner is named by her id, a random number;
that of `store.SYSTEM`, under whose key lies what is in quarantine, is zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db.models import Count, Exists, OuterRef
from django.utils import timezone

from inbox.archive import holdings, keys
from inbox.archive.models import Damage, Holding, ObjectKey, OwnerKey

REMEDY = "restore it from a backup of the keys: manage.py archive_keys restore"
LOOKED_AT_A_RUN = 50


def lost(objects: Iterable[UUID] | None = None, *, owner_id: UUID | None = None) -> dict[UUID, int]:
    """Return the owners of objects that have no key, each with how many (1 query).

    Of all objects whose owner is known, of these, or of one owner's.
    """
    mine = {"owner_id": OuterRef("owner_id")}
    key = ObjectKey.objects.filter(**mine, object_id=OuterRef("object_id"))
    gone = OwnerKey.objects.filter(**mine, destroyed_at__isnull=False)
    held = Holding.objects.filter(owner_id__isnull=False, removed_at=None)
    found = held.filter(~Exists(key), ~Exists(gone))
    if objects is not None:
        found = found.filter(object_id__in=list(objects))
    if owner_id is not None:
        found = found.filter(owner_id=owner_id)
    counted = found.order_by("owner_id").values("owner_id").annotate(count=Count("object_id"))
    return {row["owner_id"]: row["count"] for row in counted if row["owner_id"]}


def problem(count: int) -> str:
    """Say in plain words what is wrong with an owner's keys."""
    return f"{count} of this owner's objects have no key, and nobody destroyed it"


def look_at(objects: Iterable[UUID]) -> None:
    """Write down whose keys are gone, of those objects that are held (2 queries while none is)."""
    wanted = set(objects)
    there = ObjectKey.objects.filter(object_id__in=wanted)
    without = wanted - set(there.values_list("object_id", flat=True))
    if not without:
        return
    for owner_id in lost(without):
        note(owner_id)
    nobodys = Holding.objects.filter(object_id__in=without, owner_id=None, removed_at=None)
    for object_id in nobodys.values_list("object_id", flat=True):
        _note(object_id, "this object has no key, and nobody destroyed it")


def note(owner_id: UUID) -> None:
    """Write down that keys of an owner's are gone, if they are."""
    for count in lost(owner_id=owner_id).values():
        _note(owner_id, problem(count))


def look_again(waited: timedelta) -> None:
    """End what is known to be lost and is there again, or destroyed since."""
    now = timezone.now()
    known = Damage.objects.filter(place=Damage.Place.KEYS, ended_at=None)
    waits = known.filter(checked_at__lt=now - waited).order_by("checked_at")
    for damage in waits[:LOOKED_AT_A_RUN]:
        still = lost(owner_id=damage.object_id) or (
            holdings.is_held(damage.object_id)
            and not ObjectKey.objects.filter(object_id=damage.object_id).exists()
        )
        row = Damage.objects.filter(pk=damage.pk)
        if still:
            row.update(checked_at=now)
        else:
            outcome = Damage.Outcome.WHOLE
            if keys.is_destroyed(damage.object_id):
                outcome = Damage.Outcome.REMOVED
            row.update(checked_at=now, ended_at=now, outcome=outcome, not_repaired="")


def _note(named: UUID, text: str) -> None:
    holdings.note_damage(named, [text], place=Damage.Place.KEYS, by="scan")
    open_now = Damage.objects.filter(object_id=named, place=Damage.Place.KEYS, ended_at=None)
    open_now.update(problems=[text], not_repaired=REMEDY, checked_at=timezone.now())
