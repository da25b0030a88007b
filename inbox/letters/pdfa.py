"""Whether a PDF is fit to be kept for life, as far as its structure tells; and ways through a PDF.

What a file claims (PDF/A) is held against what can be seen without a validator. That is no
validation: colours, transparency and the syntax of pages are not looked at (ISO 19005 has hundreds
of rules; veraPDF knows them). Part of the program that `extract.py` is: no Django.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject

SCRIPTS = {"/JavaScript", "/Launch"}
LEVELS = re.compile(r"(?:1[ab]|[23][abu]|4[ef]?)\Z")
"""What a file may claim to be: part and level of ISO 19005."""
FORBIDDEN = SCRIPTS | {
    *("/Sound", "/Movie", "/ResetForm", "/ImportData", "/Hide", "/SetOCGState", "/Rendition"),
    *("/Trans", "/GoTo3DView"),
}
"""Actions that no PDF/A may have (ISO 19005-2, 6.5.1)."""
MAY_CARRY_FILES = {"3", "4f", "4e"}
"""Parts and levels in which files of any kind may lie inside."""
NODES_MAX = 20_000
"""So many objects are looked through for actions and fonts; beyond that nothing is promised."""


def look_at(
    reader: PdfReader, content: bytes, warnings: Sequence[str], pages_max: int
) -> dict[str, Any] | None:
    """Return {"level", "lacks"}: what the file claims to be, and which marks of that it lacks.

    None for one that claims nothing. `lacks` is empty where the structure is as it must be: an
    output intent with a colour profile (ISO 19005-2, 6.2.3; asked of every file here, as whether
    it could do without is not looked at), no encryption (6.1.3), all fonts embedded (6.2.11.4),
    none of the actions that are forbidden (6.5), tags for level a (6.7). `warnings` are
    `extract.py`'s; a file of more than `pages_max` pages lacks what tells of all of them.
    """
    level = _claim(reader)
    if not level:
        return None
    try:
        lacks = sorted(set(_lacks(reader, content, level, warnings, pages_max)))
    except (MemoryError, RecursionError):
        raise
    except Exception:  # whatever a malformed file makes of a parser
        lacks = ["unclear"]
    return {"level": level, "lacks": lacks}


def _claim(reader: PdfReader) -> str:
    """Return e.g. "2a", as the XMP packet says; empty where it says nothing."""
    try:
        said = reader.xmp_metadata
        level = f"{said.pdfaid_part or ''}{said.pdfaid_conformance or ''}" if said else ""
    except (MemoryError, RecursionError):
        raise
    except Exception:  # whatever malformed metadata make of a parser
        return ""
    level = level.strip().lower()
    return level if LEVELS.match(level) else ""


def runs(actions: Iterable[DictionaryObject]) -> bool:
    """Say whether one of the actions is a program."""
    return any(_kind(each) in SCRIPTS for each in actions)


def begins(root: DictionaryObject) -> Iterator[object]:
    """Yield the actions of the document itself: on opening, in bookmarks, in form fields."""
    yield root.get("/OpenAction")
    yield from dictionary(root.get("/AA")).values()
    yield from _outline(root)
    yield from _fields(root)


def _kind(action: DictionaryObject) -> str:
    return str(resolved(action.get("/S")))


def _lacks(
    reader: PdfReader, content: bytes, level: str, warnings: Sequence[str], pages_max: int
) -> Iterator[str]:
    root = reader.root_object
    if (
        not content.startswith(b"%PDF-")
        or {"broken", "repaired"} & {*warnings}
        or "/ID" not in reader.trailer
    ):
        yield "structure"
    if "encrypted" in warnings:
        yield "encryption"
    if not any(map(_is_intent, array(root.get("/OutputIntents")))):
        yield "output_intent"
    if level.endswith("a") and not is_tagged(root):
        yield "tags"
    if "embedded_files" in warnings and not {level, level[0]} & MAY_CARRY_FILES:
        yield "embedded_files"
    has_own = "/AA" in root or "/XFA" in dictionary(root.get("/AcroForm"))
    if "script" in warnings or has_own or _has_forbidden(chained(begins(root))):
        yield "actions"
    if len(reader.pages) > pages_max:
        yield "too_long"
    fonts = Fonts()
    for page in reader.pages[:pages_max]:
        if "/AA" in page or _has_forbidden(actions_of(page)):
            yield "actions"
        fonts.look_at(page)
        for annotation in annotations_of(page):
            fonts.look_at_appearances(annotation.get("/AP"))
    if fonts.missing:
        yield "fonts"
    if fonts.left <= 0:
        yield "too_long"


def _is_intent(value: object) -> bool:
    """Say whether this is an output intent with an ICC profile (ICC.1, 7.2.9: "acsp")."""
    intent = dictionary(value)
    profile = resolved(intent.get("/DestOutputProfile"))
    if _kind(intent) != "/GTS_PDFA1" or not isinstance(profile, StreamObject):
        return False
    return profile.get_data()[36:40] == b"acsp"


def _has_forbidden(actions: Iterable[DictionaryObject]) -> bool:
    return any(_kind(each) in FORBIDDEN for each in actions)


class Fonts:
    """Looks for fonts that are named and not embedded, in resources however deep."""

    def __init__(self) -> None:
        self.missing = False
        self.left = NODES_MAX
        self._seen: dict[int, DictionaryObject] = {}

    def look_at(self, value: object) -> None:
        """Look at what has resources: a page, a form, a pattern, a font of drawn glyphs."""
        waiting = [value]
        while waiting:
            owner = self._taken(waiting.pop())
            resources = self._taken(owner.get("/Resources"))
            for font in self._taken(resources.get("/Font")).values():
                waiting.append(font)
                self._judge(dictionary(font))
            for kind in ("/XObject", "/Pattern"):
                waiting += self._taken(resources.get(kind)).values()

    def look_at_appearances(self, value: object) -> None:
        """Look at the forms by which an annotation is drawn, one for each of its states."""
        for form in dictionary(value).values():
            self.look_at(form)
            if not isinstance(resolved(form), StreamObject):
                for state in dictionary(form).values():
                    self.look_at(state)

    def _taken(self, value: object) -> DictionaryObject:
        """Return the dictionary, empty for one that has been looked at."""
        found = dictionary(value)
        if id(found) in self._seen or self.left <= 0:
            return DictionaryObject()
        self._seen[id(found)] = found  # held, so that its number is nobody else's
        self.left -= 1
        return found

    def _judge(self, font: DictionaryObject) -> None:
        kind = str(resolved(font.get("/Subtype")))
        if kind == "/Type3":
            return
        described = [font]
        if kind == "/Type0":
            described = [dictionary(each) for each in array(font.get("/DescendantFonts"))]
        for each in described:
            held = dictionary(each.get("/FontDescriptor"))
            if not {"/FontFile", "/FontFile2", "/FontFile3"} & held.keys():
                self.missing = True


def actions_of(page: DictionaryObject) -> Iterator[DictionaryObject]:
    """Yield what a page and its annotations do."""
    first = [*dictionary(page.get("/AA")).values()]
    for each in annotations_of(page):
        first += [each.get("/A"), *dictionary(each.get("/AA")).values()]
    return chained(first)


def chained(values: Iterable[object]) -> Iterator[DictionaryObject]:
    """Yield actions with those that follow each (`/Next`), none twice."""
    return _walked(values, lambda each: array(each.get("/Next")) or [each.get("/Next")])


def _outline(root: DictionaryObject) -> Iterator[object]:
    first = dictionary(root.get("/Outlines")).get("/First")
    for item in _walked([first], lambda each: [each.get("/Next"), each.get("/First")]):
        yield item.get("/A")


def _fields(root: DictionaryObject) -> Iterator[object]:
    top = array(dictionary(root.get("/AcroForm")).get("/Fields"))
    for field in _walked(top, lambda each: array(each.get("/Kids"))):
        yield field.get("/A")
        yield from dictionary(field.get("/AA")).values()


def _walked(
    values: Iterable[object], beyond: Callable[[DictionaryObject], Iterable[object]]
) -> Iterator[DictionaryObject]:
    """Yield dictionaries and what lies `beyond` each, none twice and not without end."""
    waiting = list(values)
    # Held, so that the number of one is nobody else's.
    seen: dict[int, DictionaryObject] = {}
    while waiting and len(seen) < NODES_MAX:
        found = dictionary(waiting.pop())
        if found and id(found) not in seen:
            seen[id(found)] = found
            yield found
            waiting += beyond(found)


def annotations_of(page: DictionaryObject) -> list[DictionaryObject]:
    """Return the annotations of a page."""
    return [dictionary(each) for each in array(page.get("/Annots"))]


def is_tagged(root: DictionaryObject) -> bool:
    """Say whether headings and order are marked (ISO 32000-1, 14.8)."""
    marked = bool(dictionary(root.get("/MarkInfo")).get("/Marked"))
    return marked and bool(dictionary(root.get("/StructTreeRoot")))


def resolved(value: object) -> object:
    """Return the object itself, where `value` refers to one."""
    return value.get_object() if isinstance(value, IndirectObject) else value


def array(value: object) -> ArrayObject:
    """Return the array, an empty one for anything else."""
    found = resolved(value)
    return found if isinstance(found, ArrayObject) else ArrayObject()


def dictionary(value: object) -> DictionaryObject:
    """Return the dictionary, an empty one for anything else."""
    found = resolved(value)
    return found if isinstance(found, DictionaryObject) else DictionaryObject()
