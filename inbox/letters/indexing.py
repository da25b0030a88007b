"""The search index: one row a letter, written with every change of what may be searched.

Each token begins with a key of the citizen and says at which level it may be searched, so that
one index over all (GIN on PostgreSQL, FTS5 on SQLite) holds a posting list for each citizen and
level. A search reads only her own lists, at the levels that her session may read: what stands
above it has no part in hits, order or corrections.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from uuid import UUID

import nh3
from django.db import connection, transaction

from inbox.letters import norwegian
from inbox.letters.models import DocumentText, Letter, LetterSearch

BATCH = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TOKENS_MAX = 20_000
"""A letter's distinct words; a tsvector holds at most 1 MB."""
RANDOM_BITS = 46
"""Of a number; what is above them is the day."""
OPEN = "o0"
"""The scope of what may be searched at any level: sender and public title."""


def head_scope(level: int) -> str:
    """Return the scope of sender and title of a letter of this level."""
    return f"t{level}"


def whole_scope(level: int) -> str:
    """Return the scope of all that is searched of a letter of this level."""
    return f"x{level}"


def owner_key(citizen_id: UUID) -> str:
    """Return what her tokens begin with. It only parts posting lists: reads check the citizen."""
    return blake2b(citizen_id.bytes, digest_size=4).hexdigest()


def write(letters: Sequence[Letter], *, new: bool = False) -> None:
    """Write the index rows of `letters` anew; in the transaction that changes them.

    `new` letters have no row and no document that has been read yet.
    """
    texts: dict[UUID, list[str]] = defaultdict(list)
    if not new:
        for letter in letters:
            own = LetterSearch.objects.filter(citizen_id=letter.citizen_id, id=letter.id)
            own.delete()
            texts[letter.id] = _document_texts(letter)
    LetterSearch.objects.bulk_create([_row(letter, texts[letter.id]) for letter in letters])


def write_stale() -> int:
    """Write the rows that a migration has marked; returns how many."""
    stale = LetterSearch.objects.filter(stale=True)
    keys = list(stale.order_by("citizen_id").values_list("citizen_id", "id")[:BATCH])
    for citizen_id, letter_id in keys:
        write_letter(citizen_id, letter_id)
    return len(keys)


def write_letter(citizen_id: UUID, letter_id: UUID) -> None:
    """Write one letter's row anew, if the letter is still there."""
    with transaction.atomic():
        letter = Letter.objects.select_for_update().filter(citizen_id=citizen_id, id=letter_id)
        write(list(letter))


def scrub() -> bool:
    """Let the words of deleted letters leave the database's files; say whether they have.

    On SQLite, of which FTS5 keeps them until its segments are merged, and the write-ahead log until
    it is cut off: not while somebody reads, nor within a transaction. PostgreSQL does it by itself
    (VACUUM).
    """
    if connection.vendor != "sqlite":
        return True
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO letters_search_fts (letters_search_fts) VALUES ('optimize')")
        if connection.in_atomic_block:
            return False
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        is_busy = cursor.fetchone()[0]
    return not is_busy


def _row(letter: Letter, texts: Iterable[str]) -> LetterSearch:
    public = [letter.sender_name, letter.public_title, *_versions(letter, "public_title")]
    titles = [letter.sender_name, letter.title, *_versions(letter, "title")]
    open_head, head = norwegian.stems("\n".join(public)), norwegian.stems("\n".join(titles))
    said = [*titles, letter.snippet, *_versions(letter, "summary"), letter.case_reference]
    if not _awaits_consent(letter):
        said += [_plain(letter), *_versions(letter, "body"), *_thread(letter), *texts]
    whole = dict.fromkeys(norwegian.stems("\n".join(said)))
    whole.update(dict.fromkeys(open_head))
    key, level = owner_key(letter.citizen_id), letter.security_level
    tokens = [f"{key}{OPEN}{stem}" for stem in open_head]
    tokens += [f"{key}{head_scope(level)}{stem}" for stem in head]
    tokens += [f"{key}{whole_scope(level)}{stem}" for stem in list(whole)[:TOKENS_MAX]]
    return LetterSearch(
        citizen_id=letter.citizen_id,
        id=letter.id,
        number=_number(letter),
        open_head=" ".join(open_head),
        head=" ".join(head),
        tokens=" ".join(tokens),
        stale=False,
    )


def _versions(letter: Letter, name: str) -> list[str]:
    return [version[name] for version in letter.versions]


def _thread(letter: Letter) -> list[str]:
    names = ("title", "text", "body")
    return [message.get(name, "") for message in letter.messages for name in names]


def _number(letter: Letter) -> int:
    """Return a number that grows with the day of the letter, by which the newest hits are taken.

    The id's last bits are random (RFC 9562, section 5.7) and keep numbers of one day apart.
    """
    day = max((letter.received_at - EPOCH).days, 0)
    return day << RANDOM_BITS | letter.id.int & ((1 << RANDOM_BITS) - 1)


def _awaits_consent(letter: Letter) -> bool:
    """Before she has agreed to the receipt, what the letter says is not shown, nor searched."""
    return letter.asks_receipt and letter.opened_at is None


def _plain(letter: Letter) -> str:
    if "html" in letter.body_media_type:
        return nh3.clean(letter.body.replace("<", " <"), tags=set())
    return letter.body


def _document_texts(letter: Letter) -> list[str]:
    """Return titles and texts of the letter's present documents."""
    found = DocumentText.objects.filter(
        citizen_id=letter.citizen_id,
        document__letter_id=letter.id,
        document__replaced_at=None,
        state=DocumentText.State.DONE,
    )
    pairs = found.values_list("document__title", "text")
    return [f"{title}\n{text}" for title, text in pairs]
