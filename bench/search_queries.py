"""Three sets of queries over the made-up world's letters, and which letters answer each.

Labelled from what the letters say to a reader, whatever the search makes of it. A letter that
came by two channels has the key of the one without "-kopi".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody types, and the keys (without her own slug) of the letters that answer it."""

    person: str
    text: str
    answers: frozenset[str]
    why: str
    """What makes it worth asking."""


def _query(person: str, text: str, answers: str, why: str) -> Query:
    return Query(person, text, frozenset(answers.split()), why)


def _years(stem: str, first: int, last: int, step: int = 1) -> str:
    return " ".join(f"{stem}-{year}" for year in range(first, last + 1, step))


def _terms(years: Iterable[int]) -> str:
    return " ".join(f"avgifter-{year}-{term}" for year in years for term in (1, 2))


def _fees(day: str) -> str:
    return " ".join(f"semesteravgift-{year}-{day}" for year in range(2022, 2027))


def _kindergarten() -> str:
    return " ".join(f"barnehage-faktura-2026-{number}" for number in range(3))


QUERIES: tuple[Query, ...] = (
    _query("kari", "bostøtten", "bostotte-vedtak dokumentasjon", "inflected"),
    _query("kari", "bostøttevedtak", "bostotte-vedtak", "a compound of the letter's words"),
    _query("kari", "barnehageplassen", "barnehage-soknad barnehage-svar", "inflected compound"),
    _query("kari", "lønnslipp", "dokumentasjon", "a usual misspelling"),
    _query("kari", "foreldrepengar", "foreldrepenger-mottatt foreldrepenger-vedtak", "Nynorsk"),
    _query("kari", "skatteoppgjer", _years("skatteoppgjor", 2021, 2026), "Nynorsk"),
    _query("kari", "poliklinikk", "time-2026-09-11", "the noun of an adjective"),
    _query("kari", "eukontroll", "eu-kontroll-2026", "without its hyphen"),
    _query("kari", "førarkort", "forerkort-2023", "Nynorsk"),
    _query("kari", "1. desember", "dokumentasjon", "a date"),
    _query("kari", "2140 kr", "bostotte-vedtak", "an amount, shortened"),
    _query("kari", "startlaan", "startlan", "without å"),
    _query("kari", "betalingsplaner lånekassen", "betalingsplan-2024 betalingsplan-2026", "sender"),
    _query("kari", "barnetryggd", "barnetrygd-2026", "a slip"),
    _query("kari", "venteliste", "barnehage-svar", "only inside the PDF"),
    _query("ola", "kommunale avgifter 2024", "avgifter-2024-1 avgifter-2024-2", "with a year"),
    _query("ola", "vann og avløp", _terms(range(2022, 2027)), "only inside PDFs"),
    _query("ola", "hjerteundersøkelse", "time-2023-03-07 svar-2023-04-14", "compound taken apart"),
    _query("ola", "augeundersøking", "time-2024-09-17 svar-2024-10-22", "Nynorsk compound"),
    _query("ola", "alderspensjonen", _years("alderspensjon", 2021, 2026), "not in the titles"),
    _query("ola", "utbetaling november", "utbetaling-2026-11-20", "part of a compound"),
    _query("ola", "valkort", "valgkort-2021 valgkort-2023 valgkort-2025", "Nynorsk"),
    _query("ola", "hjertekontroll", "time-2026-11-10", "compound taken apart"),
    _query("amina", "student finance", _years("stotte", 2021, 2026), "English"),
    _query(
        "amina",
        "semester fees",
        f"{_fees('01-12')} {_fees('08-12')}",
        "English plural",
    ),
    _query("amina", "rental contract", "mottatt-husleie", "English, inside the letter"),
    _query("nils-ante", "mva-melding", _years("mva", 2022, 2026), "with a hyphen"),
    _query("nils-ante", "røntgenundersøkelse", "time-2025-10-13", "longer than the letter's word"),
    _query("nils-ante", "næringstilskot", "tilskudd-soknad-2024 tilskudd-vedtak-2024", "Nynorsk"),
    _query("nils-ante", "sjukmelding", "sykmelding-2025-11-10", "Nynorsk"),
    _query(
        "nils-ante",
        "Sametinget",
        "valgmanntall-2021 valgmanntall-2025 tilskudd-soknad-2024 tilskudd-vedtak-2024",
        "sender",
    ),
    _query("nils-ante", "næringskode", _years("foretak-kontroll", 2022, 2026, 2), "in a list"),
    _query("nils-ante", "reparasjon av kjøretøy", "foretak-registrert", "only in an enclosure"),
    _query("bjorg", "gravferdsstønaden", "gravferd", "inflected compound"),
    _query("bjorg", "skifteattesten", "skifteattest bil-dodsbo", "in one only inside the PDF"),
    _query("bjorg", "pårørande", f"{_years('parorende', 2024, 2026)} skifte-info", "Nynorsk"),
    _query("bjorg", "grunnbok", "hjemmel", "part of an enclosure's title"),
    _query("bjorg", "arving", "skifte-info skifteattest", "uninflected"),
    _query("olena", "residence permit", "udi-mottatt udi-tillatelse udi-fornyelse", "English"),
    _query(
        "olena",
        "oppholdstillatelse",
        "udi-mottatt udi-tillatelse udi-fornyelse",
        "Norwegian for English letters",
    ),
    _query("olena", "norwegian tests", "norskprove-a2 norskprove-b1", "English plural"),
    _query("olena", "driving license", "forerkort-innbytte", "American spelling"),
    _query(
        "jonas",
        "meldekortene",
        "meldekort-2026-05-19 meldekort-2026-06-16 meldekort-2026-07-14 meldekort-2026-08-11 "
        "meldekort-2026-09-08 meldekort-2026-10-06 meldekort-2026-11-03 dagpenger-mottatt "
        "dagpenger-vedtak",
        "inflected",
    ),
    _query("jonas", "dagpengar", "dagpenger-mottatt dagpenger-vedtak", "Nynorsk"),
    _query("jonas", "parkeringstillatelse", _years("parkering", 2022, 2026), "made of two words"),
    _query("jonas", "strømstøtte", "sosialhjelp", "what people call it"),
    _query("eirik", "foreldrepenger", "foreldrepenger-mottatt foreldrepenger-vedtak", "Bokmål"),
    _query(
        "eirik",
        "barnehagefaktura",
        _kindergarten(),
        "compound taken apart",
    ),
    _query("eirik", "nabovarselet", "nabovarsel-2025", "inflected"),
    _query("eirik", "skjøte", "tinglysing", "Bokmål for a Nynorsk letter"),
    _query("eirik", "feiing", "feiing-2024 feiing-2026", "the noun of a verb"),
    _query("solveig", "rullatoren", "hjelpemiddel-2024 hjelpemiddel-vedtak-2024", "inflected"),
    _query("solveig", "operasjon øye", "svar-2025-03-10", "the parts of a compound"),
    _query("solveig", "tryggleiksalarm", "hjemmetjeneste-vedtak-2025", "Nynorsk compound"),
    _query("solveig", "heimetenester", "hjemmetjeneste-vedtak-2025", "Nynorsk"),
    _query("solveig", "bustønad", "bostotte", "Nynorsk"),
    _query("henrik", "fritidseigedom", "hytte", "Nynorsk"),
    _query("henrik", "31.12.2026", "eu-kontroll-2026", "a date in digits"),
    _query("henrik", "skorsteinsfeiing", _years("feiing", 2022, 2026, 2), "made of two words"),
    _query("ingrid", "fastlegge", "fastlege-2026", "a slip"),
)

