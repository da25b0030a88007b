"""Keys: one for each object, wrapped by one for each owner, wrapped by the root key.

Wrapping is AES key wrap (RFC 3394). Wrapped keys lie in the database, in two tables that are
backed up by themselves and not for long (docs/archive-format.md); the root key lies outside it.
Destroying an object's key makes its bytes unreadable wherever there is a copy of them.

An owner whose key was destroyed is remembered (`OwnerKey.destroyed_at`), and never gets another:
nothing can be put for her any more. Nor does one whose key is gone though nobody destroyed it: it
is to be restored, and a new one would hide that.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Protocol
from uuid import UUID, uuid5

from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from inbox.archive.models import Holding, ObjectKey, OwnerKey

KEY_BYTES = 32
BATCH = 500

Pair = tuple[UUID, UUID]
"""An owner and an object of hers."""


class NoKey(LookupError):
    """There is no key, or none of ours opens it: what it would open cannot be read."""


class Destroyed(NoKey):
    """The owner's key was destroyed for good: she gets no other."""


class Lost(NoKey):
    """The owner has objects and no key, and nobody destroyed it: it must be restored."""

    def __init__(self, owner_id: UUID) -> None:
        super().__init__(f"the key of owner {owner_id} is gone, and was not destroyed: restore it")
        self.owner_id = owner_id


class RootKeys(Protocol):
    """Who wraps and unwraps owners' keys; an HSM can stand behind it.

    ARCHIVE_ROOT_KEYS_CLASS names the class. The key itself never leaves it.
    """

    def current(self) -> str:
        """Return the name of the key that wraps from now on."""

    def wrap(self, key: bytes) -> bytes:
        """Wrap with the current key."""

    def unwrap(self, name: str, wrapped: bytes) -> bytes:
        """Unwrap with the key of that name. Raises NoKey."""


class SettingsRootKeys:
    """Root keys from ARCHIVE_ROOT_KEY and, while keys are being changed, ARCHIVE_ROOT_KEYS_OLD."""

    def __init__(self) -> None:
        current = bytes.fromhex(settings.ARCHIVE_ROOT_KEY)
        self._current = root_name(current)
        old = [bytes.fromhex(each) for each in settings.ARCHIVE_ROOT_KEYS_OLD]
        self._keys = {root_name(key): key for key in [*old, current]}

    def current(self) -> str:
        """Return the first eight hex digits of a digest of the key."""
        return self._current

    def wrap(self, key: bytes) -> bytes:
        """Wrap with ARCHIVE_ROOT_KEY."""
        return aes_key_wrap(self._keys[self._current], key)

    def unwrap(self, name: str, wrapped: bytes) -> bytes:
        """Unwrap with whichever key has that name."""
        if name not in self._keys:
            raise NoKey(f"the root key {name} is not here")
        return _unwrap(self._keys[name], wrapped)


def root_name(key: bytes) -> str:
    """Return the name by which a root key is known: of no use to whoever does not have it."""
    return hashlib.sha256(b"samlepost-root-key|" + key).hexdigest()[:8]


def make(pairs: Iterable[Pair]) -> dict[Pair, bytes]:
    """Return the objects' keys, made where there are none yet.

    In one transaction, after which they are safe: bytes are written only under such a key. Two
    who make the key of the same object get the same. Raises Destroyed and Lost, which name an
    owner who gets none.
    """
    wanted = sorted(set(pairs))
    with transaction.atomic():
        owner_keys = _owner_keys({owner_id for owner_id, _ in wanted})
        rows = [
            ObjectKey(
                owner_id=owner_id,
                object_id=object_id,
                wrapped=aes_key_wrap(owner_keys[owner_id], os.urandom(KEY_BYTES)),
            )
            for owner_id, object_id in wanted
        ]
        ObjectKey.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)
        objects = [object_id for _, object_id in wanted]
        found = ObjectKey.objects.filter(owner_id__in=list(owner_keys), object_id__in=objects)
        return {
            (owner_id, object_id): _unwrap(owner_keys[owner_id], bytes(wrapped))
            for owner_id, object_id, wrapped in found.values_list(
                "owner_id", "object_id", "wrapped"
            )
        }


