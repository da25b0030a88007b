"""Rules of the min side feed, F-01 to F-19: who is answered, and page by page."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from jsonschema import Draft202012Validator

from connectors import minside
from connectors.addresses import LOOPBACK_NAMES
from connectors.conformance.feed import Feed, Page
from connectors.conformance.outcome import Broken, LeftOut, Rule, must

ENTRIES_MAX = 100
DEPTH_MAX = 20
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")

RULES: list[Rule[Feed]] = []
"""In the order in which they are tried."""


def rule(code: str, title: str, advice: str) -> Callable[[Callable[[Feed], None]], None]:
    """Add a rule."""

    def add(check: Callable[[Feed], None]) -> None:
        RULES.append(Rule(code, title, advice, check))

    return add


@cache
def validator(schema: str) -> Draft202012Validator:
    """Return a validator of one schema of the published file."""
    described = json.loads((Path(minside.__path__[0]) / "openapi.json").read_text("utf-8"))
    parts = {"components": described["components"]}
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **parts})


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
        problem_of(what, answer)


def problem_of(what: str, answer: httpx.Response) -> dict[str, Any]:
    """Return the problem that an answer is. Raises Broken where it is none."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    must(kind == "application/problem+json", f"{what} has the media type {kind or 'of none'}")
    try:
        said = json.loads(answer.content)
    except ValueError:
        raise Broken(f"{what} is not JSON") from None
    for error in validator("Problem").iter_errors(said):
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
    """They do not all stand the other way round; one that has changed may stand last."""
    said = [str(each.get("sent_at") or each.get("at")) for each in feed.entries]
    times = [at for each in said if (at := time_of(each))]
    if len(times) < 3 or len(feed.latest) < len(feed.letters):
        raise LeftOut("there are too few entries to see an order")
    backwards = sorted(times, reverse=True)
    must(times != backwards or times[0] == times[-1], "the newest entry stands first")


def time_of(said: str) -> datetime | None:
    """Return the time that a text is by RFC 3339; None where it is none."""
    try:
        return datetime.fromisoformat(said) if RFC3339.fullmatch(said) else None
    except ValueError:
        return None


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
    code = problem_of("the answer to an unknown cursor", answer)["code"]
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
