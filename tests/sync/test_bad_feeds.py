"""Feeds that lie, loop, never end or lead elsewhere: each is refused, and the rule named.

Each is a small server of its own on this machine, asked by the engine as in production.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import resource
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from connectors import http
from connectors.maskinporten import simulator as maskinporten
from connectors.maskinporten.simulator import CLIENT_ID, CLIENT_KEY
from connectors.minside import page
from connectors.world.persons import by_slug
from inbox.citizens.identity import identify
from inbox.citizens.models import Citizen
from inbox.letters.models import Delivery, Letter
from inbox.sync import engine, health
from inbox.sync.models import Mailbox, Quarantined, Source
from tests.make import make_citizen, make_mailbox

pytestmark = pytest.mark.django_db

NUMBER = by_slug("kari").national_id
MASKINPORTEN = "http://127.0.0.1:8010/maskinporten"
ORG = "958935420"
AT = "2026-11-20T08:00:00Z"
BYTES = b"%PDF-1.7 made up"
PIECE = b"x" * 65536
MEMORY_MAX = 200_000_000
"""Bytes by which the process may grow; an answer without end is cut off long before."""


def letter(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"a-{number}",
        "type": "letter",
        "title": "Et brev",
        "security_level": 3,
        "sent_at": AT,
        "sender": {"name": "Bygda kommune", "org_number": ORG},
    } | changes


def document(**changes: Any) -> dict[str, Any]:
    said = {
        "id": "d-1",
        "name": "brev.pdf",
        "media_type": "application/pdf",
        "size": len(BYTES),
        "sha256": hashlib.sha256(BYTES).hexdigest(),
    }
    return said | changes


def said(*items: Any, cursor: str = "1", more: bool = False) -> bytes:
    return json.dumps({"items": items, "next_cursor": cursor, "more": more}).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers as the server's `feed` says: (status, headers, body or pieces of it)."""

    def do_GET(self) -> None:
        status, headers, body = self.server.answer(self.path)  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if isinstance(body, bytes):
            self.send_header("Content-Length", str(len(body)))
            body = [body]
        self.end_headers()
        try:
            for piece in body:
                self.wfile.write(piece)
                self.server.sent += len(piece)  # type: ignore[attr-defined]
        except OSError:
            pass  # cut off, as it should be

    def log_message(self, *_: Any) -> None:
        pass


class Feed:
    """A feed on this machine, added as an agency, and a citizen's mailbox there."""

    def __init__(self, slug: str, citizen: Citizen, keys: Path) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.sent = 0  # type: ignore[attr-defined]
        Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()
        source = Source.objects.create(
            slug=slug,
            label=slug.title(),
            connector="minside",
            settings={
                "base_url": f"http://127.0.0.1:{self.server.server_port}",
                "org_number": ORG,
                "maskinporten_url": MASKINPORTEN,
                "client_id": CLIENT_ID,
                "private_key_file": str(keys / CLIENT_KEY),
            },
        )
        self.mailbox = make_mailbox(citizen, source.slug)

    def serve(self, page: Any, content: Any = BYTES) -> None:
        """Answer with these: bytes, (status, headers, body), or a function of the path."""

        def answer(path: str) -> Any:
            chosen = content if path.startswith("/documents/") else page
            if callable(chosen):
                chosen = chosen(path)
            if isinstance(chosen, tuple):
                return chosen
            return 200, {"Content-Type": "application/json"}, chosen

        self.server.answer = answer  # type: ignore[attr-defined]

    def sync(self) -> Mailbox:
        engine.sync_mailbox(self.mailbox.citizen_id, self.mailbox.id)
        self.mailbox.refresh_from_db()
        return self.mailbox


@pytest.fixture(scope="module")
def tokens(tmp_path_factory, _keys) -> Any:
    """A Maskinporten, reached in-process."""
    return maskinporten.make(tmp_path_factory.mktemp("maskinporten"), _keys).app


