"""Copies of her letters that she has asked for: the queue, the file, and its end.

Who makes them is above (`web/export_making.py`), as what is in them is pages. The file is written
encrypted with a key of its own that stands in the row: whatever deletes the row has deleted it.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from connectors import clock
from inbox.archive import frames
from inbox.citizens.identity import seal, unseal
from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters.documents import LevelTooLow
from inbox.letters.export import Part
from inbox.letters.models import Case, Export, Folder

KEPT = timedelta(hours=24)
"""So long a ready copy can be fetched."""
LEASE = timedelta(minutes=2)
RETRY_AFTER = timedelta(minutes=1)
ATTEMPTS_MAX = 3
TELL_EVERY_SECONDS = 2.0
"""So often the row learns how far the work has come."""
STALE_SECONDS = 3600
"""After which a file that no row knows is removed."""
KEY_PURPOSE = "export key"
ENDING = ".zip.enc"

log = logging.getLogger("samlepost.export")
State = Export.State


class InHand(Exception):
    """One is being made: it must be ready, or cancelled, before she asks for another."""


class Stopped(Exception):
    """She has cancelled it, or another worker has it."""


def ask(viewer: Viewer, part: Part, language: str) -> Export:
    """Ask for a copy, which takes the place of the one before.

    Raises LevelTooLow below the highest level, Case.DoesNotExist and Folder.DoesNotExist for what
    is not hers, InHand.
    """
    if not viewer.may_read(SecurityLevel.HIGH):
        raise LevelTooLow
    own = {"citizen_id": viewer.citizen_id}
    if part.case_id:
        Case.objects.only("id").get(**own, id=part.case_id)
    if part.folder_id:
        Folder.objects.only("id").get(**own, id=part.folder_id)
    with transaction.atomic():
        # Two tabs: the second waits here, and finds what the first has asked for.
        Citizen.objects.select_for_update().only("id").get(id=viewer.citizen_id)
        before = find(viewer.citizen_id)
        if before is not None and before.state in (State.WAITING, State.MAKING):
            raise InHand
        forget(viewer.citizen_id)
        return Export.objects.create(
            **own,
            case_id=part.case_id,
            folder_id=part.folder_id,
            language=language,
            asked_at=clock.now(),
            due_at=timezone.now(),
            total=part.of(viewer).count(),
        )


def find(citizen_id: UUID) -> Export | None:
    """Return what she has asked for, if it is not over."""
    export = Export.objects.filter(citizen_id=citizen_id).first()
    over = export and export.expires_at and export.expires_at <= timezone.now()
    return None if over else export


def forget(citizen_id: UUID) -> bool:
    """Cancel or delete her copy, with its bytes; False when there is none."""
    tokens = list(
        Export.objects.filter(citizen_id=citizen_id).values_list("lease_token", flat=True)
    )
    deleted, _ = Export.objects.filter(citizen_id=citizen_id).delete()
    for token in tokens:
        _file(token).unlink(missing_ok=True)
    return bool(deleted)


def due() -> list[tuple[UUID, UUID]]:
    """Return (citizen, id) of those that wait to be made, the longest waiting first."""
    waiting = Export.objects.filter(_free(), state__in=(State.WAITING, State.MAKING))
    found = waiting.filter(due_at__lte=timezone.now()).order_by("due_at")
    return list(found.values_list("citizen_id", "id"))


def claim(citizen_id: UUID, export_id: UUID) -> Export | None:
    """Take one in hand; None when it is somebody else's, or is given up after too many attempts."""
    row = Export.objects.filter(citizen_id=citizen_id, id=export_id)
    claimed = row.filter(_free(), state__in=(State.WAITING, State.MAKING)).update(
        state=State.MAKING,
        lease_until=timezone.now() + LEASE,
        lease_token=uuid4(),
        attempts=F("attempts") + 1,
        done=0,
        key=seal(KEY_PURPOSE, secrets.token_hex(32)),
    )
    export = row.first() if claimed else None
    if export is None or export.attempts <= ATTEMPTS_MAX:
        return export
    # Whoever had it in hand died each time.
    row.update(state=State.FAILED, lease_until=None, last_error="every attempt broke off")
    return None


