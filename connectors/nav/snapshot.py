"""What has changed between two snapshots of a list that knows no cursor. Pure.

NAV's lists come whole each time, without paging and without "changed since". What of them has
been taken in stands in the cursor: by id a short digest of the item. For 1,000 items that is
about 30 kB.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.contract import CursorExpired
from connectors.fields import WrongField

LISTS = ("varsler", "journalposter")
"""The names of the two lists in the cursor."""
LETTER, MISSING, PASSED_OVER = "+", "-", "."
"""How an item stands: a letter; a letter that the last list had no more; neither."""
DIGEST_CHARACTERS = 8
"""32 bits: of an item that changes, one in four thousand million keeps its digest."""
CURSOR_BYTES_MAX = 5_000_000
"""Of a cursor once it is unpacked."""


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a snapshot."""

    key: str
    """Its id; of an entry without one, "?" and its digest."""
    digest: str
    said: Any = field(repr=False)
    """What the source said, as it came."""


def items_of(rows: Iterable[Any], id_name: str) -> list[Item]:
    """Return the entries of a list by their ids, each once.

    A second one under the same id is an entry of its own, so that it is seen, if it says
    something else.
    """
    found: dict[str, Item] = {}
    for row in rows:
        digest = digest_of(row)
        name = row.get(id_name) if isinstance(row, dict) else None
        key = name if isinstance(name, str) and 0 < len(name) <= 255 else f"?{digest}"
        if key in found and found[key].digest != digest:
            key = f"?{digest}"
        found.setdefault(key, Item(key, digest, row))
    return list(found.values())


def digest_of(said: Any) -> str:
    """Return a short digest of a JSON value, whatever the order of its names."""
    content = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(content).hexdigest()[:DIGEST_CHARACTERS]


@dataclass
class Known:
    """What has been taken in of one list: by id how it stands, and its digest."""

    entries: dict[str, str] = field(default_factory=dict)

    def is_news(self, item: Item) -> bool:
        """Say whether an entry is new or has changed."""
        return self.entries.get(item.key, "")[1:] != item.digest

    def is_letter(self, key: str) -> bool:
        """Say whether it has come as a letter before."""
        return self.entries.get(key, "")[:1] in (LETTER, MISSING)

    def note(self, item: Item, *, letter: bool) -> None:
        """Remember that it has been taken in."""
        self.entries[item.key] = (LETTER if letter else PASSED_OVER) + item.digest

    def absent(self, present: Iterable[str]) -> list[str]:
        """Note who is no longer listed; returns the letters that the last list did not have, too.

        One list without it may be a slip of the source's. What was no letter is forgotten.
        """
        gone = []
        for key in set(self.entries).difference(present):
            stands, digest = self.entries[key][:1], self.entries[key][1:]
            if stands == LETTER:
                self.entries[key] = MISSING + digest
                continue
            if stands == MISSING:
                gone.append(key)
            del self.entries[key]
        return sorted(gone)

    def present(self, item: Item) -> None:
        """Note that it is listed, perhaps again."""
        stands = self.entries.get(item.key, "")
        if stands[:1] == MISSING:
            self.entries[item.key] = LETTER + stands[1:]


def dump(known: Mapping[str, Known]) -> str:
    """Return the cursor: what is known of both lists."""
    said = json.dumps({name: known[name].entries for name in LISTS}, separators=(",", ":"))
    return base64.b64encode(zlib.compress(said.encode())).decode()


def load(cursor: str | None) -> dict[str, Known]:
    """Read a cursor; None is one that knows nothing. Raises CursorExpired when it is not ours."""
    if cursor is None:
        return {name: Known() for name in LISTS}
    try:
        packed = zlib.decompressobj()
        said = json.loads(packed.decompress(base64.b64decode(cursor), CURSOR_BYTES_MAX))
        return {name: Known(_entries(said[name])) for name in LISTS}
    except (ValueError, KeyError, TypeError, WrongField, binascii.Error, zlib.error):
        raise CursorExpired("the cursor cannot be read") from None


def _entries(said: Any) -> dict[str, str]:
    if not isinstance(said, dict) or not all(isinstance(each, str) for each in said.values()):
        raise WrongField("the cursor is not a table")
    return dict(said)
