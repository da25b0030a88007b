"""Keeping other writers away from a name, where the storage itself has no lock: S3 has none.

A lock goes with the process that holds it, however that ends. On PostgreSQL it is an advisory
lock of a session of its own: no transaction stays open while a bucket is written to, and nothing
that the caller's transaction comes to can keep the lock. The session must reach the server itself,
not a pooler that hands it on between transactions. SQLite means one machine: there it is flock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.db import connection


@contextmanager
def held(name: str, *, shared: bool = False) -> Iterator[None]:
    """Wait for the lock of this name and hold it; with others when all of them share it."""
    if connection.vendor == "postgresql":
        with _advisory(name, shared):
            yield
    else:
        with _file(name, shared):
            yield


@contextmanager
def _advisory(name: str, shared: bool) -> Iterator[None]:
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    session = connection.copy()
    try:
        with session.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_lock{'_shared' if shared else ''}(%s)", [key])
        yield
    finally:
        session.close()


@contextmanager
def _file(name: str, shared: bool) -> Iterator[None]:
    folder = Path(settings.ARCHIVE_DIR) / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(name.encode()).hexdigest()
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        # While waiting, the one before may have taken the file away.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                break
        os.close(handle)
    try:
        yield
    finally:
        if not shared:
            path.unlink(missing_ok=True)
        os.close(handle)
