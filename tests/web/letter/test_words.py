"""What is told of a letter, in each language that pages come in."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.utils.translation import override

from connectors import clock
from connectors.contract import PaperStep, ReceiptKind
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
    *({"step": step.value} for step in PaperStep),
]
"""What the words of an event depend on beside its kind."""


def said(kind: str, language: str, by_viewer: bool, detail: dict, *, is_own: bool = True) -> str:
    line = EventLine(kind, clock.now(), by_viewer, detail, is_own)
    with override(language):
        return event_words(line, "Altinn")


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


@pytest.mark.parametrize(
    ("language", "you"), [("en", {"you", "your"}), ("nb", {"du", "deg", "din", "ditt"})]
)
def test_a_helper_is_never_called_the_recipient(language, you):
    for kind in Event.Kind.values:
        for detail in ({"to": "altinn"}, *DETAILS[:2], *DETAILS[3:]):
            words = said(kind, language, False, detail, is_own=False)
            assert you.isdisjoint(words.lower().split()), words
