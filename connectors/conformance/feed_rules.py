"""Rules of the min side feed that can be seen from outside: `docs/minside-feed.md`, by their codes.

Nothing is written: what an agency does with receipts, answers and pings is not tried.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from connectors import minside
from connectors.addresses import LOOPBACK_NAMES
from connectors.conformance.feed import PAGES_MAX, Feed, Page
from connectors.conformance.outcome import Broken, LeftOut, Rule, must
from connectors.conformance.shown import sensitive_words

ENTRIES_MAX = 100
DEPTH_MAX = 20
TIMES = ("sent_at", "due_at", "visible_from", "opened_at", "handled_at", "deleted_at_source", "at")
EVENTS = {"withdrawn": "F-40", "deleted": "F-41", "handled": "F-42"}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")

RULES: list[Rule[Feed]] = []
"""In the order in which they are tried."""


def rule(code: str, title: str, advice: str) -> Callable[[Callable[[Feed], None]], None]:
    """Add a rule."""

    def add(check: Callable[[Feed], None]) -> None:
        RULES.append(Rule(code, title, advice, check))

    return add


@cache
def _validator(schema: str) -> Draft202012Validator:
    """A validator of one schema of the published file."""
    described = json.loads((Path(minside.__path__[0]) / "openapi.json").read_text("utf-8"))
    parts = {"components": described["components"]}
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **parts})


def _first(found: Iterator[str] | list[str], of: str = "") -> None:
    """Raise Broken with the first of the complaints, and how many more there are."""
    said = list(found)
    if said:
        more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
        raise Broken(f"{of}{said[0]}{more}")


@rule(
    "F-01",
    "The feed is https, at the address given, and leads nowhere else",
    "Serve the feed itself below base_url; answer no request with a redirect.",
)
def address(feed: Feed) -> None:
    """https (http on loopback alone); no 3xx."""
    parts = urlsplit(feed.base_url)
    on_loopback = parts.hostname in LOOPBACK_NAMES
    must(parts.scheme == "https" or on_loopback, "the address is not https")
    status = feed.ask("feed").status_code
    must(not 300 <= status < 400, f"GET feed answers {status}: a redirect")
    must(status == 200, f"GET feed answers {status} to a good token")


@rule(
    "F-02",
    "Without a token that is good there is no answer",
    "Check signature, issuer, expiry, scope, audience, consumer and pid of every request's token; "
    "answer 401, or 403 where it is good but not ours or names no citizen.",
)
def tokens(feed: Feed) -> None:
    """No token, a made-up one, and one with each thing amiss are refused."""
    _refused(feed, "no token", None)
    _refused(feed, "a made-up token", "bm90IGEgdG9rZW4")
    unsigned = "eyJhbGciOiJub25lIn0." + feed.token.split(".")[1] + "."
    _refused(feed, "a token whose signature was taken off", unsigned)
    _refused(feed, "a token whose signature was changed", feed.token[:-6] + "AAAAAA")
    for what in ("expired", "scope", "audience", "consumer", "pid"):
        try:
            token = feed.tokens.wrong(what, feed.person)
        except LeftOut:
            continue
        _refused(feed, f"a token that is wrong in its {what}", token)


def _refused(feed: Feed, what: str, token: str | None) -> None:
    status = feed.ask("feed", token).status_code
    must(status in (401, 403), f"{what} is answered with {status}, not 401 or 403")


@rule(
    "F-03",
    "What is JSON says so, names everything once, and is not too deep",
    "Send Content-Type: application/json, in UTF-8, with each name once in an object.",
)
def json_is_json(feed: Feed) -> None:
    """Of the first page: media type, encoding, names, depth."""
    answer = feed.ask("feed")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    must(kind == "application/json", f"the page's media type is {kind or 'not said'}")
    try:
        text = answer.content.decode("utf-8")
    except UnicodeDecodeError:
        raise Broken("the page is not UTF-8") from None
    twice: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counted = Counter(name for name, _ in pairs)
        twice.extend(name for name, count in counted.items() if count > 1)
        return dict(pairs)

    try:
        said = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Broken("the page is not JSON") from None
    must(not twice, f"the name {twice[0] if twice else ''!r} stands twice in one object")
    must(_depth(said) <= DEPTH_MAX, f"the page is nested more than {DEPTH_MAX} deep")


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(each) for each in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(each) for each in value), default=0)
    return 0


@rule(
    "F-04",
    "An error is a problem",
    "Answer errors as application/problem+json with status, code and detail (RFC 9457).",
)
def problems(feed: Feed) -> None:
    """Of a request without a token and of a document that is not there."""
    for what, answer in (
        ("the refusal of a request without a token", feed.ask("feed", None)),
        ("the answer for a document that never was", feed.document(f"kit-{uuid.uuid4()}")),
    ):
        must(answer.status_code >= 400, f"{what} is {answer.status_code}, no error")
        _problem(what, answer)


def _problem(what: str, answer: httpx.Response) -> dict[str, Any]:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    must(kind == "application/problem+json", f"{what} has the media type {kind or 'of none'}")
    try:
        said = json.loads(answer.content)
    except ValueError:
        raise Broken(f"{what} is not JSON") from None
    for error in _validator("Problem").iter_errors(said):
        raise Broken(f"{what}: {error.json_path}: {error.message[:200]}")
    status = said["status"]
    must(status == answer.status_code, f"{what} says {status} and is {answer.status_code}")
    found: dict[str, Any] = said
    return found


@rule(
    "F-07",
    "Reading changes nothing",
    "Answer the same cursor with the same entries; what she has read you learn from receipts.",
)
def same_again(feed: Feed) -> None:
    """The first page twice."""
    first, second = feed.page(), feed.page()
    begins = second.items[: len(first.items)]
    must(begins == first.items, "the same request gave other entries the second time")


@rule(
    "F-10",
    "A page has its three parts",
    "Answer GET feed with an object of `items` (a list), `next_cursor` (text) and `more`.",
)
def three_parts(feed: Feed) -> None:
    """Of every page."""
    for page in feed.pages:
        for name, kind in (("items", list), ("next_cursor", str), ("more", bool)):
            good = isinstance(page.said.get(name), kind)
            must(good, f"`{name}` is missing, or no {kind.__name__}")


@rule("F-11", "A page has at most 100 entries", "Cut the feed in pages, and say `more`.")
def page_size(feed: Feed) -> None:
    """Of every page."""
    for page in feed.pages:
        must(len(page.items) <= ENTRIES_MAX, f"a page has {len(page.items)} entries")


@rule(
    "F-12",
    "The oldest change comes first",
    "Sort by when the entry was written, not by anything else, the newest last.",
)
def oldest_first(feed: Feed) -> None:
    """The first entry is not from after the last, where nothing stands twice."""
    said = [str(each.get("sent_at") or each.get("at")) for each in feed.entries]
    times = [datetime.fromisoformat(each) for each in said if RFC3339.fullmatch(each)]
    if len(times) < 2 or len(feed.latest) < len(feed.letters):
        raise LeftOut("there are too few entries to see an order")
    must(times[0] <= times[-1], "the newest entry stands first")


@rule(
    "F-13",
    "A cursor is 1 to 2000 visible ASCII characters",
    "Use a number, or text without spaces and letters outside ASCII.",
)
def cursor_form(feed: Feed) -> None:
    """Of every page."""
    for page in feed.pages:
        cursor = page.said.get("next_cursor")
        must(
            isinstance(cursor, str) and re.fullmatch(r"[!-~]{1,2000}", cursor),
            "next_cursor is something else",
        )


@rule(
    "F-14",
    "A cursor stays good, and one that is not known is said to be gone",
    "Answer a cursor that you did not give with 410 and the code cursor_expired.",
)
def cursor_stays(feed: Feed) -> None:
    """The last cursor brings nothing old; a made-up one is 410."""
    last = feed.pages[-1]
    if last.said.get("more") is not True:
        again = feed.page(last.said.get("next_cursor"))
        known = [json.dumps(each, sort_keys=True) for each in feed.entries]
        old = [each for each in again.items if json.dumps(each, sort_keys=True) in known]
        must(not old, f"after the last cursor {len(old)} entries come once more")
    answer = feed.ask("feed", params={"cursor": f"kit-{uuid.uuid4()}"})
    must(answer.status_code == 410, f"an unknown cursor is answered with {answer.status_code}")
    code = _problem("the answer to an unknown cursor", answer)["code"]
    must(code == "cursor_expired", f"the code of an unknown cursor is {code!r}")


@rule(
    "F-15",
    "While there is more the cursor moves on",
    "Give with `more` a next_cursor that you have not given in this round.",
)
def cursor_moves(feed: Feed) -> None:
    """Of every page but the last."""
    had = {page.asked for page in feed.pages}
    for page in feed.pages:
        if page.said.get("more") is True:
            cursor = page.said.get("next_cursor")
            is_new = cursor != page.asked and (cursor in had - {None} or page is feed.pages[-1])
            must(is_new and not _led_back(feed.pages, page), "the same cursor comes again")


def _led_back(pages: list[Page], page: Page) -> bool:
    """Whether this page's cursor has been asked for before it."""
    before = {each.asked for each in pages[: pages.index(page) + 1]}
    return page.said.get("next_cursor") in before


