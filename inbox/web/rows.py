"""A letter's row in the list as the template prints it: every text, colour and date made here.

A filter, loop or translation in each row of the template would cost more than the query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from urllib.parse import quote
from uuid import UUID
from zlib import crc32

from django.urls import reverse
from django.utils.translation import get_language, gettext, ngettext
from markupsafe import Markup

from inbox.letters.models import Letter
from inbox.letters.presentation import Row
from inbox.web.dates import Calendar
from inbox.web.letter_words import language_base
from inbox.web.templating import icon

URGENT_DAYS = 14
"""A deadline nearer than this is red (Altinn's own rule)."""
EXPIRY_DAYS = 60
"""A source that stops showing a letter within so many days is worth a word."""
AVATAR_COLORS = ("accent", "brand1", "brand2", "brand3", "info", "success", "neutral")
Folders = Mapping[str, tuple[str, str]]
"""{id: (name, colour)}"""
NO_ID = UUID(int=0)
PLACE_ICONS = {"inbox": "Inbox", "filed": "Archive", "bin": "Trash"}


@dataclass(slots=True)
class PrintedRow:
    """One row of the list."""

    id: str
    address: str
    unread: bool
    initials: str
    color: str
    sender: str
    source: str
    brought: bool
    """She has brought it in from a copy."""
    own: bool
    """She has put it in herself: it was fetched from nowhere."""
    title: str
    lang: str
    """The language of title and summary where it is another than the page's, else empty."""
    summary: str
    tags: Markup
    when: str
    iso: str


class Printer:
    """Prints rows; what all rows of a page share is prepared once."""

    def __init__(
        self, calendar: Calendar, labels: Mapping[str, str], back: str, place: str, folders: Folders
    ) -> None:
        """`back` is the list's address, for the way back from a letter; empty for the inbox.

        `place` is what the list shows: rows from elsewhere say where they lie. `folders` are
        those of `InboxState`.
        """
        language = get_language() or "nb"
        self._calendar = calendar
        self._labels = labels
        self._place = place
        self._folders = folders
        self._words = _words(language)
        self._language = language_base(language)
        self._before, after = reverse("letter", args=[NO_ID]).split(str(NO_ID))
        self._after = f"{after}?back={quote(back, safe='')}" if back else after

    def row(self, row: Row) -> PrintedRow:
        """Return one row's texts."""
        words = self._words
        language = "" if row.locked else row.language
        letter_id = str(row.id)
        return PrintedRow(
            id=letter_id,
            address=f"{self._before}{letter_id}{self._after}",
            unread=row.unread,
            initials=initials(row.sender_name),
            color=avatar_color(row.sender_name),
            sender=row.sender_name,
            source=self._source(row) if row.other_sources else self._label(row.source),
            brought=row.source == Letter.BROUGHT,
            own=row.source == Letter.OWN,
            title=row.title or words["letter_from"].format(sender=row.sender_name),
            lang=self._other(language),
            summary=words["locked"] if row.locked else row.snippet,
            tags=Markup("".join(self._tags(row))),
            when=self._calendar.short(row.received_at),
            iso=row.received_at.isoformat(timespec="minutes"),
        )

    def _other(self, language: str) -> str:
        base = language_base(language)
        return base if base != self._language else ""

    def _label(self, slug: str) -> str:
        return self._labels.get(slug, slug)

    def _source(self, row: Row) -> str:
        """Return "Digital postkasse and Altinn" for a letter that came by both."""
        first, *others = [row.source, *row.other_sources.split()]
        return join_names([self._label(first), *map(self._label, others)])

    def _tags(self, row: Row) -> Iterator[Markup]:
        words = self._words
        if row.place == "bin" and row.delete_at is None:
            yield tag("neutral", "Trash", words["kept_in_bin"])
        elif row.place != self._place:
            yield tag("neutral", PLACE_ICONS[row.place], words[row.place])
        if row.updated:
            yield tag("info", "ArrowsCirclepath", words["updated"])
        if row.delete_at:
            past = row.delete_at <= self._calendar.now
            day = self._calendar.day(row.delete_at)
            said = words["delete_waits" if past else "delete_at"].format(day=day)
            yield tag("warning", "Trash", said)
        if row.needs_action:
            yield tag("danger", "ExclamationmarkTriangle", words["needs_action"])
        if row.handled:
            yield tag("success", "Checkmark", words["handled"])
        if row.due_at:
            yield self._deadline(row)
        if row.attachments:
            yield tag("neutral", "Paperclip", _attachments(self._language, row.attachments))
        if row.expires_at and row.content == Letter.Content.KEPT:
            days = self._calendar.days_until(row.expires_at)
            if abs(days) <= EXPIRY_DAYS:
                gone = row.expires_at <= self._calendar.now
                kept = "part" if row.incomplete else "whole"
                text = words[f"{'deleted' if gone else 'deletes'}_{kept}"].format(
                    source=self._labels.get(row.source, row.source),
                    day=self._calendar.day(row.expires_at),
                )
                yield tag("info", "Archive", text)
        if row.locked:
            yield tag("warning", "PadlockLocked", words["higher_level"])
        if row.content == Letter.Content.ON_OPEN:
            yield tag("neutral", "Download", words["not_kept"])
        if row.content == Letter.Content.GONE:
            yield tag("warning", "Archive", words["gone"])
        if row.returned_at:
            text = words["returned"].format(day=self._calendar.day(row.returned_at))
            yield tag("warning", "ArrowUndo", text)
        elif row.on_paper_at:
            text = words["on_paper"].format(day=self._calendar.day(row.on_paper_at))
            yield tag("neutral", "PrinterSmall", text)
        if row.proof:
            yield tag("neutral", "ShieldCheckmark", words["proof"])
        for folder in row.folders:
            if folder in self._folders:
                name, color = self._folders[folder]
                yield tag(color, "Folder", name)
        if row.withdrawn:
            yield tag("warning", "ArrowUndo", words["withdrawn"])

    def _deadline(self, row: Row) -> Markup:
        assert row.due_at
        words, day = self._words, self._calendar.day(row.due_at)
        days = self._calendar.days_until(row.due_at)
        passed = row.due_at < self._calendar.now
        text = words["passed" if passed else "due"].format(day=day)
        if row.handled:
            return tag("neutral", "Clock", text)
        if not passed and days <= URGENT_DAYS:
            text = f"{text} {_days_left(self._language, days)}"
        color = "danger" if passed or days < URGENT_DAYS else "warning"
        return tag(color, "Clock", text)


def join_names(names: Sequence[str]) -> str:
    """Return "A, B and C"."""
    if len(names) < 2:
        return "".join(names)
    return gettext("{some} and {last}").format(some=", ".join(names[:-1]), last=names[-1])


@lru_cache(maxsize=4096)
def initials(name: str) -> str:
    """Return up to three letters that stand for a sender: "NAV", "OK" (Oslo kommune), "SK"."""
    words = [word for word in name.split() if word[0].isalnum()] or [name.strip() or "?"]
    if words[0].isupper() and 1 < len(words[0]) <= 3:
        return words[0]
    if len(words) == 1:
        return words[0][:2].upper()
    return (words[0][0] + words[1][0]).upper()


@lru_cache(maxsize=1024)
def tag(color: str, symbol: str, text: str) -> Markup:
    """Return a tag as markup; most rows have the same few."""
    markup = Markup('<span class="ds-tag" data-color="{}">{}{}</span>')
    return markup.format(color, icon(symbol), text)


@lru_cache(maxsize=4096)
def avatar_color(name: str) -> str:
    """Return the sender's colour: the same one on every machine, so that pictures agree."""
    return AVATAR_COLORS[crc32(name.encode()) % len(AVATAR_COLORS)]


@cache
def _words(_language: str) -> dict[str, str]:
    """Return the texts that rows share, in the active language."""
    return {
        "letter_from": gettext("Letter from {sender}"),
        "locked": gettext("Log in with a higher security level to read the letter."),
        "needs_action": gettext("Needs action"),
        "handled": gettext("Done"),
        "due": gettext("Due {day}"),
        "passed": gettext("Deadline passed {day}"),
        "deletes_whole": gettext("{source} deletes this on {day} – your copy is kept"),
        "deleted_whole": gettext("{source} deleted this on {day} – your copy is kept"),
        "deletes_part": gettext("{source} deletes this on {day} – not all of it is kept here"),
        "deleted_part": gettext("{source} deleted this on {day} – not all of it is kept here"),
        "gone": gettext("Deleted by its source before a copy was kept"),
        "higher_level": gettext("Higher security level"),
        "not_kept": gettext("Not kept yet"),
        "proof": gettext("Value as documentation"),
        "withdrawn": gettext("Withdrawn by the sender"),
        "on_paper": gettext("Sent on paper {day}"),
        "returned": gettext("Came back from the post {day}"),
        "inbox": gettext("In the inbox"),
        "filed": gettext("In the archive"),
        "bin": gettext("In the bin"),
        "kept_in_bin": gettext("In the bin until you delete it"),
        "updated": gettext("Updated by the sender"),
        "delete_at": gettext("Deleted for good on {day}"),
        "delete_waits": gettext("Waits to be deleted"),
    }


@lru_cache(maxsize=256)
def _attachments(_language: str, number: int) -> str:
    return ngettext("{n} attachment", "{n} attachments", number).format(n=number)


@lru_cache(maxsize=256)
def _days_left(_language: str, days: int) -> str:
    if days == 0:
        return gettext("(today)")
    if days == 1:
        return gettext("(tomorrow)")
    return ngettext("({n} day left)", "({n} days left)", days).format(n=days)
