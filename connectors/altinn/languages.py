"""A text that Dialogporten gives in several languages: which one is shown, and what others say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.contract import Version
from connectors.fields import optional_text, rows, table

LANGUAGES = ("nb", "nn", "en")
"""The order in which a text is chosen, after the language that she has chosen herself."""
VERSIONS_MAX = 8

Texts = dict[str, str]
"""Text by language code, in the order in which they came; none is empty."""


def texts(value: Any, name: str) -> Texts:
    """Return what a ContentValue says in each language; nothing when absent. Raises WrongField."""
    return said(rows(table(value, name), "value"), name) if value is not None else {}


def said(values: Iterable[Any], name: str) -> Texts:
    """Return what a list of Localization says in each language. Raises WrongField."""
    found: Texts = {}
    for each in values:
        one = table(each, name)
        text = optional_text(one, "value")
        if text.strip():
            found[optional_text(one, "languageCode", longest=16).lower()] = text
    return found


def chosen(found: Texts, first: str = "") -> tuple[str, str]:
    """Return the text to show and its language: `first`, else nb, nn, en, else whatever came."""
    for language in (first, *LANGUAGES, *found):
        if language in found:
            return found[language], language
    return "", ""


def choose(values: Iterable[Any], name: str, first: str = "") -> str:
    """Return the text to show of a list of Localization. Raises WrongField."""
    return chosen(said(values, name), first)[0]


def localised(value: Any, name: str, first: str = "") -> tuple[str, str]:
    """Return the text to show of a ContentValue and its language. Raises WrongField."""
    return chosen(texts(value, name), first)


def versions(
    titles: Texts,
    summaries: Texts,
    bodies: Mapping[str, tuple[str, str]],
    *,
    shown: str,
    readable: bool = True,
) -> list[Version]:
    """Return what is said in other languages than the `shown` one.

    `bodies` are (text, media type) by language. What one language lacks is not made up of
    another's. Where the text is not `readable`, the titles are those that anybody may see.
    """
    others = [each for each in {**titles, **summaries, **bodies} if each and each != shown]
    return [
        Version(
            language=each[:8],
            title=titles.get(each, ""),
            public_title="" if readable else titles.get(each, ""),
            summary=summaries.get(each, ""),
            body=bodies.get(each, ("", ""))[0],
            body_media_type=bodies.get(each, ("", "text/plain"))[1],
        )
        for each in others[:VERSIONS_MAX]
    ]
