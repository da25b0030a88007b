"""What of a text was found: the words marked, and the piece around them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from markupsafe import Markup, escape

from inbox.letters import norwegian
from inbox.letters.search import PREFIX_MIN, Word

EXCERPT_LENGTH = 180
BEFORE = 24
"""Characters that an excerpt shows before the first word found."""


def marked(text: str, words: Sequence[Word]) -> Markup:
    """Return `text`, escaped, with the words of the query in <mark>."""
    return _marked(text, list(_spans(text, words)))


def excerpt(text: str, words: Sequence[Word]) -> Markup | None:
    """Return the piece of `text` around the first word of the query, marked; None without one."""
    first = next(_spans(text, words), None)
    if first is None:
        return None
    start, end = max(0, first[0] - BEFORE), first[0] - BEFORE + EXCERPT_LENGTH
    start = text.rfind(" ", 0, start) + 1 if start else 0
    piece = " ".join(text[start : max(end, first[1])].split())
    shown = marked(piece, words)
    return Markup("{}{}{}").format("… " if start else "", shown, " …" if end < len(text) else "")


def said(text: str, words: Sequence[Word]) -> Iterator[str]:
    """Yield the words of `text` that were found, as they stand there."""
    for start, end in _spans(text, words):
        yield text[start:end]


def _spans(text: str, words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    stems = {stem for word in words for each in word.alternatives for stem in each}
    for found in norwegian.words(text):
        if any(_is_meant(key, stems) for key in found.stems):
            yield found.start, found.end


def _is_meant(key: str, stems: Iterable[str]) -> bool:
    return any(
        key == stem or (len(stem) >= PREFIX_MIN and stem.isalpha() and key.startswith(stem))
        for stem in stems
    )


def _marked(text: str, spans: list[tuple[int, int]]) -> Markup:
    out, at = Markup(), 0
    for start, end in sorted(spans):
        if start < at:
            continue
        out += escape(text[at:start]) + Markup("<mark>{}</mark>").format(text[start:end])
        at = end
    return out + escape(text[at:])
