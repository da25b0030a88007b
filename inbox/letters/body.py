"""A letter's own text as safe HTML.

Markdown is CommonMark with tables and without raw HTML; what comes of it passes an allow-list all
the same. Headings are moved below the page's own, whatever levels the sender chose. Without Django,
as it also runs in a process of its own (`typeset.py`).
"""

from __future__ import annotations

from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

TOP_HEADING = 3
"""The page's title is h1 and "The letter" h2."""
TAGS = {
    *("p", "br", "hr", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code"),
    *("strong", "em", "a", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href"}, "ol": {"start"}}
SCHEMES = {"https", "mailto"}

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def render_body(text: str, media_type: str) -> Markup:
    """Return `text` (text/markdown, else plain text) as HTML that may stand in a page."""
    if media_type != "text/markdown":
        return Markup(_plain(text))
    tokens = _markdown.parse(text)
    _lower_headings(tokens)
    made = _markdown.renderer.render(tokens, _markdown.options, {})
    return Markup(clean_html(made))


def clean_html(made: str) -> str:
    """Return what is allowed of HTML, well-formed: no script or style, nothing from elsewhere."""
    return nh3.clean(
        made,
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_absolute_links,
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow external",
    )


def _absolute_links(_tag: str, attribute: str, value: str) -> str | None:
    """A relative address would lead into our own pages: it becomes plain text."""
    if attribute == "href" and not value.lower().startswith(("https://", "mailto:")):
        return None
    return value


def _plain(text: str) -> str:
    paragraphs = text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n")
    return "".join(
        f"<p>{escape(paragraph.strip()).replace(chr(10), '<br>')}</p>"
        for paragraph in paragraphs
        if paragraph.strip()
    )


def _lower_headings(tokens: list[Token]) -> None:
    """Number the headings' levels anew, so that none is skipped on the way down."""
    open_levels: list[int] = []
    for token in tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
            while open_levels and open_levels[-1] >= level:
                open_levels.pop()
            open_levels.append(level)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, TOP_HEADING - 1 + len(open_levels))}"
