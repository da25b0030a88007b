"""What of the inbox is asked for: read from the address, and written back into addresses.

Nonsense in an address is passed over, never an error.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict

from inbox.citizens.viewer import Viewer
from inbox.letters import search
from inbox.letters.models import Letter
from inbox.letters.queries import LetterQuerySet
from inbox.web.paths import address_of

PLACES = {"": "inbox", "filed": "archive", "bin": "bin"}
"""The page that shows each place; "" is the inbox."""
SHOW = ("unread", "action", "deadline")
SEARCH_LENGTH_MAX = 100
SLUG_LENGTH_MAX = 64
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the list: below this letter, as the list stood at `seen_at`.

    `seen_at` keeps what counts as due soon the same from page to page.
    """

    received_at: datetime
    letter_id: UUID
    seen_at: datetime
    group: str = ""
    """The group that the page before ended in."""

    def cursor(self) -> str:
        """Return the place as opaque text for an address."""
        said = (
            f"{_micros(self.received_at)}.{self.letter_id.hex}.{_micros(self.seen_at)}.{self.group}"
        )
        return urlsafe_b64encode(said.encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Filter:
    """The list's filters; the empty one is the whole inbox."""

    show: str = ""
    sender: str = ""
    source: str = ""
    q: str = ""
    view: str = ""
    """ "separate" shows each source as an inbox of its own."""
    proof: str = ""
    """ "1": only what the sender marked as having lasting value as documentation."""
    folder: str = ""
    case: str = ""
    """The id of a case: its letters alone."""
    place: str = ""
    """Which of PLACES: part of the path, not of the query."""

    @property
    def is_whole(self) -> bool:
        """The whole inbox: nothing is filtered away, and letters due soon stand on top."""
        return self == WHOLE

    @property
    def is_separate(self) -> bool:
        """Each source is shown as an inbox of its own."""
        return self.view == "separate"

    @property
    def is_narrowed(self) -> bool:
        """Something is filtered away that "Clear filters" brings back."""
        return bool(
            self.show
            or self.sender
            or self.q
            or self.proof
            or self.folder
            or self.case
            or (self.source and not self.is_separate)
        )

    @property
    def is_counted(self) -> bool:
        """It is a view of the inbox that `InboxState` counts."""
        return not (self.is_separate or self.place or self.folder or self.case)

    def everything(self) -> Filter:
        """Return the filter that shows all that lies in this place."""
        return Filter(place=self.place)

    @property
    def home(self) -> str:
        """The address of the page that shows this place."""
        return address_of(PLACES[self.place])

    def cleared(self) -> Filter:
        """Return what "Clear filters" leads to: the whole place, or the whole separate inbox."""
        return Filter(source=self.source, view=self.view) if self.is_separate else self.everything()

    def address(self, **changes: str) -> str:
        """Return the list's address with this filter, changed, without what is empty.

        Raises TypeError for a change of what is no filter.
        """
        said = {name: getattr(self, name) for name in NAMES} | changes
        if len(said) > len(NAMES):
            raise TypeError(f"no such filter among {', '.join(changes)}")
        home = address_of(PLACES[said.pop("place")])
        query = urlencode({name: value for name, value in said.items() if value})
        return f"{home}?{query}" if query else home

    def apply(self, letters: LetterQuerySet, viewer: Viewer) -> LetterQuerySet:
        """Narrow `letters` to what is asked for.

        What needs action is shown beside the inbox from the archive too: putting a letter away
        does not do what it asks. So is what is in one of her folders, or belongs to one case.
        """
        if (self.show == "action" or self.folder or self.case) and not self.place:
            letters = letters.outside_bin()
        else:
            letters = letters.in_place(self.place or Letter.Place.INBOX)
        if self.show == "unread":
            letters = letters.unread()
        elif self.show == "action":
            letters = letters.needing_action()
        elif self.show == "deadline":
            letters = letters.with_deadline()
        if self.folder:
            letters = letters.in_folder(UUID(self.folder))
        if self.case:
            letters = letters.in_case(UUID(self.case), viewer)
        if self.sender:
            letters = letters.from_sender(UUID(self.sender))
        if self.source:
            letters = letters.by_source([self.source])
        if self.proof:
            letters = letters.worth_keeping(viewer)
        if self.q:
            letters = search.matching(letters, self.q, viewer)
        return letters


NAMES = tuple(field.name for field in fields(Filter))
WHOLE = Filter()


def read_filter(query: QueryDict, place: str = "") -> Filter:
    """Return what the address of a place's page asks for."""
    show = query.get("show", "")
    return Filter(
        show=show if show in SHOW else "",
        folder=_uuid(query.get("folder", "")),
        case=_uuid(query.get("case", "")),
        sender=_uuid(query.get("sender", "")),
        source=query.get("source", "")[:SLUG_LENGTH_MAX].replace("\x00", ""),
        q=" ".join(query.get("q", "").replace("\x00", " ")[:SEARCH_LENGTH_MAX].split()),
        proof="1" if query.get("proof") == "1" else "",
        view="separate" if query.get("view") == "separate" and not place else "",
        place=place,
    )


def read_address(address: str) -> Filter:
    """Return the list that an address of ours shows; the inbox for what shows none."""
    path, _, query = address.partition("?")
    place = next((place for place, name in PLACES.items() if path == address_of(name)), "")
    return read_filter(QueryDict(query), place)


def read_position(cursor: str) -> Position | None:
    """Return the place that a cursor names, or None for what is no cursor: the first page."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        said = b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        received, letter, seen, group = said.split(".")
        return Position(_moment(received), UUID(hex=letter), _moment(seen), group)
    except (ValueError, OverflowError):
        return None


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return ""


def _micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _moment(micros: str) -> datetime:
    return EPOCH + timedelta(microseconds=int(micros))
