"""An agency's running feed as the kit asks it: read-only, bounded, and once.

What is asked for is `docs/minside-feed.md`; the rules are in `feed_rules.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from connectors.conformance.bench import served
from connectors.conformance.outcome import Broken, LeftOut
from connectors.contract import Misconfigured, Temporary
from connectors.http import Http
from connectors.maskinporten import simulator as maskinporten
from connectors.maskinporten.client import TokenSource
from connectors.public import Resolve
from connectors.simulation import mounted
from connectors.world.persons import PERSONS

SCOPE = "samlepost:feed.read"
PAGES_MAX = 30
"""Pages that are read: the kit looks at an agency's feed, it does not load it."""
DOCUMENTS_MAX = 10
"""Documents that are fetched …"""
DOCUMENT_BYTES_MAX = 20_000_000
"""… if they are no larger than this."""
MASKINPORTEN_PORT = 8019
"""Where the kit's own simulated Maskinporten answers."""
PERSON, OTHER_PERSON = "FEED_TEST_PERSON", "FEED_OTHER_PERSON"
"""Environment variables with the identity numbers of test persons: a command line is seen by
everybody on the machine."""
ANY_STATUS = frozenset(range(200, 600))

SOMEBODY = PERSONS[0]
"""Whose feed is read where nobody else is named; made up, with a synthetic identity number."""
STRANGER = PERSONS[-1]
"""Who has no letters at the agency."""


class Tokens(Protocol):
    """Where tokens for the feed come from."""

    def good(self, pid: str) -> str:
        """Return a token as Samlepost sends it, for this person. Raises ConnectorError."""

    def wrong(self, what: str, pid: str) -> str:
        """Return one that is not good: "expired", "scope", "audience", "consumer" or "pid".

        Raises LeftOut where such a one cannot be had.
        """


@dataclass
class OwnTokens:
    """Tokens of a simulated Maskinporten, by the kit's own key."""

    keys: Path
    base_url: str

    def good(self, pid: str) -> str:
        """Return a token as Samlepost's are."""
        return self._issue(pid=pid)

    def wrong(self, what: str, pid: str) -> str:
        """Return a token with this one thing amiss."""
        amiss: Mapping[str, Mapping[str, Any]] = {
            "expired": {"lifetime": -3600},
            "scope": {"scope": "samlepost:feed.ping"},
            "audience": {"audience": "https://another-agency.example/feed"},
            "consumer": {"consumer_org": "0192:311000999"},
            "pid": {"pid": None},
        }
        return self._issue(**{"pid": pid, **amiss[what]})

    def _issue(self, **changes: Any) -> str:
        said = {
            "client_id": maskinporten.CLIENT_ID,
            "consumer_org": maskinporten.CLIENT_ORG,
            "scope": SCOPE,
            "audience": self.base_url,
        }
        return maskinporten.issue_token(self.keys, **{**said, **changes})


@dataclass
class RealTokens:
    """Tokens of the Maskinporten that Samlepost's own settings name."""

    source: TokenSource
    base_url: str

    def good(self, pid: str) -> str:
        """Ask Maskinporten for one."""
        return self._ask(SCOPE, pid, self.base_url)

    def wrong(self, what: str, pid: str) -> str:
        """Ask for one without a person, or for another scope or audience; others cannot be had."""
        if what == "pid":
            return self._ask(SCOPE, None, self.base_url)
        if what == "scope":
            return self._ask("samlepost:feed.ping", pid, self.base_url)
        if what == "audience":
            return self._ask(SCOPE, pid, "https://another-agency.example/feed")
        raise LeftOut(f"Maskinporten makes no token that is wrong in this: {what}")

    def _ask(self, scope: str, pid: str | None, resource: str) -> str:
        return self.source.bearer(scope, pid, resource=resource).token()[0]


@contextmanager
def real_tokens(settings: Mapping[str, str], base_url: str) -> Iterator[RealTokens]:
    """Yield tokens of the Maskinporten that `settings` name, as a source's do.

    Raises Misconfigured when a setting is missing or the key cannot be read.
    """
    try:
        url, client, key = (
            settings[name] for name in ("maskinporten_url", "client_id", "private_key_file")
        )
    except (KeyError, TypeError):
        raise Misconfigured(
            "the settings need maskinporten_url, client_id and private_key_file"
        ) from None
    with closing(Http(url)) as http:
        yield RealTokens(TokenSource(http, url, client, key), base_url)


@contextmanager
def own_maskinporten(keys: Path, state: Path, port: int = 0) -> Iterator[str]:
    """Serve a simulated Maskinporten on loopback; yields its address, as the issuer is."""
    app = mounted({"maskinporten": maskinporten.make(state, keys)})
    with served(app, port) as address, _named_so(address):
        yield maskinporten.issuer()