UNSEEN: tuple[Query, ...] = (
    _query("kari", "renteendring", "betalingsplan-2024 betalingsplan-2026", "made of two words"),
    _query("kari", "forskuddstrekk", _years("skatteoppgjor", 2021, 2026), "inside the letter"),
    _query("kari", "lønsslipp", "dokumentasjon", "Nynorsk"),
    _query("kari", "helsekort", "helsestasjon", "inside the letter"),
    _query("kari", "skattekortene", "skattekort-2025 skattekort-2026 skattekort-2027", "inflected"),
    _query("kari", "tilbod om barnehageplass", "barnehage-svar", "Nynorsk"),
    _query("ola", "stemmerett", "valgkort-2021 valgkort-2023 valgkort-2025", "uninflected"),
    _query("ola", "renovasjonsavgift", _terms(range(2022, 2027)), "made of two words"),
    _query("ola", "hjartet", "time-2023-03-07 svar-2023-04-14 time-2026-11-10", "Nynorsk"),
    _query("ola", "pensjonsøkning", _years("alderspensjon", 2021, 2026), "made of two words"),
    _query("ola", "egenandel", _years("frikort", 2021, 2026), "uninflected"),
    _query("ola", "bruksforbod", "eu-kontroll-2025", "Nynorsk"),
    _query("amina", "eksamen", _years("stipend", 2021, 2025), "Norwegian for English letters"),
    _query("amina", "income statement", "mottatt-inntekt", "English"),
    _query("amina", "grants", _years("stipend", 2021, 2025), "English plural"),
    _query("nils-ante", "verkstedtilskudd", "tilskudd-vedtak-2024", "made of two words"),
    _query("nils-ante", "serviceskilt", "skilt-2023", "inside the letter"),
    _query("nils-ante", "forskotsskatt", _years("forskuddsskatt", 2022, 2026), "Nynorsk"),
    _query("nils-ante", "omsetningen", _years("mva", 2022, 2026), "inflected"),
    _query("bjorg", "begravelse", "gravferd gravplass", "another word for it"),
    _query("bjorg", "dødsbo", "bil-dodsbo pensjon-stanset", "a fuller word for it"),
    _query("bjorg", "gravplassen", "gravplass", "inflected"),
    _query("bjorg", "tinglysing", "hjemmel", "the noun of a verb"),
    _query("olena", "jobseeker", "nav-registrert", "English"),
    _query("olena", "tax card", "skattekort-2026 skattekort-2027", "English"),
    _query("olena", "språkprøve", "norskprove-a2 norskprove-b1", "Norwegian for English letters"),
    _query("jonas", "beboerparkeringen", _years("parkering", 2022, 2026), "inflected"),
    _query("jonas", "arbeidsledig", "dagpenger-mottatt dagpenger-vedtak", "another word for it"),
    _query("eirik", "barnetrygda", "barnetrygd-2025", "inflected as in Nynorsk"),
    _query("eirik", "garasjebygging", "nabovarsel-2025 byggesak-2025", "made of two words"),
    _query("eirik", "merknad", "nabovarsel-2025", "uninflected"),
    _query("eirik", "barnehageregning", _kindergarten(), "another word for it"),
    _query("solveig", "dusjstolen", "hjelpemiddel-2026 hjelpemiddel-vedtak-2026", "inflected"),
    _query("solveig", "grå stær", "time-2025-01-08", "two words"),
    _query("solveig", "hørselstest", "time-2022-10-03", "another word for it"),
    _query("solveig", "hjelpemiddelsøknad", "hjelpemiddel-2024 hjelpemiddel-2026", "two words"),
    _query("henrik", "vognkortet", "kjoretoy-2024 kjoretoy-2025", "inflected"),
    _query("henrik", "arbeidsgjevar", "sykmelding-2026-01-12", "Nynorsk"),
    _query("ingrid", "studielån", "stotte-2026", "made of two words"),
    _query("ingrid", "legebytte", "fastlege-2026", "made of two words"),
)
"""Labelled after the words of `norwegian.py` had been chosen with QUERIES at hand; the search found
0.800 of these then. Afterwards what they missed was looked at and the causes mended."""


