"""A letter's text set as a tagged PDF/A-2a, in a process that may be killed (`apart.py`).

A request says what the bytes are (`media_type`, or PARTS) and what stands around them (`title`,
`sender`, `day`, `note`, `lang`); the answer has the PDF in base64, or why there is none. What a
sender wrote reaches typst as JSON, never as markup: nothing in it is run, and nothing is fetched.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Mapping
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import typst

from inbox.letters.apart import Answer, Request, serve
from inbox.letters.body import clean_html, render_body
from inbox.letters.extract import decoded, tidy

STANDARDS: list[typst.PDFStandard] = ["a-2a"]
PARTS = "parts"
"""[{"heading", "lang", "media_type", "text"}] as JSON: several texts after each other, `heading`
over those that have one."""
FONTS = str(files("manimgx_fonts"))
"""Noto for scripts that typst's own fonts lack; Chinese, Japanese and Korean are not there."""
DEPTH_MAX = 8
"""Lists and quotations inside each other; what lies deeper is set as if it lay here."""
COLUMNS_MAX = 12
"""A wider table is set as a line for each row."""
SPELLED_MAX = 40
"""So many different characters that no font here has are spelled out; a text with more of them is
in a script that cannot be set."""
LENGTH_MAX = 500_000
"""Characters."""
WORD_MAX = re.compile(r"\S{100}(?=\S)")
"""A longer word may be broken: it would run out of the page."""
PDF_MAX = 20_000_000
"""Bytes."""
UNSHOWABLE = re.compile(r'the text `"(.+?)"` could not be displayed', re.S)

TEMPLATE = rb"""
#let letter = json(bytes(sys.inputs.letter))
#set document(title: letter.title, author: letter.sender)
#set text(font: "Libertinus Serif", lang: letter.lang, size: 11pt)
#set par(spacing: 1.1em, leading: 0.72em)
#set page(
  paper: "a4", margin: (x: 25mm, top: 22mm, bottom: 26mm),
  footer: context [
    #set text(size: 8pt, fill: luma(80))
    #letter.note #h(1fr) #counter(page).display("1 / 1", both: true)
  ],
)
#show heading: set block(above: 1.5em, below: 0.9em)
#set table(stroke: 0.5pt + luma(150), inset: 5pt)

#let run(it) = {
  if it.at("br", default: false) { return linebreak() }
  let made = [#it.text]
  if it.at("code", default: false) { made = text(font: "DejaVu Sans Mono", size: 0.85em, made) }
  if it.at("em", default: false) { made = emph(made) }
  if it.at("strong", default: false) { made = strong(made) }
  if it.at("href", default: "") != "" { made = link(it.href, made) }
  made
}
#let runs(all) = all.map(run).join()
#let show-block(it) = {
  if it.kind == "heading" { heading(level: it.level, runs(it.runs)) }
  if it.kind == "paragraph" { par(runs(it.runs)) }
  if it.kind == "part" { text(lang: it.lang, it.blocks.map(show-block).join()) }
  if it.kind == "rule" { line(length: 100%, stroke: 0.5pt + luma(150)) }
  if it.kind == "quote" { quote(block: true, it.blocks.map(show-block).join()) }
  if it.kind == "items" {
    let made = it.items.map(each => each.map(show-block).join())
    if it.ordered { enum(start: it.start, ..made) } else { list(..made) }
  }
  if it.kind == "table" {
    table(
      columns: (1fr,) * it.columns,
      ..if it.head.len() > 0 { (table.header(..it.head.map(cell => strong(runs(cell)))),) },
      ..it.rows.flatten().map(cell => runs(cell.runs)),
    )
  }
}
#text(size: 12pt, weight: "bold")[#letter.sender]
#h(1fr)
#text(size: 9.5pt)[#letter.day]
= #letter.title
#for it in letter.blocks { show-block(it) }
"""

_compiler = typst.Compiler(ignore_system_fonts=True, font_paths=[FONTS])


def main() -> None:
    """Answer requests until there are no more."""
    serve(_answer, {"failed": "memory"})


def _answer(request: Request, content: bytes) -> Answer:
    try:
        made = pdf_of(content, request)
    except ValueError as error:
        return {"failed": str(error)}
    return {"failed": "", "pdf": base64.b64encode(made).decode()}