class Work:
    """One copy in a worker's hand."""

    def __init__(self, export: Export) -> None:
        self.export = export
        self._row = Export.objects.filter(
            citizen_id=export.citizen_id, id=export.id, lease_token=export.lease_token
        )
        self._told_at = time.monotonic()

    def write(self, chunks: Iterable[bytes], done: Iterable[int]) -> None:
        """Write the zip and mark the copy as ready. `done` gives how many letters it has by now.

        Raises Stopped, OSError, and what `chunks` raises; then nothing is left behind.
        """
        file = _file(self.export.lease_token)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = _Size()
        try:
            plain = self._watched(size.of(chunks), iter(done))
            private = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(private, "wb") as out:
                for chunk in frames.encrypt(plain, _key(self.export), _place(self.export)):
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            if not self._ready(size.bytes):
                raise Stopped
        except BaseException:
            file.unlink(missing_ok=True)
            raise

    def failed(self, error: Exception) -> None:
        """Note that it did not come to an end; it is tried again, so many times."""
        given_up = self.export.attempts >= ATTEMPTS_MAX
        self._row.update(
            state=State.FAILED if given_up else State.WAITING,
            due_at=timezone.now() + RETRY_AFTER,
            lease_until=None,
            last_error=type(error).__name__[:255],
        )

    def _watched(self, chunks: Iterable[bytes], done: Iterator[int]) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            if time.monotonic() - self._told_at >= TELL_EVERY_SECONDS:
                self._told_at = time.monotonic()
                until = timezone.now() + LEASE
                if not self._row.update(done=next(done), lease_until=until):
                    raise Stopped

    def _ready(self, size: int) -> bool:
        now = timezone.now()
        return bool(
            self._row.update(
                state=State.READY,
                size=size,
                done=F("total"),
                attempts=0,
                due_at=now,
                expires_at=now + KEPT,
                lease_until=None,
                last_error="",
                told=Export.Told.WAITING,
            )
        )


def read(export: Export) -> Iterator[bytes]:
    """Yield a ready copy's zip. Raises OSError before the first chunk, ValueError for damage."""
    file = _file(export.lease_token).open("rb")

    def stored() -> Iterator[bytes]:
        with file:
            yield from iter(lambda: file.read(frames.FRAME_BYTES), b"")

    return frames.decrypt(stored(), _key(export), _place(export))


def sweep() -> int:
    """Remove copies whose time is over, and files that no row knows; returns how many went."""
    over = Export.objects.filter(expires_at__lte=timezone.now())
    citizens = set(over.values_list("citizen_id", flat=True))
    gone = sum(forget(citizen_id) for citizen_id in citizens)
    tokens = Export.objects.filter(lease_token__isnull=False).values_list("lease_token", flat=True)
    known = {_file(token).name for token in tokens}
    return gone + remove_unknown(Path(settings.EXPORT_DIR), known)


def remove_unknown(folder: Path, known: Collection[str]) -> int:
    """Remove files an hour old whose names no row knows; returns how many went."""
    gone = 0
    for file in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # another worker was faster
            is_old = time.time() - file.stat().st_mtime > STALE_SECONDS
            if file.name not in known and is_old:
                file.unlink()
                gone += 1
    return gone


class _Size:
    """Counts what passes through."""

    def __init__(self) -> None:
        self.bytes = 0

    def of(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.bytes += len(chunk)
            yield chunk


def _file(token: UUID | None) -> Path:
    """Return the file of one attempt: two workers never write the same."""
    return Path(settings.EXPORT_DIR) / f"{token.hex if token else 'none'}{ENDING}"


def _key(export: Export) -> bytes:
    return bytes.fromhex(unseal(KEY_PURPOSE, export.key))


def _place(export: Export) -> str:
    return f"export|{export.id}"


def _free() -> Q:
    return Q(lease_until=None) | Q(lease_until__lt=timezone.now())
