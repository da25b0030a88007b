"""Connectors that break one rule each, in ways that real ones do."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any, ClassVar

from connectors.conformance.bench import Tried
from connectors.contract import (
    Account,
    Batch,
    IncomingLetter,
    Misconfigured,
    OutgoingReceipt,
    RateLimited,
    RawPart,
    SenderRef,
    Temporary,
)
from connectors.example import simulator as example_simulator
from connectors.example.connector import Connector as Example
from connectors.minside import simulator as minside_simulator
from connectors.minside.connector import Connector as Minside
from connectors.world.model import STUDY_DATE
from connectors.world.persons import PERSONS

Fetched = Iterator[Batch]
MANY = 100


def changed(batches: Fetched, **values: Any) -> Fetched:
    """The batches with these fields of each letter changed."""
    for batch in batches:
        yield replace(batch, letters=[replace(each, **values) for each in batch.letters])


class OfAnotherVersion(Example):
    contract = 2


class NeedsNothing(Example):
    required_settings = ()


class ChecksTooMuch(Example):
    def check(self) -> None:
        raise Temporary("the tea is not ready")


class MakesUpALetter(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        assert account is not None
        found = list(super().fetch(account, cursor))
        if not found and cursor is None:
            sender, raw = SenderRef("Example agency"), [RawPart("letter.json", b"{}")]
            welcome = IncomingLetter("0", account.recipient, sender, "Hei", STUDY_DATE, raw=raw)
            found = [Batch([welcome], cursor="0")]
        yield from found


class ListsTheLastPageTwice(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        seen = 0
        for batch in super().fetch(account, cursor):
            seen += len(batch.letters)
            yield batch
        if seen > MANY and cursor is None:
            yield batch


class WaitsForAll(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        found = list(super().fetch(account, cursor))
        if found:
            letters = [letter for batch in found for letter in batch.letters]
            unreadable = [item for batch in found for item in batch.unreadable]
            yield Batch(letters, unreadable, found[-1].cursor)


class RunsAheadOfItself(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        for number, batch in enumerate(super().fetch(account, cursor)):
            ahead = str(int(batch.cursor or 0) + 20)
            yield replace(batch, cursor=ahead) if number else batch


class EndsTooFar(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        for batch in super().fetch(account, cursor):
            is_last = len(batch.letters) + len(batch.unreadable) < 20
            yield replace(batch, cursor=str(int(batch.cursor or 0) + 1)) if is_last else batch


class ListsAllWhenNothingIsNew(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        found = list(super().fetch(account, cursor))
        yield from found or super().fetch(account, None)


class AsksForAnother(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        yield from super().fetch(account, cursor)
        yield from super().fetch(Account(PERSONS[1].national_id), cursor)


class Swallows(Example):
    """Takes one kind of failure for "no letters"."""

    said = ""
    between_pages = False

    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        came = 0
        try:
            for batch in super().fetch(account, cursor):
                yield batch
                came += 1
        except Temporary as error:
            if self.said not in str(error) or bool(came) != self.between_pages:
                raise


class SwallowsOutage(Swallows):
    said = "answered 503"


class SwallowsHalfAnAnswer(Swallows):
    said = "RemoteProtocolError"


class SwallowsAWebPage(Swallows):
    said = "a web page"


class SwallowsGarbage(Swallows):
    said = "not JSON"


class SwallowsBetweenPages(Swallows):
    between_pages = True


class TriesAgainWithoutAKey(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        try:
            yield from super().fetch(account, cursor)
        except Misconfigured as error:
            raise Temporary(str(error)) from None


class WaitsAsItLikes(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        try:
            yield from super().fetch(account, cursor)
        except RateLimited as error:
            raise RateLimited(str(error), retry_after=1.0) from None


class WaitsForEver(Example):
    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._http._client.timeout = 60.0


class FollowsAnybody(Example):
    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._http._client.follow_redirects = True


class DropsWhatItCannotRead(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        for batch in super().fetch(account, cursor):
            yield replace(batch, unreadable=[])


class KeepsNothingOfTheUnreadable(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        for batch in super().fetch(account, cursor):
            yield replace(batch, unreadable=[replace(each, raw=[]) for each in batch.unreadable])


class KeepsNothing(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        yield from changed(super().fetch(account, cursor), raw=[])


class RereadsAnother(Minside):
    def reread(self, account: Account | None, external_id: str, raw: Sequence[RawPart]) -> Batch:
        return next(changed(iter([super().reread(account, external_id, raw)]), title="Et annet"))


class OfLevelTwo(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        yield from changed(super().fetch(account, cursor), security_level=2)


class InLocalTime(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        local = timezone(timedelta(hours=2))
        for batch in super().fetch(account, cursor):
            moved = [replace(x, sent_at=x.sent_at.astimezone(local)) for x in batch.letters]
            yield replace(batch, letters=moved)


class MakesUpASummary(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        yield from changed(super().fetch(account, cursor), summary=str(uuid.uuid4()))


class ReadsByFetching(Example):
    """Its source counts a list as reading."""

    read: ClassVar[set[str]] = set()

    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        for batch in super().fetch(account, cursor):
            names = {each.external_id for each in batch.letters}
            opened = STUDY_DATE if names & self.read else None
            self.read.update(names)
            yield from changed(iter([batch]), opened_at=opened)


class BringsOtherBytes(Minside):
    def download(self, account: Account | None, ref: str) -> Iterator[bytes]:
        yield b"".join(super().download(account, ref)).swapcase()


class SendsOnlyOnce(Minside):
    def send_receipt(self, account: Account | None, receipt: OutgoingReceipt) -> None:
        sent = self.__dict__.setdefault("sent", set())
        if receipt.idempotency_key in sent:
            raise Temporary("a conflict (409)")
        sent.add(receipt.idempotency_key)
        super().send_receipt(account, receipt)


class NamesHerInTheAddress(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        assert account is not None
        self._http.request("GET", f"persons/{account.national_id}", accept=[404])
        yield from super().fetch(account, cursor)


class NamesHerInTheLetter(Example):
    def fetch(self, account: Account | None, cursor: str | None) -> Fetched:
        assert account is not None
        yield from changed(super().fetch(account, cursor), case_reference=account.national_id)


ON_THE_EXAMPLE: dict[str, type[Example]] = {
    "C-01": OfAnotherVersion,
    "C-03": NeedsNothing,
    "C-04": ChecksTooMuch,
    "C-05": MakesUpALetter,
    "C-06": ListsTheLastPageTwice,
    "C-07": WaitsForAll,
    "C-08": RunsAheadOfItself,
    "C-09": EndsTooFar,
    "C-10": ListsAllWhenNothingIsNew,
    "C-11": AsksForAnother,
    "C-12": SwallowsOutage,
    "C-13": SwallowsHalfAnAnswer,
    "C-14": SwallowsAWebPage,
    "C-15": SwallowsGarbage,
    "C-16": TriesAgainWithoutAKey,
    "C-17": WaitsAsItLikes,
    "C-18": SwallowsBetweenPages,
    "C-19": WaitsForEver,
    "C-20": FollowsAnybody,
    "C-21": DropsWhatItCannotRead,
    "C-22": KeepsNothingOfTheUnreadable,
    "C-23": KeepsNothing,
    "C-25": OfLevelTwo,
    "C-26": InLocalTime,
    "C-27": MakesUpASummary,
    "C-28": ReadsByFetching,
    "C-31": NamesHerInTheAddress,
    "C-32": NamesHerInTheLetter,
}
ON_MIN_SIDE: dict[str, type[Minside]] = {
    "C-24": RereadsAnother,
    "C-29": BringsOtherBytes,
    "C-30": SendsOnlyOnce,
}
README = Path(example_simulator.__file__).with_name("README.md")


def broken(keys: Path) -> dict[str, Tried]:
    """Return a connector for each rule, that breaks this one and no other."""
    found = {
        code: Tried("example", each, example_simulator, README, keys=keys)
        for code, each in ON_THE_EXAMPLE.items()
    }
    found |= {
        code: Tried("minside", each, minside_simulator, README, keys=keys)
        for code, each in ON_MIN_SIDE.items()
    }
    found["C-02"] = Tried("example", Example, None, README, keys=keys)
    found["C-33"] = Tried("example", Example, example_simulator, None, keys=keys)
    return found
