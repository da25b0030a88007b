"""What a viewer may see of her cases: kept rows for whoever sees all, else made of what she sees.

The counts of `Case` are those of the citizen's whole mail. Who sees a part of it on her behalf
gets cases made of the newest letters of that part, however many there are besides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters.cases import SUMMED, of_sender, standing_of
from inbox.letters.models import Case, Letter, Reply

GATHERED_MAX = 500
"""So many of the newest letters make the cases of who sees a part."""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case in the list, safe to show. Locked: no letter of it may be read in this session."""

    id: UUID
    sender_name: str
    title: str
    reference: str
    """Empty where it may not be shown."""
    letters: int
    last_at: datetime
    status: str
    """A `Case.Status`; empty if locked."""
    locked: bool


def case_rows(viewer: Viewer, after: tuple[datetime, UUID] | None, limit: int) -> list[CaseRow]:
    """Return at most `limit` cases below the place `after` (last activity, id), newest first.

    One query; two for who sees a part.
    """
    if viewer.scopes is not None:
        rows = _gathered(viewer, None)
        if after:
            rows = [row for row in rows if (row.last_at, row.id) < after]
        return rows[:limit]
    cases, column = _told(viewer), _last_at(viewer)
    if after:
        moment, case_id = after
        below = Q(**{f"{column}__lt": moment}) | Q(id__lt=case_id)
        cases = cases.filter(below, **{f"{column}__lte": moment})
    return [_row(case, viewer) for case in cases.order_by(f"-{column}", "-id")[:limit]]


def case_row(viewer: Viewer, case_id: UUID) -> CaseRow:
    """Return one case, in one query (two for who sees a part). Raises Case.DoesNotExist."""
    if viewer.scopes is None:
        return _row(_told(viewer).get(id=case_id), viewer)
    found = _gathered(viewer, case_id)
    if not found:
        raise Case.DoesNotExist
    return found[0]


def references(
    keys: Iterable[tuple[UUID, UUID]], level: SecurityLevel
) -> dict[tuple[UUID, UUID], str]:
    """Return the case numbers, by (citizen, case), that a session of this level may be shown.

    One query, none for no keys.
    """
    wanted = set(keys)
    if not wanted:
        return {}
    found = Case.objects.filter(
        citizen_id__in={citizen_id for citizen_id, _ in wanted},
        id__in={case_id for _, case_id in wanted},
        reference_level__lte=level,
    )
    told = found.values_list("citizen_id", "id", "reference")
    return {(citizen_id, case_id): reference for citizen_id, case_id, reference in told}


def _told(viewer: Viewer) -> QuerySet[Case]:
    """Return the cases of whose letters the viewer may know."""
    own = Case.objects.filter(citizen_id=viewer.citizen_id)
    return own.filter(**{f"{_last_at(viewer)}__isnull": False})


def _last_at(viewer: Viewer) -> str:
    """Return the column by which a session of this level orders cases."""
    return "last_at" if viewer.may_read(SecurityLevel.HIGH) else "open_last_at"


def _row(case: Case, viewer: Viewer) -> CaseRow:
    high = viewer.may_read(SecurityLevel.HIGH)
    last_at = case.last_at if high else case.open_last_at
    assert last_at
    shows = case.reference_level is not None and viewer.may_read(case.reference_level)
    return CaseRow(
        id=case.id,
        sender_name=case.sender_name,
        title=case.title if high else case.open_title,
        reference=case.reference if shows else "",
        letters=case.letters if high else case.open_letters,
        last_at=last_at,
        status=case.status if high else case.open_status,
        locked=not (high or case.open_letters),
    )


def _gathered(viewer: Viewer, case_id: UUID | None) -> list[CaseRow]:
    """Return the cases that the letters within the viewer's scopes and level make."""
    hers = Letter.objects.visible_to(viewer).of_cases(viewer)
    if case_id:
        hers = hers.filter(case_id=case_id)
    found: dict[UUID, list[Letter]] = defaultdict(list)
    fields = (*SUMMED, "case_reference")
    for letter in hers.newest_first().only(*fields)[:GATHERED_MAX]:
        assert letter.case_id
        found[letter.case_id].insert(0, letter)
    replies = _answers(viewer, [letter.id for its in found.values() for letter in its])
    rows = []
    for found_id, letters in found.items():
        standing = standing_of(letters, replies)
        assert standing.last_at
        sent = of_sender(letters)
        shows = any(not each.asks_receipt or each.opened_at for each in sent)
        rows.append(
            CaseRow(
                id=found_id,
                sender_name=sent[-1].sender_name,
                title=standing.title,
                reference=sent[-1].case_reference if shows else "",
                letters=standing.letters,
                last_at=standing.last_at,
                status=standing.status,
                locked=False,
            )
        )
    return sorted(rows, key=lambda row: (row.last_at, row.id), reverse=True)


def _answers(viewer: Viewer, letter_ids: list[UUID]) -> dict[UUID, list[datetime]]:
    sent: dict[UUID, list[datetime]] = defaultdict(list)
    gone = Reply.objects.filter(
        citizen_id=viewer.citizen_id, letter_id__in=letter_ids, state__in=("waiting", "done")
    )
    for letter_id, updated_at, sent_at in gone.values_list("letter_id", "updated_at", "sent_at"):
        sent[letter_id].append(sent_at or updated_at)
    return sent
