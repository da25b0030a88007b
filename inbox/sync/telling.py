"""Her letters here and in a source's own inbox: each follows where she puts them in the other.

The row that is owed says only that something has changed; what is told is how the letter stands
when it is told. So what she undoes at once is told nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from connectors.contract import (
    Connector,
    ConnectorError,
    Gone,
    LetterState,
    Misconfigured,
    NotPermitted,
    OutgoingState,
    Place,
    RateLimited,
)
from inbox.letters import source_state
from inbox.letters.models import Letter, SourceState
from inbox.notifications.rules import stop
from inbox.sync import lease, pauses, schedule
from inbox.sync.models import Mailbox, Source
from inbox.sync.sources import account_of, connected

log = logging.getLogger("samlepost.sync.telling")

BATCH = 200


def follow(citizen_id: UUID, source: str, states: Iterable[LetterState]) -> None:
    """Follow what she has done with letters at the source.

    What she has put away or read there is not announced here.
    """
    for letter_id in source_state.follow(citizen_id, source, states):
        stop(Letter(citizen_id=citizen_id, id=letter_id))


def send_due() -> int:
    """Tell sources where she has put letters; returns of how many they were told.

    A source that she has disconnected is told nothing.
    """
    now = timezone.now()
    due = SourceState.objects.filter(lease.free(now), state="waiting", due_at__lte=now).exclude(
        delivery__source__in=pauses.paused()
    )
    by_source: dict[str, list[tuple[UUID, UUID]]] = {}
    found = due.order_by("due_at").values_list("delivery__source", "citizen_id", "id")
    for slug, citizen_id, row_id in found[:BATCH]:
        by_source.setdefault(slug, []).append((citizen_id, row_id))
    return sum(_tell(slug, keys) for slug, keys in by_source.items())


def _tell(slug: str, keys: list[tuple[UUID, UUID]]) -> int:
    source = Source.objects.get(slug=slug)
    mine = Mailbox.objects.filter(source=source, citizen_id__in={citizen for citizen, _ in keys})
    active = set(mine.filter(active=True).values_list("citizen_id", flat=True))
    told = 0
    if not schedule.has_room(slug, SourceState.objects.filter(delivery__source=slug)):
        return 0
    try:
        with connected(source) as connector:
            for citizen_id, row_id in keys:
                row = SourceState.objects.filter(citizen_id=citizen_id, id=row_id)
                if citizen_id not in active or not connector.takes_states:
                    row.update(state="done")
                elif lease.claim_work(row):
                    if _carry_out(connector, row):
                        told += 1
                    else:
                        pauses.respect(source)
    except (Misconfigured, RateLimited) as error:
        log.warning("%s: its inbox is told nothing yet: %s", slug, error)
    return told


def _carry_out(connector: Connector, row: QuerySet[SourceState]) -> bool:
    claimed = row.select_related("citizen", "delivery__letter").first()
    if claimed is None:
        return False  # gone together with its letter
    # What she does from here on is owed anew: its `due_at` is another.
    same = row.filter(due_at=claimed.due_at)
    outgoing = _outgoing(claimed)
    try:
        now = outgoing and connector.set_state(account_of(claimed.citizen_id), outgoing)
    except (Gone, NotPermitted) as error:
        log.info("the state of %s: %s", claimed.id, error)
        same.update(state="done", lease_until=None)
    except ConnectorError as error:
        log.warning("the state of %s: %s: %s", claimed.id, type(error).__name__, error)
        if not same.update(**lease.after_failure(claimed.delivery.source, claimed.attempts, error)):
            row.update(lease_until=None)
    else:
        with transaction.atomic():
            held = row.select_for_update().first()
            if held is None:
                return False
            if outgoing and now and now.as_of > held.as_of:
                source_state.note_told(held, outgoing, now)
            if held.due_at == claimed.due_at:
                held.state = SourceState.State.DONE
                held.last_error = ""
            held.lease_until = None
            held.save()
        return now is not None
    return False


def _outgoing(row: SourceState) -> OutgoingState | None:
    """Return what the source is to be told.

    None where its inbox shows the letter as it is here, or nobody may be told of in her name.
    """
    if row.citizen.is_enterprise:
        return None  # it has no hand of its own, and who moved the letter is not noted
    letter = row.delivery.letter
    place = source_state.THEIRS[Letter.Place(letter.place)]
    # What was opened nowhere is unread there as it is.
    unread = letter.unread if letter.opened_at else row.unread
    if (place, unread) == (row.place, row.unread):
        return None
    known = None
    if row.revision:
        known = LetterState(
            external_id=row.delivery.external_id,
            place=Place(row.place),
            unread=row.unread,
            revision=row.revision,
            changed_at=row.changed_at,
            as_of=row.as_of,
        )
    return OutgoingState(
        reference=row.delivery.external_id,
        sent_at=row.delivery.sent_at,
        known=known,
        place=place if place != row.place else None,
        unread=unread if unread != row.unread else None,
    )
