"""The lines that the product rests on: fetch from one source until there is no more.

The cursor is saved with the letters it covers. A crash anywhere leaves either nothing or a
batch with its cursor; running again is a no-op for what is here already. Whatever fails is
written on the mailbox (or the shared source), where the citizen and the operator see it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.db.models import Case, F, QuerySet, When
from django.utils import timezone

from connectors import clock
from connectors.contract import (
    Batch,
    ConnectorError,
    CursorExpired,
    Misconfigured,
    NotPermitted,
    RateLimited,
)
from inbox.archive.keys import NoKey
from inbox.letters.models import Letter
from inbox.sync import lease, pauses, schedule
from inbox.sync.intake import Intake, take_in, take_in_apart
from inbox.sync.models import Mailbox, Source
from inbox.sync.sources import account_of, connected

log = logging.getLogger("samlepost.sync")

PATIENCE = 3
"""After so many failed runs a document that cannot be downloaded no longer holds up its letter,
nor a letter that cannot be received the others of its batch."""
RUN_SECONDS_MAX = 300.0
"""After so long a run ends with its batch, and goes on there when it has its turn again."""
REFUSED_RETRY = 3600.0
"""Seconds before asking a source again that refused us or that we are misconfigured for."""


def sync_mailbox(
    citizen_id: UUID | str, mailbox_id: UUID | str, *, waits_its_turn: bool = True
) -> int:
    """Fetch one citizen's letters from one source; returns how many were new.

    Returns 0 at once when another worker has the mailbox in hand, the source has asked us to wait,
    or, unless it need not wait its turn, enough workers are busy there. Never raises
    ConnectorError: a failure is recorded on the mailbox.
    """
    row = Mailbox.objects.filter(citizen_id=citizen_id, id=mailbox_id, active=True)
    if waits_its_turn:
        token = schedule.take(row)
    else:
        token = lease.take_polling(row.filter(pauses.not_paused(timezone.now(), "source__")))
    if token is None:
        return 0
    mailbox = row.select_related("source").get()
    return _run(row, token, mailbox, mailbox.source, mailbox)


def sync_source(slug: str) -> int:
    """Fetch a shared queue's letters; returns how many were new. See `sync_mailbox`."""
    row = Source.objects.filter(slug=slug, active=True, shared_queue=True)
    token = lease.take_polling(row.filter(pauses.not_paused(timezone.now())))
    if token is None:
        return 0
    source = row.get()
    return _run(row, token, source, source, None)


def _run(
    row: QuerySet[Mailbox] | QuerySet[Source],
    token: UUID,
    polling: Mailbox | Source,
    source: Source,
    mailbox: Mailbox | None,
) -> int:
    new, started = 0, time.monotonic()
    try:
        account = account_of(mailbox.citizen_id) if mailbox else None
        with connected(source) as connector:
            intake = Intake(
                source,
                connector,
                account,
                mailbox,
                still_ours=_renewal(row, token),
                patient=polling.failures < PATIENCE,
            )
            for batch in connector.fetch(account, polling.cursor):

                def save(cursor: str | None = batch.cursor) -> None:
                    lease.keep(row, token, cursor=cursor)

                new += len(_taken_in(intake, batch, save))
                connector.settle(batch)
                del batch  # or it would lie in memory while the next is made
                if time.monotonic() - started > RUN_SECONDS_MAX:
                    log.warning("%s is slow: the rest in another run", source.slug)
                    lease.give_back(row, token, due_at=timezone.now())
                    return new
    except lease.LeaseLost:
        log.warning("lease of %s lost", source.slug)
        return new
    except ConnectorError as error:
        _record_failure(row, token, polling, source, error)
        return new
    except Exception:
        # A fault of ours must not be taken for "no letters": it shows, and it is retried.
        log.exception("sync of %s failed", source.slug)
        _record_failure(row, token, polling, source, ConnectorError("internal error"))
        return new
    _record_success(row, token, polling)
    return new


def _taken_in(intake: Intake, batch: Batch, save: Callable[[], None]) -> list[Letter]:
    try:
        return take_in(intake, batch, save)
    except (lease.LeaseLost, ConnectorError):
        raise
    except Exception as error:
        # It may pass, or be mended; only when it does not is a letter blamed for it. On a shared
        # queue, one who has no key holds up nobody else.
        is_hers_alone = isinstance(error, NoKey) and intake.mailbox is None
        if intake.patient and not is_hers_alone:
            raise
        return take_in_apart(intake, batch, save)


def _record_success(
    row: QuerySet[Mailbox] | QuerySet[Source], token: UUID, polling: Mailbox | Source
) -> None:
    now = timezone.now()
    # What the source said while we fetched may be about a letter that we no longer saw.
    pinged = When(
        due_at__gt=F("last_attempt_at"), due_at__lte=now + schedule.ping_floor(), then=F("due_at")
    )
    lease.give_back(
        row,
        token,
        failures=0,
        failure="",
        failure_detail="",
        last_success_at=clock.now(),
        due_at=Case(pinged, default=schedule.next_turn(polling.pk, now)),
    )


def _record_failure(
    row: QuerySet[Mailbox] | QuerySet[Source],
    token: UUID,
    polling: Mailbox | Source,
    source: Source,
    error: ConnectorError,
) -> None:
    log.warning("%s: %s: %s", source.slug, type(error).__name__, error)
    if isinstance(error, CursorExpired) and polling.cursor is not None:
        lease.give_back(row, token, cursor=None, due_at=timezone.now())
        return
    shown = {"failure": type(error).__name__.lower(), "failure_detail": str(error)[:255]}
    if isinstance(error, RateLimited):
        # The source is asked too much, by all: that is no failure, of hers or of the queue.
        until = pauses.note(source.slug, error)
        lease.give_back(row, token, **shown | {"failure": pauses.RATE_LIMITED}, due_at=until)
        return
    refused = isinstance(error, NotPermitted | Misconfigured) and not settings.DEMO
    at_least = REFUSED_RETRY if refused else 0.0
    lease.give_back(
        row,
        token,
        failures=polling.failures + 1,
        **shown,
        due_at=lease.back_off(polling.failures, at_least),
    )


def _renewal(row: QuerySet[Mailbox] | QuerySet[Source], token: UUID):  # type: ignore[no-untyped-def]
    """Return a function that renews the lease when a third of it has passed."""
    renewed = time.monotonic()

    def renew() -> None:
        nonlocal renewed
        if time.monotonic() - renewed > settings.SYNC_LEASE_SECONDS / 3:
            lease.keep(row, token)
            renewed = time.monotonic()

    return renew
