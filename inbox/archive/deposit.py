"""From what the store returned to rows. The caller writes them in its own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from inbox.archive.models import Blob, Package
from inbox.archive.store import Stored

UNKNOWN_TYPE = "application/octet-stream"


def package_rows(
    citizen_id: UUID, stored: Stored, media_types: Mapping[str, str]
) -> tuple[Package, list[Blob]]:
    """Return the unsaved rows of one stored version, for `bulk_create`.

    `media_types` maps logical paths to media types; a path without one is
    `application/octet-stream`. The package's id is the object's.
    """
    package = Package(
        citizen_id=citizen_id,
        id=stored.object_id,
        version=stored.version,
        inventory_sha512=stored.inventory_sha512,
        deposited_at=datetime.now(UTC),
    )
    blobs = [
        Blob(
            citizen_id=citizen_id,
            package_id=stored.object_id,
            path=file.path,
            sha256=file.sha256,
            size=file.size,
            media_type=media_types.get(file.path, UNKNOWN_TYPE),
            version=stored.version,
        )
        for file in stored.files.values()
    ]
    return package, blobs
