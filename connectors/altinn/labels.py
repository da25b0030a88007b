"""System labels of a dialog: where she has put it in Altinn's inbox, and that it is unopened.

Sources: Altinn/dialogporten `openapi.v1.enduser.verified.json` (DialogEndUserContextListItem,
SetDialogSystemLabelRequest) and `SystemLabelService.cs`: of Default, Archive and Bin a dialog has
exactly one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from connectors.altinn import search
from connectors.contract import LetterState, OutgoingState, Place
from connectors.fields import WrongField, moment, rows, table, text

PLACES = {"Default": Place.INBOX, "Archive": Place.ARCHIVE, "Bin": Place.BIN}
LABELS = {place: label for label, place in PLACES.items()}
UNOPENED = "MarkedAsUnopened"


def states_of(items: Iterable[Any], as_of: datetime) -> list[LetterState]:
    """Return the state of each item of a list answer that tells it.

    Labels that we do not know say nothing.
    """
    states = []
    for item in items:
        try:
            states.append(_state(table(search.as_rest(item), "the item"), as_of))
        except (WrongField, ValueError):
            continue
    return states


def changes(state: OutgoingState) -> dict[str, list[str]]:
    """Return the SetDialogSystemLabelRequest that brings about what is asked for."""
    added: list[str] = []
    removed: list[str] = []
    if state.place is not None:
        added.append(LABELS[state.place])
    if state.unread is not None:
        (added if state.unread else removed).append(UNOPENED)
    return {"addLabels": added, "removeLabels": removed}


def revision(etag: str) -> str:
    """Return the revision that an ETag names; empty, and so asked for, where it names none."""
    try:
        return str(UUID(etag.removeprefix("W/").strip('"')))
    except ValueError:
        return ""


def _state(item: Mapping[str, Any], as_of: datetime) -> LetterState:
    context = table(item.get("endUserContext"), "endUserContext")
    labels = [label for label in rows(context, "systemLabels") if isinstance(label, str)]
    places = [PLACES[label] for label in labels if label in PLACES]
    return LetterState(
        external_id=str(UUID(text(item, "id"))),
        place=places[-1] if places else Place.INBOX,
        unread=UNOPENED in labels,
        revision=str(UUID(text(context, "revision"))),
        changed_at=moment(item, "updatedAt"),
        as_of=as_of,
    )
