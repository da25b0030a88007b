"""Letters set as tagged PDF/A-2a and PDF/UA-1 by typst.

The same page gives the same bytes in every process: only the fonts inside the typst wheel are
used, and both dates in the file are the letter's own. All text reaches typst as JSON in
`sys.inputs`, so that nothing in it is read as markup.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

import typst

from connectors.world.model import Agency, Enterprise, Person
from connectors.world.words import long_date

STANDARDS: list[typst.PDFStandard] = ["a-2a", "ua-1"]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a letter."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list with bullets."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """A table; the first column is text, the others are set flush right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = str | Heading | Items | Rows
"""A paragraph is a plain string."""


@dataclass(frozen=True, slots=True)
class Page:
    """What stands on a letter, or (without a recipient) on an enclosure."""

    sender: Agency
    title: str
    on: date
    blocks: tuple[Block, ...]
    recipient: Person | Enterprise | None = None
    language: str = "nb"
    reference: str = ""


_LABELS = {
    "nb": {
        "date": "Dato",
        "reference": "Vår referanse",
        "regards": "Vennlig hilsen",
        "contact": "Har du spørsmål? Du finner mer og kan kontakte oss på",
        "notice": "Oppdiktet brev til utprøving. Personen og saken finnes ikke.",
    },
    "nn": {
        "date": "Dato",
        "reference": "Vår referanse",
        "regards": "Venleg helsing",
        "contact": "Har du spørsmål? Du finn meir og kan kontakte oss på",
        "notice": "Oppdikta brev til utprøving. Personen og saka finst ikkje.",
    },
    "en": {
        "date": "Date",
        "reference": "Our reference",
        "regards": "Kind regards",
        "contact": "Questions? You can read more and contact us at",
        "notice": "Invented letter for testing. Neither the person nor the case exists.",
    },
}

_TEMPLATE = rb"""
#let letter = json(bytes(sys.inputs.letter))
#let labels = letter.labels
#set document(
  title: letter.title, author: letter.sender,
  date: datetime(year: letter.year, month: letter.month, day: letter.day),
)
#set text(font: "Libertinus Serif", lang: letter.lang, size: 11pt)
#set par(spacing: 1.1em, leading: 0.72em)
#set page(
  paper: "a4", margin: (x: 25mm, top: 22mm, bottom: 24mm),
  footer: context [
    #set text(size: 8pt, fill: luma(90))
    #labels.notice #h(1fr) #counter(page).display("1 / 1", both: true)
  ],
)
#show heading: set block(above: 1.5em, below: 0.9em)
#show heading.where(level: 1): set text(size: 17pt)
#show heading.where(level: 2): set text(size: 12.5pt)
#set table(stroke: (x, y) => (bottom: 0.5pt + luma(if y == 0 { 60 } else { 190 })), inset: 6pt)
#let lines(rows) = rows.map(row => [#row]).join(linebreak())

#text(size: 14pt, weight: "bold")[#letter.sender] \
#text(size: 9pt, fill: luma(70))[#letter.sender_address.join(", ")]
#v(12mm)
#if letter.recipient.len() > 0 {
  par(lines(letter.recipient))
  v(8mm)
}
#text(size: 9.5pt)[
  #labels.date: #letter.date
  #if letter.reference != "" [ \ #labels.reference: #letter.reference ]
]
= #letter.title
#for block in letter.blocks {
  if block.kind == "heading" [== #block.text]
  if block.kind == "paragraph" { par[#block.text] }
  if block.kind == "items" { list(..block.lines.map(line => [#line])) }
  if block.kind == "rows" {
    table(
      columns: (1fr,) + (auto,) * (block.head.len() - 1),
      align: (x, y) => if x == 0 { left } else { right },
      table.header(..block.head.map(cell => strong[#cell])),
      ..block.rows.flatten().map(cell => [#cell]),
    )
  }
}
#if letter.recipient.len() > 0 {
  v(6mm)
  par[#labels.regards \ #letter.sender]
}
#v(4mm)
#text(size: 9.5pt)[#labels.contact #letter.website.]
"""

_compiler = typst.Compiler(ignore_system_fonts=True)
# The compiler keeps its own caches between documents and takes one call at a time.
_lock = threading.Lock()


# Latin with Sami and Polish letters, Greek, Cyrillic, dashes and quotation marks, the euro sign.
_UNSHOWABLE = re.compile(
    "[^\n\t\x20-\x7e\xa0-\u017f\u0391-\u03a1\u03a3-\u03c9\u0400-\u045f\u2013-\u201e\u2026\u20ac]"
)


@lru_cache(maxsize=200)
def letter_pdf(page: Page) -> bytes:
    """Return the page as a PDF that claims PDF/A-2a and PDF/UA-1.

    A character that the fonts lack may not stand in a PDF/A; it is set as "?".
    Cached: an enclosure that goes with many letters is set once. Raises `typst.TypstError`.
    """
    inputs = _inputs(page)
    try:
        return _compile(page.on, inputs)
    except typst.TypstError:
        return _compile(page.on, _showable(inputs))


def _compile(on: date, inputs: object) -> bytes:
    midnight = datetime(on.year, on.month, on.day, tzinfo=UTC)
    with _lock:
        made = _compiler.compile(
            input=_TEMPLATE,
            format="pdf",
            sys_inputs={"letter": json.dumps(inputs, ensure_ascii=False)},
            pdf_standards=STANDARDS,
            timestamp=int(midnight.timestamp()),
        )
    if not isinstance(made, bytes):
        raise TypeError("typst gave no single PDF")
    return made


def _showable(value: object) -> object:
    match value:
        case str():
            return _UNSHOWABLE.sub("?", value)
        case dict():
            return {key: _showable(part) for key, part in value.items()}
        case list() | tuple():
            return [_showable(part) for part in value]
        case _:
            return value


def _inputs(page: Page) -> dict[str, object]:
    recipient = (page.recipient.name, *page.recipient.address) if page.recipient else ()
    return {
        "title": page.title,
        "sender": page.sender.name,
        "sender_address": page.sender.address,
        "website": page.sender.website,
        "recipient": recipient,
        "lang": page.language,
        "labels": _LABELS.get(page.language, _LABELS["nb"]),
        "date": long_date(page.on, page.language),
        "year": page.on.year,
        "month": page.on.month,
        "day": page.on.day,
        "reference": page.reference,
        "blocks": [_block(block) for block in page.blocks],
    }


def _block(block: Block) -> dict[str, object]:
    match block:
        case Heading(text):
            return {"kind": "heading", "text": text}
        case Items(lines):
            return {"kind": "items", "lines": lines}
        case Rows(head, rows):
            return {"kind": "rows", "head": head, "rows": rows}
        case _:
            return {"kind": "paragraph", "text": block}
