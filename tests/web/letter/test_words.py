"""What is told of a letter, in each language that pages come in."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.utils.translation import override

from connectors import clock
from connectors.contract import ReceiptKind
from inbox.letters.models import Event, Letter
from inbox.letters.presentation import EventLine
from inbox.web.letter_words import event_words

TRANSLATED = ("nb", "nn")
DETAILS = [
    {},
    {"documents": 1},
    {"by": "deg"},
    *({"how": how} for how in Letter.HandledBy.values),
    *({"receipt": kind.value} for kind in ReceiptKind),
]
"""What the words of an event depend on beside its kind."""


def said(kind: str, language: str, by_viewer: bool, detail: dict) -> str:
    with override(language):
        return event_words(EventLine(kind, clock.now(), by_viewer, detail), "Altinn")


@pytest.mark.parametrize("language", dict(settings.LANGUAGES))
@pytest.mark.parametrize("kind", Event.Kind.values)
def test_every_kind_of_event_has_words_in_every_language(kind, language):
    for by_viewer in (True, False):
        for detail in DETAILS:
            words = said(kind, language, by_viewer, detail)
            assert words.strip()
            assert "%(" not in words
            if language in TRANSLATED:
                assert words != said(kind, "en", by_viewer, detail), "not translated"
