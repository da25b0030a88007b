"""Copies of letters that she brings in: the queue, the zip until it is taken in, what came of it.

The zip is written encrypted with a key of its own that stands in the row: whatever deletes the row
has deleted it.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from inbox.archive import frames
from inbox.archive.bag.reading import BadBag, Limits, ZippedBag
from inbox.citizens.identity import seal, unseal
from inbox.citizens.models import Citizen, SecurityLevel
from inbox.citizens.owned import new_id
from inbox.citizens.viewer import Viewer
from inbox.letters import bring_in
from inbox.letters.bring_in import NotEmpty, Taken
from inbox.letters.documents import LevelTooLow
from inbox.letters.exports import remove_unknown
from inbox.letters.models import Import

UNPACKED = 2
"""A copy holds its files as they are: so many times its size at most, once unpacked."""
KEPT = timedelta(hours=24)
"""So long she is told what came of it."""
LEASE = timedelta(minutes=5)
RETRY_AFTER = timedelta(minutes=1)
ATTEMPTS_MAX = 3
TELL_EVERY_SECONDS = 2.0
CHECK_SECONDS_MAX = 600
"""So long the check of one copy may keep a worker from all others."""
KEY_PURPOSE = "import key"
ENDING = ".zip.enc"
NAME_MAX = 1024

log = logging.getLogger("samlepost.bring_in")
State = Import.State
OPEN = (State.WAITING, State.TAKING)


class InHand(Exception):
    """One is being taken in."""


class Stopped(Exception):
    """She has cancelled it, or another worker has it."""


def ask(viewer: Viewer, file: BinaryIO) -> None:
    """Keep a zip to be taken in by a worker; what a look at its directory tells is told at once.

    Raises LevelTooLow below the highest level, NotEmpty, InHand, BadBag, OSError.
    """
    if not viewer.may_read(SecurityLevel.HIGH):
        raise LevelTooLow
    if not bring_in.is_empty(viewer):
        raise NotEmpty
    ZippedBag(file, limits())
    import_id, key = new_id(), secrets.token_bytes(32)
    path = _file(import_id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.seek(0)
    try:
        private = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(private, "wb") as out:
            for chunk in frames.encrypt(_chunks(file), key, _place(import_id)):
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        with transaction.atomic():
            # Two tabs: the second waits here, and finds what the first has brought.
            Citizen.objects.select_for_update().only("id").get(id=viewer.citizen_id)
            before = find(viewer.citizen_id)
            if before is not None and before.state in OPEN:
                raise InHand
            forget(viewer.citizen_id)
            Import.objects.create(
                citizen_id=viewer.citizen_id,
                id=import_id,
                due_at=timezone.now(),
                key=seal(KEY_PURPOSE, key.hex()),
            )
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def limits() -> Limits:
    """Return how much is taken from the page."""
    size = settings.IMPORT_ZIP_MAX_BYTES
    return Limits(size, settings.IMPORT_FILES_MAX, UNPACKED * size)


def find(citizen_id: UUID) -> Import | None:
    """Return what she has brought, until she has been told long enough what came of it."""
    found = Import.objects.filter(citizen_id=citizen_id).first()
    over = found and found.expires_at and found.expires_at <= timezone.now()
    return None if over else found


def cancel(citizen_id: UUID) -> bool:
    """Cancel what is being taken in, with its bytes; False when it is over, or nothing is."""
    return _drop(Import.objects.filter(citizen_id=citizen_id, state__in=OPEN))


def forget(citizen_id: UUID) -> None:
    """Remove whatever there is of hers, with its bytes."""
    _drop(Import.objects.filter(citizen_id=citizen_id))


def _drop(rows: QuerySet[Import]) -> bool:
    ids = list(rows.values_list("id", flat=True))
    # One that has been taken in since the ids were read is not among those that go.
    gone, _ = rows.delete()
    if gone:
        for each in ids:
            _file(each).unlink(missing_ok=True)
    return bool(gone)


def take_due() -> int:
    """Take in what waits; returns how many copies have become letters."""
    waiting = Import.objects.filter(_free(), state__in=OPEN, due_at__lte=timezone.now())
    keys = list(waiting.order_by("due_at").values_list("citizen_id", "id"))
    return sum(take(citizen_id, import_id) for citizen_id, import_id in keys)


def take(citizen_id: UUID, import_id: UUID) -> bool:
    """Take one in; False when it was refused, cancelled, or is somebody else's."""
    row = _claim(citizen_id, import_id)
    if row is None:
        return False
    if not Citizen.objects.filter(id=citizen_id, is_active=True, deceased_at=None).exists():
        forget(citizen_id)
        return False
    work = _Work(row)
    try:
        with _opened(row) as file:
            viewer = Viewer(citizen_id, SecurityLevel.HIGH)
            bring_in.take_in(viewer, file, limits(), tell=work.tell, end=work.end)
    except Stopped:
        log.info("import %s was cancelled", import_id)
        return False
    except NotEmpty:
        work.refuse("not_empty")
    except BadBag as error:
        work.refuse(error.code, error.name)
    except Exception:
        log.exception("import %s failed", import_id)
        work.fail()
        return False
    else:
        _file(import_id).unlink(missing_ok=True)
        return True
    return False