FRESH: tuple[Query, ...] = (
    _query("kari", "fastlegen min", "fastlege-2021", "with a pronoun"),
    _query("kari", "restskatt", "skatteoppgjor-2021", "in one year of several"),
    _query("kari", "penger tilbake egenandel", "frikort-2026", "three words of a sentence"),
    _query("kari", "barnehagen Tveita", "barnehage-svar", "a name"),
    _query(
        "kari", "søke utsettelse av lånet", "betalingsplan-2024 betalingsplan-2026", "a sentence"
    ),
    _query("kari", "gebyr for time", "time-2026-09-11", "inside the letter"),
    _query("kari", "kontaktregisteret", "velkommen", "inside the letter"),
    _query("ola", "etterbetaling av pensjon", _years("alderspensjon", 2021, 2026), "the noun"),
    _query("ola", "eFaktura", _terms(range(2022, 2027)), "inside the letter"),
    _query("ola", "eigedomsskatt", _terms(range(2022, 2027)), "Nynorsk"),
    _query("ola", "forhåndsstemme", "valgkort-2021 valgkort-2023 valgkort-2025", "the verb"),
    _query("ola", "skattemeldingane", _years("skattemelding", 2024, 2026), "Nynorsk"),
    _query("ola", "stortingsvalg", "valgkort-2021 valgkort-2025", "uninflected"),
    _query("ola", "pensjonsutbetaling juni", "utbetaling-2026-06-20", "made of two words"),
    _query("ola", "legetime hjerte", "time-2023-03-07 time-2026-11-10", "what people call it"),
    _query("amina", "fastlege", "fastlege-2022", "Norwegian for English letters"),
    _query("amina", "selvangivelse", _years("skattemelding", 2024, 2026), "an old word for it"),
    _query("amina", "admission", "studieplass-2021", "English"),
    _query("eirik", "pleiepenger", "pleiepengar-mottatt pleiepengar-vedtak", "Bokmål"),
    _query("eirik", "klage på byggesaken", "byggesak-2025", "inside the letter"),
    _query("eirik", "dokumentavgift bolig", "tinglysing", "Bokmål for a Nynorsk letter"),
    _query("eirik", "barnehagetilbud", "barnehage-tilbod-2026", "made of two words"),
    _query("solveig", "heimesjukepleie", "hjemmetjeneste-vedtak-2025", "Nynorsk"),
    _query("solveig", "kartleggingsbesøket", "hjemmetjeneste-2025", "inflected"),
    _query("solveig", "låne rullator", "hjelpemiddel-vedtak-2024", "inside the letter"),
    _query("henrik", "bilregistrering", "kjoretoy-2024 kjoretoy-2025", "another word for it"),
    _query("henrik", "styreleder forening", "forening-registrert", "inside the letter"),
    _query("henrik", "momskompensasjon", "frivillighetsregisteret", "inside the letter"),
    _query("henrik", "dugnad tilskot", "tilskudd-frivillig", "Nynorsk"),
    _query("ingrid", "signere låneavtalen", "stotte-2026", "made of two words"),
)
"""Labelled before the causes that UNSEEN showed were mended, and run only afterwards: 0.833 at the
first run. Two labels named letters that had not come yet and were replaced; what UNSEEN's causes
still asked for was mended. Nothing was tuned on what these miss, and nothing may be."""
