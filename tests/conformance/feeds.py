"""A feed that keeps every rule, and one for each rule that breaks it and no other."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from werkzeug.wrappers import Request, Response

from connectors.conformance.feed import SCOPE, SOMEBODY
from connectors.maskinporten.simulator import CLIENT_ORG, TokenChecker

ORG = "889640782"
PDF = b"%PDF-1.7\nA letter\n%%EOF\n"


def letter(number: int, **changes: Any) -> dict[str, Any]:
    """A letter as the OpenAPI file says."""
    said = {
        "id": f"2026-{number}",
        "type": "letter",
        "title": f"Brev nummer {number}",
        "public_title": "Svar på søknad",
        "security_level": 3,
        "sent_at": f"2026-09-{number:02}T08:00:00+02:00",
        "deleted_at_source": "2029-11-20T00:00:00+01:00",
        "sender": {"name": "NAV", "org_number": ORG},
        "documents": [document(PDF, f"doc-{number}")],
    }
    return {**said, **changes}


def document(content: bytes, name: str) -> dict[str, Any]:
    """A document with its own size and digest."""
    return {
        "id": name,
        "name": "brev.pdf",
        "title": "Brevet",
        "media_type": "application/pdf",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "main": True,
    }


AT = "2026-09-10T08:00:00+02:00"
ENTRIES = [
    letter(1),
    letter(2, link={"url": "https://www.nav.no/", "label": "Send dokumentasjon"}),
    letter(
        3,
        reply_forms=[
            {"code": "yes", "kind": "choice", "choices": [{"code": "ja", "label": "Ja"}]},
            {"code": "ask", "kind": "text", "label": "Spør", "text_max": 500},
        ],
    ),
    {"event": "handled", "id": "2026-1", "at": "2026-09-10T08:00:00+02:00", "by": "Du, på nav.no"},
    {"event": "withdrawn", "id": "2026-2", "at": "2026-09-11T08:00:00+02:00"},
    {"event": "deleted", "id": "2025-7", "at": "2026-09-12T08:00:00+02:00"},
]


class Feed:
    """A whole feed for one citizen, a WSGI application; two entries a page."""

    page_size = 2

    def __init__(self, keys: Path) -> None:
        self.tokens = TokenChecker(keys)
        self.base_url = ""
        self.entries: list[Any] = copy.deepcopy(ENTRIES)
        self.asked = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self.answer(Request(environ))(environ, start_response)

    def answer(self, request: Request) -> Response:
        """What is answered to a request."""
        pid = self.citizen(request)
        if pid is None:
            return problem(401, "unauthorized")
        if request.path == "/feed":
            return self.page(pid, request.args.get("cursor"))
        return self.document(pid, unquote(request.path.removeprefix("/documents/")))

    def citizen(self, request: Request) -> str | None:
        """Whose feed it is, by the token; None where that is not good."""
        try:
            given = request.headers.get("Authorization", "")
            claims = self.tokens.claims(given, SCOPE, self.base_url)
        except PermissionError:
            return None
        ours = claims["consumer"]["ID"] == CLIENT_ORG
        return claims.get("pid") if ours else None

    def page(self, pid: str, cursor: str | None) -> Response:
        """A page of the feed."""
        if cursor is not None and not cursor.isdecimal():
            return problem(410, "cursor_expired")
        entries = self.entries if pid == SOMEBODY.national_id else []
        start = int(cursor or 0)
        end = start + self.page_size
        return self.said(entries[start:end], str(min(end, len(entries))), len(entries) > end)

    def said(self, items: list[Any], cursor: str, more: bool) -> Response:
        """The page as it is sent."""
        return as_json({"items": items, "next_cursor": cursor, "more": more})

    def document(self, pid: str, name: str) -> Response:
        """A document of hers."""
        known = [each["id"] for entry in self.entries for each in entry.get("documents", ())]
        if pid != SOMEBODY.national_id or name not in known:
            return problem(404, "not_found")
        return Response(self.bytes_of(name), content_type="application/pdf")

    def bytes_of(self, name: str) -> bytes:
        """The bytes."""
        return PDF


def as_json(said: Any, media_type: str = "application/json") -> Response:
    return Response(json.dumps(said), content_type=media_type)


def problem(status: int, code: str) -> Response:
    answer = as_json({"status": status, "code": code, "detail": "No"}, "application/problem+json")
    answer.status_code = status
    return answer


class Redirects(Feed):
    def answer(self, request: Request) -> Response:
        if request.path == "/feed" and not request.args and self.citizen(request):
            self.asked += 1
            if self.asked == 1:
                return Response(status=302, headers={"Location": "/elsewhere"})
        return super().answer(request)


class TakesAnyToken(Feed):
    """It looks at the person alone."""

    def citizen(self, request: Request) -> str | None:
        good = super().citizen(request)
        if good or not request.headers.get("Authorization", "").count("."):
            return good
        return SOMEBODY.national_id


class NamesTwice(Feed):
    def said(self, items: list[Any], cursor: str, more: bool) -> Response:
        whole = super().said(items, cursor, more).get_data(as_text=True)
        return Response('{"items": [], ' + whole[1:], content_type="application/json")


class ErrorsAsPages(Feed):
    def answer(self, request: Request) -> Response:
        answer = super().answer(request)
        if answer.status_code in (401, 404):
            return Response("<h1>Error</h1>", answer.status_code, content_type="text/html")
        return answer


class ForgetsByReading(Feed):
    def page(self, pid: str, cursor: str | None) -> Response:
        self.asked += 1
        if cursor is None and pid == SOMEBODY.national_id:
            self.entries[0]["summary"] = f"Lest {self.asked} ganger"
        return super().page(pid, cursor)


class SaysMoreInWords(Feed):
    def said(self, items: list[Any], cursor: str, more: bool) -> Response:
        return as_json({"items": items, "next_cursor": cursor, "more": more or "no"})


class PagesWithoutEnd(Feed):
    page_size = 1000

    def __init__(self, keys: Path) -> None:
        super().__init__(keys)
        self.entries[3:3] = [letter(3, id=f"2025-{number}") for number in range(120)]


class NewestFirst(Feed):
    def __init__(self, keys: Path) -> None:
        super().__init__(keys)
        self.entries = [letter(3), letter(2), letter(1)]


class SpacesInCursors(Feed):
    def page(self, pid: str, cursor: str | None) -> Response:
        return super().page(pid, cursor.strip(" ") if cursor else cursor)

    def said(self, items: list[Any], cursor: str, more: bool) -> Response:
        return super().said(items, f" {cursor}", more)


class StartsOverAtUnknownCursors(Feed):
    def page(self, pid: str, cursor: str | None) -> Response:
        known = cursor is None or cursor.isdecimal()
        return super().page(pid, cursor if known else None)


class GoesInCircles(Feed):
    def said(self, items: list[Any], cursor: str, more: bool) -> Response:
        return super().said(items, "2" if cursor == "4" else cursor, more)


class SaysTheSame(Feed):
    def page(self, pid: str, cursor: str | None) -> Response:
        if cursor == "again":
            return super().page(pid, "0")
        if cursor is None and pid == SOMEBODY.national_id:
            return self.said(self.entries[:2], "again", True)
        return super().page(pid, cursor)


class KnowsNobodyElse(Feed):
    def page(self, pid: str, cursor: str | None) -> Response:
        if pid != SOMEBODY.national_id:
            return problem(404, "not_found")
        return super().page(pid, cursor)


class ShowsAnybodysDocuments(Feed):
    def document(self, pid: str, name: str) -> Response:
        return super().document(SOMEBODY.national_id, name)


class ReDates(Feed):
    def bytes_of(self, name: str) -> bytes:
        self.asked += 1
        return PDF if self.asked <= 3 else PDF.swapcase()


class LosesADocument(Feed):
    def document(self, pid: str, name: str) -> Response:
        if name == "doc-2" and pid == SOMEBODY.national_id:
            return problem(500, "broken")
        return super().document(pid, name)


def with_first(**changes: Any) -> Callable[[Path], Feed]:
    """A feed whose first letter is changed so."""

    def make(keys: Path) -> Feed:
        feed = Feed(keys)
        feed.entries[0] = letter(1, **changes)
        return feed

    return make


def with_entry(number: int, entry: dict[str, Any]) -> Callable[[Path], Feed]:
    """A feed with this entry instead of the one at that place."""

    def make(keys: Path) -> Feed:
        feed = Feed(keys)
        feed.entries[number] = entry
        return feed

    return make


BROKEN: dict[str, Callable[[Path], Feed]] = {
    "F-01": Redirects,
    "F-02": TakesAnyToken,
    "F-03": NamesTwice,
    "F-04": ErrorsAsPages,
    "F-07": ForgetsByReading,
    "F-10": SaysMoreInWords,
    "F-11": PagesWithoutEnd,
    "F-12": NewestFirst,
    "F-13": SpacesInCursors,
    "F-14": StartsOverAtUnknownCursors,
    "F-15": GoesInCircles,
    "F-16": SaysTheSame,
    "F-19": KnowsNobodyElse,
    "F-20": with_first(title=7),
    "F-21": with_entry(5, {"event": "deleted", "id": "17849200399", "at": AT}),
    "F-22": with_first(sender={"name": "Another", "org_number": "974761076"}),
    "F-23": with_first(security_level=2),
    "F-24": with_first(due_at="2026-12-01"),
    "F-25": with_first(public_title="Svar om barnevern"),
    "F-26": with_first(summary="Hei\0"),
    "F-27": with_first(link={"url": "http://www.nav.no/", "label": "Svar på brevet"}),
    "F-28": with_first(reply_forms=[{"code": "a", "kind": "closed", "reason": "Nei"}] * 2),
    "F-29": with_first(deleted_at_source=None),
    "F-30": ShowsAnybodysDocuments,
    "F-31": with_first(documents=[document(PDF, "doc-1") | {"size": len(PDF) + 1}]),
    "F-32": with_first(documents=[document(PDF, "doc-1") | {"sha256": "0" * 64}]),
    "F-33": ReDates,
    "F-34": LosesADocument,
    "F-40": with_entry(4, {"event": "withdrawn", "id": "2026-2", "at": AT, "title": "Nytt"}),
    "F-41": with_entry(5, {"event": "deleted", "id": "2025-7"}),
    "F-42": with_entry(3, {"event": "handled", "id": "2026-1"}),
    "F-43": with_entry(4, {"event": "withdrawn", "id": "2026-99", "at": AT}),
}
