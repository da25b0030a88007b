"""The places of the navigation, in their order: beside a page, and in the menu of a narrow one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from django.http import HttpRequest
from django.utils.translation import gettext, override

from inbox.web.filters import Filter
from inbox.web.paths import address_of


@dataclass(frozen=True, slots=True)
class Place:
    """A place that she can go to."""

    key: str
    name: str
    symbol: str
    """One of `web/icons/`."""
    address: str
    count: str = ""
    """The id of the element that shows how many letters, which new letters bring up to date."""
    in_row: bool = True
    """Stands in the row above narrow pages too, not in their menu alone."""


ROUTES = {
    "archive": "filed",
    "bin": "bin",
    "deadlines": "deadlines",
    "search": "search",
    "cases": "cases",
    "case": "cases",
    "life_events": "life_events",
    "sent": "sent",
    "papers": "papers",
    "own_paper_add": "papers",
    "folders": "folders",
    "sources": "sources",
    "sharing": "sharing",
    "acting": "others",
}
"""The place that each page stands for, by the name of its route; the inbox has several."""


@cache
def places(language: str, *, is_herself: bool) -> tuple[Place, ...]:
    """Return the places of the inbox; who acts for somebody else has no bin to look into."""
    inbox = address_of("inbox")
    with override(language):
        everything = (
            Place("inbox", gettext("Inbox"), "Inbox", inbox, "all"),
            Place(
                "action",
                gettext("Needs action"),
                "ExclamationmarkTriangle",
                f"{inbox}?show=action",
                "action",
            ),
            Place("deadlines", gettext("Deadlines"), "Clock", address_of("deadlines")),
            Place("search", gettext("Search"), "MagnifyingGlass", address_of("search")),
            Place("cases", gettext("Cases"), "Tasklist", address_of("cases")),
            Place("sent", gettext("Sent"), "Paperplane", address_of("sent")),
            Place("papers", gettext("My papers"), "ShieldCheckmark", address_of("papers")),
            Place("filed", gettext("Archive"), "Archive", address_of("archive"), "filed"),
            Place("bin", gettext("Bin"), "Trash", address_of("bin"), in_row=False),
        )
    return everything if is_herself else tuple(each for each in everything if each.key != "bin")


def separate_places(asked: Filter) -> tuple[Place, ...]:
    """Return the places of one source's inbox, in the view that keeps each apart."""
    return (
        Place("inbox", gettext("Inbox"), "Inbox", asked.cleared().address()),
        Place(
            "action",
            gettext("Needs action"),
            "ExclamationmarkTriangle",
            asked.cleared().address(show="action"),
        ),
        Place(
            "deadlines", gettext("With deadline"), "Clock", asked.cleared().address(show="deadline")
        ),
    )


def place_of(request: HttpRequest, asked: Filter | None) -> str:
    """Return the key of the place that a page shows; "" when it is none of them."""
    route = request.resolver_match.url_name if request.resolver_match else None
    if route != "inbox":
        return ROUTES.get(route or "", "")
    if not asked or asked.folder or asked.case or (asked.source and not asked.is_separate):
        return ""
    if asked.show == "deadline" and asked.is_separate:
        return "deadlines"
    return "action" if asked.show == "action" else "inbox"
