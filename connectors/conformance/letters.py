"""Rules of a connector: what it makes of a letter, and what it says of it to others."""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import fields, replace
from datetime import datetime, timedelta

from connectors.conformance.bench import Bench, Tried, ids, letters_in, unreadable_in
from connectors.conformance.fetching import RULES as FETCHING
from connectors.conformance.fetching import rule
from connectors.conformance.outcome import Broken, LeftOut, Rule, must
from connectors.contract import (
    LEVEL_HIGH,
    LEVEL_SUBSTANTIAL,
    Connector,
    IncomingDocument,
    IncomingLetter,
    OutgoingReceipt,
    ReceiptKind,
)

NAME_MAX = 255
"""Characters of an `external_id`."""
REQUIRED = ("external_id", "recipient", "sender", "title", "sent_at")
"""The fields without which there is no letter (contract.IncomingLetter)."""
SENT_BACK = (ReceiptKind.OPENED, ReceiptKind.HANDLED)
"""Receipts that can be sent for any letter."""

RULES: list[Rule[Tried]] = FETCHING


@rule(
    "C-21",
    "One letter that cannot be read does not hide the others",
    "Catch what is wrong with one item, yield it as `Unreadable` in the batch, and go on.",
)
def one_broken(bench: Bench) -> None:
    """Of fifty letters one is broken: 49 come, and the one is there as unreadable."""
    sent = bench.send(range(25))
    broken = bench.simulator.send_garbage(bench.person, bench.channel)
    sent += bench.send(range(25, 49))
    found = bench.fetch()
    came = ids(found)
    must(came == sorted(sent), f"{len(came)} of the 49 other letters came")
    names = [each.external_id for each in unreadable_in(found)]
    must(names == [broken], f"the one that is broken is listed {len(names)} times, or misnamed")


@rule(
    "C-22",
    "What cannot be read is kept whole, with the reason",
    "Give `Unreadable` the reason in plain words (naming no person), and in `raw` what arrived.",
)
def kept_whole(bench: Bench) -> None:
    """An unreadable letter has a reason and every byte."""
    bench.simulator.send_garbage(bench.person, bench.channel)
    for item in unreadable_in(bench.fetch()):
        must(item.reason, "no reason is given")
        must(bench.person.national_id not in item.reason, "the reason holds an identity number")
        must(item.raw and all(part.content for part in item.raw), "what arrived is not kept")


@rule(
    "C-23",
    "A letter is kept as it arrived",
    "Put what the source sent into `raw`, byte for byte, or as the JSON item it was.",
)
def raw_is_kept(bench: Bench) -> None:
    """`raw` is not empty, and its parts have plain names."""
    letter = bench.one_letter()
    must(letter.raw, "`raw` is empty: nothing of what arrived would be kept")
    for part in letter.raw:
        must(part.content, f"the part {part.name!r} is empty")
        must(re.fullmatch(r"[A-Za-z0-9._-]{1,100}", part.name), f"{part.name!r} is no plain name")


@rule(
    "C-24",
    "What was kept can be read again without asking the source",
    "`reread` maps `raw` as `fetch` does, and asks nobody.",
)
def can_be_reread(bench: Bench) -> None:
    """The same bytes give the same letter, or the same reason."""
    if bench.connector_class.reread is Connector.reread:
        raise LeftOut("this connector rereads nothing")
    bench.simulator.send_garbage(bench.person, bench.channel)
    bench.send([1])
    found = bench.fetch()
    [item], [letter] = unreadable_in(found), letters_in(found)
    connector = bench.connector()

    def asked() -> list[str]:
        return [each for each in bench.door.requests if "/maskinporten/" not in each]

    before = asked()
    again = connector.reread(bench.account, item.external_id, item.raw)
    must([each.reason for each in again.unreadable] == [item.reason], "another reason is given")
    good = connector.reread(bench.account, letter.external_id, letter.raw).letters
    must(good == [letter], "the letter has become another one")
    must(asked() == before, "the source was asked")


