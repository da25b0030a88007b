"""A letter that came by several channels: what each source says of it, and the one they make.

While a letter has one delivery, its row is what the source says. With the second, each delivery
keeps that in `said`, and the letter's row is made of them all: the same whatever came first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from inbox.letters.models import Delivery, Letter
from inbox.letters.presentation import shown_documents

FACTS = (
    "sender_id",
    "sender_name",
    "source",
    "title",
    "public_title",
    "snippet",
    "body",
    "body_media_type",
    "language",
    "kind",
    "security_level",
    "received_at",
    "visible_from",
    "due_at",
    "needs_action",
    "handled_at",
    "opened_at",
    "attachments",
    "content",
    "asks_receipt",
    "case_reference",
    "documentary_value",
    "expires_at",
    "incomplete",
    "withdrawn_at",
    "on_paper_at",
    "returned_at",
    "actions",
    "reply_forms",
    "messages",
    "versions",
    "payment",
    "signing",
    "appointments",
    "proofs",
    "handled_by",
)
"""The columns of a letter that a source has a say in."""

CONTENT_ORDER = (
    Letter.Content.KEPT,
    Letter.Content.REQUESTED,
    Letter.Content.ON_OPEN,
    Letter.Content.GONE,
)


def facts_of(letter: Letter) -> dict[str, Any]:
    """Return what a letter of one delivery says, for `Delivery.said`."""
    facts = {name: getattr(letter, name) for name in FACTS}
    if _is_hers(letter):
        facts |= {"handled_at": None, "handled_by": ""}
    return facts


def read(delivery: Delivery) -> Letter:
    """Return the letter, unsaved, as this delivery alone would show it."""
    said = delivery.said or {}
    values = {name: _field(name).to_python(said[name]) for name in FACTS if name in said}
    return Letter(citizen_id=delivery.citizen_id, id=delivery.letter_id, **values)


def set_apart(letter: Letter, among: QuerySet[Delivery] | None = None) -> list[Delivery]:
    """Return the letter's deliveries (or those `among` them), each with what it says in `said`.

    What one says that was alone until now is saved.
    """
    if among is None:
        among = Delivery.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id)
    deliveries = list(among.order_by("id"))
    for delivery in deliveries:
        if delivery.said is None:
            delivery.said = facts_of(letter)
            delivery.save(update_fields=["said"])
    return deliveries


def set_alone(letter: Letter, delivery: Delivery) -> None:
    """Let `letter` (unsaved) say what its only delivery says; its own state stays."""
    said, opened_at, handled_by = read(delivery), letter.opened_at, letter.handled_by
    done_here = done_by_her(letter, [delivery])
    for name in FACTS:
        setattr(letter, name, getattr(said, name))
    letter.opened_at = opened_at
    letter.handled_at = done_here or said.handled_at
    letter.handled_by = handled_by if done_here else said.handled_by
    letter.other_sources = ""
    delivery.said, delivery.matched_by = None, ""
    delivery.save(update_fields=["said", "matched_by"])


@contextmanager
def editing(letter: Letter, delivery: Delivery) -> Iterator[Letter]:
    """Let the block change what one delivery says; the letter follows, unsaved.

    Of a letter with one delivery that is the letter itself.
    """
    if delivery.said is None:
        yield letter
        return
    deliveries = set_apart(letter)
    done_here = done_by_her(letter, deliveries)
    said = read(delivery)
    yield said
    delivery.said = facts_of(said)
    delivery.save(update_fields=["said"])
    others = [each for each in deliveries if each.id != delivery.id]
    unite(letter, [*others, delivery], done_here)


def done_by_her(letter: Letter, deliveries: Sequence[Delivery]) -> datetime | None:
    """Return when the letter was handled, unless it is one of its sources that says so."""
    if not _is_hers(letter) and letter.handled_at in {
        read(delivery).handled_at for delivery in deliveries
    }:
        return None
    return letter.handled_at


def unite(letter: Letter, deliveries: Sequence[Delivery], done_here: datetime | None) -> None:
    """Make `letter` (unsaved) of what its deliveries say; their documents are in the database.

    The highest level holds for all. Dates and duties are united: the earliest day, the nearest
    deadline, everything that is asked. What she has done herself stays.
    """
    copies = sorted((read(delivery) for delivery in deliveries), key=_fullest_first)
    for name in ("sender_id", "sender_name", "source", "title", "expires_at", "versions"):
        setattr(letter, name, getattr(copies[0], name))
    for name in ("public_title", "snippet", "language", "case_reference"):
        setattr(letter, name, next(filter(None, (getattr(c, name) for c in copies)), ""))
    with_body = next((copy for copy in copies if copy.body), copies[0])
    letter.body, letter.body_media_type = with_body.body, with_body.body_media_type
    plain = Letter.Kind.LETTER
    letter.kind = next((copy.kind for copy in copies if copy.kind != plain), plain)
    letter.security_level = max(copy.security_level for copy in copies)
    letter.received_at = min(copy.received_at for copy in copies)
    days = [copy.visible_from for copy in copies]
    letter.visible_from = None if None in days else min(day for day in days if day)
    letter.due_at = _earliest(copies, "due_at")
    letter.needs_action = any(copy.needs_action for copy in copies)
    letter.handled_at = done_here or _earliest(copies, "handled_at")
    if not done_here:
        letter.handled_by = Letter.HandledBy.SOURCE if letter.handled_at else ""
    _unite_acting(letter, copies)
    letter.opened_at = letter.opened_at or _earliest(copies, "opened_at")
    letter.content = min((copy.content for copy in copies), key=CONTENT_ORDER.index)
    letter.asks_receipt = any(copy.asks_receipt for copy in copies)
    values = {copy.documentary_value for copy in copies}
    letter.documentary_value = next((value for value in (True, False) if value in values), None)
    withdrawn = [copy.withdrawn_at for copy in copies if copy.withdrawn_at]
    letter.withdrawn_at = max(withdrawn) if len(withdrawn) == len(copies) else None
    letter.on_paper_at = _earliest(copies, "on_paper_at")
    letter.returned_at = _earliest(copies, "returned_at")
    others = sorted({copy.source for copy in copies} - {letter.source})
    letter.other_sources = f" {' '.join(others)} " if others else ""
    count_documents(letter)


def _unite_acting(letter: Letter, copies: Sequence[Letter]) -> None:
    """All that she can do by any of the copies, each thing once; threads in one."""
    letter.actions = _each_once(copies, "actions", "url")
    letter.reply_forms = _each_once(copies, "reply_forms", "code")
    messages = _each_once(copies, "messages", "id")
    letter.messages = sorted(messages, key=lambda each: datetime.fromisoformat(each["at"]))
    letter.payment = next((copy.payment for copy in copies if copy.payment), None)
    letter.signing = next((copy.signing for copy in copies if copy.signing), None)
    letter.appointments = _each_once(copies, "appointments", "title")
    letter.proofs = _each_once(copies, "proofs", "title")


def _each_once(copies: Sequence[Letter], name: str, key: str) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for each in copies:
        for entry in getattr(each, name):
            found.setdefault(entry[key], entry)
    return list(found.values())


def _is_hers(letter: Letter) -> bool:
    """Say whether it was handled here, not by a source."""
    return letter.handled_at is not None and letter.handled_by not in (
        "",
        Letter.HandledBy.SOURCE,
    )


def count_documents(letter: Letter) -> None:
    """Set (unsaved) what the list says of the documents that her page shows (1 query)."""
    shown = shown_documents(letter)
    letter.attachments = sum(not document.is_main for document in shown)
    letter.incomplete = is_incomplete(letter, [document.kept for document in shown])


def is_incomplete(letter: Letter, kept: Sequence[bool]) -> bool:
    """Say whether the source has more of a letter than we: a document, or all but a link.

    `kept` says of each document whether its bytes are here.
    """
    return not all(kept) if kept else not letter.body and bool(letter.actions)


def _fullest_first(copy: Letter) -> tuple[object, ...]:
    """What shows the real title and holds its content speaks for the letter; then the earliest."""
    withheld = bool(copy.public_title) and copy.title == copy.public_title
    return (
        withheld,
        CONTENT_ORDER.index(Letter.Content(copy.content)),
        copy.received_at,
        copy.source,
    )


def _earliest(copies: Sequence[Letter], name: str) -> datetime | None:
    return min((moment for c in copies if (moment := getattr(c, name))), default=None)


def _field(name: str) -> Any:
    return Letter._meta.get_field(name.removesuffix("_id"))
