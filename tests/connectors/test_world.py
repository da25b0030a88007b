"""The made-up world: believable, complete, and the same every time."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from connectors.contract import LEVEL_HIGH, Kind
from connectors.minside.feed import FEEDS
from connectors.world.drafts import DPI, MIN_SIDE, finish
from connectors.world.letters import drafts, letters, new_letter
from connectors.world.model import STUDY_DATE, Channel, SimulatedLetter
from connectors.world.pdf import Items, Page, Rows, letter_pdf
from connectors.world.persons import AGENCIES, PERSONS, agency, by_slug, synthetic_id

ROOT = Path(__file__).resolve().parents[2]
ORDINARY = [
    p for p in PERSONS if p.slug not in ("stress", "nora", "sara", "leif") and not p.is_at_work
]

DIGEST = """
import hashlib
from connectors.world.letters import letters
total = hashlib.sha256()
for letter in letters():
    total.update(repr(letter).encode())
    for document in letter.documents:
        total.update(document.content)
print(total.hexdigest())
"""


@pytest.fixture(scope="module")
def world() -> list[SimulatedLetter]:
    """Every letter of everybody, set once for all tests here."""
    return list(letters())


@pytest.fixture(scope="module")
def ordinary(world: list[SimulatedLetter]) -> list[SimulatedLetter]:
    """The letters of the ordinary citizens."""
    return [letter for letter in world if letter.person.slug != "stress"]


def _remainder(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(d) * w for d, w in zip(digits, weights, strict=True)) % 11


def test_identity_numbers_are_synthetic_and_their_check_digits_are_right() -> None:
    for person in PERSONS:
        number = person.national_id
        assert re.fullmatch(r"\d{11}", number)
        assert 81 <= int(number[2:4]) <= 92
        assert _remainder(number[:10], (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) == 0
        assert _remainder(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) == 0


def test_an_identity_number_follows_the_century_of_birth() -> None:
    assert int(synthetic_id(date(1999, 12, 31), 0)[6:9]) < 500
    assert int(synthetic_id(date(2000, 1, 1), 0)[6:9]) >= 500
    with pytest.raises(ValueError):
        synthetic_id(date(2000, 1, 1), 500)


def test_no_two_persons_share_a_number_a_slug_or_an_address() -> None:
    for field in ("national_id", "slug", "mailbox_address", "email"):
        values = [getattr(person, field) for person in PERSONS]
        assert len(set(values)) == len(values), field


def test_the_number_is_not_shown_with_the_person() -> None:
    assert all(person.national_id not in repr(person) for person in PERSONS)


def test_organisation_numbers_have_the_right_check_digit() -> None:
    assert len(AGENCIES) >= 16
    assert len({one.org_number for one in AGENCIES}) == len(AGENCIES)
    for one in AGENCIES:
        assert _remainder(one.org_number, (3, 2, 7, 6, 5, 4, 3, 2, 1)) == 0, one.slug


def test_unknown_slugs_are_refused() -> None:
    with pytest.raises(KeyError):
        by_slug("nobody")
    with pytest.raises(KeyError):
        agency("nobody")


def test_the_persons_are_nine_ordinary_one_with_many_letters_one_with_none_one_operator(
    world: list[SimulatedLetter],
) -> None:
    count = Counter(letter.person.slug for letter in world)
    assert len(ORDINARY) >= 9
    assert all(count[person.slug] >= 15 for person in ORDINARY)
    assert count["stress"] == 2_000
    assert count["nora"] == 0
    assert not any(count[person.slug] for person in PERSONS if person.is_at_work)
    assert [person.slug for person in PERSONS if person.is_operator] == ["drift"]
    assert {person.mailbox_supplier for person in PERSONS} == DPI


def test_over_300_letters_from_15_senders_over_six_years(
    ordinary: list[SimulatedLetter],
) -> None:
    assert len(ordinary) > 300
    assert len({letter.agency.slug for letter in ordinary}) >= 15
    assert {letter.sent_at.year for letter in ordinary} == set(range(2020, 2027))
    assert min(letter.sent_at for letter in ordinary) >= datetime(2020, 11, 1, tzinfo=UTC)
    assert max(letter.sent_at for letter in ordinary) < STUDY_DATE


def test_each_channel_has_its_share(ordinary: list[SimulatedLetter]) -> None:
    count = Counter(letter.channel for letter in ordinary)
    share = {name: count[name] / len(ordinary) for name in Channel}
    by_dpi = sum(share[name] for name in DPI)
    assert 0.30 < by_dpi < 0.50
    assert 0.35 < share[Channel.ALTINN] < 0.55
    assert 0.10 < sum(share[name] for name in MIN_SIDE) < 0.30
    assert all(count[name] for name in Channel)


def test_dpi_letters_go_to_the_persons_own_supplier(world: list[SimulatedLetter]) -> None:
    assert all(
        letter.channel is letter.person.mailbox_supplier
        for letter in world
        if letter.channel in DPI
    )


def test_agencies_pages_carry_only_their_own_letters(world: list[SimulatedLetter]) -> None:
    owner = {channel: slug for slug, (channel, _) in FEEDS.items()}
    for letter in world:
        if letter.channel in owner:
            assert letter.agency.slug == owner[letter.channel]
        if letter.channel is Channel.NAV and letter.action_url:
            assert letter.action_url.startswith("https://www.nav.no/")


def test_the_tax_settlement_tops_the_year_and_most_come_on_one_day(
    ordinary: list[SimulatedLetter],
) -> None:
    months = Counter(letter.sent_at.month for letter in ordinary)
    assert months.most_common(1)[0][0] == 3
    settled = [letter for letter in ordinary if "-skatteoppgjor-" in letter.key]
    assert len(settled) > 50
    assert {letter.channel for letter in settled} == {Channel.ALTINN}
    assert {letter.sent_at.month for letter in settled} <= {3, 4, 5, 6}
    top = Counter(letter.sent_at.date() for letter in settled).most_common(6)
    assert sum(count for _, count in top) > len(settled) / 2


def test_letters_are_sorted_and_their_keys_are_unique(world: list[SimulatedLetter]) -> None:
    times = [letter.sent_at for letter in world]
    assert times == sorted(times)
    assert len({letter.key for letter in world}) == len(world)
    assert all(re.fullmatch(r"[a-z0-9-]+", letter.key) for letter in world)


def test_one_persons_letters_are_the_same_as_in_the_whole(world: list[SimulatedLetter]) -> None:
    kari = by_slug("kari")
    assert list(letters(kari)) == [letter for letter in world if letter.person == kari]
    assert list(letters(by_slug("nora"))) == []


def test_titles_and_texts_are_fit_to_send(world: list[SimulatedLetter]) -> None:
    for letter in world:
        assert 5 <= len(letter.title) <= 255
        assert len(letter.public_title) <= 255
        assert 5 <= len(letter.summary) <= 255
        words = f"{letter.title} {letter.summary} {letter.body}"
        assert "lorem" not in words.lower()
        assert not re.search(r"\d{11}|\{|\}|None", words), letter.key
        assert letter.title[0].isupper()
        assert bool(letter.body) == (letter.channel is Channel.ALTINN)


def test_nothing_contradicts_the_calendar(world: list[SimulatedLetter]) -> None:
    for letter in world:
        for moment in (letter.due_at, letter.expires_at, letter.opened_at, letter.visible_from):
            assert moment is None or (moment.tzinfo is UTC and moment > letter.sent_at), letter.key
        assert letter.opened_at is None or letter.opened_at < STUDY_DATE
        if letter.handled_at:
            assert letter.opened_at and letter.opened_at < letter.handled_at < STUDY_DATE
        if letter.channel in MIN_SIDE:
            assert letter.expires_at and letter.expires_at > STUDY_DATE
        else:
            assert letter.expires_at is None


def test_health_is_at_level_four_with_a_title_that_tells_nothing(
    world: list[SimulatedLetter],
) -> None:
    own = ("helsenorge", "pasientpost")
    health = [each for each in world if each.agency.slug.startswith(("helse-", *own))]
    assert {letter.agency.slug for letter in health} >= {"helse-vest", *own}
    assert all(letter.security_level == LEVEL_HIGH for letter in health)
    high = [letter for letter in world if letter.security_level == LEVEL_HIGH]
    assert any(letter.agency.slug == "nav" for letter in high)
    for letter in high:
        said = re.fullmatch(r"(Brev|Melding|Letter) fr(?:a|å|om) (.+)", letter.public_title)
        assert said, letter.key
        if letter.agency.slug in own:
            assert said[2] == letter.agency.name, letter.key


def test_most_letters_older_than_two_weeks_are_opened_and_few_newer(
    ordinary: list[SimulatedLetter],
) -> None:
    old = [one for one in ordinary if one.sent_at < STUDY_DATE - timedelta(days=14)]
    assert 0.6 < sum(one.opened_at is not None for one in old) / len(old) < 0.9
    new = [one for one in ordinary if one.sent_at >= STUDY_DATE - timedelta(days=14)]
    assert [one.key for one in new if one.opened_at] == ["kari-betalingsplan-2026"]


def test_some_letters_come_by_two_channels_and_name_each_other(
    ordinary: list[SimulatedLetter],
) -> None:
    copies: dict[str, list[SimulatedLetter]] = {}
    for letter in ordinary:
        if letter.same_as:
            copies.setdefault(letter.same_as[0], []).append(letter)
    assert len(copies) >= 4
    assert {len(same) for same in copies.values()} == {2, 3}
    for first, *others in copies.values():
        for other in others:
            assert first.channel is not other.channel
            assert (first.person, first.agency, first.title, first.documents) == (
                other.person,
                other.agency,
                other.title,
                other.documents,
            )
            assert first.sent_at.date() == other.sent_at.date()
            assert f"dpi:{other.conversation}" in first.same_as


def test_two_letters_look_alike_and_are_not_the_same(ordinary: list[SimulatedLetter]) -> None:
    alike = [one for one in ordinary if one.title == "We have received your documents"]
    first, second = alike
    assert first.channel is not second.channel
    assert first.sent_at.date() == second.sent_at.date()
    assert first.documents != second.documents


def test_every_feature_of_a_letter_occurs(ordinary: list[SimulatedLetter]) -> None:
    assert {letter.language for letter in ordinary} == {"nb", "nn", "en", "se"}
    assert {letter.kind for letter in ordinary} == set(Kind)
    assert {letter.documentary_value for letter in ordinary} == {True, False, None}
    assert {len(letter.documents) for letter in ordinary} == {0, 1, 2, 3}
    assert 1 <= sum(bool(letter.visible_from) for letter in ordinary) <= 2
    assert all(letter.visible_from > STUDY_DATE for letter in ordinary if letter.visible_from)
    for field in ("needs_action", "needs_confirmation", "wants_opening_receipt", "handled_at"):
        assert sum(bool(getattr(letter, field)) for letter in ordinary) >= 3, field


def test_each_letter_with_documents_has_one_main_document(world: list[SimulatedLetter]) -> None:
    for letter in world:
        if letter.documents:
            assert [document.is_main for document in letter.documents].count(True) == 1
            assert letter.documents[0].is_main
            names = {document.name for document in letter.documents}
            assert len(names) == len(letter.documents)


def test_karis_inbox_looks_as_in_the_sketch(world: list[SimulatedLetter]) -> None:
    hers = [letter for letter in world if letter.person.slug == "kari"][::-1]
    mine = [letter for letter in hers if "-kopi" not in letter.key]
    assert (len(mine), len(hers)) == (27, 30)
    assert len({letter.agency.slug for letter in mine}) == 9
    assert [letter.title for letter in mine[:7]] == [
        "Du må sende dokumentasjon på inntekt",
        "Svar på søknad om barnehageplass",
        "Sjekk skattekortet ditt for 2027",
        "Varsel om EU-kontroll",
        "Ny betalingsplan fra januar 2027",
        "Vedtak: Du får bostøtte",
        "Innkalling til poliklinisk time",
    ]
    assert [letter.opened_at is None for letter in mine] == [True] * 4 + [False] * 23
    assert [letter.due_at and f"{letter.due_at:%d.%m.%Y}" for letter in mine[:3]] == [
        "01.12.2026",
        None,
        "15.12.2026",
    ]
    assert mine[5].expires_at is not None
    assert f"{mine[5].expires_at:%d.%m.%Y}" == "23.12.2026"


def test_the_one_with_2000_letters_has_all_her_channels_and_some_sixty_documents(
    world: list[SimulatedLetter],
) -> None:
    mine = [letter for letter in world if letter.person.slug == "stress"]
    health = {Channel.HELSENORGE, Channel.PASIENTPOST}
    others = {Channel.EBOKS, Channel.NAV_NO, Channel.SVARUT, *health}
    assert {letter.channel for letter in mine} == set(Channel) - others
    assert len({letter.agency.slug for letter in mine}) >= 6
    assert {letter.sent_at.year for letter in mine} == set(range(2020, 2027))
    assert 50 <= len({one.content for letter in mine for one in letter.documents}) <= 80
    assert len({letter.title for letter in mine}) > 1_000


def test_two_processes_make_the_same_bytes(world: list[SimulatedLetter]) -> None:
    """This one, and another that orders its sets otherwise and lives in another time zone."""
    total = hashlib.sha256()
    for letter in world:
        total.update(repr(letter).encode())
        for document in letter.documents:
            total.update(document.content)
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    done = subprocess.run(
        [sys.executable, "-c", DIGEST],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "UTC5"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == total.hexdigest()


def test_a_letter_is_a_tagged_pdf_a_with_its_own_date_title_and_language() -> None:
    page = Page(agency("nav"), "Vedtak æøå", date(2024, 2, 29), ("Tekst.",), by_slug("kari"))
    made = letter_pdf(page)
    assert made.startswith(b"%PDF-1.7")
    assert b"/StructTreeRoot" in made
    assert re.search(rb"/MarkInfo\s*<<\s*/Marked true", made)
    assert re.search(rb"/Lang\s*\(nb\)", made)
    assert b"<pdfaid:part>2</pdfaid:part>" in made
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in made
    assert b"<pdfuaid:part>1</pdfuaid:part>" in made
    assert "Vedtak æøå".encode() in made
    assert b"2024-02-29T00:00:00" in made
    letter_pdf.cache_clear()
    assert letter_pdf(page) == made


def test_every_document_claims_pdf_a(ordinary: list[SimulatedLetter]) -> None:
    for letter in ordinary:
        for document in letter.documents:
            assert b"<pdfaid:conformance>A</pdfaid:conformance>" in document.content
            assert b"/StructTreeRoot" in document.content


def test_text_is_never_read_as_markup() -> None:
    hostile = '#panic("no") *x* $1$ @ref <label> \\ "quoted" </xml> ]] #{ }'
    page = Page(
        agency("nav"),
        hostile,
        date(2026, 1, 5),
        (hostile, Items((hostile,)), Rows((hostile, "b"), ((hostile, "1"),))),
        reference=hostile,
    )
    assert letter_pdf(page).startswith(b"%PDF")


@pytest.mark.parametrize(
    "text", ["Hei 😀", "中文", "nul\x00", "\ue000", "Привіт", "áčđŋšŧž", "a\tb\nc"]
)
def test_any_text_can_be_set(text: str) -> None:
    page = Page(agency("nav"), text, date(2026, 1, 5), (text, Items((text,))), by_slug("kari"))
    assert b"<pdfaid:conformance>A</pdfaid:conformance>" in letter_pdf(page)


def test_a_new_letter_has_what_was_asked_for_and_its_own_key() -> None:
    kari, at = by_slug("kari"), datetime(2026, 11, 23, 9, tzinfo=UTC)
    made = [
        new_letter(
            kari,
            Channel.ALTINN,
            at=at,
            agency=agency("digdir"),
            title="Hei",
            body="En.\n\nTo.",
            due_in_days=3,
            level=4,
            needs_action=True,
        )
        for _ in range(2)
    ]
    first = made[0]
    assert first.key != made[1].key
    assert first.sent_at == at
    assert first.due_at == at + timedelta(days=3)
    assert (first.title, first.body, first.summary) == ("Hei", "En.\n\nTo.", "En.")
    assert (first.security_level, first.public_title) == (4, "Brev fra Digitaliseringsdirektoratet")
    assert first.needs_action and first.action_url.startswith("https://")
    assert first.documents[0].content.startswith(b"%PDF")
    assert new_letter(kari, Channel.NAV, at=at, with_document=False).documents == ()


def test_a_new_letter_that_cannot_be_sent_is_refused() -> None:
    kari, at = by_slug("kari"), datetime(2026, 11, 23, 9, tzinfo=UTC)
    with pytest.raises(ValueError, match="mailbox"):
        new_letter(kari, Channel.EBOKS, at=at)
    with pytest.raises(ValueError, match="time zone"):
        new_letter(kari, Channel.ALTINN, at=at.replace(tzinfo=None))
    with pytest.raises(ValueError, match="255"):
        new_letter(kari, Channel.ALTINN, at=at, title="x" * 256)


def test_a_world_can_be_drafted_without_setting_a_page() -> None:
    letter_pdf.cache_clear()
    drafted = drafts(by_slug("ola"))
    assert letter_pdf.cache_info().misses == 0
    assert finish(drafted[0]).documents
