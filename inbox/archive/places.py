"""Where the archive is, and where its second copy: a folder or a bucket each, by setting."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from inbox.archive import ocfl
from inbox.archive.models import Holding
from inbox.archive.storage import Disk, Storage, Unavailable


def primary() -> Storage:
    """Return the archive's storage, its root laid out.

    Raises OSError when its disk or its server fails, or is not the one that it was: nothing is
    written to an empty folder where a disk ought to be mounted.
    """
    bucket = settings.ARCHIVE_S3
    storage = _bucket(bucket) if bucket else Disk(Path(settings.ARCHIVE_DIR))
    return _laid_out(storage, Holding.objects.filter(removed_at=None))


def second() -> Storage | None:
    """Return the second copy's storage, its root laid out; None where there is to be none.

    Raises OSError as `primary` does.
    """
    if not has_second():
        return None
    bucket = settings.ARCHIVE_COPY_S3
    storage = _bucket(bucket) if bucket else Disk(Path(settings.ARCHIVE_COPY_DIR))
    return _laid_out(storage, Holding.objects.filter(copy_checked_at__isnull=False))


def second_log() -> Storage | None:
    """Return where the log's second copy lies, beside the objects' own; None as `second`.

    Raises OSError as `primary` does.
    """
    if second() is None:
        return None
    bucket = settings.ARCHIVE_COPY_S3
    if bucket:
        return _bucket(bucket | {"root": "log"})
    return Disk(Path(settings.ARCHIVE_COPY_DIR), "log")


def has_second() -> bool:
    """Say whether there is to be a second copy."""
    return bool(settings.ARCHIVE_COPY_S3 or settings.ARCHIVE_COPY_DIR)


def _laid_out(storage: Storage, there: QuerySet[Holding]) -> Storage:
    if not storage.is_laid_out(ocfl.ROOT_FILES):
        if there.exists():
            gone = "the place of the archive, or of its second copy, is empty: is it mounted?"
            raise Unavailable(errno.ENODEV, gone)
        storage.lay_out(ocfl.ROOT_FILES)
    return storage


def _bucket(said: dict[str, str]) -> Storage:
    # What speaks S3 is no dependency of those whose archive is a folder (the extra `s3`).
    made: Callable[..., Storage] = import_string("inbox.archive.s3.bucket_storage")
    return made(**said)