@rule(
    "F-16",
    "A page with more after it says something new",
    "Do not send the same page under another cursor.",
)
def page_is_new(feed: Feed) -> None:
    """No two pages of a round have the same entries, and none with `more` is empty."""
    seen: set[str] = set()
    for page in feed.pages:
        said = json.dumps(page.items, sort_keys=True)
        if page.said.get("more") is True:
            must(page.items, "a page is empty, and says that there is more")
            must(said not in seen, "a page comes a second time")
        seen.add(said)


@rule(
    "F-17",
    "A round ends",
    "Say `more` only while there are entries after these.",
)
def round_ends(feed: Feed) -> None:
    """It ends within the pages that the kit reads, or shows something new on each."""
    if feed.pages[-1].said.get("more") is True and len(feed.pages) == PAGES_MAX:
        raise LeftOut(f"the kit reads {PAGES_MAX} pages at most, and there are more")


@rule(
    "F-19",
    "A citizen who is not known has an empty feed",
    "Answer 200 with no items: that somebody has no letters is no error.",
)
def unknown_citizen(feed: Feed) -> None:
    """Another test person, without letters."""
    answer = feed.ask("feed", feed.tokens.good(feed.stranger))
    must(answer.status_code == 200, f"an unknown citizen is answered with {answer.status_code}")
    items = json.loads(answer.content).get("items")
    own = [each.get("id") for each in feed.entries]
    must(not any(each.get("id") in own for each in items or []), "another's letters are hers, too")