@contextmanager
def _named_so(address: str) -> Iterator[None]:
    """The issuer's name is made of this address."""
    before = os.environ.get("SIMULATORS_PUBLIC_URL")
    os.environ["SIMULATORS_PUBLIC_URL"] = address
    try:
        yield
    finally:
        os.environ.pop("SIMULATORS_PUBLIC_URL")
        if before is not None:
            os.environ["SIMULATORS_PUBLIC_URL"] = before


@dataclass
class Page:
    """One page of the feed, as it came."""

    asked: str | None
    """The cursor that it was asked for with."""
    body: bytes
    said: dict[str, Any]

    @property
    def items(self) -> list[Any]:
        """Its entries, whatever they are."""
        items = self.said.get("items")
        return items if isinstance(items, list) else []


def is_letter(entry: Mapping[str, Any]) -> bool:
    """Say whether an entry is a letter, not what has happened to one."""
    return entry.get("event") in (None, "letter")


def objects(said: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of a list, none where it is no list: the schema's rule says that."""
    found = said.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


@dataclass
class Feed:
    """A feed at its address, and for whom it is asked."""

    base_url: str
    org_number: str
    tokens: Tokens
    person: str = field(default=SOMEBODY.national_id, repr=False)
    """Identity number of the test person."""
    stranger: str = field(default=STRANGER.national_id, repr=False)
    """Somebody else, who has no letters there."""
    retention_days: int = 0
    """The rule that the agency has agreed on; 0: none."""
    pages_url: str = ""
    """Where the agency's own pages are, if they need not be https: in the demo."""
    resolve: Resolve | None = None
    """Which addresses the feed's host may have, where others have named it."""

    @cached_property
    def http(self) -> Http:
        """Requests to the feed, and to nobody else."""
        return Http(self.base_url, resolve=self.resolve)

    @cached_property
    def token(self) -> str:
        """A good token for the test person."""
        return self.tokens.good(self.person)

    def ask(self, path: str, token: str | None = "", **kwargs: Any) -> httpx.Response:
        """GET `path` and return the answer, whatever its status is.

        `token` is "" for the test person's, None for none. Raises ConnectorError where there is
        no whole answer.
        """
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token or self.token}"
        return self.http.request("GET", path, headers=headers, accept=ANY_STATUS, **kwargs)

    def page(self, cursor: str | None = None) -> Page:
        """Read one page. Raises Broken where it is none."""
        answer = self.ask("feed", params={} if cursor is None else {"cursor": cursor})
        if answer.status_code != 200:
            raise Broken(f"GET feed answers {answer.status_code}")
        try:
            said = json.loads(answer.content)
        except (ValueError, RecursionError):
            raise Broken("GET feed answers what is not JSON") from None
        if not isinstance(said, dict):
            raise Broken("a page is no JSON object")
        return Page(cursor, answer.content, said)

    @cached_property
    def pages(self) -> list[Page]:
        """A whole round, as far as PAGES_MAX. Raises Broken where a page is none."""
        found = [self.page()]
        while found[-1].said.get("more") is True and len(found) < PAGES_MAX:
            following = found[-1].said.get("next_cursor")
            if not isinstance(following, str) or following in (each.asked for each in found):
                break
            found.append(self.page(following))
        return found

    @property
    def entries(self) -> list[dict[str, Any]]:
        """All entries of the round that are objects, in their order."""
        return [each for page in self.pages for each in page.items if isinstance(each, dict)]

    @property
    def letters(self) -> list[dict[str, Any]]:
        """Those of them that are letters. Raises LeftOut where there are none."""
        found = [each for each in self.entries if is_letter(each)]
        if not found:
            raise LeftOut("there is no letter for the test person in the feed")
        return found

    @cached_property
    def latest(self) -> dict[str, dict[str, Any]]:
        """Each letter as it is by now, by its id."""
        return {str(each.get("id")): each for each in self.letters}

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Documents of the letters as they are by now, at most DOCUMENTS_MAX, none too large."""
        found = [
            each
            for letter in self.latest.values()
            for each in objects(letter, "documents")
            if isinstance(each.get("id"), str)
        ]
        small = [
            each
            for each in found
            if isinstance(each.get("size"), int) and each["size"] <= DOCUMENT_BYTES_MAX
        ]
        if not small:
            raise LeftOut("there is no document of at most 20 MB in the feed")
        return small[:DOCUMENTS_MAX]

    @cached_property
    def fetched(self) -> dict[str, httpx.Response]:
        """The answers for `documents`, by their ids."""
        return {each["id"]: self.document(each["id"], each["size"]) for each in self.documents}

    def document(self, name: str, size: int = 0, token: str | None = "") -> httpx.Response:
        """Ask for a document; reads a little more than its size, to see whether it ends."""
        path = f"documents/{quote(name, safe='', errors='replace')}"
        try:
            return self.ask(path, token, max_bytes=max(size, 100_000) + 1)
        except Temporary as error:
            if type(error).__name__ != "TooLarge":
                raise
            raise Broken(f"the document {name} is longer than its size says") from None
