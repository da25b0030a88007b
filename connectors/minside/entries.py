"""What the entries of a page say: letters, and what has happened to letters. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from connectors.contract import (
    Batch,
    Happening,
    IncomingLetter,
    LetterNote,
    RawPart,
    Unreadable,
)
from connectors.fields import WrongField, moment, optional_text, table, text
from connectors.minside.mapping import (
    IDENTIFIER_MAX,
    LABEL_MAX,
    Agency,
    identifier,
    raw_part,
    read_letter,
)

NAMED = ((r"id is .*", "F-21"), (r".* (no time zone|not a time)", "F-24"), (r".* address", "F-27"))
"""What a wrong field says, and the rule that it breaks; any other breaks the one of all entries."""
RULE_OF_ENTRIES = "F-20"


def read_entries(
    items: Iterable[Any], national_id: str, agency: Agency, cursor: str | None = None
) -> Batch:
    """Read the entries of a page one by one; what cannot be read is among the batch's unreadable.

    Of a letter that stands in the page more than once the last entry counts, with what is said
    of it after that.
    """
    letters: dict[str, IncomingLetter] = {}
    notes: dict[str, list[LetterNote]] = {}
    unreadable: list[Unreadable] = []
    for item in items:
        try:
            said = table(item, "the entry")
            _hold_characters(said)
            if said.get("event") in (None, "letter"):
                letter = read_letter(said, national_id, agency)
                letters.pop(letter.external_id, None)
                letters[letter.external_id] = letter
                notes.pop(letter.external_id, None)
            else:
                note = read_note(said)
                notes.setdefault(note.external_id, []).append(note)
        except WrongField as error:
            unreadable.append(refused(item, str(error)))
    return Batch(
        list(letters.values()),
        unreadable,
        cursor,
        notes=[each for of_one in notes.values() for each in of_one],
    )


def read_note(said: Mapping[str, Any]) -> LetterNote:
    """Map an entry that says one thing about a letter. Raises WrongField."""
    name = text(said, "event", longest=64)
    if name not in set(Happening):
        raise WrongField("event is of no known kind")
    what = Happening(name)
    return LetterNote(
        external_id=identifier(said),
        what=what,
        at=moment(said, "at"),
        by=optional_text(said, "by", longest=LABEL_MAX) if what is Happening.HANDLED else "",
        otherwise=refused(said, "F-43: it tells of a letter that is not here"),
    )


def refused(item: Any, reason: str) -> Unreadable:
    """Return an entry kept whole with the reason; `external_id` is empty where it has none."""
    try:
        external_id = text(table(item, "the entry"), "id", longest=IDENTIFIER_MAX)
    except WrongField:
        external_id = ""
    if not reason.startswith("F-"):
        rules = (rule for said, rule in NAMED if re.fullmatch(said, reason))
        reason = f"{next(rules, RULE_OF_ENTRIES)}: {reason}"
    return Unreadable(external_id, f"item: {reason}", [raw_part(item)])


def reread(raw: Iterable[RawPart], national_id: str, agency: Agency) -> Batch | None:
    """Read a kept entry once more; None where there is none among the parts."""
    for part in raw:
        if part.name == "item.json":
            return read_entries([json.loads(part.content)], national_id, agency)
    return None


def _hold_characters(said: Mapping[str, Any]) -> None:
    """Raise WrongField where a text of the entry, at any depth, holds what no database takes."""
    level: list[Any] = [said]
    while level:
        following: list[Any] = []
        for each in level:
            if isinstance(each, str):
                if "\0" in each:
                    raise WrongField("F-26: a text holds the character NUL")
                if not each.isascii() and any("\ud800" <= sign <= "\udfff" for sign in each):
                    raise WrongField("F-26: a text holds half a character")
            if isinstance(each, dict):
                following += [*each, *each.values()]
            elif isinstance(each, list):
                following += each
        level = following
