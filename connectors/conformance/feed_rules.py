"""Rules of the min side feed that can be seen from outside: `docs/minside-feed.md`, by their codes.

Those of entries and documents stand here, F-20 to F-43; those of pages in `feed_pages.py`. Nothing
is written: what an agency does with receipts, answers and pings is not tried.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from jsonschema.exceptions import ValidationError

from connectors.conformance.feed import Feed, is_letter, objects
from connectors.conformance.feed_pages import RULES as PAGES
from connectors.conformance.feed_pages import problem_of, rule, time_of, validator
from connectors.conformance.outcome import Broken, LeftOut, Rule, must
from connectors.conformance.shown import sensitive_words
from connectors.fields import WrongField, https_url
from connectors.minside.entries import RULE_OF_ENTRIES, read_entries
from connectors.minside.mapping import LABEL_MAX, Agency

TIMES = ("sent_at", "due_at", "visible_from", "opened_at", "handled_at", "deleted_at_source", "at")
EVENTS = {"withdrawn": "F-40", "deleted": "F-41", "handled": "F-42"}

RULES: list[Rule[Feed]] = PAGES


def _first(found: Iterator[str] | list[str], of: str = "") -> None:
    """Raise Broken with the first of the complaints, and how many more there are."""
    said = list(found)
    if said:
        more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
        raise Broken(f"{of}{said[0]}{more}")


@rule(
    "F-20",
    "Each entry is as the OpenAPI file says",
    "Compare it with the schemas Letter, Withdrawn, Deleted and Handled of openapi.json.",
)
def by_schema(feed: Feed) -> None:
    """Each letter; fields with a rule of their own are left to it, and so are events.

    What the schema lets through and the connector sets aside is told as the connector does.
    """
    _first(_schema_errors(feed))
    _first(_set_aside(feed, RULE_OF_ENTRIES))


OF_OTHER_RULES = {"id", "sender", "security_level", "public_title", "url", *TIMES}


def _schema_errors(feed: Feed) -> Iterator[str]:
    for page in feed.pages:
        for entry in page.items:
            if isinstance(entry, dict) and not is_letter(entry):
                event = entry["event"]
                if not isinstance(event, str) or event not in EVENTS:
                    yield f"the event {event!r} is not known"
                continue
            for error in validator("Letter").iter_errors(entry):
                if not _fields(error) & OF_OTHER_RULES:
                    where = error.json_path.removeprefix("$")
                    yield f"{_name(entry)}{where}: {error.message[:200]}"


def _set_aside(feed: Feed, code: str) -> Iterator[str]:
    """What the connector says of letters that it sets aside by this rule."""
    for entry in filter(is_letter, feed.entries):
        for each in read_entries([entry], feed.person, Agency(feed.org_number)).unreadable:
            reason = each.reason.removeprefix("item: ")
            if reason.startswith(f"{code}: "):
                yield f"{_name(entry)}: {reason.partition(': ')[2]}"


def _fields(error: ValidationError) -> set[str]:
    """The fields of the entry that an error speaks of, and `url`, with those it comes of.

    What lies deeper (a document's id, a message's time) is no field of the entry.
    """
    path = [str(each) for each in error.absolute_path]
    names = {*path[:1], *({"url"} & set(path))}
    if error.validator == "required" and not path:
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
    """Of every entry, however deep."""
    for entry in feed.entries:
        for name in TIMES:
            said = entry.get(name)
            must(
                said is None or (isinstance(said, str) and time_of(said)),
                f"{_name(entry)}: {name} has no zone or is no time",
            )
        must(not is_letter(entry) or entry.get("sent_at"), f"{_name(entry)}: sent_at is missing")
    _first(_set_aside(feed, "F-24"))


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
            try:
                https_url({"url": url}, "url", also_below=feed.pages_url)
            except WrongField:
                raise Broken(
                    f"{_name(letter)}: the address of `{name}` is not https, or has a user"
                ) from None


@rule(
    "F-28",
    "Reply forms can be answered",
    "Give each form a code of its own, and a choice at least one choice.",
)
def forms(feed: Feed) -> None:
    """Of every letter."""
    for letter in feed.letters:
        said = objects(letter, "reply_forms")
        codes = [str(each.get("code")) for each in said]
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
        mains = [each for each in objects(letter, "documents") if each.get("main") is True]
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
            code = problem_of(f"the answer for document {name}", answer)["code"]
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
            by = each.get("by")
            good = by is None or (isinstance(by, str) and len(by) <= LABEL_MAX)
            must(good, f"{_name(each)}: `by` is not a text of at most {LABEL_MAX} characters")

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
        if is_letter(entry):
            seen.add(name)
        elif entry["event"] != "deleted":
            events += 1
            must(name in seen, f"{entry['event']} of {name} stands before the letter")
    if not events:
        raise LeftOut("nothing is said about a letter")
