"""Where the archive is, and where its second copy: a folder or a bucket each, by setting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.utils.module_loading import import_string

from inbox.archive import ocfl
from inbox.archive.storage import Disk, Storage


def primary() -> Storage:
    """Return the archive's storage, its root laid out."""
    bucket = settings.ARCHIVE_S3
    return _laid_out(_bucket(bucket) if bucket else Disk(Path(settings.ARCHIVE_DIR)))


def second() -> Storage | None:
    """Return the second copy's storage, its root laid out; None where there is to be none.

    Raises OSError, as `primary` does, when its disk or its server fails.
    """
    if settings.ARCHIVE_COPY_S3:
        return _laid_out(_bucket(settings.ARCHIVE_COPY_S3))
    if settings.ARCHIVE_COPY_DIR:
        return _laid_out(Disk(Path(settings.ARCHIVE_COPY_DIR)))
    return None


def has_second() -> bool:
    """Say whether there is to be a second copy."""
    return bool(settings.ARCHIVE_COPY_S3 or settings.ARCHIVE_COPY_DIR)


def _laid_out(storage: Storage) -> Storage:
    storage.lay_out(ocfl.ROOT_FILES)
    return storage


def _bucket(said: dict[str, str]) -> Storage:
    # What speaks S3 is no dependency of those whose archive is a folder (the extra `s3`).
    made: Callable[..., Storage] = import_string("inbox.archive.s3.bucket_storage")
    return made(**said)