@rule(
    "F-20",
    "Each entry is as the OpenAPI file says",
    "Compare it with the schemas Letter, Withdrawn, Deleted and Handled of openapi.json.",
)
def by_schema(feed: Feed) -> None:
    """Each letter; fields with a rule of their own are left to it, and so are events."""
    _first(_schema_errors(feed))


OF_OTHER_RULES = {"id", "sender", "security_level", "public_title", "url", *TIMES}


def _schema_errors(feed: Feed) -> Iterator[str]:
    for page in feed.pages:
        for entry in page.items:
            event = entry.get("event") if isinstance(entry, dict) else None
            if event is not None:
                if event not in EVENTS:
                    yield f"the event {event!r} is not known"
                continue
            for error in _validator("Letter").iter_errors(entry):
                if not _fields(error) & OF_OTHER_RULES:
                    where = error.json_path.removeprefix("$")
                    yield f"{_name(entry)}{where}: {error.message[:200]}"


def _fields(error: ValidationError) -> set[str]:
    """The names of the fields that an error speaks of, with those of what it comes of."""
    names = {str(each) for each in error.absolute_path}
    if error.validator == "required":
        names.update(error.message.split("'")[1:2])
    return names.union(*(_fields(each) for each in error.context or ()))


def _name(entry: Any) -> str:
    return f"entry {entry.get('id', '?')!s}" if isinstance(entry, dict) else "an entry"


