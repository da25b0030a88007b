"""The queue's listing, and what becomes the next batch."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from connectors.contract import (
    Batch,
    IncomingLetter,
    PaperNotice,
    Temporary,
    Unreadable,
)
from connectors.dpi import mapping, schema
from connectors.dpi.envelope import peek

UUID = re.compile(schema.UUID)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One entry of the queue's listing."""

    envelope: str
    download_url: str
    id: str
    """What the queue calls it; "" where the listing does not let us know."""

    @property
    def key(self) -> str:
        """What tells it from the others: the id, or a digest where there is none."""
        return self.id or hashlib.sha256(self.envelope.encode()).hexdigest()


@dataclass
class Gathered:
    """What becomes the next batch."""

    letters: list[IncomingLetter] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    paper: list[PaperNotice] = field(default_factory=list)
    settle_refs: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, found: IncomingLetter | Unreadable | PaperNotice, settle_ref: str) -> None:
        """Take up one letter, or why not; an empty `settle_ref` leaves it in the queue."""
        raw = found.otherwise.raw if isinstance(found, PaperNotice) else found.raw
        self.size += sum(len(part.content) for part in raw)
        if isinstance(found, IncomingLetter):
            self.letters.append(found)
        elif isinstance(found, PaperNotice):
            self.paper.append(found)
        else:
            self.unreadable.append(found)
        if settle_ref:
            self.settle_refs.append(settle_ref)

    def holds_something(self) -> bool:
        """Say whether anything was taken up."""
        return bool(self.letters or self.unreadable or self.paper)

    def batch(self) -> Batch:
        """Return it as the contract wants it; a queue has no cursor."""
        return Batch(self.letters, self.unreadable, None, self.settle_refs, self.paper)


def waiting_from(entry: Any) -> Waiting:
    """Read one entry of the listing. Raises Temporary when it is not what the API promises."""
    envelope = entry.get("forretningsmelding") if isinstance(entry, dict) else None
    url = entry.get("downloadurl") if isinstance(entry, dict) else None
    if not isinstance(envelope, str) or not isinstance(url, str):
        raise Temporary("the queue's listing is not of the documented shape")
    return Waiting(envelope, url, _queue_id(envelope, url))


def _queue_id(envelope: str, url: str) -> str:
    """The queue's own name for a message, also where the message cannot be trusted.

    The address of the package is the queue's word (`/messages/in/{id}`); the identifier in the
    message is the sender's. The first wins, so that nobody can mark another's letter as read.
    """
    last = urlsplit(url).path.rstrip("/").rsplit("/", 1)[-1]
    if UUID.fullmatch(last):
        return last
    try:
        claimed = mapping.message_id(peek(envelope))
    except (KeyError, TypeError, IndexError):
        return ""
    return claimed if UUID.fullmatch(claimed) else ""
