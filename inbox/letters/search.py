"""Searching a citizen's letters: the same words, hits and order on PostgreSQL and SQLite.

Every word must be found; a word is found by its stem, as the beginning of a compound, or as its
parts. When nothing is found, a word that stands nowhere in her letters is taken for a compound
of two that do, for another noun of the same verb, or for a typing error; when that does not
help either, letters with some of the words, or of their parts, are shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations, product
from string import ascii_lowercase
from typing import cast
from uuid import UUID

from django.db import connection
from django.db.models.expressions import RawSQL

from connectors import clock
from inbox.citizens.viewer import Viewer
from inbox.letters import norwegian, presentation
from inbox.letters.indexing import OPEN, head_scope, owner_key, whole_scope
from inbox.letters.queries import LetterQuerySet

WORDS_MAX = 8
TEXT_MAX = 1000
"""Characters of a query that are read."""
CANDIDATES = 250
"""So many of the newest letters with every word are weighed, and as many with all in the title."""
WINDOW = 500
"""So many of the newest hits are looked up first, so that the cost does not grow with the rest."""
HITS_MAX = 200
PREFIX_MIN = 3
"""A stem from this length finds the compounds that begin with it."""
TYPO_MIN = 4
CORRECTIONS_MAX = 8
ALTERNATIVES_MAX = 24
EXACT, BEGINS, ELSEWHERE, RECENT = 10.0, 6.0, 1.0, 4.0
HALF_LIFE_DAYS = 365.0

POSTGRES = """
    SELECT id FROM letters_lettersearch
    WHERE letters_search_vector(tokens) @@ %s::tsquery
    ORDER BY number DESC LIMIT %s
"""
SQLITE = """
    SELECT letters_lettersearch.id FROM (
        SELECT rowid FROM letters_search_fts
        WHERE letters_search_fts MATCH %s ORDER BY rowid DESC LIMIT %s
    ) AS found JOIN letters_lettersearch ON letters_lettersearch.number = found.rowid
"""
ALL_POSTGRES = """
    SELECT id FROM letters_lettersearch
    WHERE letters_search_vector(tokens) @@ %s::tsquery
"""
ALL_SQLITE = """
    SELECT letters_lettersearch.id FROM letters_search_fts
    JOIN letters_lettersearch ON letters_lettersearch.number = letters_search_fts.rowid
    WHERE letters_search_fts MATCH %s
"""
"""The citizen stands in each token and not in the condition: PostgreSQL would walk her rows."""
POSTGRES_TERMS = """
    SELECT stem FROM unnest(%s::text[], %s::tsquery[]) AS asked (stem, query)
    WHERE EXISTS (
        SELECT 1 FROM letters_lettersearch
        WHERE letters_search_vector(tokens) @@ query
    )
"""
SQLITE_TERMS = """
    SELECT term FROM letters_search_terms
    WHERE term IN (SELECT value FROM json_each(%s))
