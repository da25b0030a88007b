"""Where a run of the list is: the cursor, what it asks for, and how an answer moves it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors import clock
from connectors.contract import CursorExpired, Temporary
from connectors.fields import WrongField, moment, optional_moment, rows, table

PAGE_SIZE = 100
OVERLAP = timedelta(minutes=1)
"""Asked for again each time: a dialog may be committed after one with a later time."""
AHEAD_MAX = timedelta(days=1)
"""A time further ahead than this is an error in the item; the cursor does not follow it."""


@dataclass(frozen=True, slots=True)
class Position:
    """The cursor. At rest only `since` is set: the newest `updatedAt` taken in.

    The list comes newest first, so `since` must not move before the last page is safe. While a
    run is under way `token` is where it goes on, and `target` what `since` becomes at its end.
    """

    since: str = ""
    target: str = ""
    token: str = ""
    window: str = ""
    """Where the round of all letters goes on, of which a run reads a page; empty: anew."""
    looked_at: float = 0.0
    """When it last did so: seconds of the real time."""

    def dump(self) -> str:
        """Return the cursor as it is saved."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def load(cls, cursor: str | None) -> Position:
        """Read a saved cursor. Raises CursorExpired when it is not one of ours."""
        if cursor is None:
            return cls()
        try:
            said = table(json.loads(cursor), "the cursor")
            for name in ("since", "target"):
                optional_moment(said, name)
            return cls(
                since=str(said["since"]),
                target=str(said["target"]),
                token=str(said["token"]),
                window=str(said.get("window", "")),
                looked_at=float(said.get("looked_at", 0)),
            )
        except (ValueError, TypeError, KeyError):
            raise CursorExpired("the cursor cannot be read") from None

    def wishes(self) -> dict[str, Any]:
        """Return what to ask of the list here, as SearchDialogInput without the party."""
        found = newest_by("updatedAt")
        if self.since:
            since = datetime.fromisoformat(self.since) - OVERLAP
            found["updatedAfter"] = since.astimezone(UTC).isoformat()
        if self.token:
            found["continuationToken"] = self.token
        return found

    def after(self, page: Mapping[str, Any], items: list[Any]) -> Position:
        """Return the position after a page; a time that cannot be read moves nothing.

        Raises Temporary where the page goes on and does not say where.
        """
        newest = self.target or self.since
        times = [datetime.fromisoformat(newest)] if newest else []
        latest = clock.now() + AHEAD_MAX
        for item in items:
            try:
                updated = moment(table(item, "the item"), "updatedAt")
            except WrongField:
                continue
            if updated <= latest:
                times.append(updated)
        target = max(times).isoformat() if times else ""
        if not page["hasNextPage"]:
            return replace(self, since=target, target="", token="")
        token = page.get("continuationToken")
        if not isinstance(token, str) or not token or token == self.token:
            raise Temporary("the list says that it goes on but not where")
        return replace(self, target=target, token=token)


def newest_by(order: str) -> dict[str, Any]:
    """Return what every list is asked for, newest first by this field."""
    # What is meant for the computers of businesses alone has no text to show.
    return {"limit": PAGE_SIZE, "excludeApiOnly": True, "orderBy": [{order: "DESC"}]}


def items_of(page: Mapping[str, Any]) -> list[Any]:
    """Return the items of a list answer. Raises Temporary when it is not one."""
    if not isinstance(page.get("hasNextPage"), bool):
        raise Temporary("the list lacks hasNextPage")
    try:
        return rows(page, "items")
    except WrongField as error:
        raise Temporary(f"the list cannot be read: {error}") from None
