"""Search: the same hits on every database, and nothing of what the session may not read."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from connectors import clock
from connectors.contract import IncomingDocument
from connectors.world.agencies import agency
from connectors.world.pdf import Page, letter_pdf
from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import indexing, norwegian, search, texts
from inbox.letters.change import change
from inbox.letters.models import Delivery, Letter, LetterSearch
from inbox.letters.open import mark_opened
from tests.incoming import arrival, incoming
from tests.make import make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture
def kari():
    return make_citizen()


def found(citizen, text: str, level: int = 4) -> list[str]:
    """The titles that a search gives, best first."""
    return [letter.title for letter in _letters(citizen, text, level)[1]]


def _letters(citizen, text, level=4):
    viewer = Viewer(citizen.id, SecurityLevel(level))
    hits = search.search(Letter.objects.visible_to(viewer), text, viewer)
    by_id = Letter.objects.in_bulk([(citizen.id, id_) for id_ in hits.ids])
    return hits, [by_id[citizen.id, id_] for id_ in hits.ids]


def write(citizen, title, **fields):
    fields.setdefault("document", None)
    fields.setdefault("summary", "")
    return make_letter(citizen, title=title, **fields)


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("bostøtte", "Vedtak: Du får bostøtte"),
        ("bostøtten", "Vedtak: Du får bostøtte"),
        ("bostotte", "Vedtak: Du får bostøtte"),
        ("BOSTØTTE", "Vedtak: Du får bostøtte"),
        ("bostøtte", "Bostøttevedtaket ditt"),
        ("vedtak", "Bostøttevedtaket ditt"),
        ("bostøttevedtak", "Vedtak om bostøtte"),
        ("bustønad", "Vedtak om bostøtte"),
        ("bostøtte", "Vedtak om bustønad"),
        ("sykepenger", "Sjukepengane dine"),
        ("skatteoppgjør", "Skatteoppgjeret for 2025"),
        ("søknader", "Vi har mottatt søknaden din"),
        ("soeknad", "Vi har mottatt søknaden din"),
        ("førarkort", "Førerkortet ditt er på vei"),
        ("1. desember", "Frist 01.12.2026"),
        ("01.12.2026", "Frist 1. desember 2026"),
        ("2026-12-01", "Frist 1. desember 2026"),
        ("12900", "Husleie 12 900 kroner"),
        ("12 900", "Husleie 12.900 kroner"),
        ("husleigja", "Husleia for mai"),
        ("strømregning", "Regning for strøm"),
        ("gulvsliping", "Sliping av gulv"),
        ("eukontroll", "Varsel om EU-kontroll"),
        ("sliping", "Sliperen kommer til deg"),
        ("oppholdstillatelse", "Your residence permit"),
        ("trygghetsalarm", "Tryggleiksalarmen din"),
        ("passport", "Passet er klart"),
        ("når er passet klart", "Passet er klart"),
        ("begravelse", "Stønad til gravferd"),
        ("arbeidsløs", "Vedtak om dagpenger"),
        ("renteendring", "Renten endres fra januar"),
        ("språkprøve", "Result of your Norwegian test"),
        ("hørselstest", "Innkalling til hørselsprøve"),
        ("garasjebygging", "Naboen vil bygge garasje"),
        ("nav bostøtte", "Vedtak om bostøtte"),
    ],
)
def test_a_letter_is_found_by_what_people_write(kari, query, title):
    write(kari, title)
    write(kari, "Velkommen", sender="Lånekassen")
    assert found(kari, query)[:1] == [title]


@pytest.mark.parametrize("typed", ["bostøtte", "bostøte", "bsotøtte", "bosttøtte", "bostøttr"])
def test_a_slip_of_the_finger_is_seen_through_and_told(kari, typed):
    write(kari, "Vedtak om bostøtte")
    hits, letters = _letters(kari, typed)
    assert [letter.title for letter in letters] == ["Vedtak om bostøtte"]
    assert hits.corrected == (typed not in ("bostøtte", "bostøte"))


def test_letters_that_are_not_searched_do_not_show_in_corrections(kari):
    write(kari, "Vedtak om bostøtte")
    write(kari, "Brev fra banken", sender="Banken", org_number="1")
    viewer = Viewer(kari.id, SecurityLevel.HIGH)
    seen = Letter.objects.visible_to(viewer).filter(sender_name="Banken")
    for word in ("bostøtet", "vedtakbostøtte"):
        hits = search.search(seen, f"banken {word}", viewer)
        assert len(hits.ids) == 1
        assert not hits.corrected


def test_every_word_counts_unless_no_letter_has_all(kari):
    write(kari, "Vedtak om bostøtte")
    write(kari, "Vedtak om barnetrygd")
    assert found(kari, "vedtak barnetrygd") == ["Vedtak om barnetrygd"]
    hits, letters = _letters(kari, "barnetrygd helikopter")
    assert hits.partial
    assert [letter.title for letter in letters] == ["Vedtak om barnetrygd"]


def test_letters_with_all_words_but_one_come_instead_of_those_with_one(kari):
    write(kari, "Vedtak om barnetrygd")
    write(kari, "Vedtak om bostøtte")
    hits, letters = _letters(kari, "vedtak bostøtte helikopter")
    assert hits.partial
    assert [letter.title for letter in letters] == ["Vedtak om bostøtte"]


def test_titles_come_before_bodies_and_new_letters_before_old(kari):
    now = clock.now()
    write(kari, "Helt annet", body="Om bostøtte", sent_at=now)
    write(kari, "Gammelt om bostøtte", sent_at=now - timedelta(days=2000))
    write(kari, "Nytt om bostøtte", sent_at=now - timedelta(days=20))
    assert found(kari, "bostøtte") == ["Nytt om bostøtte", "Gammelt om bostøtte", "Helt annet"]


def test_a_word_inside_a_pdf_is_found_when_it_has_been_read(kari):
    pdf = letter_pdf(Page(agency("nav"), "Brev", date(2026, 11, 2), ("Ta med kaffetrakteren.",)))
    write(kari, "Innkalling", document=pdf)
    assert found(kari, "kaffetrakter") == []
    texts.read_due()
    assert found(kari, "kaffetrakter") == ["Innkalling"]


def test_above_the_sessions_level_only_sender_and_public_title_are_searched(kari):
    write(
        kari,
        "Diagnosen din",
        public_title="Brev fra sykehuset",
        summary="Pollenallergi",
        body="Du har pollenallergi",
        security_level=4,
        documents=[IncomingDocument("b", "text/plain", "Epikrise", content=b"Astma")],
    )
    texts.read_due()
    secret = ("diagnose", "pollenallergi", "astma", "epikrise", "diagnosem", "pollenalergi")
    for word in secret:
        assert found(kari, word, level=3) == []
        assert found(kari, f"sykehus {word}", level=3) == found(kari, "sykehus zzzzzz", level=3)
        assert found(kari, word, level=4) == ["Diagnosen din"]
    assert found(kari, "sykehuset", level=3) == ["Diagnosen din"]


def test_the_order_at_a_lower_level_does_not_tell_of_a_secret_title(kari):
    now = clock.now()
    older = {"sent_at": now - timedelta(days=3), "security_level": 4}
    write(kari, "NAV prøve", public_title="Prøve", **older)
    write(kari, "Annet", public_title="Prøve", sent_at=now, security_level=4)
    assert found(kari, "prøve", level=3) == ["Annet", "NAV prøve"]


def test_nobody_finds_anothers_letters_nor_those_of_tomorrow(kari):
    ola = make_citizen("Ola")
    write(ola, "Vedtak om bostøtte")
    write(kari, "Vedtak om barnetrygd", visible_from=clock.now() + timedelta(days=1))
    assert found(kari, "bostøtte") == found(kari, "barnetrygd") == found(kari, "barnetrgyd") == []


def test_what_is_not_yet_agreed_to_is_not_searched(kari):
    asking = {"summary": "Svar", "body": "Innvilget fiskekvote", "wants_opening_receipt": True}
    letter = write(kari, "Vedtak", **asking)
    assert found(kari, "fiskekvote") == []
    mark_opened(letter, Viewer(kari.id), clock.now())
    assert found(kari, "fiskekvote") == ["Vedtak"]


def test_the_index_follows_changes_and_deletion(kari):
    letter = write(kari, "Første tittel", external_id="1")
    delivery = Delivery.objects.get(citizen=kari)
    said = incoming("1", title="Andre overskrift", documents=[])
    again = arrival(kari.id, said, letter_id=letter.id, delivery_id=delivery.id)
    again.blobs = []
    change(delivery, again)
    assert found(kari, "tittel") == []
    assert found(kari, "overskrift") == ["Andre overskrift"]
    Letter.objects.filter(citizen=kari).delete()
    assert not LetterSearch.objects.exists()
    assert found(kari, "overskrift") == []


def test_rows_marked_by_a_migration_are_written_anew(kari):
    write(kari, "Vedtak om bostøtte")
    LetterSearch.objects.update(tokens="", head="", open_head="", stale=True)
    assert found(kari, "bostøtte") == []
    assert indexing.write_stale() == 1
    assert found(kari, "bostøtte") == ["Vedtak om bostøtte"]
    assert indexing.write_stale() == 0


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "x" * 10_000,
        "vedtak " * 2000,
        "👋🏽 👩‍👩‍👧",
        "مرحبا بالعالم",
        "a\x00b",
        "\"'`;--",
        "vedtak' OR '1'='1",
        "NEAR(a b) AND NOT c* ^d:e",
        "(((",
        "& | ! <-> :*",
        "\\",
        "%_%",
        "1. januar 0000 99.99.9999 2026-13-45",
        "\u202e\u200b",
        "ǅ ß İ ﬁ ①②",
        "-",
    ],
)
def test_no_query_is_an_error(kari, query):
    write(kari, "Vedtak om bostøtte")
    found(kari, query)
    list(search.matching(Letter.objects.visible_to(Viewer(kari.id)), query, Viewer(kari.id)))


def test_the_newest_hits_are_looked_up_first_and_older_ones_when_a_filter_leaves_few(
    kari, monkeypatch, django_assert_num_queries
):
    monkeypatch.setattr(search, "WINDOW", 4)
    monkeypatch.setattr(search, "CANDIDATES", 3)
    now = clock.now()
    for day in range(9):
        sender = {"sender": "Kommunen", "org_number": "958935420"} if day > 6 else {}
        write(kari, f"Vedtak {day}", sent_at=now - timedelta(days=day), **sender)
    viewer = Viewer(kari.id, SecurityLevel.HIGH)
    hers = Letter.objects.visible_to(viewer)
    with django_assert_num_queries(4):  # the newest hits, their letters; twice, for titles
        hits = search.search(hers, "vedtak", viewer)
    titles = dict(hers.values_list("id", "title"))
    assert {titles[id_] for id_ in hits.ids} == {"Vedtak 0", "Vedtak 1", "Vedtak 2"}
    old = search.search(hers.filter(sender__name="Kommunen"), "vedtak", viewer)
    assert [titles[id_] for id_ in old.ids] == ["Vedtak 7", "Vedtak 8"]


def test_many_hits_are_cut_and_said_to_be(kari, monkeypatch):
    monkeypatch.setattr(search, "HITS_MAX", 3)
    monkeypatch.setattr(search, "CANDIDATES", 4)
    now = clock.now()
    write(kari, "Den eldste om bostøtte", sent_at=now - timedelta(days=900))
    for number in range(6):
        write(kari, f"Brev {number}", body="bostøtte", sent_at=now - timedelta(days=number))
    hits, letters = _letters(kari, "bostøtte")
    assert hits.more
    assert len(hits.ids) == 3
    assert letters[0].title == "Den eldste om bostøtte"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("søknad", "søknaden"),
        ("søknad", "søknadene"),
        ("utbetaling", "utbetalinga"),
        ("barnehageplass", "barnehageplassen"),
        ("opplysning", "opplysninger"),
        ("opplysning", "opplysingar"),
        ("skole", "skulen"),
        ("kjøretøy", "køyretøyet"),
        ("sykmelding", "sjukmeldinga"),
        ("Å", "aa"),
    ],
)
def test_forms_of_a_word_have_one_stem(one, other):
    assert norwegian.keys_of(one)[0] == norwegian.keys_of(other)[0]


def test_a_word_that_a_lines_end_breaks_is_whole():
    assert "bostott" in norwegian.stems("om bo-\nstøtte")
