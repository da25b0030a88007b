"""How long she stays logged in, in words: what every page says of it, and the warning.

WCAG 2.2 SC 2.2.1: who is about to run out of time is told, and goes on by one simple action.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from django.http import HttpRequest
from django.utils.translation import gettext, ngettext

from inbox.citizens.viewer import Viewer
from inbox.web.dates import Calendar
from inbox.web.sessions import ends_of

WARNED_BEFORE_SECONDS = 5 * 60


@dataclass(frozen=True, slots=True)
class Lasting:
    """What a page says of the session."""

    left: int
    """Seconds until it ends if nothing is done, in whole minutes: the same page reads the same."""
    says: str
    """When that is."""
    warning: str = ""
    """Said when it is soon, else ""."""
    can_go_on: bool = True
    """Use makes it last longer; at its limit only a new log-in does."""


def lasting(request: HttpRequest, viewer: Viewer | None, language: str) -> Lasting | None:
    """Return how long the session of `viewer` lasts; None: nobody is logged in."""
    if viewer is None:
        return None
    idle, limit = ends_of(request)
    now = time.time()
    left, can_go_on = max(0, int(min(idle, limit) - now)), idle < limit
    calendar = Calendar(datetime.fromtimestamp(now, UTC), language)
    at_limit = calendar.time_of_day(datetime.fromtimestamp(limit, UTC))
    if can_go_on:
        says = gettext(
            "You are logged out at {time} if you open no page and save nothing before then,"
            " and at {limit} in any case."
        ).format(time=calendar.time_of_day(datetime.fromtimestamp(idle, UTC)), limit=at_limit)
    else:
        says = gettext("You are logged out at {limit}.").format(limit=at_limit)
    if left > WARNED_BEFORE_SECONDS:
        return Lasting(left // 60 * 60, says, can_go_on=can_go_on)
    minutes = max(1, ceil(left / 60))
    warning = ngettext(
        "You are logged out in {n} minute", "You are logged out in {n} minutes", minutes
    ).format(n=minutes)
    return Lasting(left // 60 * 60, says, warning, can_go_on)