def pdf_of(content: bytes, about: Mapping[str, Any]) -> bytes:
    """Return the PDF. Raises ValueError with a code: empty, too_large, characters or typst."""
    text = decoded(content)
    if len(text) > LENGTH_MAX:
        raise ValueError("too_large")
    blocks = _blocks(text, about["media_type"])
    if not blocks:
        raise ValueError("empty")
    said = {name: tidy(about[name]) for name in ("title", "sender", "day", "note")}
    lang = _language(about["lang"])
    letter = json.dumps({**said, "lang": lang, "blocks": blocks}, ensure_ascii=False)
    for _ in range(SPELLED_MAX + 1):
        try:
            made = _compiler.compile(
                input=TEMPLATE,
                format="pdf",
                sys_inputs={"letter": letter},
                pdf_standards=STANDARDS,
                timestamp=about["timestamp"],
            )
        except typst.TypstError as error:
            found = UNSHOWABLE.search(str(error))
            if found is None:
                raise ValueError("typst") from error
            letter = _spelled(letter, found[1])
            continue
        if not isinstance(made, bytes) or len(made) > PDF_MAX:
            raise ValueError("too_large")
        return made
    raise ValueError("characters")


def _language(code: str) -> str:
    return code if re.fullmatch("[a-z]{2,3}", code) else "nb"


def _blocks(text: str, media_type: str) -> list[dict[str, Any]]:
    if media_type != PARTS:
        return blocks_of(html_of(text, media_type))
    made = []
    for part in json.loads(text):
        under = blocks_of(html_of(part["text"], part["media_type"]), below=bool(part["heading"]))
        if under and part["heading"]:
            runs = [{"text": tidy(part["heading"])}]
            made.append({"kind": "heading", "level": 2, "runs": runs})
        if under:
            made.append({"kind": "part", "lang": _language(part["lang"]), "blocks": under})
    return made


def _spelled(letter: str, text: str) -> str:
    """Name characters that no font here has: a PDF/A may not leave anything blank."""
    for character in text:
        if ord(character) > 0x7F:
            name = unicodedata.name(character, f"U+{ord(character):04X}")
            letter = letter.replace(character, f"[{name}]")
    return letter


def html_of(text: str, media_type: str) -> str:
    """Return a text as the HTML that the letter's page shows, or would show, of it."""
    if media_type in ("text/html", "application/xhtml+xml"):
        return clean_html(text)
    return str(render_body(text, media_type))


def blocks_of(html: str, *, below: bool = False) -> list[dict[str, Any]]:
    """Return cleaned HTML as blocks: paragraphs, headings, lists, quotations, tables, rules.

    `below` a heading its own are a level further down.
    """
    setter = Setter(top_level=3 if below else 2)
    setter.feed(html)
    setter.close()
    setter.end_paragraph()
    return setter.top


