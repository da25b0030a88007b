"""The text of a document in the shape that it had: pages, headings, paragraphs and lists.

A PDF gives lines as they were set. What a reader needs (lines joined to paragraphs, headings that
a screen reader can jump between) is made of their lengths and of how they begin and end; a wrong
guess costs a line break, never a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

PAGE_BREAK = "\f"
FULL_SHARE = 0.75
"""A line at least this long, of the page's longest, was broken because it was full."""
WIDTH_MIN = 45
"""A page whose lines are all shorter than this has no full lines."""
HEADING_MAX = 90
BULLET = re.compile(r"^[•◦▪‣∙·*–-]\s+(?=\S)")
ENDS_SENTENCE = re.compile(r"[.!?][)”»\"]?$")


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, a paragraph (one text or several lines), or the items of a list."""

    kind: str
    lines: Sequence[str]


def pages_of(text: str) -> list[list[Block]]:
    """Return the blocks of each page of a text whose pages are joined by form feed."""
    return [blocks_of(page) for page in text.split(PAGE_BREAK)]


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of one page. Every word of it is in one of them."""
    lines = [" ".join(line.split()) for line in page.split("\n")]
    width = max(map(len, lines), default=0)
    full = FULL_SHARE * width if width >= WIDTH_MIN else float("inf")
    blocks: list[Block] = []
    for group in _groups(lines):
        blocks += _blocks(group, full)
    return blocks


def _groups(lines: Sequence[str]) -> list[list[str]]:
    """Return the runs of lines that no empty line breaks."""
    groups: list[list[str]] = [[]]
    for line in lines:
        if line:
            groups[-1].append(line)
        elif groups[-1]:
            groups.append([])
    return [group for group in groups if group]


def _blocks(lines: Sequence[str], full: float) -> list[Block]:
    """Return the blocks of lines that follow each other without an empty one."""
    texts: list[tuple[str, str]] = []
    goes_on = False
    for index, line in enumerate(lines):
        is_item = BULLET.match(line)
        if goes_on and not is_item:
            kind, before = texts[-1]
            texts[-1] = kind, f"{before} {line}"
        elif is_item:
            texts.append(("items", line[is_item.end() :]))
        elif len(line) < full and _is_heading(lines, index, full):
            texts.append(("heading", line))
        else:
            texts.append(("sentence" if _is_prose(line, full) else "line", line))
        goes_on = len(line) >= full
    return _joined(texts)


def _joined(texts: Sequence[tuple[str, str]]) -> list[Block]:
    """Put items of one list together, and short lines (an address) into one paragraph."""
    blocks: list[Block] = []
    previous = ""
    for kind, text in texts:
        if kind == previous and kind in ("items", "line"):
            blocks[-1] = Block(blocks[-1].kind, [*blocks[-1].lines, text])
        else:
            blocks.append(
                Block({"sentence": "paragraph", "line": "paragraph"}.get(kind, kind), [text])
            )
        previous = kind
    return blocks


def _is_heading(lines: Sequence[str], index: int, full: float) -> bool:
    """A short line like a title, after something else and before prose."""
    after = lines[index + 1] if index + 1 < len(lines) else ""
    before = lines[index - 1] if index else ""
    return (
        _is_titlelike(lines[index])
        and not _is_titlelike(before)
        and _is_prose(after, full)
        and not BULLET.match(after)
    )


def _is_titlelike(line: str) -> bool:
    return (
        0 < len(line) <= HEADING_MAX
        and line[0].isupper()
        and line[-1] not in ".,;:!"
        and not any(character.isdigit() for character in line)
    )


def _is_prose(line: str, full: float) -> bool:
    return len(line) >= full or (" " in line and bool(ENDS_SENTENCE.search(line)))