"""

Candidate = tuple[UUID, str, datetime]
"""Id, stems of sender and title as far as they may be seen, and day."""
Alternative = tuple[str, ...]
"""Stems that are found together."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a query, and what it is found by."""

    text: str
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found, best first."""

    ids: Sequence[UUID]
    words: Sequence[Word]
    """The words that were found, corrected ones among them: what to highlight."""
    more: bool = False
    """There are more than HITS_MAX."""
    corrected: bool = False
    partial: bool = False
    """No letter has every word; these have some."""


NOTHING = Hits((), ())


def read_query(text: str) -> list[Word]:
    """Return the words that count of what she typed; nothing in it is an operator."""
    found: list[Word] = []
    whole: list[range] = []
    for each in norwegian.words(text[:TEXT_MAX].replace("\x00", " ")):
        said = text[each.start : each.end]
        if any(each.start in span for span in whole):
            continue  # a part of a date or an amount that is searched for as one
        if not said.isalnum():
            whole.append(range(each.start, each.end))
        found.append(Word(said, _alternatives(said, each.stems)))
    meant = [word for word in found if norwegian.fold(word.text) not in norwegian.STOPWORDS]
    distinct = {word.alternatives: word for word in meant or found}
    return list(distinct.values())[:WORDS_MAX]


def matching(letters: LetterQuerySet, text: str, viewer: Viewer) -> LetterQuerySet:
    """Narrow `letters` to those with every word of `text`, in no other order than they have."""
    words = read_query(text)
    if not words:
        return letters.none() if text.strip() else letters
    return _with(letters, words, viewer)


def search(letters: LetterQuerySet, text: str, viewer: Viewer) -> Hits:
    """Find the best of `letters`, that come of `visible_to(viewer)`, in two to five queries."""
    words = read_query(text)
    if not words:
        return NOTHING
    hits = _ranked(letters, words, viewer)
    if hits.ids:
        return hits
    corrected = [_corrected(letters, word, viewer) for word in words]
    if corrected != words:
        hits = _ranked(letters, corrected, viewer)
        if hits.ids:
            return replace(hits, corrected=True)
    parts = [part for word in corrected for part in _parts(word)]
    if len(parts) > 1:
        hits = _ranked(letters, parts, viewer, least=len(parts) - 1)
        if not hits.ids and len(parts) > 2:
            hits = _ranked(letters, parts, viewer, least=1)
        return replace(hits, partial=True, corrected=corrected != words)
    return NOTHING


def _alternatives(said: str, stems: tuple[str, ...]) -> tuple[Alternative, ...]:
    found: list[Alternative] = [stems[:1]]
    normal = norwegian.normal(said)
    parts = norwegian.split(normal) if said.isalpha() else []
    if len(parts) > 1:
        first, last = (norwegian.stem(part) for part in parts)
        found.append((first, norwegian.root(last)))
    for each in tuple(found):
        found += product(*((part, *norwegian.alike(part)) for part in each))
    return tuple(dict.fromkeys(found))[:ALTERNATIVES_MAX]


def _ranked(
    letters: LetterQuerySet, words: Sequence[Word], viewer: Viewer, *, least: int | None = None
) -> Hits:
    query = _query(words, viewer, least=least)
    rows = _newest(letters, query, viewer)
    more = len(rows) > HITS_MAX
    if len(rows) >= CANDIDATES:
        rows |= _newest(letters, _query(words, viewer, least=least, head=True), viewer)
    now = clock.now()
    scored = [(_score(words, head, moment, now), moment, id_) for id_, head, moment in rows]
    scored.sort(reverse=True)
    return Hits([id_ for _, _, id_ in scored[:HITS_MAX]], words, more)


def _newest(letters: LetterQuerySet, query: str, viewer: Viewer) -> set[Candidate]:
    """Return the newest of `letters` that have what is asked for; of all hits when few are hers.

    A filter may leave few of the newest hits and still have older ones. The ids are asked for
    by themselves: in one statement, databases read every letter of hers and look whether it hits.
    """
    with connection.cursor() as cursor:
        cursor.execute(_sql(POSTGRES, SQLITE), [query, WINDOW + 1])
        ids = [id_ for (id_,) in cursor.fetchall()]
    rows = _candidates(letters.filter(id__in=ids[:WINDOW]), viewer) if ids else set()
    if len(rows) < CANDIDATES and len(ids) > WINDOW:
        return _candidates(_having(letters, query), viewer)
    return rows


def _candidates(letters: LetterQuerySet, viewer: Viewer) -> set[Candidate]:
    """Return id, stems of sender and title as far as they may be seen, and day."""
    newest = letters.newest_first().annotate(seen_head=presentation.searched_head(viewer))
    found = newest.values_list("id", "seen_head", "received_at")[:CANDIDATES]
    return set(cast("Iterator[Candidate]", found))


def _score(words: Sequence[Word], head: str, received_at: datetime, now: datetime) -> float:
    stems = set(head.split())
    said = sum(max(_closeness(each, stems) for each in word.alternatives) for word in words)
    days = max((now - received_at).days, 0)
    recency: float = 0.5 ** (days / HALF_LIFE_DAYS)
    return said / len(words) + RECENT * recency


def _closeness(alternative: Alternative, stems: set[str]) -> float:
    if stems.issuperset(alternative):
        return EXACT
    if all(any(stem.startswith(part) for stem in stems) for part in alternative):
        return BEGINS
    return ELSEWHERE


def _with(letters: LetterQuerySet, words: Sequence[Word], viewer: Viewer) -> LetterQuerySet:
    """Narrow `letters` to those with all words."""
    return _having(letters, _query(words, viewer))


def _query(
    words: Sequence[Word], viewer: Viewer, *, least: int | None = None, head: bool = False
) -> str:
    """Return what asks the index for all words, or for `least` of them."""
    prefixes = _prefixes(viewer, head_scope if head else whole_scope)
    said = [_any(_all(_term(s, prefixes) for s in each) for each in w.alternatives) for w in words]
    return _any(_all(some) for some in combinations(said, least or len(said)))


def _having(letters: LetterQuerySet, query: str) -> LetterQuerySet:
    """Narrow `letters` to the hits of a query."""
    return letters.filter(id__in=RawSQL(_sql(ALL_POSTGRES, ALL_SQLITE), (query,)))


def _sql(on_postgres: str, on_sqlite: str) -> str:
    return on_postgres if connection.vendor == "postgresql" else on_sqlite


def _prefixes(viewer: Viewer, scope: Callable[[int], str]) -> list[str]:
    key = owner_key(viewer.citizen_id)
    scopes = [OPEN, *(scope(level) for level in presentation.searched_levels(viewer))]
    return [f"{key}{each}" for each in scopes]


def _term(stem: str, prefixes: Sequence[str]) -> str:
    begins = len(stem) >= PREFIX_MIN and stem.isalpha()
    if connection.vendor == "postgresql":
        return _any(f"'{prefix}{stem}'{':*' if begins else ''}" for prefix in prefixes)
    return _any(f'"{prefix}{stem}"{"*" if begins else ""}' for prefix in prefixes)


def _all(parts: Iterable[str]) -> str:
    joint = " & " if connection.vendor == "postgresql" else " AND "
    return f"({joint.join(parts)})"


def _any(parts: Iterable[str]) -> str:
    joint = " | " if connection.vendor == "postgresql" else " OR "
    return f"({joint.join(parts)})"


def _corrected(letters: LetterQuerySet, word: Word, viewer: Viewer) -> Word:
    """Return the word with what she may have meant, if it stands in none of `letters`.

    What else there is in the index cannot be told from it: a correction counts when it has hits.
    """
    stem = word.alternatives[0][0]
    if len(stem) < TYPO_MIN or not stem.isalpha():
        return word
    prefixes = _prefixes(viewer, whole_scope)
    if _with(letters, [word], viewer).exists():
        return word
    normal = norwegian.normal(word.text)
    pairs = [
        pair
        for cut in norwegian.cuts(normal)
        for pair in product(*map(_variants, cut))
        if min(map(len, pair)) >= norwegian.CUT_MIN
    ]
    near = dict.fromkeys(norwegian.stem(each) for each in _one_off(normal))
    near.update(dict.fromkeys(_one_off(stem)))
    asked = [each for each in near if len(each) >= PREFIX_MIN]
    found = _standing([*asked, *(each for pair in pairs for each in pair)], prefixes)
    slips = [each for each in asked if each in found][:CORRECTIONS_MAX]
    meant: list[Alternative] = [*((each,) for each in slips)]
    meant += [pair for pair in pairs if found.issuperset(pair)][:ALTERNATIVES_MAX]
    meant += [] if meant else _rooted(word)
    tried = replace(word, alternatives=tuple(meant))
    return tried if meant and _with(letters, [tried], viewer).exists() else word


def _variants(stem: str) -> tuple[str, ...]:
    """Return a part of a compound, what it begins with as a verb, and other words for it."""
    return tuple(dict.fromkeys((stem, norwegian.root(stem), *norwegian.alike(stem))))


def _rooted(word: Word) -> list[Alternative]:
    """Return what finds other nouns of the same verbs: "registrering" what is "registrert"."""
    found = (tuple(norwegian.root(part) for part in each) for each in word.alternatives)
    return [each for each in dict.fromkeys(found) if each not in word.alternatives]


def _parts(word: Word) -> Iterator[Word]:
    """Yield the known parts of a compound as words of their own; the word when it has none."""
    parts = norwegian.split(norwegian.normal(word.text)) if word.text.isalpha() else []
    if len(parts) < 2:
        yield word
    for part in parts if len(parts) > 1 else ():
        yield Word(part, ((norwegian.stem(part),),))


def _one_off(word: str) -> Iterator[str]:
    """Yield words that one slip of the finger makes this one: the likeliest slips first."""
    halves = [(word[:cut], word[cut:]) for cut in range(len(word) + 1)]
    yield from (a + b[1] + b[0] + b[2:] for a, b in halves if len(b) > 1)
    yield from (a + b[1:] for a, b in halves if b)
    yield from (a + c + b for a, b in halves for c in ascii_lowercase)
    yield from (a + c + b[1:] for a, b in halves if b for c in ascii_lowercase)


def _standing(stems: Sequence[str], prefixes: Sequence[str]) -> set[str]:
    """Return those of `stems` that stand whole in the index under one of `prefixes`."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            queries = [_any(f"'{prefix}{stem}'" for prefix in prefixes) for stem in stems]
            cursor.execute(POSTGRES_TERMS, [list(stems), queries])
            return {stem for (stem,) in cursor.fetchall()}
        terms = {f"{prefix}{stem}": stem for stem in stems for prefix in prefixes}
        cursor.execute(SQLITE_TERMS, [json.dumps(list(terms))])
        return {terms[term] for (term,) in cursor.fetchall()}
