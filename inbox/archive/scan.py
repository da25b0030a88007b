"""The rolling scan: everything that is kept is read again within ARCHIVE_CHECK_DAYS, for ever.

Oldest first, a few objects a run: so many that all are read in two thirds of the time promised,
which leaves a third for days on which nothing runs. What is damaged is put back from the other
copy when that one is whole, checked again, and written down (`Damage`) in any case. No key is
needed: what lies there is held against its inventory, and that against its row. That it has one is
looked at as well (`lost_keys.py`).
"""

from __future__ import annotations

import logging
import math
import time
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from inbox.archive import holdings, lost_keys, mending, places
from inbox.archive.mending import CannotMend
from inbox.archive.models import Damage, Holding
from inbox.archive.storage import Missing, Storage, Unavailable

log = logging.getLogger("samlepost.archive.scan")

EVERY_SECONDS = 300
"""Between two runs (config/celery.py)."""
RUN_SECONDS = 240.0
LEAST = 5
"""Objects a run, at least."""
REST = timedelta(days=1)
"""Nothing is read again before so much time has passed, however little there is."""
DAMAGED_A_RUN = 50
COLUMNS: dict[str, str] = {
    Damage.Place.PRIMARY: "checked_at",
    Damage.Place.COPY: "copy_checked_at",
}
"""When an object was last checked in each place."""
TRIED_AGAIN = timedelta(minutes=30)
"""After so long, it is tried again to repair what could not be."""


def run(seconds: float = RUN_SECONDS) -> int:
    """Check what has waited longest, here and in the second copy; returns how many objects.

    Where a storage does not answer nothing is known of what it holds: the scan goes on with the
    other one.
    """
    until = time.monotonic() + seconds
    try:
        primary = places.primary()
    except OSError as error:
        log.warning("the archive cannot be scanned: %s", error.strerror)
        return 0
    try:
        second = places.second()
    except OSError as error:
        log.warning("the second copy cannot be scanned: %s", error.strerror)
        second = None
    rows = Holding.objects.filter(removed_at=None)
    checked = 0
    lost_keys.look_again(TRIED_AGAIN)
    for place in (Damage.Place.PRIMARY, Damage.Place.COPY):
        try:
            if place == Damage.Place.PRIMARY:
                checked += _look_again(place, primary, second, until)
                checked += _scan(rows, place, primary, second, until)
            elif second:
                checked += _look_again(place, primary, second, until)
                checked += _scan(rows.filter(is_owed=False), place, primary, second, until)
        except Unavailable as error:
            log.warning("the scan of the %s stops: %s", place, error.strerror)
    return checked


def budget(objects: int) -> int:
    """Return how many objects a run must check for all of them to have their turn in time."""
    runs = settings.ARCHIVE_CHECK_DAYS * 2 / 3 * 24 * 3600 / EVERY_SECONDS
    return max(LEAST, math.ceil(objects / runs))


def _scan(
    rows: QuerySet[Holding],
    place: Damage.Place,
    primary: Storage,
    second: Storage | None,
    until: float,
) -> int:
    column = COLUMNS[place]
    due = rows.filter(**{f"{column}__lt": timezone.now() - REST}).order_by(column)
    count = 0
    some = list(due[: budget(rows.count())])
    if place == Damage.Place.PRIMARY:
        lost_keys.look_at(holding.object_id for holding in some)
    for holding in some:
        if time.monotonic() > until:
            break
        look_at(holding, place, primary, second)
        count += 1
    return count


def look_at(
    holding: Holding, place: str, primary: Storage, second: Storage | None, *, by: str = "scan"
) -> bool:
    """Check an object in one place, repair it there if need be; say whether it is whole then.

    Raises Unavailable when that place's server does not answer.
    """
    storage = primary if place == Damage.Place.PRIMARY else second
    assert storage is not None
    found = mending.check(storage, holding)
    if found and _has_changed(holding):
        return True  # removed, or stored anew, while it was read
    Holding.objects.filter(pk=holding.pk).update(**{COLUMNS[place]: timezone.now()})
    if not found:
        _end(holding, place, Damage.Outcome.WHOLE)
        return True
    holdings.note_damage(holding.object_id, found, place=place, by=by)
    return _repair(holding, place, primary, second)


def _look_again(place: Damage.Place, primary: Storage, second: Storage | None, until: float) -> int:
    """Check again what is known to be damaged: a reader met it, or it could not be repaired."""
    waits = Damage.objects.filter(
        place=place, ended_at=None, checked_at__lt=timezone.now() - TRIED_AGAIN
    ).order_by("checked_at")
    count = 0
    for damage in waits[:DAMAGED_A_RUN]:
        if time.monotonic() > until:
            break
        holding = Holding.objects.filter(pk=damage.object_id, removed_at=None).first()
        if holding is None:
            _end(Holding(pk=damage.object_id), damage.place, Damage.Outcome.REMOVED)
        else:
            look_at(holding, damage.place, primary, second, by=damage.found_by)
            count += 1
    return count


def _repair(holding: Holding, place: str, primary: Storage, second: Storage | None) -> bool:
    """Put an object back in one place from the other; say whether it is whole then."""
    try:
        if second is None:
            answers = "the second copy does not answer" if places.has_second() else ""
            raise CannotMend(answers or "there is no second copy")
        pair = (primary, second) if place == Damage.Place.PRIMARY else (second, primary)
        mending.mend(*pair, holding, first=primary)
    except (CannotMend, Missing, OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        log.error("archive: %s of %s is not repaired: %s", place, holding.object_id, why)
        _open(holding, place).update(not_repaired=why[:120], checked_at=timezone.now())
        return False
    if _has_changed(holding):
        _take_back(holding, primary, second)
    log.warning("archive: %s of %s is repaired", place, holding.object_id)
    _end(holding, place, Damage.Outcome.REPAIRED)
    return True


def _take_back(holding: Holding, primary: Storage, second: Storage | None) -> None:
    """Remove what was put back while somebody removed it."""
    if Holding.objects.filter(pk=holding.pk, removed_at=None).exists():
        return
    folder = holdings.folder_of(holding.object_id)
    for storage in filter(None, (primary, second)):
        storage.remove(folder)


def _has_changed(holding: Holding) -> bool:
    same = Holding.objects.filter(pk=holding.pk, inventory_sha512=holding.inventory_sha512)
    return not same.filter(removed_at=None).exists()


def _open(holding: Holding, place: str) -> QuerySet[Damage]:
    return Damage.objects.filter(object_id=holding.pk, place=place, ended_at=None)


def _end(holding: Holding, place: str, outcome: Damage.Outcome) -> None:
    now = timezone.now()
    _open(holding, place).update(outcome=outcome, ended_at=now, checked_at=now, not_repaired="")
