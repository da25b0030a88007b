"""The form by which a citizen gives somebody access: what it offers, and what was filled in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import QueryDict
from django.utils.translation import get_language, gettext

from connectors import clock
from inbox.citizens.identity import is_national_id
from inbox.citizens.models import InboxState, Representation
from inbox.citizens.representation import Offer
from inbox.citizens.viewer import Viewer
from inbox.letters import case_list
from inbox.letters.life_events import EVENTS
from inbox.letters.models import Case, Letter
from inbox.letters.presentation import row_of
from inbox.web import event_words
from inbox.web.dates import OSLO, Calendar
from inbox.web.letter_words import title_of
from inbox.web.sender_names import by_name, of_same_name

NAME_LENGTH_MAX = 100
CASES_SHOWN_MAX = 100
YEARS_MAX = 5
Reach = Representation.Reach


@dataclass(frozen=True, slots=True)
class Choices:
    """What of her mail she can choose to share."""

    senders: list[tuple[str, str]]
    """(id, name), by name; one id for each name."""
    known_senders: dict[str, Any]
    """All of them, as `InboxState` has them."""
    cases: list[tuple[str, str]]
    """(id, words), the one that changed last first."""
    case: str
    """That of `cases` that she comes from, empty for none."""
    life_events: list[tuple[str, str]]
    """(name, words) of those that stand in her navigation."""
    letter: tuple[str, str] | None
    """(id, title) of the letter that she comes from."""


@dataclass(slots=True)
class Filled:
    """What was filled in, whether good or not, and what is wrong with it by field."""

    name: str = ""
    who: str = "number"
    national_id: str = ""
    reach: str = ""
    senders: list[str] = field(default_factory=list)
    case: str = ""
    life_event: str = ""
    letter: str = ""
    answer: str = ""
    start: str = ""
    end: str = ""
    errors: dict[str, str] = field(default_factory=dict)


def choices_of(viewer: Viewer, state: InboxState, letter_id: str, case_id: str) -> Choices:
    """Return what the viewer can share; at most three queries, however many letters she has."""
    own = _cases(viewer, case_id) if case_id else {}
    cases = own | _cases(viewer)
    return Choices(
        by_name(state.senders),
        state.senders,
        list(cases.items()),
        next(iter(own), ""),
        [
            (event, event_words.name_of(event))
            for event in EVENTS
            if viewer.may_read(state.life_events.get(event, viewer.level + 1))
        ],
        _letter(viewer, letter_id),
    )


def empty(choices: Choices, query: QueryDict) -> Filled:
    """Return the form as it is first shown: with the narrowest of what she comes from chosen."""
    filled = Filled(
        case=choices.case or query.get("case", ""),
        life_event=query.get("life_event", ""),
        letter=query.get("letter", ""),
    )
    if choices.letter:
        filled.reach = Reach.LETTER
    if filled.case in dict(choices.cases):
        filled.reach = Reach.CASE
    if filled.life_event in dict(choices.life_events):
        filled.reach = Reach.LIFE_EVENT
    return filled


def read(post: QueryDict, choices: Choices, own_number: str) -> tuple[Filled, Offer | None]:
    """Return what was filled in, and what she offers; None when something is wrong with it."""
    filled = Filled(
        name=" ".join(post.get("name", "").replace("\x00", "").split()),
        who="code" if post.get("who") == "code" else "number",
        national_id="".join(post.get("national_id", "").split())[:20],
        reach=post.get("reach", ""),
        senders=post.getlist("senders"),
        case=post.get("case", ""),
        life_event=post.get("life_event", ""),
        letter=post.get("letter", ""),
        answer="yes" if post.get("answer") == "yes" else "",
        start=post.get("start", "")[:20],
        end=post.get("end", "")[:20],
    )
    _check_person(filled, own_number)
    limits = _limits(filled, choices)
    starts_at, ends_at = _period(filled)
    if filled.errors:
        return filled, None
    offer = Offer(
        label=filled.name,
        reach=Reach(filled.reach),
        limits=limits,
        may_answer=filled.answer == "yes",
        starts_at=starts_at,
        ends_at=ends_at,
        national_id=filled.national_id if filled.who == "number" else "",
    )
    return filled, offer


def _check_person(filled: Filled, own_number: str) -> None:
    if not filled.name:
        filled.errors["name"] = gettext("Write who shall get access.")
    elif len(filled.name) > NAME_LENGTH_MAX:
        filled.errors["name"] = gettext("Write a shorter name, at most %(n)d characters.") % {
            "n": NAME_LENGTH_MAX
        }
    if filled.who == "code":
        return
    if not is_national_id(filled.national_id):
        filled.errors["national_id"] = gettext(
            "Write the person's national identity number: 11 digits. Check that it is right."
        )
    elif filled.national_id == own_number:
        filled.errors["national_id"] = gettext("This is your own number.")


def _limits(filled: Filled, choices: Choices) -> dict[str, Any]:
    if filled.reach == Reach.ALL:
        return {}
    if filled.reach == Reach.SENDERS:
        chosen = of_same_name(choices.known_senders, filled.senders)
        if not chosen:
            filled.errors["senders"] = gettext("Choose at least one sender.")
        return {"senders": chosen}
    if filled.reach == Reach.CASE:
        if filled.case not in dict(choices.cases):
            filled.errors["case"] = gettext("Choose a case.")
            return {}
        return {"case": filled.case}
    if filled.reach == Reach.LIFE_EVENT:
        if filled.life_event not in dict(choices.life_events):
            filled.errors["life_event"] = gettext("Choose a life event.")
            return {}
        return {"life_event": filled.life_event}
    if filled.reach == Reach.LETTER and choices.letter:
        return {"letter": choices.letter[0]}
    filled.errors["reach"] = gettext("Choose what the person can see.")
    return {}


def _period(filled: Filled) -> tuple[datetime | None, datetime | None]:
    """Return the first moment, and the first moment after: both days are included."""
    today = Calendar(clock.now(), get_language()).today
    start, end = _day(filled, "start"), _day(filled, "end")
    if start and start < today:
        filled.errors["start"] = gettext("Choose today or a later day.")
    if end and end < max(today, start or today):
        filled.errors["end"] = gettext("The last day must not be before the first.")
    last = max((day for day in (start, end) if day), default=today)
    if (last - today).days > YEARS_MAX * 366:
        name = "end" if last == end else "start"
        filled.errors[name] = gettext("Choose a day within %(n)d years.") % {"n": YEARS_MAX}
    if filled.errors:
        return None, None
    after = end + timedelta(days=1) if end else None
    return _midnight(start), _midnight(after)


def _day(filled: Filled, name: str) -> date | None:
    said: str = getattr(filled, name)
    if not said:
        return None
    try:
        return date.fromisoformat(said)
    except ValueError:
        filled.errors[name] = gettext("Write the day as year-month-day, for instance 2027-01-31.")
        return None


def _midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=OSLO) if day else None


def _cases(viewer: Viewer, case_id: str = "") -> dict[str, str]:
    """Return her latest cases, or the one of that id; nothing above the level of her session."""
    if not case_id:
        rows = case_list.case_rows(viewer, None, CASES_SHOWN_MAX)
    else:
        try:
            rows = [case_list.case_row(viewer, UUID(case_id))]
        except (ValueError, Case.DoesNotExist):
            return {}
    return {str(row.id): _case_name(row) for row in rows if not row.locked}


def _case_name(row: case_list.CaseRow) -> str:
    """Return what she knows a case by: "NAV – Vedtak: Du får bostøtte (BO-2026)"."""
    named = f"{row.sender_name} – {row.title or row.reference}"
    return f"{named} ({row.reference})" if row.title and row.reference else named


def _letter(viewer: Viewer, letter_id: str) -> tuple[str, str] | None:
    try:
        found = Letter.objects.visible_to(viewer).get(id=UUID(letter_id))
    except (ValueError, Letter.DoesNotExist):
        return None
    return str(found.id), title_of(row_of(found, viewer))
