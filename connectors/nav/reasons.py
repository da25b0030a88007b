"""Why NAV does not give her a document, by the codes of safselvbetjening (README.md there)."""

from __future__ import annotations

from collections.abc import Iterable

REASONS = {
    "ingen_partsinnsyn": "Du er ikke part i saken.",
    "opprettet_for_innsynsdato": "Dokumentet er fra før 4. juni 2016.",
    "skannet_dokument": "Dokumentet er skannet fra papir.",
    "innskrenket_partsinnsyn": "Innsynet i dokumentet er begrenset.",
    "gdpr": "Dokumentet er skjermet av hensyn til personvernet.",
    "kassert_dokument": "NAV har slettet dokumentet.",
    "ugyldig_journalstatus": "Dokumentet er ikke ferdig registrert.",
    "feilregistrert": "Dokumentet er registrert på feil sak.",
    "temaer_unntatt_innsyn": "NAV viser ikke dokumenter om dette temaet på nett.",
    "kontrollsak": "Dokumentet hører til en kontrollsak.",
    "forvaltningsnotat": "Notatet er internt.",
    "organinternt": "Dokumentet er internt.",
    "annen_part": "Dokumentet er sendt til eller fra en annen.",
    "bruker_matcher_ikke_token": "Dokumentet er registrert på en annen.",
    "skjult_innsyn": "Dokumentet er skjult.",
    "fullmakt_gjelder_ikke_tema": "Fullmakten gjelder ikke dette temaet.",
}
"""What the codes mean, as she is told it."""
DESTROYED = "kassert_dokument"
UNKNOWN = "NAV sier ikke hvorfor."


def refused_because(codes: Iterable[object]) -> str:
    """Return in plain words why a document is not given; the first code that we know counts."""
    known = [REASONS[code] for code in codes if isinstance(code, str) and code in REASONS]
    return known[0] if known else UNKNOWN
