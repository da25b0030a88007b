"""A citizen opens a letter: what she sees, and all that follows from it, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from django.db import transaction

from connectors import clock
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Delivery, Event, Letter
from inbox.letters.open import get_letter, mark_opened, set_unread
from inbox.letters.presentation import EventLine, LetterPage, page_of
from inbox.notifications.rules import stop
from inbox.sync import receipts, retrieve, tasks
from inbox.sync.models import Retrieval
from inbox.sync.wake import wake

NOT_HERE = frozenset({Letter.Content.ON_OPEN, Letter.Content.REQUESTED})
NOT_KEPT = frozenset(Letter.Content) - {Letter.Content.KEPT}


def open_letter(viewer: Viewer, letter_id: UUID, *, agreed: bool = False) -> LetterPage:
    """Return the letter's page for `viewer` and note that she has opened it.

    Nothing is noted while her session's level is too low, or while the sender wants a receipt
    of the opening and she has not `agreed` to it: a helper cannot agree for her, unless she
    stands in for her by law. Raises Letter.DoesNotExist.
    """
    letter = get_letter(viewer, letter_id)
    page = _opened(letter, viewer, agreed=agreed)
    may_ask = viewer.stands_in and not (page.row.locked or page.awaiting_consent)
    if may_ask and any(line.has_more for line in page.deliveries):
        with transaction.atomic():
            own = Delivery.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id)
            _request(letter, own.filter(has_more=True), viewer, Retrieval.Part.MORE)
    return page


def _opened(letter: Letter, viewer: Viewer, *, agreed: bool) -> LetterPage:
    agrees = agreed and viewer.stands_in and letter.asks_receipt
    if agrees and viewer.may_read(letter.security_level):
        return _open(letter, viewer)
    page = page_of(letter, viewer)
    if page.row.locked or page.awaiting_consent:
        return page
    if any(event.kind == Event.Kind.OPENED and event.by_viewer for event in page.events):
        return _read_again(letter, page) if viewer.stands_in else page
    return _open(letter, viewer, page)


def mark_unread(viewer: Viewer, letter_id: UUID) -> None:
    """Make a letter that the viewer may read unread again. Raises Letter.DoesNotExist.

    A helper has not read it for her, and so sets nothing aside for her.
    """
    letter = get_letter(viewer, letter_id)
    if viewer.may_read(letter.security_level) and viewer.stands_in:
        with transaction.atomic():
            set_unread(letter, True)


def ask_for_content(viewer: Viewer, letter_id: UUID) -> None:
    """Ask for a copy of a letter that the source withholds until she opens it: counts as opening.

    Asks also for documents that could not be had when the letter came. Raises Letter.DoesNotExist.
    """
    letter = get_letter(viewer, letter_id)
    if not viewer.may_read(letter.security_level) or not viewer.stands_in:
        return
    if letter.asks_receipt and letter.opened_at is None:
        return  # She must agree to the receipt first.
    with transaction.atomic():
        _request(letter, retrieve.withheld(letter, NOT_KEPT), viewer)
        _request(letter, retrieve.lacking(letter), viewer)


def _open(letter: Letter, viewer: Viewer, page: LetterPage | None = None) -> LetterPage:
    now = clock.now()
    with transaction.atomic():
        first = mark_opened(letter, viewer, now)
        if first and viewer.stands_in:
            stop(letter)
            if letter.asks_receipt:
                receipts.owe_opened(letter, now)
                wake(tasks.send_receipts)
            if page and any(line.kept_unseen for line in page.deliveries):
                receipts.owe_read(letter, now)
                wake(tasks.send_receipts)
        withheld = letter.content in NOT_HERE or (first and letter.other_sources)
        # Fetching would be reading, at the source: that is for the recipient.
        if withheld and viewer.stands_in:
            # Opened here is opened: a copy that its source withholds until then comes too.
            _request(letter, retrieve.withheld(letter, NOT_HERE), viewer)
    if page is None:
        return page_of(letter, viewer)
    opened = EventLine(Event.Kind.OPENED, now, True, {})
    return replace(
        page,
        row=replace(page.row, unread=letter.unread, content=letter.content),
        opened_at=letter.opened_at,
        events=[*page.events, opened] if first else page.events,
    )


def _read_again(letter: Letter, page: LetterPage) -> LetterPage:
    if not letter.unread:
        return page
    with transaction.atomic():
        set_unread(letter, False)
    return replace(page, row=replace(page.row, unread=False))


def _request(
    letter: Letter,
    deliveries: Iterable[Delivery],
    viewer: Viewer,
    part: str = Retrieval.Part.CONTENT,
) -> None:
    for delivery in deliveries:
        retrieval = retrieve.request(
            letter, delivery, viewer.level, clock.now(), viewer.asks_as, part
        )
        if retrieval is not None:
            wake(tasks.retrieve, retrieval.citizen_id, retrieval.id)