@rule(
    "C-25",
    "The five fields are there and well formed",
    "external_id: 1 to 255 characters; recipient: whom the source names; sender: a name or nine "
    "digits; title: not empty; security_level: 3 or 4, and 4 where the source says nothing.",
)
def five_fields(bench: Bench) -> None:
    """Each is what the contract says."""
    letter = bench.one_letter()
    must(0 < len(letter.external_id) <= NAME_MAX, "external_id has not 1 to 255 characters")
    must(letter.title.strip(), "title is empty")
    must(letter.title == bench.letter(1).title, "title is not what the sender wrote")
    org = letter.sender.org_number
    must(letter.sender.name or org, "sender has neither name nor number")
    must(re.fullmatch(r"(\d{9})?", org), "the sender's number has not nine digits")
    levels = (LEVEL_SUBSTANTIAL, LEVEL_HIGH)
    must(letter.security_level in levels, f"security_level is {letter.security_level}, not 3 or 4")
    must(letter.recipient.value, "recipient is empty")
    if bench.account is not None:
        must(letter.recipient == bench.account.recipient, "recipient is not the citizen asked for")


@rule(
    "C-26",
    "Every time has a zone, and is the time at the source",
    "Parse times with their zone and turn them into UTC; take `sent_at` from the source, never "
    "from the clock.",
)
def times(bench: Bench) -> None:
    """All times of a letter are aware, in UTC, and `sent_at` is the sender's."""
    bench.simulator.send(
        bench.letter(
            1,
            due_at=bench.letter().sent_at + timedelta(days=30),
            opened_at=bench.letter().sent_at + timedelta(hours=2),
        )
    )
    [letter] = letters_in(bench.fetch())
    for each in fields(IncomingLetter):
        value = getattr(letter, each.name)
        if isinstance(value, datetime):
            must(value.utcoffset() == timedelta(0), f"{each.name} is not in UTC")
    must(letter.sent_at == bench.letter(1).sent_at, "sent_at is not when the letter was sent")


@rule(
    "C-27",
    "The same answer gives the same letter",
    "Make nothing up: no random names, no time of the clock, nothing that hangs on the order.",
)
def same_letter(bench: Bench) -> None:
    """Two connectors read the same."""
    bench.send(range(3))
    first, second = (list(bench.connector().fetch(bench.account, None)) for _ in range(2))
    # That it counts as opened by now is another rule's.
    once, twice = ([replace(x, opened_at=None) for x in letters_in(b)] for b in (first, second))
    must(once == twice, "the second time the letters are others")


@rule(
    "C-28",
    "Fetching is never reading",
    "Ask in `fetch` only what the source does not count as reading; what it does belongs in "
    "`open_letter`, with `content_on_open=True` on the letter.",
)
def never_reading(bench: Bench) -> None:
    """After two runs the source does not say that the letter was opened."""
    bench.send([1])
    batches = list(bench.connector().fetch(bench.account, None))
    batches += list(bench.connector().fetch(bench.account, None))
    must(letters_in(batches), "the letter did not come")
    opened = [each for each in letters_in(batches) if each.opened_at is not None]
    must(not opened, "the source says that the letter was opened, and nobody but `fetch` did that")


@rule(
    "C-29",
    "Documents are what was sent, and what was declared of them",
    "Give each document exactly one of `content`, `ref` and `not_given`; `download` yields the "
    "bytes, and size and sha256 are the source's own word of them.",
)
def documents(bench: Bench) -> None:
    """Bytes, size and digest agree with what was sent."""
    bench.send([1, 2])
    connector = bench.connector()
    found = {}
    for letter in letters_in(bench.fetch()):
        for document, content in documents_of(bench, connector, letter):
            name = document.name
            told = (document.content is not None, document.ref, document.not_given)
            must(sum(map(bool, told)) == 1, f"{name}: not exactly one of content, ref, not_given")
            if document.not_given:
                continue
            must(document.size in (None, len(content)), f"{name}: the size is another")
            digest = hashlib.sha256(content).hexdigest()
            must(document.sha256 in ("", digest), f"{name}: the digest is another")
            found[letter.title] = content
    if not found:
        raise LeftOut("its letters have no documents")
    sent = {bench.letter(each).title: bench.letter(each).documents[0].content for each in (1, 2)}
    must(found == sent, "the documents are not those that were sent")