def sweep() -> int:
    """Remove rows whose time is over, and files that no row knows; returns how many went."""
    gone, _ = Import.objects.filter(expires_at__lte=timezone.now()).delete()
    known = {_file(each).name for each in Import.objects.values_list("id", flat=True)}
    return gone + remove_unknown(Path(settings.IMPORT_DIR), known)


class _Work:
    """One copy in a worker's hand."""

    def __init__(self, row: Import) -> None:
        self._id, self._attempts = row.id, row.attempts
        self._row = Import.objects.filter(
            citizen_id=row.citizen_id, id=row.id, lease_token=row.lease_token
        )
        self._began_at, self._told_at = time.monotonic(), 0.0

    def tell(self, done: int, total: int) -> None:
        """Note how far it is. Raises Stopped, and BadBag when checking it takes too long."""
        if not total and time.monotonic() - self._began_at > CHECK_SECONDS_MAX:
            raise BadBag("too_large")
        if time.monotonic() - self._told_at >= TELL_EVERY_SECONDS:
            self._told_at = time.monotonic()
            self._write(done=done, total=total, lease_until=timezone.now() + LEASE)

    def end(self, taken: Taken) -> None:
        """Note that its letters are here, in the transaction that writes them. Raises Stopped."""
        count = taken.letters
        self._write(state=State.DONE, done=count, total=count, **self._over())

    def refuse(self, code: str, name: str = "") -> None:
        """Note why it is not taken in, which no further attempt would change."""
        # A manifest names what it likes; PostgreSQL keeps no NUL.
        named = name.replace("\x00", "")[:NAME_MAX]
        said = {"problem": code[:16], "problem_name": named}
        # The file is there for whoever has it in hand by now.
        if self._row.update(state=State.FAILED, **said, **self._over()):
            _file(self._id).unlink(missing_ok=True)

    def fail(self) -> None:
        """Note that we failed; it is tried again, so many times."""
        if self._attempts >= ATTEMPTS_MAX:
            self.refuse("broken")
            return
        later = timezone.now() + RETRY_AFTER
        self._row.update(state=State.WAITING, due_at=later, lease_until=None)

    def _over(self) -> dict[str, object]:
        return {"lease_until": None, "expires_at": timezone.now() + KEPT}

    def _write(self, **said: object) -> None:
        if not self._row.update(**said):
            raise Stopped


def _claim(citizen_id: UUID, import_id: UUID) -> Import | None:
    """Take one in hand; None when it is somebody else's, or is given up."""
    row = Import.objects.filter(citizen_id=citizen_id, id=import_id)
    claimed = row.filter(_free(), state__in=OPEN).update(
        state=State.TAKING,
        lease_until=timezone.now() + LEASE,
        lease_token=uuid4(),
        attempts=F("attempts") + 1,
        done=0,
        total=0,
    )
    found = row.first() if claimed else None
    if found is None or found.attempts <= ATTEMPTS_MAX:
        return found
    # Whoever had it in hand died each time.
    _Work(found).refuse("broken")
    return None


@contextmanager
def _opened(row: Import) -> Iterator[BinaryIO]:
    """Give the zip in a file without a name, which goes with whoever has it open."""
    key = bytes.fromhex(unseal(KEY_PURPOSE, row.key))
    path = _file(row.id)
    with path.open("rb") as stored, TemporaryFile(dir=path.parent) as plain:
        for chunk in frames.decrypt(_chunks(cast(BinaryIO, stored)), key, _place(row.id)):
            plain.write(chunk)
        plain.seek(0)
        yield cast(BinaryIO, plain)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(frames.FRAME_BYTES), b"")


def _file(import_id: UUID) -> Path:
    return Path(settings.IMPORT_DIR) / f"{import_id.hex}{ENDING}"


def _place(import_id: UUID) -> str:
    return f"import|{import_id}"


def _free() -> Q:
    return Q(lease_until=None) | Q(lease_until__lt=timezone.now())
