"""The backup of the keys: one file of lines, apart from every backup of what they open.

Wrapped keys alone are in it: it is of no use without the root key. What was deleted since it was
made can be read again with it, so it is kept for no more than 30 days (docs/archive-format.md).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction

from inbox.archive.models import ObjectKey, OwnerKey
from inbox.archive.seal import moment

FORMAT = "samlepost-keys/1"
BATCH = 1000


class BadBackup(ValueError):
    """The file is no backup of keys; the text says in which line, and changes nothing."""


def write(file: Path) -> int:
    """Write all keys to `file`, readable by its owner alone; returns how many there are.

    All as they were at one moment, so that no object's key is wrapped by an owner's that is not
    there. The file has its name only when it is whole.
    """
    fresh = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    count = 0
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as target, transaction.atomic():
            target.write(_line({"format": FORMAT, "at": moment()}))
            for said in _keys():
                target.write(_line(said))
                count += 1
            target.flush()
            os.fsync(target.fileno())
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
    return count


def restore(file: Path) -> int:
    """Write the keys in `file` that are not here; returns how many lines it has.

    All or none. Raises BadBackup, or OSError when the file cannot be read.
    """
    count = 0
    with file.open(encoding="ascii") as source, transaction.atomic():
        lines = _read(source)
        if next(lines, {}).get("format") != FORMAT:
            raise BadBackup("this is no backup of keys")
        while batch := list(islice(lines, BATCH)):
            try:
                owners = [_owner(said) for said in batch if "object" not in said]
                objects = [_object(said) for said in batch if "object" in said]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise BadBackup(f"a line after number {count + 1}: {error}") from error
            OwnerKey.objects.bulk_create(owners, ignore_conflicts=True)
            ObjectKey.objects.bulk_create(objects, ignore_conflicts=True)
            count += len(batch)
    return count


def _keys() -> Iterator[dict[str, str]]:
    """Yield each owner's key, then those of her objects.

    By one query: between two, one who is new or whose key is changed would have come in between,
    and the file could not be restored.
    """
    rows = OwnerKey.objects.order_by("owner_id", "objects_of__object_id").values_list(
        "owner_id", "root", "wrapped", "objects_of__object_id", "objects_of__wrapped"
    )
    before = None
    for owner_id, root, owner_wrapped, object_id, wrapped in rows.iterator(BATCH):
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
    return OwnerKey(
        owner_id=UUID(said["owner"]), root=said["root"], wrapped=bytes.fromhex(said["wrapped"])
    )


def _object(said: dict[str, Any]) -> ObjectKey:
    return ObjectKey(
        owner_id=UUID(said["owner"]),
        object_id=UUID(said["object"]),
        wrapped=bytes.fromhex(said["wrapped"]),
    )