@pytest.fixture
def feeds(tokens, _keys, monkeypatch, settings, tmp_path, frozen_clock) -> Iterator[list[Feed]]:
    """Two agencies on this machine, of which the first is to be bad, and a citizen of both."""
    settings.ARCHIVE_DIR = tmp_path / "archive"
    inside = httpx.WSGITransport(app=DispatcherMiddleware(None, {"/maskinporten": tokens}))

    def chosen(base_url: str) -> httpx.BaseTransport | None:
        return inside if base_url == MASKINPORTEN else None

    monkeypatch.setattr(http, "transport_for", chosen)
    citizen = make_citizen()
    identify(citizen, "national_id", NUMBER)
    made = [Feed(slug, citizen, _keys) for slug in ("bad", "good")]
    yield made
    for each in made:
        each.server.shutdown()
        each.server.server_close()


@pytest.fixture
def feed(feeds) -> Iterator[Feed]:
    """The bad one; whatever it has done, the good one goes on after it."""
    bad, good = feeds
    yield bad
    good.serve(said(letter(99, title="Fra den andre")))
    assert (good.sync().failure, good.mailbox.cursor) == ("", "1")
    assert Letter.objects.filter(title="Fra den andre").exists()


def endless() -> Iterator[bytes]:
    """Ten gigabytes, were anybody to read on."""
    for _ in range(10 * 2**30 // len(PIECE)):
        yield PIECE


def in_turn(answer: Callable[[int], bytes]) -> Callable[[str], bytes]:
    """Answer the first call with answer(1), the second with answer(2), …"""
    calls = iter(range(1, 10**9))
    return lambda _: answer(next(calls))


def to(address: str) -> tuple[int, dict[str, str], bytes]:
    return 302, {"Location": address}, b""


PLAIN = {"Content-Type": "application/json"}
DEEP = b'{"items": [' + b"[" * 30 + b"]" * 30 + b'], "next_cursor": "1", "more": false}'
FEEDS: dict[str, tuple[str, Any]] = {
    "leads to another host": ("F-01", to("https://evil.example/feed")),
    "leads to this machine": ("F-01", to("http://127.0.0.1:8010/control/api/persons")),
    "leads to itself for ever": ("F-01", to("/feed")),
    "is a web page": ("F-03", (200, {"Content-Type": "text/html"}, b"<!doctype html>")),
    "calls JSON text": ("F-03", (200, {"Content-Type": "text/plain"}, said())),
    "says no type": ("F-03", (200, {}, said())),
    "is no JSON": ("F-03", b"{{{"),
    "is no UTF-8": ("F-03", b'{"items": ["\xff"], "next_cursor": "1", "more": false}'),
    "is nested 30 deep": ("F-03", DEEP),
    "is nested 100,000 deep": ("F-03", b"[" * 100_000),
    "says a name twice": ("F-03", b'{"items": [], "items": [], "more": false}'),
    "says a name twice further in": (
        "F-03",
        said(letter()).replace(b'"type": "letter"', b'"id": "b-1", "type": "letter"'),
    ),
    "has a number that is none": ("F-03", b'{"items": [NaN], "more": false, "next_cursor": "1"}'),
    "has ten gigabytes": ("F-05", (200, PLAIN, endless())),
    "has ten gigabytes and says so": (
        "F-05",
        (200, PLAIN | {"Content-Length": str(10 * 2**30)}, endless()),
    ),
    "swells when it is unpacked": (
        "F-05",
        (200, PLAIN | {"Content-Encoding": "gzip"}, gzip.compress(b" " * 300_000_000, 1)),
    ),
    "is no page": ("F-10", b"[]"),
    "has no items": ("F-10", b'{"items": null, "more": false, "next_cursor": "1"}'),
    "does not say if there are more": ("F-10", b'{"items": [], "next_cursor": "1"}'),
    "has more than a page": ("F-11", said(*(letter(number) for number in range(101)))),
    "goes on nowhere": ("F-13", b'{"items": [1], "more": true}'),
    "has a cursor of 2001 characters": ("F-13", said(cursor="x" * 2001)),
    "has a cursor with a line's end": ("F-13", said(cursor="a\r\nX-Evil: 1")),
    "has a cursor that is a number": ("F-13", b'{"items": [], "more": true, "next_cursor": 7}'),
    "goes round at once": ("F-15", said(letter(), cursor="1", more=True)),
    "goes round": (
        "F-15",
        in_turn(lambda call: said(letter(call), cursor="ABC"[call % 3], more=True)),
    ),
    "goes on with nothing": ("F-16", in_turn(lambda call: said(cursor=str(call), more=True))),
    "goes on with the same": (
        "F-16",
        in_turn(lambda call: said(letter(), cursor=str(call), more=True)),
    ),
    "goes on for ever with something new": (
        "F-17",
        in_turn(lambda call: said(letter(call), cursor=str(call), more=True)),
    ),
}


@pytest.mark.parametrize("name", FEEDS)
def test_a_bad_feed_is_refused_by_its_rule_and_the_others_go_on(feed, monkeypatch, name):
    rule, answer = FEEDS[name]
    monkeypatch.setattr(page, "PAGES_MAX", 8)  # a thousand pages take as long as that
    feed.serve(answer)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    row = feed.sync()
    assert row.failure == "temporary" and row.failure_detail.startswith(f"{rule}: ")
    [failing] = health.failing()
    assert failing.source == "Bad" and failing.detail.startswith(f"{rule}: ")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    assert grown < MEMORY_MAX and feed.server.sent < 64_000_000


ANOTHERS = {"name": "NAV", "org_number": "889640782"}
ENTRIES: dict[str, tuple[str, dict[str, Any]]] = {
    "in another agency's name": ("F-22", letter(sender=ANOTHERS)),
    "without a level": ("F-23", letter(security_level=None)),
    "with NUL in its title": ("F-26", letter(title="a\0b")),
    "with NUL far in": ("F-26", letter(future={"x": [["\0"]]})),
    "with NUL in its id": ("F-26", letter(id="a\0")),
    "with half a character": ("F-26", letter(title="\ud800")),
    "with a document without a name": ("F-20", letter(documents=[document(name="")])),
    "with a document of 10 GB": ("F-31", letter(documents=[document(size=10 * 2**30)])),
    "that happens to nothing": ("F-43", {"event": "deleted", "id": "x", "at": AT}),
    "of an unknown event": ("F-20", {"event": "burnt", "id": "x", "at": AT}),
    "of an event without its time": ("F-20", {"event": "withdrawn", "id": "x"}),
    "without an id": ("F-21", letter(id="")),
    "with a time in no zone": ("F-24", letter(due_at="2026-12-01T00:00:00")),
    "with a link to a script": ("F-27", letter(link={"url": "javascript:alert(1)"})),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_bad_entry_is_set_aside_by_its_rule_and_the_next_one_arrives(feed, name):
    rule, entry = ENTRIES[name]
    feed.serve(said(entry, letter(2)))
    assert feed.sync().failure == ""
    item = Quarantined.objects.get()
    assert f"{rule}: " in item.reason and NUMBER not in item.reason
    assert Letter.objects.count() == 1


LIES: dict[str, tuple[str, Any, Any]] = {
    "another digest": ("F-32", document(sha256="0" * 64), BYTES),
    "too few bytes": ("F-31", document(size=len(BYTES) + 1), BYTES),
    "too many bytes": ("F-31", document(size=len(BYTES) - 1), BYTES),
    "ten gigabytes": ("F-31", document(), lambda _: (200, {}, endless())),
}


@pytest.mark.parametrize("name", LIES)
def test_a_document_that_is_not_as_it_was_said_is_set_aside_by_its_rule(feed, name):
    rule, listed, content = LIES[name]
    feed.serve(said(letter(documents=[listed]), letter(2)), content)
    assert feed.sync().failure == ""
    assert f"{rule}: " in Quarantined.objects.get().reason
    assert [each.external_id for each in Delivery.objects.all()] == ["a-2"]
    assert feed.server.sent < 64_000_000


def test_a_document_that_leads_elsewhere_is_not_followed(feed):
    feed.serve(
        said(letter(documents=[document()])), to("http://127.0.0.1:8010/control/api/persons")
    )
    row = feed.sync()
    assert row.failure_detail.startswith("F-01: ") and not Letter.objects.exists()


def test_a_feed_that_is_mended_is_read_from_where_it_was(feed):
    feed.serve(said(letter(1), cursor="1"))
    assert feed.sync().cursor == "1"
    feed.serve(b"{{{")
    assert feed.sync().cursor == "1"
    feed.serve(said(letter(2), cursor="2"))
    assert (feed.sync().failure, Letter.objects.count()) == ("", 2)
