"""The text of a document, in a process that may be killed: a program of its own, without Django.

`texts.py` starts it as `python -I extract.py` with an empty environment and talks to it over its
pipes: a line of JSON with `size` and `media_type`, then the bytes; it answers with a line of
JSON (`text`, `pages`, `links`, `warnings`, `failed`). It limits its own memory and its own time
on each document, so that a hostile file costs this process and nothing else.
"""

from __future__ import annotations

import html
import io
import json
import logging
import re
import resource
import sys
import unicodedata
from collections.abc import Iterator
from typing import Any, BinaryIO

import nh3
from pypdf import PasswordType, PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

PAGES_MAX = 200
TEXT_MAX = 500_000
"""Characters that are kept of a document."""
LINKS_MAX = 100
LINK_LENGTH_MAX = 2000
MEMORY_MAX = 1 << 30
"""Bytes of address space."""
CPU_SECONDS = 20
"""For one document."""
PAGE_BREAK = "\f"
BLOCK_END = re.compile(
    r"</(?:p|div|li|h[1-6]|tr|table|ul|ol|section|article)\s*>|<(?:br|hr)\b", re.I
)
SCRIPTS = {"/JavaScript", "/Launch"}
INVISIBLE = {"Cc", "Cf", "Co", "Cs"}

Answer = dict[str, Any]


def main(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    logging.disable(logging.CRITICAL)  # pypdf tells at length of what is wrong with a file
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while line := requests.readline():
        request = json.loads(line)
        content = requests.read(request["size"])
        _allow_time()
        try:
            answer = text_of(content, request["media_type"])
        except (MemoryError, RecursionError):
            answer = failure("broken")
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def text_of(content: bytes, media_type: str) -> Answer:
    """Return text (pages joined by form feed), number of pages, links and warnings.

    What `content` begins with counts for more than what the sender called it.
    """
    if b"%PDF-" in content[:1024]:
        return _pdf(content)
    if media_type == "application/pdf":
        return failure("broken")
    if media_type in ("text/html", "application/xhtml+xml"):
        stripped = nh3.clean(BLOCK_END.sub(r"\n\g<0>", _decoded(content)), tags=set())
        return _plain(html.unescape(stripped))
    if media_type.startswith("text/"):
        return _plain(_decoded(content))
    return _answer("", 0, [], ["no_text"])


def failure(*warnings: str) -> Answer:
    """Return the answer of what cannot be read."""
    return {"text": "", "pages": 0, "links": [], "warnings": list(warnings), "failed": True}


def _plain(text: str) -> Answer:
    said = tidy(text)[:TEXT_MAX]
    return _answer(said, 1, [], [] if said else ["no_text"])


def _answer(text: str, pages: int, links: list[dict[str, Any]], warnings: list[str]) -> Answer:
    return {"text": text, "pages": pages, "links": links, "warnings": warnings, "failed": False}


def _pdf(content: bytes) -> Answer:
    warnings: list[str] = []
    try:
        reader = PdfReader(io.BytesIO(content), strict=False)
        if reader.is_encrypted:
            warnings.append("encrypted")
            if reader.decrypt("") is PasswordType.NOT_DECRYPTED:
                return failure(*warnings)
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
            actions = [_dictionary(each.get("/A")) for each in _annotations(page)]
            links += [{"url": url, "page": index + 1} for url in _links(actions)]
            scripted = scripted or any(map(_runs, actions))
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
    if number > PAGES_MAX or length > TEXT_MAX:
        warnings.append("cut")
    joined = PAGE_BREAK.join(texts)
    if not joined.strip():
        warnings.append("no_text")
    distinct = {link["url"]: link for link in reversed(links)}
    return _answer(joined, number, list(distinct.values())[::-1][:LINKS_MAX], warnings)


def _pass_on(error: Exception) -> None:
    """Let what is no fault of the one page end the whole document."""
    if isinstance(error, MemoryError | RecursionError):
        raise error


def _oddities(reader: PdfReader) -> Iterator[str]:
    """Name what a reader of letters does not expect in one."""
    root = reader.root_object
    names = _dictionary(root.get("/Names"))
    if "/JavaScript" in names or "/AA" in root or _runs(root.get("/OpenAction")):
        yield "script"
    if "/EmbeddedFiles" in names or "/AF" in root:
        yield "embedded_files"
    if not _dictionary(root.get("/MarkInfo")).get("/Marked") or "/StructTreeRoot" not in root:
        yield "untagged"


def _runs(action: object) -> bool:
    return _dictionary(action).get("/S") in SCRIPTS


def _annotations(page: DictionaryObject) -> list[DictionaryObject]:
    found = _resolved(page.get("/Annots"))
    return [_dictionary(each) for each in found] if isinstance(found, ArrayObject) else []


def _links(actions: list[DictionaryObject]) -> Iterator[str]:
    """Yield the https addresses that the actions lead to."""
    for action in actions:
        url = str(_resolved(action.get("/URI")) or "").strip()
        if url.lower().startswith("https://") and len(url) <= LINK_LENGTH_MAX and url.isprintable():
            yield url


def _resolved(value: object) -> object:
    return value.get_object() if isinstance(value, IndirectObject) else value


def _dictionary(value: object) -> DictionaryObject:
    found = _resolved(value)
    return found if isinstance(found, DictionaryObject) else DictionaryObject()


def _decoded(content: bytes) -> str:
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


def _allow_time() -> None:
    """Let the kernel end this process when the next document takes longer than it may."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
