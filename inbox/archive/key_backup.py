"""The backup of the keys: one file of lines, apart from every backup of what they open.

Wrapped keys alone are in it: it is of no use without the root key. What was deleted since it was
made can be read again with it where nothing knows of the deletion, so it is kept for no more than
30 days (docs/archive-format.md).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from inbox.archive import keys, proof, store
from inbox.archive.models import ObjectKey, OwnerKey
from inbox.archive.seal import moment

FORMAT = "samlepost-keys/1"
BATCH = 1000


class BadBackup(ValueError):
    """The file is no backup of keys; the text says in which line, and changes nothing."""


def write(file: Path) -> int:
    """Write all keys to `file`, readable by its owner alone; returns how many there are.

    All as they were at one moment, so that no object's key is wrapped by an owner's that is not
    there; and of whom the key is destroyed. The file has its name only when it is whole.
    """
    fresh = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    count = 0
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as target, transaction.atomic():
            target.write(_line({"format": FORMAT, "at": moment()}))
            for said in _keys():
                target.write(_line(said))
                count += "wrapped" in said
            target.flush()
            os.fsync(target.fileno())
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
    return count


@dataclass
class Restored:
    """What was in a backup of keys."""

    keys: int = 0
    """Of owners and of objects, those that were here already among them."""
    passed_over: int = 0
    """Keys that were destroyed since: they stay destroyed."""
    destroyed: int = 0
    """Owners whose keys were here, and had been destroyed when the backup was made."""


def restore(file: Path) -> Restored:
    """Write the keys in `file` that are not here, all or none; what is destroyed stays so.

    Destroyed is what this database knows to be, by its owners and by the log's rows, and what the
    file says of owners. Raises BadBackup, NoKey where a key is wrapped by an owner's that is not
    the one here and that does not open, or OSError when the file cannot be read.
    """
    restored = Restored()
    dead: list[UUID] = []
    with file.open(encoding="ascii") as source, transaction.atomic():
        lines = _read(source)
        if next(lines, {}).get("format") != FORMAT:
            raise BadBackup("this is no backup of keys")
        number = 1
        owner: OwnerKey | None = None
        while batch := list(islice(lines, BATCH)):
            owners: list[OwnerKey] = []
            objects: list[tuple[OwnerKey, ObjectKey]] = []
            for said in batch:
                number += 1
                try:
                    if "object" not in said:
                        owner = _owner(said)
                        owners.append(owner)
                        continue
                    key = _object(said)
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    raise BadBackup(f"line {number}: {error}") from error
                if owner is None or owner.owner_id != key.owner_id:
                    raise BadBackup(f"line {number}: the key of its owner does not stand before it")
                objects.append((owner, key))
            dead += _restore_owners(owners, restored)
            _restore_objects(objects, restored)
    for owner_id in dead:
        store.forget_owner(owner_id)
    restored.destroyed = len(dead)
    return restored


def drop_destroyed() -> int:
    """Destroy the keys that are here and that the log's rows say are destroyed; returns how many.

    For a database whose keys are older than its log (`restore_backup`). Of an owner of whom the
    log says that the key of her rows is destroyed, all keys go: it goes with hers alone.
    """
    count = 0
    last: UUID | None = None
    while True:
        rows = OwnerKey.objects.filter(destroyed_at=None).order_by("owner_id")
        if last:
            rows = rows.filter(owner_id__gt=last)
        owners = list(rows.values_list("owner_id", flat=True)[:BATCH])
        states = {keys.state_id(each): each for each in owners}
        for state_id in proof.destroyed(states):
            count += 1 + ObjectKey.objects.filter(owner_id=states[state_id]).count()
            store.forget_owner(states[state_id])
        if len(owners) < BATCH:
            break
        last = owners[-1]
    objects = ObjectKey.objects.values_list("object_id", flat=True).iterator(BATCH)
    gone: list[UUID] = []
    while batch := list(islice(objects, BATCH)):
        gone += proof.destroyed(batch)
    for start in range(0, len(gone), BATCH):
        those = ObjectKey.objects.filter(object_id__in=gone[start : start + BATCH])
        count += those.delete()[0]
    return count


def _restore_owners(owners: list[OwnerKey], restored: Restored) -> list[UUID]:
    """Write owners' keys; return those that live here and are destroyed by the file.

    Of one who is not known here the log tells whether hers was destroyed (`drop_destroyed`).
    """
    here = _here(owners)
    states = {keys.state_id(each.owner_id): each for each in owners if each.owner_id not in here}
    gone = {states[state_id].owner_id for state_id in proof.destroyed(states)}
    dead = []
    for row in owners:
        known = here.get(row.owner_id)
        if row.owner_id in gone and not row.destroyed_at:
            restored.keys += 1
            restored.passed_over += 1
            row.root, row.wrapped, row.destroyed_at = "", b"", timezone.now()
            continue
        if row.destroyed_at:
            if known and not known.destroyed_at:
                dead.append(row.owner_id)
        else:
            restored.keys += 1
            restored.passed_over += bool(known and known.destroyed_at)
    # What is of an owner known here, dead or alive, stays.
    OwnerKey.objects.bulk_create(owners, ignore_conflicts=True)
    return dead


def _restore_objects(objects: list[tuple[OwnerKey, ObjectKey]], restored: Restored) -> None:
    restored.keys += len(objects)
    here = _here([owner for owner, _ in objects])
    there = ObjectKey.objects.filter(object_id__in=[key.object_id for _, key in objects])
    known = set(there.values_list("owner_id", "object_id"))
    gone = proof.destroyed(key.object_id for _, key in objects)
    fresh = []
    for owner, key in objects:
        current = here[owner.owner_id]
        if (key.owner_id, key.object_id) in known:
            continue
        if current.destroyed_at or key.object_id in gone:
            restored.passed_over += 1
            continue
        if bytes(current.wrapped) != bytes(owner.wrapped):
            key.wrapped = keys.wrapped_anew(bytes(key.wrapped), owner, current)
        fresh.append(key)
    ObjectKey.objects.bulk_create(fresh)


def _here(owners: list[OwnerKey]) -> dict[UUID, OwnerKey]:
    return OwnerKey.objects.in_bulk({each.owner_id for each in owners})


def _keys() -> Iterator[dict[str, str]]:
    """Yield each owner's key, then those of her objects.

    By one query: between two, one who is new or whose key is changed would have come in between,
    and the file could not be restored.
    """
    rows = OwnerKey.objects.order_by("owner_id", "objects_of__object_id").values_list(
        "owner_id",
        "root",
        "wrapped",
        "destroyed_at",
        "objects_of__object_id",
        "objects_of__wrapped",
    )
    before = None
    for owner_id, root, owner_wrapped, destroyed_at, object_id, wrapped in rows.iterator(BATCH):
        if destroyed_at:
            yield {"owner": str(owner_id), "destroyed_at": destroyed_at.isoformat()}
            continue
        if owner_id != before:
            before = owner_id
            yield {"owner": str(owner_id), "root": root, "wrapped": bytes(owner_wrapped).hex()}
        if object_id is not None:
            yield {
                "owner": str(owner_id),
                "object": str(object_id),
                "wrapped": bytes(wrapped).hex(),
            }


def _line(said: dict[str, str]) -> str:
    return json.dumps(said, sort_keys=True) + "\n"


def _read(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line)
        except ValueError as error:
            raise BadBackup(f"line {number} is not JSON") from error
        if not isinstance(said, dict):
            raise BadBackup(f"line {number} is no key")
        yield said


def _owner(said: dict[str, Any]) -> OwnerKey:
    if at := said.get("destroyed_at"):
        destroyed_at = datetime.fromisoformat(at)
        return OwnerKey(owner_id=UUID(said["owner"]), wrapped=b"", destroyed_at=destroyed_at)
    return OwnerKey(
        owner_id=UUID(said["owner"]), root=said["root"], wrapped=bytes.fromhex(said["wrapped"])
    )


def _object(said: dict[str, Any]) -> ObjectKey:
    return ObjectKey(
        owner_id=UUID(said["owner"]),
        object_id=UUID(said["object"]),
        wrapped=bytes.fromhex(said["wrapped"]),
    )
