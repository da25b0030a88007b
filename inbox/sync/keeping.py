"""Copies before it is too late: what lies at its source alone is kept, or she is warned.

Fetching it counts as reading there, so it takes an act of hers: she opens the letter, asks for a
copy, or has agreed once for all letters of a source (`Mailbox.keeps_since`). What she has agreed to
is fetched in the background, so at level 3 alone; of the rest she is warned, 30 days ahead.

One row is seen to in one transaction, in which what follows from it is written as rows, too: a
worker that dies leaves it as it was, and of two that have found it one does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

from django.db import transaction

from connectors import clock, discovery
from connectors.contract import LEVEL_SUBSTANTIAL
from inbox.citizens.viewer import Viewer
from inbox.letters import join
from inbox.letters.keeping import AHEAD, leave, look_again, missing_documents, settle
from inbox.letters.models import Delivery, Document, Event, Letter
from inbox.letters.open import get_letter
from inbox.letters.presentation import Row, row_of, searched_levels
from inbox.notifications.rules import queue_vanishing
from inbox.sync import retrieve
from inbox.sync.intake import HISTORY_AFTER
from inbox.sync.models import Mailbox, Retrieval
from inbox.sync.quarantine import DISCONNECTED

BATCH = 500
AT_ONCE_MAX = 100
"""Copies asked for by one press."""
Content, Reason = Letter.Content, Retrieval.Reason


@dataclass(frozen=True, slots=True)
class NotKept:
    """A letter that lies at the source alone, whole or in part."""

    row: Row
    keep_by: datetime
    said: bool
    """The source itself has said when it lets go of it."""


def run_due() -> int:
    """See to the copies that are due; returns how many letters were asked for."""
    now = clock.now()
    due = Delivery.objects.filter(keep_due_at__lte=now).order_by("keep_due_at")
    keys = list(due.values_list("citizen_id", "id")[:BATCH])
    return sum(_see_to(citizen_id, delivery_id, now) for citizen_id, delivery_id in keys)


def _see_to(citizen_id: UUID, delivery_id: UUID, now: datetime) -> bool:
    with transaction.atomic():
        join.lock([citizen_id])
        delivery = (
            Delivery.objects.select_related("letter__citizen")
            .filter(citizen_id=citizen_id, id=delivery_id, keep_due_at__lte=now)
            .first()
        )
        return delivery is not None and _decide(delivery, now)


def _decide(delivery: Delivery, now: datetime) -> bool:
    """Ask for a copy (True), warn her, or leave it for later or for good."""
    letter, content = delivery.letter, _content_of(delivery)
    citizen = letter.citizen
    missing = list(missing_documents(delivery)) if content == Content.KEPT else []
    if content == Content.GONE or (content == Content.KEPT and not missing):
        settle(delivery)
        return False
    if (delivery.expires_at or now) < now or letter.content == Content.KEPT != content:
        leave(delivery)  # it is gone by now, or is here by another channel
        return False
    mailbox = (
        Mailbox.objects.select_related("source")
        .filter(citizen_id=citizen.id, source_id=delivery.source)
        .first()
    )
    fetched = mailbox is not None and mailbox.active and mailbox.source.active
    present = citizen.is_active and not citizen.closes_at and not citizen.deceased_at
    if not fetched or not present or letter.place == Letter.Place.BIN or not letter.revealed:
        look_again(delivery, now)
        return False
    assert mailbox
    if content == Content.REQUESTED:
        look_again(delivery, now)
        return False
    reason, asked_by = _asked_by(delivery)
    if not reason and (mailbox.keeps_since or _is_harmless(missing, mailbox)):
        reason = Reason.AUTOMATIC
    if reason and _in_the_background(letter):
        look_again(delivery, now)
        asked = retrieve.request(letter, delivery, LEVEL_SUBSTANTIAL, now, asked_by, reason=reason)
        return asked is not None
    leave(delivery)
    # What came with the first fetch is announced to nobody, nor is its end.
    if delivery.sent_at >= mailbox.connected_at - HISTORY_AFTER:
        queue_vanishing(letter, now)
    return False


def _content_of(delivery: Delivery) -> str:
    return str((delivery.said or {}).get("content") or delivery.letter.content)


def _in_the_background(letter: Letter) -> bool:
    """Say whether a copy may be fetched without a session of hers."""
    asks_first = letter.asks_receipt and letter.opened_at is None
    return letter.security_level <= LEVEL_SUBSTANTIAL and not asks_first


def _is_harmless(missing: Sequence[Document], mailbox: Mailbox) -> bool:
    """Say whether what is missing is documents whose fetching counts as reading nowhere."""
    if not missing or withholds(mailbox.source.connector):
        return False
    return not all(document.on_open for document in missing)


def _asked_by(delivery: Delivery) -> tuple[str, UUID | None]:
    """Return how she herself asked for it (`Retrieval.reason`), empty where she has not.

    And who did, for an enterprise.
    """
    own = Retrieval.objects.filter(citizen_id=delivery.citizen_id, delivery_id=delivery.id)
    hers = own.exclude(reason=Reason.AUTOMATIC).exclude(last_error=DISCONNECTED)
    latest = hers.order_by("-requested_at").values_list("reason", "asked_by").first()
    return latest or ("", None)


def agree(citizen_id: UUID, slug: str) -> Mailbox | None:
    """Note that she agrees to automatic keeping; what is due already is seen to at once.

    None when she has no such mailbox, or has disconnected it.
    """
    now = clock.now()
    with transaction.atomic():
        mailbox = _mailbox(citizen_id, slug)
        if mailbox is None or not mailbox.active or not withholds(mailbox.source.connector):
            return None
        if mailbox.keeps_since is None:
            mailbox.keeps_since = now
            mailbox.save(update_fields=["keeps_since"])
            Delivery.objects.filter(
                citizen_id=citizen_id, source=slug, keep_by__lte=now + AHEAD
            ).update(keep_due_at=now)
    return mailbox


def take_back(citizen_id: UUID, slug: str) -> Mailbox | None:
    """End her agreement; what waits because of it is not fetched. None: no such mailbox."""
    with transaction.atomic():
        mailbox = _mailbox(citizen_id, slug)
        if mailbox is not None and mailbox.keeps_since is not None:
            mailbox.keeps_since = None
            mailbox.save(update_fields=["keeps_since"])
            waiting = Retrieval.objects.select_related("delivery").filter(
                citizen_id=citizen_id,
                state="waiting",
                reason=Reason.AUTOMATIC,
                delivery__source=slug,
            )
            for retrieval in waiting:
                row = Retrieval.objects.filter(citizen_id=citizen_id, id=retrieval.id)
                if row.filter(state="waiting", attempts=0).update(state="failed"):
                    retrieve.note(retrieval.delivery, Content.ON_OPEN)
    return mailbox


def _mailbox(citizen_id: UUID, slug: str) -> Mailbox | None:
    found = Mailbox.objects.select_for_update(of=("self",)).select_related("source")
    return found.filter(citizen_id=citizen_id, source_id=slug).first()


@cache
def withholds(connector: str) -> bool:
    """Say whether letters of this connector's sources are had by opening alone."""
    found = discovery.find().get(connector)
    return bool(found and found.connector_class and found.connector_class.withholds)


