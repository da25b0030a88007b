"""Recognising the same letter in two channels: by what its sender calls it, or by what it is.

A match needs the same sender, two different sources and a likeness that is no accident:

- reference: one source names the other's id (DPI's message or conversation id, Altinn's
  correspondence, the sender's own reference), sent within 31 days;
- document: the main documents are the same bytes, sent within 7 days, and the titles or case
  references agree;
- case: the same title and the same case reference, sent within 3 days, unless both main
  documents are known and differ.

A title alone is never enough, and what she has split is never matched again.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from connectors.contract import IncomingLetter
from inbox.letters.models import Delivery, DeliveryKey, Letter

REFERENCE, DOCUMENT, CASE = "reference", "document", "case"
WITHIN = {
    REFERENCE: timedelta(days=31),
    DOCUMENT: timedelta(days=7),
    CASE: timedelta(days=3),
}
"""How far apart the sendings may lie; also the order in which reasons count."""
BY_HERSELF = "herself"
"""The reason of a copy that she has put back."""

Index = dict[tuple[UUID, str], list["Copy"]]


@dataclass(frozen=True, slots=True)
class Copy:
    """What is compared of one delivery of a letter."""

    letter_id: UUID
    sources: frozenset[str]
    """Every source that the letter has come by."""
    org_number: str
    sender_name: str
    title: str
    public_title: str
    case_reference: str
    sent_at: datetime
    document: str
    """The main document's sha256, empty where it is not known."""


def main_digest(incoming: IncomingLetter) -> str:
    """Return the sha256 (hex) of the letter's main document, empty where it is not known."""
    documents = incoming.documents
    main = next((one for one in documents if one.is_main), documents[0] if documents else None)
    if main is None or main.size == 0 or main.content == b"":
        return ""
    if main.content is not None:
        return hashlib.sha256(main.content).hexdigest()
    return main.sha256.lower()


def keys_of(copy: Copy, references: Iterable[str]) -> list[str]:
    """Return what the copy is found by; `references` are those its source gave."""
    keys = reference_keys(references)
    if copy.org_number and copy.document:
        keys.append(_key(DOCUMENT, copy.org_number, copy.document))
    if copy.org_number and copy.case_reference:
        keys.append(_key(CASE, copy.org_number, copy.case_reference, _plain(copy.title)))
    return sorted(set(keys))


def reference_keys(references: Iterable[str]) -> list[str]:
    """Return what a letter is found by that is called so by its source."""
    return [_key(REFERENCE, reference) for reference in references if reference]


def copy_of(delivery: Delivery, letter: Letter) -> Copy:
    """Return what is compared of a delivery that we have; `letter` has its sender at hand."""
    return Copy(
        letter_id=letter.id,
        sources=frozenset({letter.source, *letter.other_sources.split()}),
        org_number=letter.sender.org_number,
        sender_name=letter.sender_name,
        title=letter.title,
        public_title=letter.public_title,
        case_reference=letter.case_reference,
        sent_at=delivery.sent_at,
        document=delivery.main_digest,
    )


def known_copies(keys: Iterable[tuple[UUID, str]]) -> Index:
    """Return the copies that we have under these (citizen, key).

    One query where there are none, which is most often, else two. Joined they would be one, but
    PostgreSQL, until it has counted the rows of a new installation, begins a join with all letters
    that these citizens have.
    """
    wanted = set(keys)
    found: Index = defaultdict(list)
    if not wanted:
        return found
    known = DeliveryKey.objects.filter(
        citizen_id__in={citizen_id for citizen_id, _ in wanted},
        key__in={key for _, key in wanted},
    ).values_list("citizen_id", "key", "delivery_id")
    keys_of_delivery: dict[tuple[UUID, UUID], list[str]] = defaultdict(list)
    for citizen_id, key, delivery_id in known:
        if (citizen_id, key) in wanted:
            keys_of_delivery[citizen_id, delivery_id].append(key)
    if not keys_of_delivery:
        return found
    deliveries = Delivery.objects.select_related("letter__sender").filter(
        citizen_id__in={citizen_id for citizen_id, _ in keys_of_delivery},
        id__in={delivery_id for _, delivery_id in keys_of_delivery},
        split_from_id=None,
        letter__revealed=True,
    )
    for delivery in deliveries:
        copy = copy_of(delivery, delivery.letter)
        for key in keys_of_delivery[delivery.citizen_id, delivery.id]:
            found[delivery.citizen_id, key].append(copy)
    return found


def matches(
    citizen_id: UUID, mine: Copy, keys: Sequence[str], index: Index
) -> list[tuple[UUID, str]]:
    """Return the letters that `mine` is the same as, the surest first, with the reason of each.

    No two of them come by the same source: one source does not send a letter twice.
    """
    found: dict[UUID, tuple[tuple[object, ...], Copy, str]] = {}
    for key in keys:
        reason = key.partition(":")[0]
        for theirs in index.get((citizen_id, key), ()):
            if theirs.letter_id == mine.letter_id or not _same(mine, theirs, reason):
                continue
            rank = _rank(mine, theirs, reason)
            before = found.get(theirs.letter_id)
            if before is None or rank < before[0]:
                found[theirs.letter_id] = rank, theirs, reason
    chosen, sources = [], set(mine.sources)
    for _, theirs, reason in sorted(found.values(), key=lambda each: each[0]):
        if not sources & theirs.sources:
            sources |= theirs.sources
            chosen.append((theirs.letter_id, reason))
    return chosen


def note_match(index: Index, citizen_id: UUID, found: Sequence[UUID], source: str) -> None:
    """Let the letters `found` be the first of them in `index`, come by `source` as well."""
    entries = [key for key in index if key[0] == citizen_id]
    same = {copy for key in entries for copy in index[key] if copy.letter_id in found}
    sources = frozenset({source}).union(*(copy.sources for copy in same))
    for key in entries:
        index[key] = [
            replace(copy, letter_id=found[0], sources=sources) if copy in same else copy
            for copy in index[key]
        ]


def _same(mine: Copy, theirs: Copy, reason: str) -> bool:
    if mine.sources & theirs.sources or not _same_sender(mine, theirs):
        return False
    if abs(mine.sent_at - theirs.sent_at) > WITHIN[reason]:
        return False
    if reason == DOCUMENT:
        same_case = mine.case_reference and mine.case_reference == theirs.case_reference
        return bool(same_case) or _titles_agree(mine, theirs)
    if reason == CASE:
        return not (mine.document and theirs.document and mine.document != theirs.document)
    return True


def _same_sender(mine: Copy, theirs: Copy) -> bool:
    """By number; by name where one of them has none (Altinn tells it on opening)."""
    if mine.org_number and theirs.org_number:
        return mine.org_number == theirs.org_number
    return _plain(mine.sender_name) == _plain(theirs.sender_name)


def _titles_agree(mine: Copy, theirs: Copy) -> bool:
    """A title that is only the public one says nothing against."""
    withheld = any(copy.title == copy.public_title for copy in (mine, theirs))
    return withheld or _plain(mine.title) == _plain(theirs.title)


def _rank(mine: Copy, theirs: Copy, reason: str) -> tuple[object, ...]:
    differ = _plain(mine.title) != _plain(theirs.title)
    gap = abs(mine.sent_at - theirs.sent_at)
    return list(WITHIN).index(reason), differ, gap, theirs.letter_id


def _plain(text: str) -> str:
    """Return the words of `text`: no case, no punctuation, single spaces."""
    return " ".join(re.sub(r"[\W_]+", " ", text.casefold()).split())


def _key(kind: str, *parts: str) -> str:
    return f"{kind}:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"
