"""The search page: what is asked for in its address, and the hits as the page prints them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict
from django.utils.translation import get_language, gettext
from markupsafe import Markup

from connectors import clock
from inbox.citizens.viewer import Viewer
from inbox.letters import presentation, saved_searches, search
from inbox.letters.life_events import EVENTS
from inbox.letters.models import Letter
from inbox.letters.queries import LetterQuerySet
from inbox.letters.search import Hits
from inbox.web import highlight
from inbox.web.dates import OSLO, Calendar
from inbox.web.filters import SLUG_LENGTH_MAX
from inbox.web.paths import address_of
from inbox.web.rows import Folders, PrintedRow, Printer

PAGE_HITS = 20
CASE_LENGTH_MAX = 255
STATUSES = ("unread", "action", "handled", "deadline")
PLACES = ("both", "inbox", "filed", "bin")
DEFAULT_PLACE = "both"


@dataclass(frozen=True, slots=True)
class Search:
    """What the search page is asked for; every field stands in the address by its name."""

    q: str = ""
    sender: str = ""
    source: str = ""
    kind: str = ""
    case: str = ""
    event: str = ""
    since: str = ""
    until: str = ""
    status: str = ""
    folder: str = ""
    place: str = DEFAULT_PLACE
    too_long: bool = False
    """More was typed than is searched for; `q` is its beginning."""

    @property
    def is_empty(self) -> bool:
        """Neither words nor filters: nothing is searched for."""
        return not (self.q or self.is_narrowed)

    @property
    def is_narrowed(self) -> bool:
        """A filter besides the words is set."""
        return any(getattr(self, name) for name in NAMES if name not in ("q", "place"))

    @property
    def problem(self) -> str:
        """What is wrong with what she asks for, in words; empty when nothing is."""
        if self.too_long:
            said = gettext("The search is too long: it can have no more than {most} characters.")
            return said.format(most=search.TEXT_MAX)
        for text in (self.since, self.until):
            if text and _day(text) is None:
                return gettext("Write the date as day, month and year.")
        since, until = _day(self.since), _day(self.until)
        if since and until and since > until:
            return gettext("The date from is later than the date to.")
        return ""

    @property
    def query(self) -> str:
        """The search as the address says it: the same for all that ask the same."""
        return self._query({})

    def address(self, **changes: str) -> str:
        """Return the page's address with this search, changed."""
        query = self._query(changes)
        home = address_of("search")
        return f"{home}?{query}" if query else home

    def _query(self, changes: Mapping[str, str]) -> str:
        asked = {name: getattr(self, name) for name in NAMES} | dict(changes)
        if asked["place"] == DEFAULT_PLACE:
            asked["place"] = ""
        return urlencode({name: value for name, value in asked.items() if value})

    def apply(self, letters: LetterQuerySet) -> LetterQuerySet:
        """Narrow `letters` to the filters."""
        both = self.place == "both"
        letters = letters.outside_bin() if both else letters.in_place(self.place)
        if self.sender:
            letters = letters.from_sender(UUID(self.sender))
        if self.source:
            letters = letters.by_source([self.source])
        if self.folder:
            letters = letters.in_folder(UUID(self.folder))
        since, until = _day(self.since), _day(self.until)
        if since:
            letters = letters.filter(received_at__gte=_midnight(since))
        if until:
            letters = letters.filter(received_at__lt=_midnight(until + timedelta(days=1)))
        if self.status == "unread":
            letters = letters.unread()
        elif self.status == "action":
            letters = letters.needing_action()
        elif self.status == "handled":
            letters = letters.filter(handled_at__isnull=False)
        elif self.status == "deadline":
            letters = letters.with_deadline()
        return letters


NAMES = tuple(field.name for field in fields(Search) if field.name != "too_long")


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved search as a link."""

    id: UUID
    name: str
    address: str


def saved_links(viewer: Viewer) -> list[Saved]:
    """Return her saved searches by name; none to who looks at somebody else's mail (1 query)."""
    return [
        Saved(each.id, each.name, read_search(QueryDict(each.query)).address())
        for each in saved_searches.of(viewer)
    ]


@dataclass(frozen=True, slots=True)
class Hit:
    """A letter that was found."""

    row: PrintedRow
    title: Markup
    excerpt: Markup
    document: str
    """The document that the excerpt is from, empty for the letter itself."""


@dataclass(frozen=True, slots=True)
class Found:
    """One page of hits."""

    hits: Sequence[Hit]
    total: int
    more_than_total: bool
    meant: str
    """What was searched for instead of what she typed; empty when it was just that."""
    partial: bool
    more: str
    """The address of the next page, empty on the last."""


