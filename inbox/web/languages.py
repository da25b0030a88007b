"""A letter that comes in several languages: the one that is read, and the way to the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from inbox.letters.presentation import LetterPage
from inbox.letters.receive import snippet
from inbox.web import letter_words


def in_language(page: LetterPage, language: str) -> LetterPage:
    """Return the page in one of its other languages; what is not said in that stays as it is."""
    if language == page.row.language or language not in _languages(page):
        return page
    found = next((each for each in page.versions if each["language"] == language), {})
    row = replace(
        page.row,
        title=found.get("title") or page.row.title,
        snippet=snippet(found.get("summary", "")) or page.row.snippet,
        language=language if found.get("title") else page.row.language,
    )
    return replace(
        page,
        row=row,
        body=found.get("body") or page.body,
        body_media_type=found["body_media_type"] if found.get("body") else page.body_media_type,
        body_language=language if found.get("body") else page.row.language,
        messages=[_message(each, language) for each in page.messages],
    )


def others(page: LetterPage, shown: str, address: str, query: Mapping[str, str]) -> list[Any]:
    """Return the languages that the letter is to be had in, but the one `shown`, each with its way.

    `address` and `query` are the page's own.
    """
    return [
        {
            "name": letter_words.language_name(letter_words.language_base(code) or code),
            "code": code,
            "address": f"{address}?{urlencode({**query, 'lang': code})}",
        }
        for code in _languages(page)
        if code != shown
    ]


def _languages(page: LetterPage) -> list[str]:
    found = dict.fromkeys([page.row.language, *(each["language"] for each in page.versions)])
    for message in page.messages:
        found |= dict.fromkeys(each["language"] for each in message.get("versions", ()))
    return [code for code in found if code]


def _message(message: dict[str, Any], language: str) -> dict[str, Any]:
    found = next(
        (each for each in message.get("versions", ()) if each["language"] == language), None
    )
    if found is None:
        return message
    said = {"title": found["title"], "text": found["summary"]}
    if found["body"]:
        said |= {"body": found["body"], "body_media_type": found["body_media_type"]}
    return message | {name: text for name, text in said.items() if text}
