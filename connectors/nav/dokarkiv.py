"""The simulated archive: from a row of dokarkiv's to what safselvbetjening shows of it. Pure.

The rows have the shape of dokarkiv's answers in the tests of navikt/safselvbetjening; what is
hidden, and what is shown without access, follows the rules that those tests name.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

Json = dict[str, Any]
OSLO = ZoneInfo("Europe/Oslo")
FIRST_DAY = "2016-06-04"
"""What was archived before is shown to nobody, unless somebody has looked at it."""
STATUSES = {
    "M": "MOTTATT",
    "MO": "MOTTATT",
    "J": "JOURNALFOERT",
    "E": "EKSPEDERT",
    "FL": "FERDIGSTILT",
    "FS": "FERDIGSTILT",
    "D": "UNDER_ARBEID",
    "R": "RESERVERT",
    "A": "AVBRUTT",
    "U": "UTGAAR",
}
FILE_TYPES = {"PDFA": "PDF", "JPEG": "JPEG", "JPG": "JPEG", "PNG": "PNG"}
HIDDEN_THEMES = ("FAR", "KTR", "KTA", "ARS", "ARP")
DATES = {
    "opprettet": "DATO_OPPRETTET",
    "ekspedert": "DATO_EKSPEDERT",
    "journalfoert": "DATO_JOURNALFOERT",
    "forsendelseMottatt": "DATO_REGISTRERT",
    "hoveddokument": "DATO_DOKUMENT",
}


def shown(row: Mapping[str, Any], person: str) -> Json | None:
    """Return the journalpost that a person is shown; None where she is shown none."""
    looked_at = str(row.get("innsyn") or "")
    if looked_at.startswith("SKJULES") or row.get("skjerming"):
        return None
    case = _case(row)
    theme = case.get("tema") or row.get("fagomraade")
    notes = [each.get("kategori") for each in row["dokumenter"]]
    if not looked_at.startswith("VISES"):
        too_old = str(row["relevanteDatoer"]["opprettet"]) < FIRST_DAY
        internal = row["type"] == "N" and "FORVALTNINGSNOTAT" not in notes
        misfiled = (row.get("saksrelasjon") or {}).get("feilregistrert")
        if too_old or internal or misfiled or theme in HIDDEN_THEMES:
            return None
    other = row.get("avsenderMottaker") or {}
    party = {"id": other.get("id"), "type": "FNR", "navn": other.get("navn") or "Ukjent"}
    number = case.get("fagsakNr")
    return {
        "journalpostId": str(row["journalpostId"]),
        "tittel": row.get("innhold"),
        "journalposttype": row["type"],
        "journalstatus": STATUSES.get(str(row.get("status")), "UKJENT"),
        "tema": theme,
        "sak": {
            "fagsakId": number,
            "fagsaksystem": case.get("applikasjon"),
            "sakstype": "FAGSAK" if number else "GENERELL_SAK",
        }
        if case
        else None,
        "avsender": party if row["type"] == "I" and other else None,
        "mottaker": party if row["type"] == "U" and other else None,
        "kanal": row.get("utsendingskanal") or row.get("mottakskanal") or "UKJENT",
        "eksternReferanseId": row.get("kanalreferanseId"),
        "datoSortering": _sorted_by(row),
        "relevanteDatoer": [
            {"dato": local(row["relevanteDatoer"][name]), "datotype": code}
            for name, code in DATES.items()
            if row["relevanteDatoer"].get(name)
        ],
        "dokumenter": [_document(row, each, person) for each in row["dokumenter"]],
    }


def refusals(
    row: Mapping[str, Any], document: Mapping[str, Any], file: Json, person: str
) -> list[str]:
    """Return the codes for which a file is not given; empty where it is."""
    codes = []
    if document.get("kassert"):
        codes.append("kassert_dokument")
    if document.get("skjerming") or file.get("skjerming"):
        codes.append("gdpr")
    if str(row.get("innsyn") or "").startswith("VISES"):
        return codes
    if str(row.get("mottakskanal") or "").startswith("SKAN_"):
        codes.append("skannet_dokument")
    other = (row.get("avsenderMottaker") or {}).get("id")
    if other and other.strip() != person:
        codes.append("annen_part")
    return codes


def file_name(document: Mapping[str, Any], file: Json) -> str:
    """Return what a file is kept under."""
    return str(file.get("uuid") or f"{document['dokumentInfoId']}-{file['format']}")


def local(value: str) -> str:
    """Return a moment as safselvbetjening gives it: Oslo's time without a zone, whole seconds."""
    moment = datetime.fromisoformat(value)
    return moment.astimezone(OSLO).replace(tzinfo=None, microsecond=0).isoformat()


def _case(row: Mapping[str, Any]) -> Json:
    found: Json = (row.get("saksrelasjon") or {}).get("sak") or {}
    return found


def _sorted_by(row: Mapping[str, Any]) -> str:
    dates = row["relevanteDatoer"]
    names = {
        "U": ("ekspedert", "journalfoert", "opprettet"),
        "I": ("forsendelseMottatt", "opprettet"),
    }.get(row["type"], ("journalfoert", "opprettet"))
    return local(next(dates[name] for name in names if dates.get(name)))


def _document(row: Mapping[str, Any], document: Mapping[str, Any], person: str) -> Json:
    variants = []
    for file in document["fildetaljer"]:
        if file["format"] not in ("ARKIV", "SLADDET"):
            continue
        codes = refusals(row, document, file, person)
        variants.append(
            {
                "variantformat": file["format"],
                "filuuid": file_name(document, file),
                "filtype": FILE_TYPES.get(kind := str(file.get("type") or "PDF"), kind),
                "filstorrelse": int(file.get("stoerrelse") or 0),
                "brukerHarTilgang": not codes,
                "code": codes or ["ok"],
            }
        )
    return {
        "dokumentInfoId": str(document["dokumentInfoId"]),
        "tittel": document.get("tittel"),
        "brevkode": document.get("brevkode"),
        "dokumentvarianter": variants,
    }
