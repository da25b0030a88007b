"""What the archive holds for each citizen: packages (one OCFL object each) and their files."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from inbox.archive.proof.models import LogEntry
from inbox.citizens.owned import CitizenOwned, OwnedForeignKey, new_id

__all__ = ["Blob", "Damage", "Holding", "LogEntry", "Package"]


class Package(CitizenOwned):
    """One object of the archive: everything that arrived with one delivery.

    `id` is the object's id, made before its bytes are written. The row is written after the
    bytes are safe on disk, so a row without an object is damage, never a normal state.
    """

    version = models.PositiveSmallIntegerField()
    """The object's latest version, from 1."""
    inventory_sha512 = models.CharField(max_length=128)
    """Hex digest of that version's inventory.json: it fixes every byte of the object."""
    deposited_at = models.DateTimeField()
    """Real time, when the version was safe on disk."""

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(version__gte=1), name="package_version_from_1"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} v{self.version}"


class Blob(CitizenOwned):
    """One file of one version of a package, readable by (package_id, path, version)."""

    package_id = models.UUIDField()
    package = OwnedForeignKey(Package, "package_id", related_name="blobs")
    path = models.CharField(max_length=200)
    """The logical path in the object, e.g. `files/0001.pdf`; never a name from a sender."""
    sha256 = models.CharField(max_length=64)
    """Hex digest of the plaintext."""
    size = models.PositiveBigIntegerField()
    """Bytes of plaintext."""
    media_type = models.CharField(max_length=127)
    """As the sender declared it; served only after a check against an allow-list."""
    version = models.PositiveSmallIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["citizen", "package_id", "path", "version"], name="blob_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.package_id}/{self.path}"


class OwnerKey(models.Model):
    """The key of one owner of objects, wrapped by a root key (`keys.py`).

    An owner is a citizen, an agency (what it sends from its portal), or `store.SYSTEM`. With the
    key goes everything of hers, in every copy; so the row refers to no other table. That of a key
    that was destroyed stays, without the key: its owner never gets another one.
    """

    owner_id = models.UUIDField(primary_key=True)
    wrapped = models.BinaryField()
    """40 bytes: a key of 32, wrapped (RFC 3394). Empty once it is destroyed, as is the next."""
    root = models.CharField(max_length=16, blank=True)
    """Which root key wraps it (`keys.root_name`)."""
    destroyed_at = models.DateTimeField(null=True, blank=True)
    """Real time, as the next: when the key was destroyed for good."""
    erased_at = models.DateTimeField(null=True, blank=True)
    """When what else there was of its owner had gone as well; None while that is owed."""

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(destroyed_at__isnull=True, root__gt="")
                | models.Q(destroyed_at__isnull=False, root=""),
                name="owner_key_or_none",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["destroyed_at"],
                name="owner_key_to_erase",
                condition=models.Q(destroyed_at__isnull=False, erased_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return str(self.owner_id)


class ObjectKey(models.Model):
    """The key of one object, wrapped by its owner's."""

    pk = models.CompositePrimaryKey("owner_id", "object_id")
    owner = models.ForeignKey(
        OwnerKey, on_delete=models.CASCADE, related_name="objects_of", db_index=False
    )
    object_id = models.UUIDField()
    wrapped = models.BinaryField()
    """40 bytes: a key of 32, wrapped (RFC 3394)."""

    class Meta:
        # Whoever checks what is stored does not know whose it is.
        indexes: ClassVar = [models.Index(fields=["object_id"], name="object_key_of")]

    def __str__(self) -> str:
        return str(self.object_id)


class Holding(models.Model):
    """One object of the store, whoever's it is: when it was last checked, and what is copied of it.

    Written when the object is (`holdings.py`), so that uploads, agencies' files and what lies in
    quarantine are checked and copied like packages. It refers to no other table: an object is
    checked and copied without its key.
    """

    object_id = models.UUIDField(primary_key=True)
    owner_id = models.UUIDField(null=True, blank=True)
    """Under whose key it lies (`OwnerKey`), so that one that is gone is known; None: unknown."""
    version = models.PositiveSmallIntegerField()
    """Its latest version."""
    inventory_sha512 = models.CharField(max_length=128)
    """Hex digest of that version's inventory.json."""
    stored_at = models.DateTimeField()
    """Real time, as all times here: when that version was safe."""
    checked_at = models.DateTimeField()
    """When it was last read as a whole, or made."""
    copy_checked_at = models.DateTimeField(null=True, blank=True)
    """When its second copy was last read as a whole, or made; None while there is none."""
    removed_at = models.DateTimeField(null=True, blank=True)
    """When its bytes were to go; the row goes when they have, from the second copy as well."""
    is_owed = models.BooleanField(default=True)
    """Whether the second copy lacks its latest version, or has what is removed."""
    copy_due_at = models.DateTimeField()
    copy_attempts = models.PositiveSmallIntegerField(default=0)
    copy_error = models.CharField(max_length=120, blank=True)
    """Why the last attempt to copy failed."""

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["checked_at"],
                name="holding_checked",
                condition=models.Q(removed_at__isnull=True),
            ),
            models.Index(
                fields=["copy_checked_at"],
                name="holding_copy_checked",
                condition=models.Q(removed_at__isnull=True, is_owed=False),
            ),
            models.Index(
                fields=["owner_id"],
                name="holding_of",
                condition=models.Q(removed_at__isnull=True),
            ),
            models.Index(
                fields=["copy_due_at"], name="holding_owed", condition=models.Q(is_owed=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.object_id} v{self.version}"


class Damage(models.Model):
    """Damage that was found, and what became of it. Names no letter, and nobody by name."""

    class Place(models.TextChoices):
        PRIMARY = "primary"
        COPY = "copy"
        KEYS = "keys", "a key is gone, and nobody destroyed it"

    class Outcome(models.TextChoices):
        OPEN = ""
        REPAIRED = "repaired", "put back from the other copy, and whole since"
        WHOLE = "whole", "found whole when it was checked again"
        REMOVED = "removed", "the object has been removed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    object_id = models.UUIDField()
    """Of an owner whose keys are gone it is the owner's."""
    place = models.CharField(max_length=8, choices=Place)
    problems = models.JSONField()
    """In plain words: what `store.verify` says, its first lines."""
    found_at = models.DateTimeField()
    found_by = models.CharField(max_length=8)
    """`scan`, `read` or `copy`."""
    checked_at = models.DateTimeField()
    """When it was last tried to repair it."""
    not_repaired = models.CharField(max_length=120, blank=True)
    """Why it could not be repaired then."""
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["object_id", "place"],
                name="damage_open_once",
                condition=models.Q(ended_at__isnull=True),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-found_at"], name="damage_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.place} of {self.object_id}"
