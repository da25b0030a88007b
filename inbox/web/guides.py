"""Our documents for agencies' developers (docs/), as pages of the portal.

They are our own files, so nothing of them needs cleaning; raw HTML is none of their Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

NAMES = ("agency-api", "agency-webhooks", "minside-feed", "conformance", "testing")
"""In the order in which they are offered; one that is not there is left out."""

AddressOf = Callable[[str], str]
"""Gives the address of the page of one of NAMES."""


@dataclass(frozen=True, slots=True)
class Guide:
    """One of the documents."""

    name: str
    title: str
    tokens: Sequence[Token]
    """Without the title."""


def guides() -> list[Guide]:
    """Return those that are there."""
    return [found for name in NAMES if (found := guide(name))]


@cache
def guide(name: str) -> Guide | None:
    """Return one by its name, None where there is none."""
    folder: Path | None = settings.DOCS_DIR
    if name not in NAMES or folder is None or not (folder / f"{name}.md").is_file():
        return None
    tokens = _markdown().parse((folder / f"{name}.md").read_text("utf-8"))
    return Guide(name, tokens[1].content, tokens[3:])


def render(found: Guide, address_of: AddressOf) -> Markup:
    """Return its text as HTML, with links to the others; what lies only in the code is no link."""
    tokens: list[Token] = []
    for token in found.tokens:
        if token.type == "inline" and tokens and tokens[-1].type == "heading_open":
            tokens[-1] = tokens[-1].copy(attrs={"id": _anchor(token.content)})
        tokens.append(token.copy(children=_led(token.children or [], address_of)))
    made = _markdown()
    return Markup(made.renderer.render(tokens, made.options, {}))


def _led(tokens: Sequence[Token], address_of: AddressOf) -> list[Token]:
    """Let links lead where they lead to in the portal, and take away those that lead nowhere."""
    found: list[Token] = []
    leads = True
    for token in tokens:
        if token.type == "link_open":
            address = _address(str(token.attrs["href"]), address_of)
            leads = bool(address)
            token = token.copy(attrs={"href": address})
        if leads or token.type not in ("link_open", "link_close"):
            found.append(token)
    return found


def _address(href: str, address_of: AddressOf) -> str:
    if href.startswith(("#", "https://")):
        return href
    name, dot_md, anchor = href.partition(".md")
    return address_of(name) + anchor if dot_md and guide(name) else ""


def _anchor(heading: str) -> str:
    """Return the id by which links to a heading know it, made as GitHub does."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@cache
def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    made.add_render_rule("fence", _code)
    made.add_render_rule("table_open", _table_open)
    made.add_render_rule("table_close", _table_close)
    return made


def _code(_renderer: Any, tokens: Sequence[Token], place: int, *_said: Any) -> str:
    return str(Markup('<pre class="code"><code>{}</code></pre>\n').format(tokens[place].content))


def _table_open(*_said: Any) -> str:
    return '<div class="tw" tabindex="0"><table class="st">\n'


def _table_close(*_said: Any) -> str:
    return "</table></div>\n"