def not_kept(viewer: Viewer, slug: str, limit: int) -> tuple[list[NotKept], int]:
    """Return up to `limit` letters that are not kept, the first to disappear first; how many more.

    Takes two queries. Those above the level of her session are among them, without their titles.
    """
    letters = Letter.objects.visible_to(viewer).exclude(place=Letter.Place.BIN)
    found = Delivery.objects.filter(
        citizen_id=viewer.citizen_id,
        source=slug,
        keep_by__isnull=False,
        letter_id__in=letters.values("id"),
    )
    shown = [
        NotKept(row_of(each.letter, viewer), each.keep_by, each.expires_at is not None)
        for each in found.select_related("letter").order_by("keep_by", "id")[:limit]
        if each.keep_by
    ]
    return shown, max(found.count() - len(shown), 0) if len(shown) == limit else 0


def keep(viewer: Viewer, letter_id: UUID) -> bool:
    """Ask for a copy of a letter that she has not opened; it stays unread here.

    False where that takes a higher level, or her word on a receipt first. Raises
    Letter.DoesNotExist.
    """
    letter = get_letter(viewer, letter_id)
    if not viewer.is_herself or not viewer.may_read(letter.security_level):
        return False
    if letter.asks_receipt and letter.opened_at is None:
        return False
    with transaction.atomic():
        deliveries = [*retrieve.withheld(letter, {Content.ON_OPEN}), *retrieve.lacking(letter)]
        _ask(viewer, letter, deliveries)
    return True


def keep_all(viewer: Viewer, slug: str) -> int:
    """Ask for copies of what is not kept and she may read, at most AT_ONCE_MAX; returns how many.

    The first to disappear come first.
    """
    letters = Letter.objects.visible_to(viewer).filter(
        security_level__in=searched_levels(viewer), content__in=(Content.ON_OPEN, Content.KEPT)
    )
    due = Delivery.objects.filter(
        citizen_id=viewer.citizen_id,
        source=slug,
        keep_by__isnull=False,
        letter_id__in=letters.exclude(place=Letter.Place.BIN).values("id"),
    ).order_by("keep_by", "id")
    ids = list(due.values_list("letter_id", flat=True)[:AT_ONCE_MAX])
    return sum(keep(viewer, letter_id) for letter_id in ids)


def _ask(viewer: Viewer, letter: Letter, deliveries: Sequence[Delivery]) -> None:
    now = clock.now()
    made = [
        delivery
        for delivery in deliveries
        if retrieve.request(letter, delivery, viewer.level, now, reason=Reason.COPY)
    ]
    if made:
        Event.objects.create(
            citizen_id=letter.citizen_id,
            letter_id=letter.id,
            kind=Event.Kind.CONTENT_REQUESTED,
            at=now,
            actor_id=viewer.actor_id,
        )
