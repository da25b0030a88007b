"""The text of a document, read in a process that may be killed (`apart.py`): without Django.

A request has the `media_type` of the bytes; the answer is what `text_of` returns.
"""

from __future__ import annotations

import html
import io
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import nh3
from pypdf import PasswordType, PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import DictionaryObject

from inbox.letters import pdfa
from inbox.letters.apart import Answer, serve
from inbox.letters.pdfa import actions_of, annotations_of, dictionary, resolved

PAGES_MAX = 200
TEXT_MAX = 500_000
"""Characters that are kept of a document."""
LINKS_MAX = 100
LINK_LENGTH_MAX = 2000
PAGE_BREAK = "\f"
BLOCK_END = re.compile(
    r"</(?:p|div|li|h[1-6]|tr|table|ul|ol|section|article)\s*>|<(?:br|hr)\b", re.I
)
INVISIBLE = {"Cc", "Cf", "Co", "Cs"}


def main() -> None:
    """Answer requests until there are no more."""
    serve(lambda request, content: text_of(content, request["media_type"]), failure("broken"))


def text_of(content: bytes, media_type: str) -> Answer:
    """Return text (pages joined by form feed), number of pages, links and warnings.

    `pdfa` is what a PDF claims to be (`pdfa.look_at`). What `content` begins with counts for more
    than what the sender called it.
    """
    if b"%PDF-" in content[:1024]:
        return _pdf(content)
    if media_type == "application/pdf":
        return failure("broken")
    if media_type in ("text/html", "application/xhtml+xml"):
        stripped = nh3.clean(BLOCK_END.sub(r"\n\g<0>", decoded(content)), tags=set())
        return _plain(html.unescape(stripped))
    if media_type.startswith("text/"):
        return _plain(decoded(content))
    return _answer("", 0, [], ["no_text"])


def failure(*warnings: str) -> Answer:
    """Return the answer of what cannot be read."""
    return _answer("", 0, [], list(warnings)) | {"failed": True}


def _plain(text: str) -> Answer:
    said = tidy(text)[:TEXT_MAX]
    return _answer(said, 1, [], [] if said else ["no_text"])


def _answer(text: str, pages: int, links: list[dict[str, Any]], warnings: list[str]) -> Answer:
    return {
        "text": text,
        "pages": pages,
        "links": links,
        "warnings": warnings,
        "failed": False,
        "pdfa": None,
    }


def _pdf(content: bytes) -> Answer:
    warnings: list[str] = []
    try:
        reader = PdfReader(io.BytesIO(content), strict=False)
        if reader.is_encrypted:
            warnings.append("encrypted")
            if reader.decrypt("") is PasswordType.NOT_DECRYPTED:
                return failure(*warnings, "locked")
        number = len(reader.pages)
        warnings += _oddities(reader)
    except Exception as error:  # whatever a malformed file makes of a parser
        _pass_on(error)
        return failure(*warnings, "broken")
    texts, links, broken, scripted = [], [], False, "script" in warnings
    length = 0
    for index in range(min(number, PAGES_MAX)):
        text = ""
        try:
            page = reader.pages[index]
            actions = [dictionary(each.get("/A")) for each in annotations_of(page)]
            links += [{"url": url, "page": index + 1} for url in _links(actions)]
            scripted = scripted or pdfa.runs(actions_of(page))
            text = tidy(page.extract_text())
        except Exception as error:
            _pass_on(error)
            broken = True
        texts.append(text[: max(0, TEXT_MAX - length)])
        length += len(text)
    if scripted and "script" not in warnings:
        warnings.append("script")
    if broken:
        warnings.append("broken")
    elif not _is_whole(content):
        warnings.append("repaired")
    if number > PAGES_MAX or length > TEXT_MAX:
        warnings.append("cut")
    joined = PAGE_BREAK.join(texts)
    if not joined.strip():
        warnings.append("no_text")
    distinct = {link["url"]: link for link in reversed(links)}
    answer = _answer(joined, number, list(distinct.values())[::-1][:LINKS_MAX], warnings)
    return answer | {"pdfa": pdfa.look_at(reader, content, warnings, PAGES_MAX)}


def _pass_on(error: Exception) -> None:
    """Let what is no fault of the one page end the whole document."""
    if isinstance(error, MemoryError | RecursionError):
        raise error


def _is_whole(content: bytes) -> bool:
    """Say whether the file can be opened by its own table of contents, without mending it."""
    try:
        reader = PdfReader(io.BytesIO(content), strict=True)
        return reader.is_encrypted or len(reader.pages) >= 0
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _oddities(reader: PdfReader) -> Iterator[str]:
    """Name what a reader of letters does not expect in one."""
    root = reader.root_object
    names = dictionary(root.get("/Names"))
    if "/JavaScript" in names or pdfa.runs(pdfa.chained(pdfa.begins(root))):
        yield "script"
    if "/EmbeddedFiles" in names or "/AF" in root:
        yield "embedded_files"
    if not pdfa.is_tagged(root):
        yield "untagged"


def _links(actions: list[DictionaryObject]) -> Iterator[str]:
    """Yield the https addresses that the actions lead to."""
    for action in actions:
        url = str(resolved(action.get("/URI")) or "").strip()
        if url.lower().startswith("https://") and len(url) <= LINK_LENGTH_MAX and url.isprintable():
            yield url


def decoded(content: bytes) -> str:
    """Return a text file's text, whatever of the usual encodings it is in."""
    for encoding in ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            break
    return content.decode("cp1252", "replace")


def tidy(text: str) -> str:
    """Return `text` composed (NFC), without invisible characters and without blanks at ends."""
    composed = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    visible = "".join(
        c if c in "\n\t" or unicodedata.category(c) not in INVISIBLE else _stands_for(c)
        for c in composed
    )
    return re.sub(
        r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in visible.split("\n"))
    ).strip()


def _stands_for(character: str) -> str:
    return "\n" if character in "\f\v" else ""
