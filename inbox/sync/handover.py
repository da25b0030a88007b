"""Sending a letter to her own mailbox at a source: whether it can be, and the asking.

The row is the work; `handing_over.py` carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from connectors import clock, discovery
from inbox.citizens.identity import current_address
from inbox.citizens.viewer import Viewer
from inbox.letters.erase import pass_over
from inbox.letters.handle import readable_letter
from inbox.letters.models import Delivery, Letter
from inbox.letters.presentation import DocumentLine, shown_documents
from inbox.sync import tasks
from inbox.sync.models import Handover, Mailbox, Source
from inbox.sync.sources import supplier_of
from inbox.sync.wake import wake

COPY_MAX_BYTES = 50_000_000
"""The documents of one letter; what a package of digital post may hold, too."""
LISTED_MAX = 50


class Hindrance(StrEnum):
    """Why a letter cannot be sent to her mailbox."""

    NO_MAILBOX = "no_mailbox"
    DISCONNECTED = "disconnected"
    THERE_ALREADY = "there_already"
    """It came from that mailbox."""
    NOT_KEPT = "not_kept"
    """We do not have all of it here."""
    EMPTY = "empty"
    """There is nothing in it that could be sent."""
    TOO_LARGE = "too_large"


class CannotHandOver(Exception):
    """It cannot be sent; `hindrance` says why."""

    def __init__(self, hindrance: Hindrance) -> None:
        super().__init__(hindrance)
        self.hindrance = hindrance


@dataclass(frozen=True, slots=True)
class Way:
    """Whether a letter can go to her own mailbox."""

    source: Source | None
    """Her mailbox; None: she has none that takes letters."""
    hindrance: Hindrance | None
    """None: it can be sent."""
    handover: Handover | None
    """It has been sent there, or is on its way, or was refused."""


def way_of(letter: Letter) -> Way:
    """Say whether and whereto a letter can be sent (4 queries)."""
    source, hindrance = _mailbox(letter.citizen_id)
    if source is None:
        return Way(None, hindrance, None)
    own = {"citizen_id": letter.citizen_id, "letter_id": letter.id}
    handover = Handover.objects.filter(**own, source=source).first()
    if hindrance is None:
        if Delivery.objects.filter(**own, source=source.slug).exists():
            hindrance = Hindrance.THERE_ALREADY
        else:
            hindrance = _of_content(letter, shown_documents(letter))
    return Way(source, hindrance, handover)


def ask(viewer: Viewer, letter_id: UUID) -> Handover:
    """Send a letter to her mailbox; one that is there or on its way is not sent again.

    Raises Letter.DoesNotExist (also for one in the bin), LevelTooLow, NotOpened or CannotHandOver.
    """
    letter = readable_letter(viewer, letter_id)
    if letter.place == Letter.Place.BIN:
        raise Letter.DoesNotExist
    with transaction.atomic():
        Letter.objects.select_for_update().only("id").get(
            citizen_id=letter.citizen_id, id=letter.id
        )
        way = way_of(letter)
        known = way.handover
        if known is not None and known.state != Handover.State.FAILED:
            return known
        if way.hindrance is not None or way.source is None:
            raise CannotHandOver(way.hindrance or Hindrance.NO_MAILBOX)
        asked = known or Handover(
            citizen_id=letter.citizen_id, letter_id=letter.id, source=way.source
        )
        asked.state, asked.attempts, asked.refusal, asked.last_error = "waiting", 0, "", ""
        asked.security_level = viewer.level
        asked.asked_at, asked.due_at = clock.now(), timezone.now()
        asked.save(force_insert=known is None)
        # Before anything leaves: the source may list it sooner than we read its receipt.
        pass_over(letter.citizen_id, way.source.slug, str(asked.id))
        wake(tasks.hand_over, asked.citizen_id, asked.id)
    return asked


def listed(citizen_id: UUID) -> list[Handover]:
    """Return what she has sent to her own mailboxes, newest first (1 query)."""
    found = Handover.objects.filter(citizen_id=citizen_id).select_related("source")
    return list(found.order_by("-asked_at", "-id")[:LISTED_MAX])


def _mailbox(citizen_id: UUID) -> tuple[Source | None, Hindrance | None]:
    """Return the source that has her mailbox; she has one at most (Digdir's contact register).

    She may have had others, where letters to her earlier addresses still arrive.
    """
    connectors = discovery.find().items()
    taking = [name for name, each in connectors if each.connector_class and _takes(each)]
    found = Mailbox.objects.select_related("source").filter(
        citizen_id=citizen_id, source__connector__in=taking, source__active=True
    )
    address = current_address(citizen_id)
    if address is None:
        return None, Hindrance.NO_MAILBOX
    at = [
        each
        for each in found.order_by("-active", "source_id")
        if address.supplier in ("", supplier_of(each.source))
    ]
    if not at:
        return None, Hindrance.NO_MAILBOX
    mailbox = at[0]
    return mailbox.source, None if mailbox.active else Hindrance.DISCONNECTED


def _takes(found: discovery.Found) -> bool:
    return bool(found.connector_class and found.connector_class.takes_copies)


def _of_content(letter: Letter, documents: Sequence[DocumentLine]) -> Hindrance | None:
    if letter.content != Letter.Content.KEPT or not all(each.kept for each in documents):
        return Hindrance.NOT_KEPT
    if not documents and not letter.body.strip():
        return Hindrance.EMPTY
    if sum(each.size or 0 for each in documents) + len(letter.body.encode()) > COPY_MAX_BYTES:
        return Hindrance.TOO_LARGE
    return None