def find(owner_id: UUID, object_id: UUID) -> bytes:
    """Return an object's key (one query). Raises NoKey."""
    found = (
        ObjectKey.objects.filter(owner_id=owner_id, object_id=object_id)
        .values_list("wrapped", "owner__wrapped", "owner__root")
        .first()
    )
    if found is None:
        raise NoKey(f"there is no key for {object_id}")
    wrapped, owner_wrapped, root = found
    return _unwrap(root_keys().unwrap(root, bytes(owner_wrapped)), bytes(wrapped))


def hold(pairs: Iterable[Pair]) -> bool:
    """Say whether all have a key, which nobody destroys before the transaction ends (1 query)."""
    wanted = set(pairs)
    own = ObjectKey.objects.select_for_update().filter(
        owner_id__in={owner_id for owner_id, _ in wanted},
        object_id__in={object_id for _, object_id in wanted},
    )
    return wanted <= set(own.order_by("owner_id", "object_id").values_list("owner_id", "object_id"))


def state_id(owner_id: UUID) -> UUID:
    """Return the id under which the key of an owner's rows in backups stands.

    It is a key like an object's, so that it goes with the owner's; there is no such object.
    """
    return uuid5(owner_id, "samlepost-state")


def objects() -> Iterator[UUID]:
    """Yield the ids of all objects that have a key."""
    for owner_id, object_id in ObjectKey.objects.values_list("owner_id", "object_id").iterator():
        if object_id != state_id(owner_id):
            yield object_id


def destroy(owner_id: UUID, object_id: UUID) -> bool:
    """Destroy an object's key, for good; say whether there was one."""
    return bool(ObjectKey.objects.filter(owner_id=owner_id, object_id=object_id).delete()[0])


def destroy_owner(owner_id: UUID) -> list[UUID]:
    """Destroy an owner's key with the keys of all her objects; returns the objects' ids.

    For good, also where she never had one. It is to be followed by what else there is of hers,
    and that by `note_erased`; until then she is among those `to_erase`.
    """
    with transaction.atomic():
        if not is_destroyed(owner_id):
            # Whoever is making one of them now is done first, so that it is found below.
            OwnerKey.objects.bulk_create(
                [OwnerKey(owner_id=owner_id, wrapped=b"", destroyed_at=timezone.now())],
                update_conflicts=True,
                unique_fields=["owner_id"],
                update_fields=["wrapped", "root", "destroyed_at"],
            )
        own = ObjectKey.objects.filter(owner_id=owner_id)
        objects = list(own.values_list("object_id", flat=True))
        own.delete()
    return objects


def is_destroyed(owner_id: UUID) -> bool:
    """Say whether an owner's key was destroyed for good."""
    return OwnerKey.objects.filter(owner_id=owner_id, destroyed_at__isnull=False).exists()


def to_erase() -> list[UUID]:
    """Return owners whose key is destroyed, and of whom something may be left."""
    owed = OwnerKey.objects.filter(destroyed_at__isnull=False, erased_at=None)
    return list(owed.order_by("destroyed_at").values_list("owner_id", flat=True)[:BATCH])


def note_erased(owner_id: UUID) -> None:
    """Note that nothing is left of an owner whose key is destroyed."""
    OwnerKey.objects.filter(owner_id=owner_id).update(erased_at=timezone.now())


def rotate_owner(owner_id: UUID) -> int:
    """Give an owner a new key and wrap her objects' keys with it; no bytes are touched.

    Returns how many keys were wrapped anew. Raises NoKey, changing nothing, when one of them
    does not open.
    """
    with transaction.atomic():
        row = OwnerKey.objects.select_for_update().filter(owner_id=owner_id).first()
        if row is None or row.destroyed_at:
            raise NoKey("there is no such owner, or her key was destroyed")
        old, new = root_keys().unwrap(row.root, bytes(row.wrapped)), os.urandom(KEY_BYTES)
        rows = list(ObjectKey.objects.filter(owner_id=owner_id))
        for each in rows:
            each.wrapped = aes_key_wrap(new, _unwrap(old, bytes(each.wrapped)))
        ObjectKey.objects.bulk_update(rows, ["wrapped"], batch_size=BATCH)
        row.root, row.wrapped = root_keys().current(), root_keys().wrap(new)
        row.save()
    return len(rows)