class Setter(HTMLParser):
    """Makes blocks of HTML that `clean_html` let through, without recursion."""

    def __init__(self, top_level: int = 2) -> None:
        super().__init__(convert_charrefs=True)
        self._top_level = top_level
        self.top: list[dict[str, Any]] = []
        self._open: list[list[dict[str, Any]]] = [self.top]
        """Where blocks go: the innermost container last."""
        self._closes: list[tuple[str, bool]] = []
        """Open containers: their tag, and whether it opened a list of blocks."""
        self._lists: list[dict[str, Any]] = []
        self._runs: list[dict[str, Any]] = []
        self._marks = {"strong": 0, "em": 0, "code": 0}
        self._hrefs: list[str] = []
        self._verbatim = 0
        self._heading = 0
        self._levels: list[int] = []
        self._table: dict[str, Any] | None = None
        self._tables = 0
        self._cell: list[dict[str, Any]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin what the tag opens."""
        given = dict(attrs)
        if tag in self._marks:
            self._marks[tag] += 1
        elif tag == "a":
            self._hrefs.append(given.get("href") or "")
        elif tag == "br":
            self._into().append({"br": True})
        elif tag == "table":
            self.end_paragraph()
            self._tables += 1
            if self._tables == 1:
                self._table = {"head": [], "rows": []}
        elif tag == "tr" and self._table is not None and self._tables == 1:
            self._table["rows"].append([])
        elif tag in ("td", "th") and self._table is not None and self._tables == 1:
            if not self._table["rows"]:
                self._table["rows"].append([])
            self._cell = []
            self._table["rows"][-1].append({"runs": self._cell, "is_head": tag == "th"})
        elif self._cell is None:
            self._begin_block(tag, given)
        elif tag in ("p", "li", "tr", "h3", "h4", "h5", "h6") and self._cell:
            self._cell.append({"br": True})

    def handle_endtag(self, tag: str) -> None:
        """End what the tag closes."""
        if tag in self._marks:
            self._marks[tag] = max(0, self._marks[tag] - 1)
        elif tag == "a":
            self._hrefs[-1:] = []
        elif tag == "table":
            self._tables -= 1
            if self._tables == 0:
                self._end_table()
        elif tag in ("td", "th") and self._tables == 1:
            self._cell = None
        elif self._cell is None:
            self._end_block(tag)

    def handle_data(self, data: str) -> None:
        """Take text, without what cannot be seen."""
        if self._verbatim:
            for number, line in enumerate(data.split("\n")):
                if number:
                    self._into().append({"br": True})
                self._add(tidy(f"x{line}x")[1:-1].replace(" ", "\u00a0"))
        else:
            self._add(" ".join(tidy(f"x{data}x").split())[1:-1] if data.strip() else " ")

    def end_paragraph(self) -> None:
        """Let the text that has come be a block."""
        runs, self._runs = _trimmed(self._runs), []
        level, self._heading = self._heading, 0
        if not runs:
            return
        if level:
            while self._levels and self._levels[-1] >= level:
                self._levels.pop()
            self._levels.append(level)
            depth = len(self._levels) + self._top_level - 1
            self._open[-1].append({"kind": "heading", "level": depth, "runs": runs})
        else:
            self._open[-1].append({"kind": "paragraph", "runs": runs})

    def _begin_block(self, tag: str, given: Mapping[str, str | None]) -> None:
        self.end_paragraph()
        if tag == "pre":
            self._verbatim += 1
        elif tag == "hr":
            self._open[-1].append({"kind": "rule"})
        elif tag in ("h3", "h4", "h5", "h6") and len(self._open) == 1:
            self._heading = int(tag[1])
        elif tag in ("ul", "ol", "blockquote"):
            self._begin_container(tag, given)
        elif tag == "li" and self._lists and self._closes and self._closes[-1][1]:
            self._lists[-1]["items"].append([])
            self._open[-1] = self._lists[-1]["items"][-1]

    def _begin_container(self, tag: str, given: Mapping[str, str | None]) -> None:
        shown = len(self._open) <= DEPTH_MAX
        self._closes.append((tag, shown))
        if not shown:
            return
        if tag == "blockquote":
            made: dict[str, Any] = {"kind": "quote", "blocks": []}
            self._open[-1].append(made)
            self._open.append(made["blocks"])
            return
        start = given.get("start") or "1"
        number = int(start) if re.fullmatch("[0-9]{1,6}", start) else 1
        made = {"kind": "items", "ordered": tag == "ol", "start": number, "items": []}
        self._open[-1].append(made)
        self._lists.append(made)
        # What stands in a list outside its items is an item, too.
        made["items"].append([])
        self._open.append(made["items"][-1])

    def _end_block(self, tag: str) -> None:
        if tag in ("p", "li", "pre", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol"):
            self.end_paragraph()
        if tag == "pre":
            self._verbatim = max(0, self._verbatim - 1)
        if tag in ("blockquote", "ul", "ol") and self._closes and self._closes[-1][0] == tag:
            _, shown = self._closes.pop()
            if shown:
                self._open.pop()
                if tag != "blockquote":
                    made = self._lists.pop()
                    made["items"] = [item for item in made["items"] if item]

    def _end_table(self) -> None:
        table, self._table, self._cell = self._table, None, None
        rows = [row for row in table["rows"] if row] if table else []
        if not rows:
            return
        columns = max(map(len, rows))
        for row in rows:
            for cell in row:
                cell["runs"] = _trimmed(cell["runs"])
        if columns > COLUMNS_MAX:
            for row in rows:
                runs = [run for cell in row for run in (*cell["runs"], {"text": " | "})][:-1]
                self._open[-1].append({"kind": "paragraph", "runs": runs})
            return
        head = [cell["runs"] for cell in rows[0]] if all(c["is_head"] for c in rows[0]) else []
        empty: dict[str, Any] = {"runs": []}
        if head:
            head += [[]] * (columns - len(head))
        body = [row + [empty] * (columns - len(row)) for row in rows[1 if head else 0 :]]
        self._open[-1].append({"kind": "table", "columns": columns, "head": head, "rows": body})

    def _into(self) -> list[dict[str, Any]]:
        return self._runs if self._cell is None else self._cell

    def _add(self, text: str) -> None:
        if not text:
            return
        run: dict[str, Any] = {"text": WORD_MAX.sub("\\g<0>\u200b", text)}
        run |= {mark: True for mark, depth in self._marks.items() if depth}
        if self._hrefs and self._hrefs[-1]:
            run["href"] = self._hrefs[-1]
        self._into().append(run)


def _trimmed(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return runs without blanks and breaks at both ends; empty where there is no text."""
    while runs and not runs[0].get("text", "").strip():
        runs = runs[1:]
    while runs and not runs[-1].get("text", "").strip():
        runs = runs[:-1]
    return runs
