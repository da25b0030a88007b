"""What the store holds: a row for each object, by which it is checked and copied."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError, transaction
from django.utils import timezone

from inbox.archive import ocfl
from inbox.archive.models import Damage, Holding

log = logging.getLogger("samlepost.archive")

PROBLEMS_MAX = 10
"""Lines that are kept of what is wrong with one object."""

Kept = tuple[UUID, int, str, UUID]
"""An object, its latest version, the sha512 of that version's inventory, and its owner."""


def note(kept: Iterable[Kept], *, is_new: bool = True) -> None:
    """Let objects be checked and copied from now on, in the caller's transaction.

    Of one that is not new (it lay there already) a row that is there is left as it is, unless
    whoever stored this version died before the row was told of it.
    """
    now = timezone.now()
    rows = [
        Holding(
            object_id=object_id,
            owner_id=owner_id,
            version=version,
            inventory_sha512=sha512,
            stored_at=now,
            checked_at=now,
            copy_due_at=now,
        )
        # In one order, or two who write the same rows could wait for each other.
        for object_id, version, sha512, owner_id in sorted(kept)
    ]
    if not rows:
        return
    if not is_new:
        Holding.objects.bulk_create(rows, ignore_conflicts=True)
        for row in rows:
            older = Holding.objects.filter(pk=row.pk, version__lt=row.version, removed_at=None)
            older.update(
                version=row.version,
                inventory_sha512=row.inventory_sha512,
                stored_at=now,
                is_owed=True,
                copy_due_at=now,
            )
        return
    Holding.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["object_id"],
        # Not when it was checked: a new version does not read the older ones.
        update_fields=[
            "owner_id",
            "version",
            "inventory_sha512",
            "stored_at",
            "removed_at",
            "is_owed",
            "copy_due_at",
            "copy_attempts",
            "copy_error",
        ],
    )


def is_held(object_id: UUID) -> bool:
    """Say whether an object ought to be there."""
    return Holding.objects.filter(object_id=object_id, removed_at=None).exists()


def of(owner_id: UUID) -> list[UUID]:
    """Return what ought to be there of an owner's (1 query)."""
    held = Holding.objects.filter(owner_id=owner_id, removed_at=None)
    return list(held.values_list("object_id", flat=True))


def note_removal(object_ids: Iterable[UUID]) -> None:
    """Owe the removal of objects' bytes, in the transaction that destroys their keys.

    From here on nothing of them is repaired, however much of them is missing.
    """
    now = timezone.now()
    Holding.objects.filter(object_id__in=list(object_ids)).update(
        removed_at=now, is_owed=True, copy_due_at=now, copy_attempts=0, copy_error=""
    )


def forget(object_id: UUID) -> None:
    """Drop the row of an object that is removed everywhere."""
    Holding.objects.filter(object_id=object_id, removed_at__isnull=False).delete()
    Damage.objects.filter(object_id=object_id, ended_at=None).update(
        outcome=Damage.Outcome.REMOVED, ended_at=timezone.now()
    )


def note_damage(
    object_id: UUID, problems: list[str], *, place: str = Damage.Place.PRIMARY, by: str
) -> None:
    """Write down that an object is damaged, unless that is known, and log it.

    Never raises: whoever reads something that is damaged is told that, not that it could not be
    written down; the log has it in any case.
    """
    log.error("archive: %s of %s is damaged: %s", place, object_id, "; ".join(problems[:3]))
    now = timezone.now()
    row = Damage(
        object_id=object_id,
        place=place,
        problems=problems[:PROBLEMS_MAX],
        found_at=now,
        found_by=by,
        checked_at=now - timedelta(days=1),
    )
    try:
        with transaction.atomic():
            Damage.objects.bulk_create([row], ignore_conflicts=True)
    except DatabaseError as error:
        log.error("archive: that could not be written down: %s", type(error).__name__)


def folder_of(object_id: UUID) -> str:
    """Return where an object lies, from the storage root."""
    return ocfl.object_folder(ocfl.object_name(object_id))
