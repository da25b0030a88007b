"""Her cases made ready for their pages: one line for each, and the thread of one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext, ngettext

from inbox.letters.case_list import CaseRow
from inbox.letters.models import Case, Letter, Reply
from inbox.letters.presentation import ThreadLetter
from inbox.web import letter_words
from inbox.web.dates import Calendar
from inbox.web.replying import answer_entry, message_entry
from inbox.web.rows import avatar_color, initials


def case_line(row: CaseRow, calendar: Calendar) -> dict[str, Any]:
    """Return one line of the list of cases; `row.last_at` must be set."""
    return case_head(row) | {
        "id": row.id,
        "address": reverse("case", args=[row.id]),
        "initials": initials(row.sender_name),
        "avatar": avatar_color(row.sender_name),
        "iso": row.last_at.isoformat(timespec="minutes"),
        "when": calendar.short(row.last_at),
    }


def case_head(row: CaseRow) -> dict[str, Any]:
    """Return what the list and the case's own page say of a case."""
    count = ngettext("{n} letter", "{n} letters", row.letters).format(n=row.letters)
    return {
        "locked": row.locked,
        "title": row.title or gettext("Letter from %(sender)s") % {"sender": row.sender_name},
        "sender": row.sender_name,
        "reference": row.reference,
        "count": "" if row.locked else count,
        **status_words(row.status),
    }


def status_words(status: str) -> dict[str, str]:
    """Return how a case stands in words, and the colour that goes with them."""
    words = {
        Case.Status.WAITING_FOR_HER.value: (gettext("Waiting for you"), "warning"),
        Case.Status.WAITING_FOR_SENDER.value: (gettext("Waiting for the sender"), "info"),
        Case.Status.DONE.value: (gettext("Done"), "success"),
        Case.Status.NOTHING_ASKED.value: (gettext("Nothing for you to do"), "neutral"),
    }
    said, color = words.get(status, ("", ""))
    return {"status": said, "color": color}


def thread(
    letters: Sequence[ThreadLetter],
    replies: Mapping[UUID, Sequence[Reply]],
    back: str,
    calendar: Calendar,
) -> list[dict[str, Any]]:
    """Return letters, her answers and what the senders wrote in their threads, oldest first."""
    entries: list[dict[str, Any]] = []
    for letter in letters:
        entries.append(_letter(letter, back, calendar))
        own = {"about": letter_words.title_of(letter.row), "address": entries[-1]["address"]}
        for reply in replies.get(letter.row.id, ()):
            entries.append(answer_entry(letter.row, reply, calendar) | own)
        for message in letter.messages:
            entries.append(message_entry(letter.row, message, calendar) | own)
    # Sorting is stable: a letter stands before what answers it at the same moment.
    return sorted(entries, key=_at)


def _at(entry: Mapping[str, Any]) -> datetime:
    moment: datetime = entry["at"]
    return moment


def _letter(letter: ThreadLetter, back: str, calendar: Calendar) -> dict[str, Any]:
    row = letter.row
    return {
        "is_letter": True,
        "id": row.id,
        "at": row.received_at,
        "moment": calendar.full_day(row.received_at)
        if row.source == Letter.OWN
        else calendar.moment(row.received_at),
        "author": row.sender_name,
        "hers": False,
        "title": letter_words.title_of(row),
        "summary": row.snippet,
        "lang": letter_words.other_language(row.language),
        "unread": row.unread,
        "deadline": letter_words.deadline(row, calendar),
        "address": f"{reverse('letter', args=[row.id])}?back={back}",
    }