@rule(
    "F-21",
    "Each entry has an id that tells nothing",
    "Give each letter an id of 1 to 255 characters, for ever its own, without anybody's number.",
)
def identity(feed: Feed) -> None:
    """Of every entry."""
    for entry in feed.entries:
        name = entry.get("id")
        must(isinstance(name, str) and 0 < len(name) <= 255, "an id is missing, or too long")
        must(not re.search(r"\b\d{11}\b", str(name)), "an id holds eleven digits")


@rule(
    "F-22",
    "The sender is the agency itself",
    "Put your own organisation number into sender.org_number.",
)
def sender(feed: Feed) -> None:
    """Of every letter."""
    for letter in feed.letters:
        said = letter.get("sender")
        number = said.get("org_number") if isinstance(said, dict) else None
        must(number == feed.org_number, f"{_name(letter)} is of another organisation")


@rule("F-23", "The level is 3 or 4", "Give security_level 3 or 4 with every letter.")
def level(feed: Feed) -> None:
    """Of every letter."""
    for letter in feed.letters:
        said = letter.get("security_level")
        must(said in (3, 4) and not isinstance(said, bool), f"{_name(letter)} has another level")


@rule(
    "F-24",
    "Times have a zone",
    "Write times as RFC 3339 says: 2026-11-20T08:00:00+01:00.",
)
def times(feed: Feed) -> None:
    """Of every entry; those of documents and messages stand with the schema."""
    for entry in feed.entries:
        for name in TIMES:
            said = entry.get(name)
            must(
                said is None or (isinstance(said, str) and RFC3339.fullmatch(said)),
                f"{_name(entry)}: {name} has no zone or is no time",
            )
        must("event" in entry or entry.get("sent_at"), f"{_name(entry)}: sent_at is missing")


@rule(
    "F-25",
    "A public title names nothing sensitive",
    "Say it neutrally («Svar på søknad»): it is shown on locked telephones.",
)
def public_title(feed: Feed) -> None:
    """Of every letter."""
    for letter in feed.letters:
        found = sensitive_words(str(letter.get("public_title") or ""))
        must(not found, f"{_name(letter)}: the public title has «{next(iter(found), '')}»")


@rule(
    "F-26",
    "Texts can be kept",
    "Send no NUL and no half of a surrogate pair.",
)
def texts(feed: Feed) -> None:
    """Of every text, however deep."""
    for entry in feed.entries:
        for said in _texts(entry):
            broken = "\0" in said or any("\ud800" <= each <= "\udfff" for each in said)
            must(not broken, f"{_name(entry)}: a text holds NUL or half a surrogate pair")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


@rule(
    "F-27",
    "Links are https, without user or password",
    "Use https addresses on your own site.",
)
def links(feed: Feed) -> None:
    """The link and the signing address of every letter."""
    for letter in feed.letters:
        for name in ("link", "signing"):
            said = letter.get(name)
            url = said.get("url") if isinstance(said, dict) else None
            if url is None:
                continue
            parts = urlsplit(str(url))
            good = parts.scheme == "https" and parts.hostname and "@" not in parts.netloc
            must(good, f"{_name(letter)}: the address of `{name}` is not https, or has a user")


@rule(
    "F-28",
    "Reply forms can be answered",
    "Give each form a code of its own, and a choice at least one choice.",
)
def forms(feed: Feed) -> None:
    """Of every letter."""
    for letter in feed.letters:
        said = [each for each in letter.get("reply_forms") or [] if isinstance(each, dict)]
        codes = [each.get("code") for each in said]
        must(len(codes) == len(set(codes)), f"{_name(letter)}: two forms have one code")
        for each in said:
            choices = each.get("choices")
            must(each.get("kind") != "choice" or choices, f"{_name(letter)}: a choice of nothing")


@rule(
    "F-29",
    "It is said when a letter goes",
    "Give deleted_at_source, or agree on a number of days with us (--retention-days).",
)
def retention(feed: Feed) -> None:
    """Of every letter, unless a rule is agreed on."""
    if feed.retention_days:
        raise LeftOut(f"a rule is agreed on: {feed.retention_days} days")
    silent = [each for each in feed.letters if not each.get("deleted_at_source")]
    must(not silent, f"{len(silent)} letters do not say it; a year is assumed")