def read_search(query: QueryDict) -> Search:
    """Return what the address asks for; of nonsense only a wrong date is told."""

    def text(name: str, length: int) -> str:
        return " ".join(query.get(name, "").replace("\x00", " ")[:length].split())

    def one_of(name: str, allowed: Sequence[str], otherwise: str = "") -> str:
        value = query.get(name, "")
        return value if value in allowed else otherwise

    return Search(
        q=text("q", search.TEXT_MAX),
        too_long=len(query.get("q", "").strip()) > search.TEXT_MAX,
        sender=_uuid(query.get("sender", "")),
        source=text("source", SLUG_LENGTH_MAX),
        kind=one_of("kind", Letter.Kind.values),
        case=text("case", CASE_LENGTH_MAX),
        since=text("since", 20),
        until=text("until", 20),
        event=one_of("event", EVENTS),
        folder=_uuid(query.get("folder", "")),
        status=one_of("status", STATUSES),
        place=one_of("place", PLACES, DEFAULT_PLACE),
    )


def find(
    viewer: Viewer, asked: Search, page: int, labels: Mapping[str, str], folders: Folders
) -> Found:
    """Return one page of what is found; `page` counts from 1."""
    letters = asked.apply(Letter.objects.visible_to(viewer))
    if asked.event:
        letters = _in_event(letters, viewer, asked.event)
    if asked.case or asked.kind:
        letters = presentation.readable(letters, viewer)
    if asked.case:
        letters = letters.filter(case_reference=asked.case)
    if asked.kind:
        letters = letters.filter(kind=asked.kind)
    hits = search.search(letters, asked.q, viewer) if asked.q else _newest(letters)
    start = (page - 1) * PAGE_HITS
    ids = hits.ids[start : start + PAGE_HITS]
    rows = presentation.rows(
        presentation.ROWS.visible_to(viewer).filter(id__in=ids), viewer, PAGE_HITS
    )
    by_id = {row.id: row for row in rows}
    quotable = presentation.passages(viewer, ids) if hits.words else {}
    place = Letter.Place.INBOX if asked.place == "both" else asked.place
    calendar = Calendar(clock.now(), get_language())
    printer = Printer(calendar, labels, asked.address(), place, folders)
    shown = [
        _hit(printer.row(by_id[id_]), hits, quotable.get(id_, [])) for id_ in ids if id_ in by_id
    ]
    more = ""
    if len(hits.ids) > start + PAGE_HITS:
        address = asked.address()
        more = f"{address}{'&' if '?' in address else '?'}page={page + 1}"
    meant = _meant(hits, shown) if hits.corrected else ""
    return Found(shown, len(hits.ids), hits.more, meant, hits.partial, more)


def _in_event(letters: LetterQuerySet, viewer: Viewer, event: str) -> LetterQuerySet:
    """Her own view of her mail, which says more than each letter does: hers alone to ask for."""
    return letters.of_life_event(viewer, event) if viewer.is_herself else letters.none()


def _newest(letters: LetterQuerySet) -> Hits:
    ids = list(letters.newest_first().values_list("id", flat=True)[: search.HITS_MAX + 1])
    return Hits(ids[: search.HITS_MAX], (), more=len(ids) > search.HITS_MAX)


def _hit(row: PrintedRow, hits: Hits, quotable: Sequence[tuple[str, str]]) -> Hit:
    title = highlight.marked(row.title, hits.words)
    summary = highlight.excerpt(row.summary, hits.words) if hits.words else None
    if summary is None:
        for document, text in quotable:
            piece = highlight.excerpt(text, hits.words)
            if piece is not None:
                return Hit(row, title, piece, document)
    return Hit(row, title, summary or Markup("{}").format(row.summary), "")


def _meant(hits: Hits, shown: Sequence[Hit]) -> str:
    """Return the words that were found instead, as her letters write them."""
    words = []
    for word in hits.words:
        texts = [text for hit in shown for text in (hit.row.title, hit.row.sender)]
        texts += [hit.excerpt.striptags() for hit in shown]
        found = next((said for text in texts for said in highlight.said(text, [word])), word.text)
        words.append(found.lower())
    return " ".join(words)


def _day(text: str) -> date | None:
    for pattern in ("%Y-%m-%d", "%d.%m.%Y"):
        try:
            return datetime.strptime(text, pattern).date()
        except ValueError:
            continue
    return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, OSLO)


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""
