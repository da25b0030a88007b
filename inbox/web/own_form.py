"""The form by which a citizen puts in a letter of her own: what it offers, and what was said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext, ngettext

from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import case_list, own
from inbox.letters.models import Letter
from inbox.letters.own import Brought, Refused, Said
from inbox.letters.presentation import Row
from inbox.letters.receive import TITLE_MAX
from inbox.web.letter_words import size_of, title_of
from inbox.web.sender_names import by_name

CASES_SHOWN_MAX = 100
NAME_SHOWN_MAX = 100
ACCEPTED = ",".join((*own.TYPES, ".pdf", ".jpg", ".jpeg", ".png"))


@dataclass(slots=True)
class Filled:
    """What was filled in, whether good or not, and what is wrong with it by field."""

    key: str = ""
    title: str = ""
    sender: str = ""
    day: str = ""
    case: str = ""
    folder: str = ""
    high: bool = False
    """Shown at level 4 alone."""
    apart: bool = False
    """Each file is a letter of its own."""
    again: bool = False
    """Keep it although it is here already."""
    errors: dict[str, str] = field(default_factory=dict)
    here: list[dict[str, str]] = field(default_factory=list)
    """What she has already, where it lies."""


def read(post: QueryDict, viewer: Viewer) -> Filled:
    """Return what was filled in, as it was."""
    return Filled(
        key=_uuid(post.get("key", "")),
        title=_line(post.get("title", "")),
        sender=_line(post.get("sender", "")),
        day=post.get("day", "")[:20],
        case=_uuid(post.get("case", "")),
        folder=_uuid(post.get("folder", "")),
        high=post.get("high") == "1" and viewer.may_read(SecurityLevel.HIGH),
        apart=post.get("apart") == "1",
        again=post.get("again") == "1",
    )


def of_letter(letter: Letter) -> Filled:
    """Return the form as it stands for a paper that is here."""
    return Filled(
        title=letter.title,
        sender=letter.sender_name,
        day=own.day_of(letter).isoformat(),
        case=str(letter.case_id or ""),
        high=letter.security_level >= SecurityLevel.HIGH,
    )


def said_of(filled: Filled) -> Said | None:
    """Return what she says of the paper; None where something is wrong, which the form says."""
    if not filled.title and not filled.apart:
        filled.errors["title"] = gettext("Write what the letter is about.")
    elif len(filled.title) > TITLE_MAX:
        filled.errors["title"] = _too_long()
    if not filled.sender:
        filled.errors["sender"] = gettext("Write who the letter is from.")
    elif len(filled.sender) > TITLE_MAX:
        filled.errors["sender"] = _too_long()
    day = None
    try:
        day = date.fromisoformat(filled.day)
    except ValueError:
        filled.errors["day"] = gettext("Write the date that the letter bears.")
    if day and not own.is_day(day):
        filled.errors["day"] = gettext("The letter cannot be from that day.")
    if filled.errors or day is None:
        return None
    level = SecurityLevel.HIGH if filled.high else SecurityLevel.SUBSTANTIAL
    case_id = UUID(filled.case) if filled.case else None
    folder_id = UUID(filled.folder) if filled.folder else None
    return Said(filled.title, filled.sender, day, level, case_id, folder_id)


def refuse_files(filled: Filled, refused: Iterable[Refused]) -> None:
    """Let the form say what is wrong with the files."""
    said = list(dict.fromkeys(_why(each) for each in refused))
    if said:
        filled.errors["files"] = " ".join(said)


def note_known(filled: Filled, files: Sequence[Brought], known: Mapping[str, Row]) -> None:
    """Let the form say which files she has already, and where."""
    for file in files:
        row = known.get(file.sha256)
        if row is not None:
            filled.here.append(
                {
                    "file": file.name,
                    "title": title_of(row),
                    "address": reverse("letter", args=[row.id]),
                    "where": _where(row.place),
                }
            )
    if filled.here:
        filled.errors["files"] = ngettext(
            "You have this file here already.",
            "You have some of these files here already.",
            len(files),
        )


def choices(
    viewer: Viewer,
    senders: Mapping[str, Sequence[object]],
    folders: Mapping[str, Sequence[str]],
    filled: Filled,
) -> dict[str, Any]:
    """Return what the form offers besides what is filled in (1 query, 2 with a rare case)."""
    rows = [row for row in case_list.case_rows(viewer, None, CASES_SHOWN_MAX) if not row.locked]
    cases = {str(row.id): _case_words(row) for row in rows}
    return {
        "senders": [name for _, name in by_name(senders)],
        "cases": list(cases.items()),
        "kept_case": filled.case if filled.case and filled.case not in cases else "",
        "folders": sorted(
            ((key, name) for key, (name, _) in folders.items()), key=lambda one: one[1].casefold()
        ),
        "may_be_high": viewer.may_read(SecurityLevel.HIGH),
        "title_max": TITLE_MAX,
        "accept": ACCEPTED,
        "files_max": settings.OWN_FILES_MAX,
        "file_max_bytes": settings.OWN_FILE_MAX_BYTES,
        "files_max_bytes": settings.OWN_FILES_MAX_BYTES,
        "file_max": size_of(settings.OWN_FILE_MAX_BYTES),
        "total_max": size_of(settings.OWN_FILES_MAX_BYTES),
    }


def _case_words(row: case_list.CaseRow) -> str:
    title = row.title or gettext("Letter from %(sender)s") % {"sender": row.sender_name}
    return f"{title} ({row.sender_name})"


def _why(refused: Refused) -> str:
    words = {
        "none": gettext("Choose the files of the letter."),
        "empty": gettext("The file %(name)s is empty."),
        "too_large": gettext("The file %(name)s is too large: it may have %(max)s."),
        "too_much": gettext("Together the files are too large: they may have %(total)s."),
        "full": gettext(
            "There is room for %(left)s more: you may keep %(all)s of letters that you put in"
            " yourself. What you delete for good makes room, also what you delete in the bin."
        ),
        "too_many": gettext("You have chosen too many files: you can add %(files)s at one time."),
        "heic": gettext(
            "The picture %(name)s is of a type (HEIC) that many browsers cannot show. Save it as"
            " JPEG, and choose it anew."
        ),
        "tiff": gettext(
            "The file %(name)s is of a type (TIFF) that browsers cannot show. Save it as PDF, and"
            " choose it anew."
        ),
        "office": gettext(
            "The file %(name)s is a document that can still be changed. Save it as PDF, and choose"
            " it anew."
        ),
        "wrong_type": gettext(
            "The file %(name)s is neither PDF, JPEG nor PNG, whatever its name says."
        ),
    }
    return words[refused.code] % {
        "name": _shown(refused.name),
        "max": size_of(settings.OWN_FILE_MAX_BYTES),
        "total": size_of(settings.OWN_FILES_MAX_BYTES),
        "files": settings.OWN_FILES_MAX,
        "left": size_of(refused.left),
        "all": size_of(settings.OWN_TOTAL_MAX_BYTES),
    }


def _shown(name: str) -> str:
    return "".join(sign for sign in name if sign.isprintable())[:NAME_SHOWN_MAX]


def _where(place: str) -> str:
    return {
        "inbox": gettext("in the inbox"),
        "filed": gettext("in the archive"),
        "bin": gettext("in the bin"),
    }[place]


def _too_long() -> str:
    return gettext("No more than {most} characters.").format(most=TITLE_MAX)


def _line(text: str) -> str:
    """Return `text` on one line, without characters that nobody sees."""
    return " ".join("".join(s if s.isprintable() else " " for s in text[:2000]).split())


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""
