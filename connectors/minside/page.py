"""One page of a feed as a whole: strict JSON with entries, and where to go on. Pure.

The rules are those of docs/minside-feed.md. What breaks one is an error of the source, named.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import httpx

from connectors.contract import Temporary
from connectors.http import NotInTime, Redirected, TooLarge

DEPTH_MAX = 20
ITEMS_MAX = 100
PAGES_MAX = 1000
CURSOR_MAX = 2000


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of a feed, the cursor after them (None: none was given), whether it goes on."""

    items: list[Any]
    following: str | None
    more: bool


@dataclass
class Round:
    """What has been read since the first cursor: a round says something new until it ends."""

    cursors: set[str | None]
    seen: set[int] = field(default_factory=set)
    """Entries by their hashes."""
    pages: int = 0

    def note(self, page: Page) -> None:
        """Take a page in. Raises Temporary where going on would lead nowhere."""
        before = len(self.seen)
        self.seen |= {hash(json.dumps(item, sort_keys=True)) for item in page.items}
        self.pages += 1
        if not page.more:
            return
        if page.following in self.cursors:
            raise Temporary("F-15: the feed goes on at a cursor where it was before")
        if len(self.seen) == before:
            raise Temporary("F-16: the feed says that it goes on, and says nothing new")
        if self.pages >= PAGES_MAX:
            raise Temporary(f"F-17: the feed does not end within {PAGES_MAX} pages")
        self.cursors.add(page.following)


@contextmanager
def rules_named() -> Iterator[None]:
    """Name the rule that an answer breaks on its way to us. Raises Temporary."""
    try:
        yield
    except Redirected as error:
        raise Temporary(f"F-01: {error}") from None
    except (TooLarge, NotInTime) as error:
        raise Temporary(f"F-05: {error}") from None


def read_page(answer: httpx.Response) -> Page:
    """Return a page of a feed. Raises Temporary."""
    page = read_json(answer)
    if not isinstance(page, dict):
        raise Temporary("F-10: the page is no object")
    items, more = page.get("items"), page.get("more")
    if not isinstance(items, list) or not isinstance(more, bool):
        raise Temporary("F-10: the page lacks its items, or whether there are more")
    if len(items) > ITEMS_MAX:
        raise Temporary(f"F-11: the page has more than {ITEMS_MAX} entries")
    return Page(items, _cursor(page, more=more), more)


def read_json(answer: httpx.Response) -> Any:
    """Return what an answer says in JSON (RFC 7493, I-JSON). Raises Temporary."""
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ("application/json", "application/problem+json"):
        raise Temporary("F-03: the answer is not application/json")
    try:
        said = json.loads(
            answer.content.decode(), object_pairs_hook=_each_once, parse_constant=_no_number
        )
    except (ValueError, RecursionError):
        raise Temporary("F-03: the answer is not JSON") from None
    if not _is_flat_enough(said):
        raise Temporary(f"F-03: the answer is nested more than {DEPTH_MAX} levels deep")
    return said


def _cursor(page: dict[str, Any], *, more: bool) -> str | None:
    following = page.get("next_cursor")
    if following is None and not more:
        return None
    if (
        not isinstance(following, str)
        or not 0 < len(following) <= CURSOR_MAX
        or not all("!" <= sign <= "~" for sign in following)
    ):
        raise Temporary("F-13: next_cursor is not one")
    return following


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Temporary("F-03: the answer has a name twice in one object")
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _is_flat_enough(said: Any) -> bool:
    level = [said]
    for _ in range(DEPTH_MAX + 1):
        level = [
            value
            for each in level
            if isinstance(each, dict | list)
            for value in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return True
    return False
