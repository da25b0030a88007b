"""Letters of one case: to which case a letter belongs, and how the case stands.

A case is a sender's (by organisation number) with the case reference that its letters bear.
Its row is made anew of its letters whenever one of them changes, comes or goes (`counters.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from inbox.citizens.models import SecurityLevel
from inbox.letters.models import Case, Letter, Reply

SHOWN = (
    *("case_id", "place", "revealed", "needs_action", "handled_at", "handled_by", "received_at"),
    *("title", "public_title", "sender_name", "security_level", "messages"),
)
SUMMED = (
    *("id", "case_id", "sender_name", "title", "public_title", "security_level", "received_at"),
    *("needs_action", "handled_at", "messages", "asks_receipt", "opened_at", "source"),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a case stands by some of its letters; `last_at` is None where there are none."""

    title: str = ""
    letters: int = 0
    last_at: datetime | None = None
    status: str = ""


def assign(letters: Iterable[Letter]) -> None:
    """Set on `letters` (unsaved) the case that each belongs to, made if need be.

    Must run in a transaction, before the letters are saved.
    """
    wanted: dict[UUID, dict[tuple[str, str], list[Letter]]] = defaultdict(lambda: defaultdict(list))
    for letter in letters:
        if letter.source == Letter.OWN:
            continue  # belongs where she has put it
        letter.case_id = None
        if letter.case_reference:
            key = (_sender_key(letter), letter.case_reference)
            wanted[letter.citizen_id][key].append(letter)
    for citizen_id, by_key in wanted.items():
        known = _known(citizen_id, by_key)
        missing = [key for key in by_key if key not in known]
        if missing:
            Case.objects.bulk_create(
                [
                    Case(
                        citizen_id=citizen_id,
                        sender_key=key[0],
                        reference=key[1],
                        sender_name=by_key[key][0].sender_name,
                    )
                    for key in missing
                ],
                ignore_conflicts=True,
            )
            # Another worker may have been first: its row counts.
            known = _known(citizen_id, by_key)
        for key, its in by_key.items():
            for letter in its:
                letter.case_id = known[key]


def shown_of(letter: Letter) -> tuple[object, ...]:
    """Return what of a letter its case depends on."""
    return (*(getattr(letter, name) for name in SHOWN), _hides_reference(letter))


def refresh(citizen_id: UUID, case_ids: Iterable[UUID]) -> None:
    """Make the rows of these cases anew of their letters; one that has none left is deleted.

    Two queries, and one for each case. Must run in a transaction that holds her `InboxState`.
    """
    wanted = set(case_ids)
    if not wanted:
        return
    own = {"citizen_id": citizen_id}
    letters: dict[UUID, list[Letter]] = defaultdict(list)
    all_of_them = Letter.objects.filter(**own, case_id__in=wanted)
    for letter in (
        all_of_them.outside_bin().filter(revealed=True).only(*SUMMED).order_by("received_at", "id")
    ):
        assert letter.case_id
        letters[letter.case_id].append(letter)
    answered = {letter.id: letter for its in letters.values() for letter in its}
    replies: dict[UUID, list[datetime]] = defaultdict(list)
    gone = Reply.objects.filter(**own, letter__case_id__in=wanted, state__in=("waiting", "done"))
    for letter_id, updated_at, sent_at in gone.values_list("letter_id", "updated_at", "sent_at"):
        if letter_id in answered:
            replies[letter_id].append(sent_at or updated_at)
    rows = Case.objects.filter(**own)
    for case_id in wanted:
        if letters[case_id]:
            columns = _columns(letters[case_id], replies)
            if not rows.filter(id=case_id).update(**columns):
                # Another worker found it empty while this one was putting a letter into it.
                letter = of_sender(letters[case_id])[-1]
                if letter.source == Letter.OWN:
                    all_of_them.filter(case_id=case_id).update(case_id=None)
                    continue
                kept = {"sender_key": _sender_key(letter), "reference": letter.case_reference}
                Case.objects.bulk_create(
                    [Case(**own, id=case_id, **kept, **columns)], ignore_conflicts=True
                )
        elif all_of_them.filter(case_id=case_id).exists():
            rows.filter(id=case_id).update(**_columns([], replies))
        else:
            rows.filter(id=case_id).delete()


def standing_of(letters: Sequence[Letter], replies: dict[UUID, list[datetime]]) -> Standing:
    """Return how a case stands by these letters, oldest first, and her answers to them.

    `replies`: for a letter's id the moments of what she has sent.
    """
    if not letters:
        return Standing()
    sent = of_sender(letters)
    theirs = max(moment for letter in sent for moment in _written(letter))
    hers = max((at for letter in letters for at in replies.get(letter.id, ())), default=None)
    asking = [letter for letter in letters if letter.needs_action]
    if any(letter.handled_at is None for letter in asking):
        status = Case.Status.WAITING_FOR_HER
    elif hers is not None and hers > theirs:
        status = Case.Status.WAITING_FOR_SENDER
    elif asking or hers is not None:
        status = Case.Status.DONE
    else:
        status = Case.Status.NOTHING_ASKED
    last_at = max(filter(None, (theirs, hers, letters[-1].received_at)))
    return Standing(sent[0].title, len(letters), last_at, status)


def of_sender(letters: Sequence[Letter]) -> Sequence[Letter]:
    """Return those that the sender of the case wrote; all where she alone has put some into it.

    What she puts in herself stands in the thread, but neither names the case nor says how it
    stands.
    """
    return [each for each in letters if each.source != Letter.OWN] or letters


def _columns(letters: Sequence[Letter], replies: dict[UUID, list[datetime]]) -> dict[str, Any]:
    """Return the columns of a case that has these letters, oldest first."""
    low = SecurityLevel.SUBSTANTIAL
    whole = standing_of(letters, replies)
    part = standing_of([each for each in letters if each.security_level <= low], replies)
    if letters and not part.letters:
        part = Standing(letters[0].public_title, last_at=letters[-1].received_at)
    sent = of_sender(letters)
    named = {"sender_name": sent[-1].sender_name} if sent else {}
    return named | {
        "title": whole.title,
        "letters": whole.letters,
        "last_at": whole.last_at,
        "status": whole.status,
        "open_title": part.title,
        "open_letters": part.letters,
        "open_last_at": part.last_at,
        "open_status": part.status,
        "reference_level": min(
            (each.security_level for each in sent if not _hides_reference(each)), default=None
        ),
    }


def _written(letter: Letter) -> Iterable[datetime]:
    """Yield when the sender has written: the letter, and what came in its thread."""
    yield letter.received_at
    for message in letter.messages:
        yield datetime.fromisoformat(message["at"])


def _sender_key(letter: Letter) -> str:
    return letter.sender.org_number or letter.sender.name


def _hides_reference(letter: Letter) -> bool:
    return letter.asks_receipt and letter.opened_at is None


def _known(citizen_id: UUID, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    found = Case.objects.filter(
        citizen_id=citizen_id, reference__in={reference for _, reference in keys}
    )
    return {(case.sender_key, case.reference): case.id for case in found}