def wrapped_anew(wrapped: bytes, before: OwnerKey, now: OwnerKey) -> bytes:
    """Return an object's key that was wrapped by one key of an owner's, wrapped by another.

    Raises NoKey when one of them does not open.
    """
    old, new = (root_keys().unwrap(each.root, bytes(each.wrapped)) for each in (before, now))
    return aes_key_wrap(new, _unwrap(old, wrapped))


def rotate_root() -> int:
    """Wrap with the current root key every owner's key that another one wraps; returns how many.

    To be run, and run again, until it returns 0; then the old root key is needed no more.
    """
    current, count = root_keys().current(), 0
    while True:
        with transaction.atomic():
            kept = OwnerKey.objects.select_for_update().filter(destroyed_at=None)
            other = kept.exclude(root=current)
            rows = list(other.order_by("owner_id")[:BATCH])
            for row in rows:
                row.wrapped = root_keys().wrap(root_keys().unwrap(row.root, bytes(row.wrapped)))
                row.root = current
            OwnerKey.objects.bulk_update(rows, ["wrapped", "root"])
        if not rows:
            return count
        count += len(rows)


def root_keys() -> RootKeys:
    """Return whoever holds the root keys, as the settings have it."""
    return _root_keys(
        settings.ARCHIVE_ROOT_KEYS_CLASS,
        settings.ARCHIVE_ROOT_KEY,
        tuple(settings.ARCHIVE_ROOT_KEYS_OLD),
    )


@cache
def _root_keys(name: str, current: str, old: tuple[str, ...]) -> RootKeys:
    """One for each setting of them: what they are made of is part of what is remembered."""
    made: RootKeys = import_string(name)()
    return made


def _owner_keys(owner_ids: set[UUID]) -> dict[UUID, bytes]:
    """Return owners' keys, made where there are none; held until the transaction ends.

    Whoever changes an owner's key waits for that, so that no object's key is wrapped by the old
    one afterwards.
    """
    # In order, so that two who want the same owners never wait for each other.
    own = OwnerKey.objects.select_for_update().filter(owner_id__in=owner_ids).order_by("owner_id")
    rows = {row.owner_id: row for row in own}
    if missing := sorted(owner_ids - set(rows)):
        held = Holding.objects.filter(owner_id__in=missing, removed_at=None)
        without = ObjectKey.objects.filter(owner_id__in=missing)
        both = held.values_list("owner_id").union(without.values_list("owner_id"))
        for owner_id in sorted(set(missing).intersection(each for (each,) in both)):
            # Another process may have made it, and have put what is found, since we looked.
            if not OwnerKey.objects.filter(owner_id=owner_id).exists():
                raise Lost(owner_id)
        keys = root_keys()
        fresh = [
            OwnerKey(owner_id=each, wrapped=keys.wrap(os.urandom(KEY_BYTES)), root=keys.current())
            for each in missing
        ]
        OwnerKey.objects.bulk_create(fresh, batch_size=BATCH, ignore_conflicts=True)
        rows |= {row.owner_id: row for row in own.filter(owner_id__in=missing)}
    for row in rows.values():
        if row.destroyed_at:
            raise Destroyed(f"the key of owner {row.owner_id} was destroyed for good")
    return {
        owner_id: root_keys().unwrap(row.root, bytes(row.wrapped)) for owner_id, row in rows.items()
    }


def _unwrap(key: bytes, wrapped: bytes) -> bytes:
    try:
        return aes_key_unwrap(key, wrapped)
    except (InvalidUnwrap, ValueError):
        raise NoKey("a wrapped key does not open") from None