@rule(
    "F-30",
    "A document is the citizen's own",
    "Look the document up among the token's citizen's letters; answer 404 otherwise.",
)
def documents_of_others(feed: Feed) -> None:
    """A made-up id, and her document with another's token, are 404."""
    status = feed.document(f"kit-{uuid.uuid4()}").status_code
    must(status == 404, f"a document that never was is answered with {status}")
    name = feed.documents[0]["id"]
    status = feed.document(name, token=feed.tokens.good(feed.stranger)).status_code
    must(status == 404, f"another citizen's document is answered with {status}")
    status = feed.document(name, token=None).status_code
    must(status in (401, 403), f"without a token a document is answered with {status}")


@rule("F-31", "A document's size is exact", "Count bytes, not characters.")
def sizes(feed: Feed) -> None:
    """Of the documents that are fetched."""
    for document in feed.documents:
        answer = feed.fetched[document["id"]]
        size = len(answer.content)
        good = answer.status_code != 200 or size == document.get("size")
        must(good, f"document {document['id']}: {size} bytes, {document.get('size')} were said")


@rule("F-32", "A document's digest is exact", "sha256 of the bytes as they are sent, in hex.")
def digests(feed: Feed) -> None:
    """Of the documents that are fetched."""
    for document in feed.documents:
        answer = feed.fetched[document["id"]]
        digest = hashlib.sha256(answer.content).hexdigest()
        short = answer.status_code != 200 or len(answer.content) != document.get("size")
        said = str(document.get("sha256", "")).lower()
        must(short or digest == said, f"document {document['id']} has another digest")


@rule(
    "F-33",
    "A document's id always gives the same bytes",
    "Give new bytes a new id, and mark at most one document of a letter as `main`.",
)
def same_bytes(feed: Feed) -> None:
    """The first document twice; `main` of each letter."""
    for letter in feed.latest.values():
        mains = [each for each in letter.get("documents") or [] if each.get("main") is True]
        must(len(mains) <= 1, f"{_name(letter)} has {len(mains)} main documents")
    first = feed.documents[0]
    again = feed.document(first["id"], first["size"])
    must(again.content == feed.fetched[first["id"]].content, "the second time it is another")


@rule(
    "F-34",
    "A document in the feed is there, or gone",
    "Answer 200 with the bytes, or 410 with the code document_deleted.",
)
def there_or_gone(feed: Feed) -> None:
    """Of the documents that are fetched."""
    for name, answer in feed.fetched.items():
        must(answer.status_code in (200, 410), f"document {name}: {answer.status_code}")
        if answer.status_code == 410:
            code = _problem(f"the answer for document {name}", answer)["code"]
            must(code == "document_deleted", f"document {name}: 410 with the code {code!r}")


def _event(event: str) -> Callable[[Feed], None]:
    def check(feed: Feed) -> None:
        found = [each for each in feed.entries if each.get("event") == event]
        if not found:
            raise LeftOut(f"there is no such entry: {event}")
        for each in found:
            must(each.get("id") and each.get("at"), f"{_name(each)}: id or at is missing")
            extra = set(each) - {"event", "id", "at", "by"}
            must(not extra, f"{_name(each)}: {', '.join(sorted(extra))} has no place there")

    return check


for _name_of, _code in EVENTS.items():
    rule(
        _code,
        f"An entry of the kind {_name_of} is whole",
        "Give it `event`, `id` and `at` (and `by` of handled), and nothing else.",
    )(_event(_name_of))


@rule(
    "F-43",
    "What is said about a letter comes after it",
    "Write the entry at the end of the feed, and leave the letter before it.",
)
def after_its_letter(feed: Feed) -> None:
    """Of every event but `deleted`, whose letter may have been taken out."""
    seen: set[str] = set()
    events = 0
    for entry in feed.entries:
        name = str(entry.get("id"))
        if "event" not in entry:
            seen.add(name)
        elif entry["event"] != "deleted":
            events += 1
            must(name in seen, f"{entry['event']} of {name} stands before the letter")
    if not events:
        raise LeftOut("nothing is said about a letter")
