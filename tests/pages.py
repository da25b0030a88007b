"""Every page there is: the routes of the URLconf, and a walk from each page to what it links to.

Tests that hold for all pages walk them from here, so that a new page is among them at once.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote, urldefrag, urljoin, urlsplit
from uuid import uuid4

from django.test import Client
from django.urls import Resolver404, URLPattern, get_resolver, resolve, reverse
from lxml import html

ELSEWHERE = {"login_start"}
"""Routes whose answer leads out of Samlepost: a walk stops before them."""
LINKS = (
    "//a/@href | //area/@href | //iframe/@src | //object/@data | //img/@src | //@hx-get"
    " | //link[@rel='manifest']/@href | //form[not(@method) or @method='get']/@action"
)
ORIGIN = "http://samlepost.test"


def walk(patterns: list[Any]) -> Iterator[URLPattern]:
    """Yield every route under these patterns."""
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield pattern
        else:
            yield from walk(pattern.url_patterns)


ROUTES = {str(route.name): route for route in walk(get_resolver().url_patterns)}
PARAMETERS = {name: set(route.pattern.converters) for name, route in ROUTES.items()}


@dataclass(frozen=True)
class Answer:
    """What an address of ours answered."""

    address: str
    status: int
    media_type: str
    location: str
    body: bytes
    headers: str = ""

    @property
    def is_page(self) -> bool:
        """It is a whole page that a person sees, and no file that she saves."""
        head = self.body[:200].lstrip().lower()
        is_html = self.media_type == "text/html" and head.startswith(b"<!doctype html")
        return is_html and "attachment;" not in self.headers

    @property
    def text(self) -> str:
        """Its HTML."""
        return self.body.decode("utf-8")

    @cached_property
    def route(self) -> str:
        """The name of the route that answered, "" for an address that no route has."""
        return route_of(self.address)

    @cached_property
    def tree(self) -> html.HtmlElement:
        """Its HTML, parsed."""
        return html.document_fromstring(self.text)

    def links(self) -> Iterator[str]:
        """Yield each address of ours that it leads to, as path and query."""
        if self.location:
            yield from _own([self.location], self.address)
        elif self.media_type == "text/html" and self.body.strip():
            yield from _own(self.tree.xpath(LINKS), self.address)


Ask = Callable[[str], Answer]
"""Asks for one address (path and query) without following where it redirects."""


def asking(client: Client, **headers: str) -> Ask:
    """Return what asks for an address as this client of Django's."""

    def ask(address: str) -> Answer:
        got = client.get(address, headers=headers)
        body = b"".join(got) if got.streaming else got.content
        location = got.headers.get("Location", "")
        media_type = got.headers.get("Content-Type", "").partition(";")[0]
        said = "\n".join(unquote(value) for value in got.headers.values())
        return Answer(address, got.status_code, media_type, location, body, said)

    return ask


BACK = re.compile(r"(?<=[?&])back=[^&]*&?")
"""Where a letter's page leads back to: beyond that it is the same page, asked for once."""


def crawl(
    ask: Ask, starts: Iterable[str], each: int = 1, more: dict[str, int] | None = None
) -> list[Answer]:
    """Ask for `starts` and all that can be reached from there by links and forms.

    Of addresses of one kind (the same route with the same names in the query) `each` are asked
    for, or as many as `more` says for that route; starts always are.
    """
    allowed, seen, counted = more or {}, set[str](), Counter[tuple[str, ...]]()
    waiting = deque((address, True) for address in starts)
    found: list[Answer] = []
    while waiting:
        address, is_start = waiting.popleft()
        route = route_of(address)
        place = BACK.sub("", address)
        if place in seen or route in ELSEWHERE or not route:
            continue
        kind = (route, *sorted({name for name, _ in parse_qsl(urlsplit(address).query)}))
        if not is_start and counted[kind] >= allowed.get(route, each):
            continue
        seen.add(place)
        counted[kind] += 1
        answer = ask(address)
        found.append(answer)
        waiting.extend((link, False) for link in answer.links())
    return found


def route_of(address: str) -> str:
    """Return the name of the route that answers at this address, "" where none does."""
    try:
        return str(resolve(urlsplit(address).path).url_name)
    except Resolver404:
        return ""


MADE_UP: dict[str, Callable[[], Any]] = {
    "UUIDConverter": uuid4,
    "UUIDStrConverter": uuid4,
    "IntConverter": lambda: 0,
    "SlugConverter": lambda: "nothing",
    "StringConverter": lambda: "nothing",
    "OrgNumber": lambda: "999999999",
}


def made_up(name: str) -> str:
    """Return an address of this route at which there is nothing."""
    converters = ROUTES[name].pattern.converters
    values = {key: MADE_UP[type(each).__name__]() for key, each in converters.items()}
    return reverse(name, kwargs=values)


def _own(links: Iterable[str], page: str) -> Iterator[str]:
    for link in links:
        parts = urlsplit(urldefrag(urljoin(f"{ORIGIN}{page}", link.strip()))[0])
        if f"{parts.scheme}://{parts.netloc}" == ORIGIN and not parts.path.startswith("/static/"):
            yield parts._replace(scheme="", netloc="").geturl()
