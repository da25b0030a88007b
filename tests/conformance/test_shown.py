"""A letter as the kit shows it, and what would trip a reader."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.template.loader import render_to_string
from django.utils import translation

from connectors.conformance.shown import is_tagged, show, subject, warnings
from connectors.contract import (
    LEVEL_SUBSTANTIAL,
    Action,
    IncomingDocument,
    IncomingLetter,
    Kind,
    Recipient,
    RecipientKind,
    SenderRef,
)
from connectors.world.agencies import agency
from connectors.world.pdf import Page, letter_pdf
from connectors.world.persons import PERSONS

SENT = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)
GOOD = IncomingLetter(
    external_id="1",
    recipient=Recipient(RecipientKind.NATIONAL_ID, PERSONS[0].national_id),
    sender=SenderRef("NAV", "889640782"),
    title="Vi trenger dokumentasjon",
    body="Send oss lønnsslippen.",
    sent_at=SENT,
    security_level=LEVEL_SUBSTANTIAL,
)


def codes(letter: IncomingLetter, *files: bytes | None) -> list[str]:
    return [each.code for each in warnings(letter, files)]


def pdf(document: str = "a.pdf") -> IncomingDocument:
    return IncomingDocument(document, "application/pdf", ref="1", is_main=True)


def test_a_letter_that_is_well_made_gets_no_warning() -> None:
    assert codes(GOOD) == []


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("W-01", {"title": "Informasjon om behandlingen av søknaden din om barnehageplass i 2027"}),
        ("W-02", {"title": "Viktig melding"}),
        ("W-03", {"title": "VEDTAK I SAKEN"}),
        ("W-04", {"title": "Innkalling til psykiatrisk poliklinikk"}),
        ("W-04", {"security_level": 4, "public_title": "Svar om barnevern"}),
        ("W-05", {"title": "Sak 01828012345"}),
        ("W-06", {"security_level": 4}),
        ("W-07", {"body": "Du må svare innen 12. desember 2026."}),
        ("W-07", {"summary": "Fristen for å klage er 12.12.2026."}),
        (
            "W-08",
            {"kind": Kind.TASK, "needs_action": True, "actions": [Action("https://a", "Send")]},
        ),
        ("W-09", {"needs_action": True}),
        ("W-10", {"actions": [Action("https://nav.no/", "Klikk her")]}),
        ("W-12", {"documents": [IncomingDocument("brev", "text/plain", ref="1")]}),
        ("W-13", {"body": "og " * 40}),
    ],
)
def test_what_would_trip_a_reader_is_said(code: str, values: dict[str, object]) -> None:
    assert codes(replace(GOOD, **values)) == [code]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {"title": "Innkalling fra Oslo tingrett, domstolen i Oslo"},
        {"body": "Du må svare innen 12. desember 2026.", "due_at": SENT},
        {"body": "Vi skrev til deg 12. desember 2025."},
        {"security_level": 4, "public_title": "Svar på søknad", "title": "Vedtak om sosialhjelp"},
    ],
)
def test_what_is_as_it_should_be_is_not_warned_of(values: dict[str, object]) -> None:
    assert codes(replace(GOOD, **values)) == []  # type: ignore[arg-type]


def test_a_pdf_is_judged_by_its_tags_and_searched_for_a_deadline() -> None:
    sent = SENT.date()
    page = Page(agency("nav"), "Vedtak", sent, ("Du må svare innen 3. oktober 2026.",), PERSONS[0])
    good = letter_pdf(page)
    letter = replace(GOOD, body="", documents=[pdf()])
    assert is_tagged(good)
    assert codes(letter, good) == ["W-07"]
    assert codes(letter, b"%PDF-1.7\n%%EOF\n") == ["W-11"]
    assert codes(letter, None) == []


def test_below_the_letters_level_only_what_is_safe_is_shown() -> None:
    shown = show(replace(GOOD, security_level=4, public_title="Svar på søknad"))
    views = {view.who: "\n".join(view.lines) for view in shown.views}
    assert GOOD.title in views["the citizen"] and GOOD.body in views["the citizen"]
    below = views["the citizen, at level substantial"]
    assert "Svar på søknad" in below and GOOD.title not in below and GOOD.body not in below
    for who in ("e-mail", "SMS"):
        assert "NAV" in views[who] and GOOD.title not in views[who]
    assert PERSONS[0].national_id not in repr(shown)


def test_the_words_of_the_email_are_those_that_are_sent() -> None:
    with translation.override("nb"):
        said = render_to_string(
            "notifications/email_subject.txt", {"kind": "new", "sender": GOOD.sender.name}
        )
    assert subject(GOOD) == said.strip()