def documents_of(
    bench: Bench, connector: Connector, letter: IncomingLetter
) -> list[tuple[IncomingDocument, bytes]]:
    """Return the letter's documents with their bytes, opening it where that is needed."""
    if letter.content_on_open:
        if bench.account is None:
            raise Broken("content_on_open in a shared queue: nobody can open it there")
        letter = connector.open_letter(bench.account, letter.external_id)
    return [
        (
            each,
            each.content
            if each.content is not None
            else b"".join(connector.download(bench.account, each.ref) if each.ref else ()),
        )
        for each in letter.documents
    ]


@rule(
    "C-30",
    "A receipt can be sent twice",
    "Send the idempotency key along, or see to it that the second call changes nothing.",
)
def receipt_twice(bench: Bench) -> None:
    """What a lost answer makes us repeat raises nothing the second time."""
    kinds = [kind for kind in SENT_BACK if kind in bench.connector_class.receipts]
    if not kinds:
        raise LeftOut("it sends no receipts of opening or handling")
    letter = bench.one_letter()
    connector = bench.connector()
    for kind in kinds:
        receipt = OutgoingReceipt(
            kind=kind,
            reference=letter.external_id,
            at=letter.sent_at + timedelta(days=1),
            idempotency_key=f"kit-{kind}",
            raw={part.name: part.content for part in letter.raw},
        )
        for _ in range(2):
            connector.send_receipt(bench.account, receipt)


@rule(
    "C-31",
    "No address and no log holds an identity number",
    "Put the citizen's number into the token or the body; log no bodies and no whole addresses.",
)
def number_in_addresses(bench: Bench) -> None:
    """Neither what the source's door saw nor what was logged, at any level, holds it."""
    bench.send(range(3))
    bench.simulator.send_garbage(bench.person, bench.channel)
    heard = _Heard()
    root = logging.getLogger()
    level = root.level
    root.addHandler(heard)
    root.setLevel(logging.DEBUG)
    try:
        connector = bench.connector()
        batches = list(bench.running(connector=connector))
        for letter in letters_in(batches)[:2]:
            documents_of(bench, connector, letter)
        bench.fetch(batches[-1].cursor if batches else None)
    finally:
        root.setLevel(level)
        root.removeHandler(heard)
    number = bench.person.national_id
    must(all(number not in each for each in bench.door.requests), "an address holds the number")
    must(all(number not in each for each in heard.lines), "a line of the log holds the number")


class _Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.msg} {record.args}")


@rule(
    "C-32",
    "An identity number is not shown with a letter",
    "Keep `repr=False` fields as they are; put no number into `external_id`, titles or names.",
)
def number_in_repr(bench: Bench) -> None:
    """What a traceback or a log would print of a batch does not hold it."""
    bench.send([1])
    must(bench.person.national_id not in repr(bench.fetch()), "repr of a batch holds the number")


def _readme(tried: Tried) -> None:
    if tried.readme is None:
        raise Broken("there is no README.md beside the connector")
    rows = [line for line in tried.readme.read_text("utf-8").splitlines() if line.startswith("|")]
    for name in REQUIRED:
        told = any(re.search(rf"`{name}[`.]", row) for row in rows)
        must(told, f"README.md has no row that says where `{name}` comes from")


RULES.append(
    Rule(
        "C-33",
        "Its README says where each required field comes from",
        "Give README.md a table with a row for each of external_id, recipient, sender, title and "
        "sent_at; connectors/example/README.md has one.",
        _readme,
    )
)
